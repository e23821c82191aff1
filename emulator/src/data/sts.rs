//! STS: `AssumeRole` and `GetCallerIdentity` of the AWS query protocol.
//!
//! A session is a temporary key: an id, a secret and a token that must come with every request. It
//! may do what its role may, within the session policy given when it was made.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use http::{Request, Response, StatusCode, header};
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Shared;
use super::directory::PolicySet;
use super::policy::{self, Caller, Context, Documents, Reason, namespace};
use super::sigv4::{self, Signature};

/// Largest form, in bytes: a session policy has at most 2048 characters.
const LARGEST_FORM: usize = 64 << 10;

/// Longest session policy, in characters (AWS, `AssumeRole`).
const LONGEST_POLICY: usize = 2048;

/// Life of a session when the client does not say, in seconds.
const USUAL_LIFE: i64 = 3600;

/// Longest life of a session that a session opened, in seconds (AWS, role chaining).
const LONGEST_CHAINED: i64 = 3600;

/// Most managed policies of a session (AWS, `AssumeRole`).
const MOST_POLICIES: usize = 10;

/// The fields of a request.
type Form = HashMap<String, String>;

/// Shortest life of a session, in seconds.
const SHORTEST_LIFE: i64 = 900;

/// The sessions there are, by key id. They are forgotten some time after they expire. Cheap to
/// clone; clones share them.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(from = "Table", into = "Table")]
pub struct Sessions(Arc<Mutex<HashMap<String, Session>>>);

/// The sessions as they are saved.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct Table(HashMap<String, Session>);

impl From<Table> for Sessions {
    fn from(table: Table) -> Self {
        Self(Arc::new(table.0.into()))
    }
}

impl From<Sessions> for Table {
    fn from(sessions: Sessions) -> Self {
        Self(sessions.0.lock().clone())
    }
}

/// One session. Has a secret, hence no `Debug`.
#[derive(Clone, Serialize, Deserialize)]
struct Session {
    secret: String,
    token: String,
    service: String,
    role: String,
    name: String,
    policies: Vec<Value>,
    expires: Timestamp,
}

/// Who is behind a key, temporary or not. Has a secret, hence no `Debug`.
pub(super) struct Holder {
    pub(super) secret: String,
    pub(super) service: String,
    pub(super) caller: Caller,
    pub(super) policies: PolicySet,
    /// Session policies; none bound the session if there are none.
    pub(super) session: Vec<Value>,
    /// Token that must come with the key.
    token: Option<String>,
    expires: Option<Timestamp>,
}

/// Why a token is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenFault {
    /// Missing, wrong, or given with a key that has none.
    Invalid,
    /// The session has expired.
    Expired,
}

impl Holder {
    /// Checks the token that came with a request.
    pub(super) fn check_token(
        &self,
        given: Option<&str>,
        now: Timestamp,
    ) -> Result<(), TokenFault> {
        if self.token.as_deref() != given {
            return Err(TokenFault::Invalid);
        }
        match self.expires {
            Some(expires) if expires <= now => Err(TokenFault::Expired),
            _ => Ok(()),
        }
    }
}

impl Shared {
    /// Who holds an active key or a session.
    pub(super) fn holder(&self, id: &str) -> Option<Holder> {
        let session = self.sessions.0.lock().get(id).cloned();
        if let Some(session) = session {
            let role = self.directory.role(&session.service, &session.role);
            return Some(Holder {
                secret: session.secret,
                caller: Caller::Session {
                    service: session.service.clone(),
                    role: session.role,
                    session: session.name,
                },
                service: session.service,
                policies: role.map(|role| role.policies).unwrap_or_default(),
                session: session.policies,
                token: Some(session.token),
                expires: Some(session.expires),
            });
        }
        let owner = self.directory.key(id).filter(|owner| owner.active)?;
        Some(Holder {
            secret: owner.secret,
            policies: self.directory.policies(&owner.service, &owner.user),
            caller: Caller::User {
                service: owner.service.clone(),
                name: owner.user,
            },
            service: owner.service,
            session: Vec::new(),
            token: None,
            expires: None,
        })
    }
}

/// An error in the form of the query protocol.
struct Fault(StatusCode, &'static str, String);

fn invalid(message: impl Into<String>) -> Fault {
    Fault(StatusCode::BAD_REQUEST, "ValidationError", message.into())
}

fn denied(message: impl Into<String>) -> Fault {
    Fault(StatusCode::FORBIDDEN, "AccessDenied", message.into())
}

impl From<sigv4::Fault> for Fault {
    fn from(fault: sigv4::Fault) -> Self {
        let code = match fault {
            sigv4::Fault::Unsigned => "MissingAuthenticationToken",
            sigv4::Fault::Incomplete => "IncompleteSignature",
            sigv4::Fault::OtherScope | sigv4::Fault::Mismatch | sigv4::Fault::Skewed => {
                "SignatureDoesNotMatch"
            }
        };
        Self(StatusCode::FORBIDDEN, code, fault.to_string())
    }
}

/// Whether a request is for STS: a form posted to `/` or `/sts`, or the same in a query with an
/// `Action`. S3 has nothing there.
pub(super) fn is_for_sts(request: &Request<Body>) -> bool {
    if !matches!(request.uri().path(), "/" | "/sts" | "/sts/") {
        return false;
    }
    if request.method() == http::Method::GET {
        let query = request.uri().query().unwrap_or_default();
        return form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == "Action");
    }
    let is_form = request
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|v| {
            v.as_bytes()
                .starts_with(b"application/x-www-form-urlencoded")
        });
    request.method() == http::Method::POST && is_form && request.uri().query().is_none()
}

/// Answers one request.
pub(super) async fn answer(
    shared: &Shared,
    request: Request<Body>,
    peer: SocketAddr,
    secure: bool,
) -> Response<Body> {
    let id = uuid::Uuid::new_v4().to_string();
    match act(shared, request, peer, secure).await {
        Ok((action, result)) => respond(
            StatusCode::OK,
            format!(
                "<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{action}Result>{result}</{action}Result><ResponseMetadata><RequestId>{id}</RequestId></ResponseMetadata></{action}Response>"
            ),
        ),
        Err(Fault(status, code, message)) => respond(
            status,
            format!(
                "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type><Code>{code}</Code><Message>{}</Message></Error><RequestId>{id}</RequestId></ErrorResponse>",
                super::escape(&message)
            ),
        ),
    }
}

fn respond(status: StatusCode, document: String) -> Response<Body> {
    let mut response = Response::new(Body::from(document));
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        header::HeaderValue::from_static("text/xml"),
    );
    response
}

async fn act(
    shared: &Shared,
    request: Request<Body>,
    peer: SocketAddr,
    secure: bool,
) -> Result<(&'static str, String), Fault> {
    let host = super::host_of(&request).and_then(|host| shared.endpoint(&host));
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, LARGEST_FORM)
        .await
        .map_err(|_| invalid("the form is too long or broke off"))?;
    let signature = Signature::read(&parts, "sts")?;
    let unknown = || {
        let message = "The security token included in the request is invalid.";
        Fault(
            StatusCode::FORBIDDEN,
            "InvalidClientTokenId",
            message.into(),
        )
    };
    let holder = shared.holder(&signature.key).ok_or_else(unknown)?;
    if host.is_some_and(|(service, _)| service != holder.service) {
        return Err(unknown());
    }
    let now = shared.directory.now();
    signature.verify(&parts, &body, &holder.secret, now)?;
    let sent = match parts.method {
        http::Method::GET => parts.uri.query().unwrap_or_default().as_bytes(),
        _ => &body,
    };
    let form: Form = form_urlencoded::parse(sent).into_owned().collect();
    let header = parts.headers.get("x-amz-security-token");
    let token = header
        .and_then(|value| value.to_str().ok())
        .or_else(|| form.get("X-Amz-Security-Token").map(String::as_str));
    holder
        .check_token(token, now)
        .map_err(|fault| match fault {
            TokenFault::Invalid => unknown(),
            TokenFault::Expired => Fault(
                StatusCode::FORBIDDEN,
                "ExpiredToken",
                "The security token included in the request is expired".into(),
            ),
        })?;
    if matches!(holder.caller, Caller::User { .. }) {
        shared.directory.used(&signature.key);
    }
    match form.get("Action").map(String::as_str) {
        Some("GetCallerIdentity") => Ok(("GetCallerIdentity", identity(&holder))),
        Some("AssumeRole") => {
            let context = Context {
                source_ip: Some(peer.ip().to_canonical()),
                secure,
                now,
                facts: form
                    .get("ExternalId")
                    .map(|id| ("sts:externalid", id.clone()))
                    .into_iter()
                    .collect(),
            };
            Ok(("AssumeRole", assume(shared, &holder, &form, &context)?))
        }
        other => Err(Fault(
            StatusCode::BAD_REQUEST,
            "InvalidAction",
            format!("Could not find operation {}", other.unwrap_or("")),
        )),
    }
}

fn identity(holder: &Holder) -> String {
    let account = namespace(&holder.service);
    let arn = super::escape(&holder.caller.arn().unwrap_or_default());
    format!("<Arn>{arn}</Arn><UserId>{arn}</UserId><Account>{account}</Account>")
}

fn assume(
    shared: &Shared,
    holder: &Holder,
    form: &Form,
    context: &Context,
) -> Result<String, Fault> {
    let arn = form
        .get("RoleArn")
        .ok_or_else(|| invalid("RoleArn is required"))?;
    let name = form
        .get("RoleSessionName")
        .filter(|name| is_session_name(name))
        .ok_or_else(|| invalid("RoleSessionName must be 2 to 64 of [A-Za-z0-9_+=,.@-]"))?;
    let refused = || {
        denied(format!(
            "User: {} is not authorized to perform: sts:AssumeRole on resource: {arn}",
            holder.caller.arn().unwrap_or_default()
        ))
    };
    // One answer for a role that is not there and one that may not be assumed.
    let role_name = role_of(arn, &holder.service).ok_or_else(refused)?;
    let role = shared
        .directory
        .role(&holder.service, role_name)
        .ok_or_else(refused)?;
    let resource = format!(
        "urn:ecs:iam::{}:role/{role_name}",
        namespace(&holder.service)
    );
    let question = policy::Request {
        caller: &holder.caller,
        action: "sts:AssumeRole",
        resource: &resource,
        context,
    };
    let documents = Documents {
        identity: Some(&holder.policies),
        session: &holder.session,
        bucket: None,
    };
    let decision = policy::decide(&question, documents);
    if decision.reason == Reason::ExplicitDeny
        || !policy::trusts(&role.trust, &question, decision.allowed)
    {
        return Err(refused());
    }
    let mut longest = i64::from(role.max_session_seconds);
    if matches!(holder.caller, Caller::Session { .. }) {
        longest = longest.min(LONGEST_CHAINED);
    }
    let life = life(form, longest)?;
    let policies = session_policies(shared, &holder.service, form)?;
    let session = Session {
        secret: uuid::Uuid::new_v4().simple().to_string(),
        token: format!("cooper-emulator/{}", uuid::Uuid::new_v4().simple()),
        service: holder.service.clone(),
        role: role_name.to_owned(),
        name: name.clone(),
        policies,
        expires: context.now + SignedDuration::from_secs(life),
    };
    Ok(open(&shared.sessions, session, context.now))
}

/// Keeps a session and describes it.
fn open(sessions: &Sessions, session: Session, now: Timestamp) -> String {
    let random = uuid::Uuid::new_v4().simple().to_string().to_uppercase();
    let id: String = "ASIA".chars().chain(random.chars().take(16)).collect();
    let arn = Caller::Session {
        service: session.service.clone(),
        role: session.role.clone(),
        session: session.name.clone(),
    }
    .arn()
    .unwrap_or_default();
    let answer = format!(
        "<AssumedRoleUser><Arn>{arn}</Arn><AssumedRoleId>{}:{}</AssumedRoleId></AssumedRoleUser><Credentials><AccessKeyId>{id}</AccessKeyId><SecretAccessKey>{}</SecretAccessKey><SessionToken>{}</SessionToken><Expiration>{}</Expiration></Credentials>",
        session.role,
        session.name,
        session.secret,
        session.token,
        session.expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
    );
    let mut all = sessions.0.lock();
    // An expired session is kept for a while, so that its user learns why it is refused.
    all.retain(|_, old| old.expires + SignedDuration::from_hours(24) > now);
    all.insert(id, session);
    answer
}

fn is_session_name(name: &str) -> bool {
    (2..=64).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b))
}

/// The role an ARN names, if it is one of this service.
fn role_of<'a>(arn: &'a str, service: &str) -> Option<&'a str> {
    ["urn:ecs:iam::", "arn:aws:iam::"]
        .iter()
        .find_map(|prefix| arn.strip_prefix(prefix))?
        .strip_prefix(&namespace(service))?
        .strip_prefix(":role/")
}

fn life(form: &Form, longest: i64) -> Result<i64, Fault> {
    let Some(text) = form.get("DurationSeconds") else {
        return Ok(USUAL_LIFE.min(longest));
    };
    text.parse()
        .ok()
        .filter(|seconds| (SHORTEST_LIFE..=longest).contains(seconds))
        .ok_or_else(|| {
            invalid(format!(
                "DurationSeconds must be between {SHORTEST_LIFE} and the role's MaxSessionDuration of {longest}"
            ))
        })
}

/// The policies that bound a session: one in the form, and managed ones by their ARNs.
fn session_policies(shared: &Shared, service: &str, form: &Form) -> Result<Vec<Value>, Fault> {
    let mut out: Vec<Value> = form
        .get("Policy")
        .map(|text| session_policy(text))
        .transpose()?
        .into_iter()
        .collect();
    let mut arns = 0;
    while let Some(arn) = form.get(&format!("PolicyArns.member.{}.arn", arns + 1)) {
        arns += 1;
        let found = shared.directory.managed_policy(service, arn);
        out.push(found.ok_or_else(|| invalid(format!("The policy {arn} does not exist")))?);
    }
    let given = form
        .keys()
        .filter(|name| name.starts_with("PolicyArns."))
        .count();
    if arns > MOST_POLICIES || given != arns {
        return Err(invalid(
            "PolicyArns must be at most 10 members with an arn each, numbered from 1",
        ));
    }
    Ok(out)
}

fn session_policy(text: &str) -> Result<Value, Fault> {
    let malformed = |message: &str| {
        Fault(
            StatusCode::BAD_REQUEST,
            "MalformedPolicyDocument",
            message.to_owned(),
        )
    };
    if text.chars().count() > LONGEST_POLICY {
        return Err(malformed(
            "the session policy is longer than 2048 characters",
        ));
    }
    let document: Value =
        serde_json::from_str(text).map_err(|_| malformed("the session policy is not JSON"))?;
    if document.get("Statement").is_none() {
        return Err(malformed("the session policy has no statement"));
    }
    Ok(document)
}
