//! What RBAC and the fence let the operator's token do, request by request, and who may write status.

use std::time::Duration;

use http::Request;
use kube::Client;
use serde_json::{Value, json};

use crate::ground::{Ground, Namespace, eventually};

const ISSUER: &str = "cooper.dev/issuer";
const CONSENT: &str = "cooper.dev/credentials";
const IN_USE: &str = "cooper.dev/in-use";
const DATA: &str = "aHVudGVyMg==";
/// What turns a delete into a read.
const READ: &str = "?dryRun=All&propagationPolicy=Foreground";

const JSON: &str = "application/json";
const JSON_PATCH: &str = "application/json-patch+json";
const MERGE: &str = "application/merge-patch+json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";
const APPLY: &str = "application/apply-patch+yaml";

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Answer {
    /// 2xx.
    Done,
    /// Refused by an admission policy of the fence.
    Fence,
    /// Refused by RBAC.
    Rbac,
    /// Refused by the API server itself.
    Code(u16),
}
use Answer::{Code, Done, Fence, Rbac};

/// One request.
struct Call {
    method: &'static str,
    path: String,
    content: &'static str,
    body: Option<Value>,
}

/// Sends it; the answer, and all of its text.
async fn send(client: &Client, call: Call) -> (Answer, String) {
    let body = call.body.map(|body| body.to_string()).unwrap_or_default();
    let request = Request::builder()
        .method(call.method)
        .uri(call.path)
        .header("content-type", call.content)
        .body(body.into_bytes())
        .unwrap();
    match client.request_text(request).await {
        Ok(text) => (Done, text),
        Err(kube::Error::Api(status)) => {
            let answer = match status.code {
                422 if status.message.contains("cooper fence:") => Fence,
                403 if status.message.contains(" cannot ") => Rbac,
                code => Code(code),
            };
            (answer, format!("{status:?}"))
        }
        Err(error) => panic!("{error}"),
    }
}

fn secrets(namespace: &str) -> String {
    format!("/api/v1/namespaces/{namespace}/secrets")
}

fn labelled(labels: &[(&str, &str)]) -> Value {
    let labels: serde_json::Map<_, _> = labels
        .iter()
        .map(|(key, value)| ((*key).to_owned(), json!(value)))
        .collect();
    json!({"metadata": {"labels": labels}, "type": "Opaque", "data": {"token": DATA}})
}

/// Makes a Secret as administrator, under a name of its own.
async fn stored(ground: &Ground, namespace: &str, mut secret: Value) -> Value {
    secret["metadata"]["generateName"] = json!("s-");
    let call = Call {
        method: "POST",
        path: secrets(namespace),
        content: JSON,
        body: Some(secret),
    };
    let (answer, text) = send(&ground.admin(), call).await;
    assert_eq!(answer, Done, "{text}");
    serde_json::from_str(&text).unwrap()
}

async fn now(ground: &Ground, stored: &Value) -> Option<Value> {
    let (answer, text) = send(&ground.admin(), about(stored, "GET", "", None)).await;
    (answer == Done).then(|| serde_json::from_str(&text).unwrap())
}

fn about(stored: &Value, method: &'static str, query: &str, body: Option<Value>) -> Call {
    let text = |field: &str| stored["metadata"][field].as_str().unwrap().to_owned();
    Call {
        method,
        path: format!("{}/{}{query}", secrets(&text("namespace")), text("name")),
        content: JSON,
        body,
    }
}

/// On the whole collection.
fn all(stored: &Value, method: &'static str, query: &str) -> Call {
    let namespace = stored["metadata"]["namespace"].as_str().unwrap();
    Call {
        method,
        path: secrets(namespace) + query,
        content: JSON,
        body: None,
    }
}

fn delete(stored: &Value, conditions: &[&str]) -> Call {
    let preconditions: serde_json::Map<_, _> = conditions
        .iter()
        .map(|field| ((*field).to_owned(), stored["metadata"][*field].clone()))
        .collect();
    let body = json!({"preconditions": preconditions});
    about(stored, "DELETE", "", Some(body))
}

/// Replaces the Secret as it is stored, with an edit.
fn put(stored: &Value, edit: impl FnOnce(&mut Value)) -> Call {
    let mut secret = stored.clone();
    edit(&mut secret);
    about(stored, "PUT", "", Some(secret))
}

fn label(secret: &mut Value, key: &str, value: Option<&str>) {
    let labels = &mut secret["metadata"]["labels"];
    match value {
        Some(value) => labels[key] = json!(value),
        None => drop(labels.as_object_mut().and_then(|labels| labels.remove(key))),
    }
}

fn patch(stored: &Value, content: &'static str, body: Value) -> Call {
    let query = "?dryRun=All&fieldManager=test";
    Call {
        content,
        ..about(stored, "PATCH", query, Some(body))
    }
}

/// What is asked, how, and the answers for a Secret that is foreign, made by cooper, lent by its owner, and labelled as both.
type Row = (&'static str, fn(&Value) -> Call, [Answer; 4]);

const READABLE: [Answer; 4] = [Fence, Done, Done, Done];
const OWN_ONLY: [Answer; 4] = [Fence, Done, Fence, Fence];
const NEVER: [Answer; 4] = [Fence, Fence, Fence, Fence];
const NO_RIGHT: [Answer; 4] = [Rbac, Rbac, Rbac, Rbac];

#[rustfmt::skip] // a row, a line
const READS: &[Row] = &[
    ("get", |s| about(s, "GET", "", None), NO_RIGHT),
    ("list", |s| all(s, "GET", ""), NO_RIGHT),
    ("watch", |s| all(s, "GET", "?watch=1"), NO_RIGHT),
    ("delete not carried out", |s| about(s, "DELETE", READ, None), READABLE),
    ("json patch", |s| patch(s, JSON_PATCH, json!([])), NO_RIGHT),
    ("merge patch", |s| patch(s, MERGE, json!({})), NO_RIGHT),
    ("strategic patch", |s| patch(s, STRATEGIC, json!({})), NO_RIGHT),
    ("apply", |s| patch(s, APPLY, json!({"apiVersion": "v1", "kind": "Secret"})), NO_RIGHT),
    ("patch that does not decode", |s| patch(s, MERGE, json!({"immutable": "x"})), NO_RIGHT),
    ("json patch that guesses", |s| { patch(s, JSON_PATCH, json!([{"op": "test", "path": "/data/token", "value": DATA}])) }, NO_RIGHT),
];

#[rustfmt::skip] // a row, a line
const DELETES: &[Row] = &[
    ("the collection", |s| all(s, "DELETE", ""), NO_RIGHT),
    ("bare", |s| about(s, "DELETE", "", None), NEVER),
    // The API server does not look at the query of a delete with a body: this would be carried out.
    ("dry run lost", |s| about(s, "DELETE", READ, Some(json!({}))), NEVER),
    ("by uid", |s| delete(s, &["uid"]), NEVER),
    ("by resourceVersion", |s| delete(s, &["resourceVersion"]), NEVER),
    ("as it was read", |s| delete(s, &["uid", "resourceVersion"]), OWN_ONLY),
];

#[rustfmt::skip] // a row, a line
const REPLACES: &[Row] = &[
    ("as it is", |s| put(s, |_| ()), READABLE),
    ("data", |s| put(s, |s| s["data"]["token"] = json!("eA==")), OWN_ONLY),
    ("data by another field", |s| put(s, |s| s["stringData"] = json!({"x": "y"})), OWN_ONLY),
    ("data gone", |s| put(s, |s| s["data"] = json!(null)), OWN_ONLY),
    ("immutable", |s| put(s, |s| s["immutable"] = json!(true)), OWN_ONLY),
    ("type", |s| put(s, |s| s["type"] = json!("cooper.dev/minted-key")), [Code(422), Code(422), Code(422), Code(422)]),
    ("issuer put on or moved", |s| put(s, |s| label(s, ISSUER, Some("other"))), OWN_ONLY),
    ("issuer taken off", |s| put(s, |s| label(s, ISSUER, None)), [Fence, Fence, Done, Fence]),
    ("issuer emptied", |s| put(s, |s| label(s, ISSUER, Some(""))), NEVER),
    ("consent put on or changed", |s| put(s, |s| label(s, CONSENT, Some("other"))), NEVER),
    ("consent taken off", |s| put(s, |s| label(s, CONSENT, None)), [Fence, Done, Fence, Fence]),
    ("all labels gone", |s| put(s, |s| s["metadata"]["labels"] = json!(null)), NEVER),
    ("consent turned into issuer", |s| { put(s, |s| { label(s, CONSENT, None); label(s, ISSUER, Some("6f1c")); }) }, OWN_ONLY),
    ("issuer turned into consent", |s| { put(s, |s| { label(s, ISSUER, None); label(s, CONSENT, Some("other")); }) }, NEVER),
    ("another label", |s| put(s, |s| label(s, "x", Some("y"))), OWN_ONLY),
    ("annotation", |s| put(s, |s| s["metadata"]["annotations"] = json!({"x": "y"})), OWN_ONLY),
    ("owner", |s| { put(s, |s| { s["metadata"]["ownerReferences"] = json!([{"apiVersion": "v1", "kind": "Pod", "name": "x", "uid": "x"}]) }) }, OWN_ONLY),
    ("our finalizer", |s| put(s, |s| s["metadata"]["finalizers"] = json!([IN_USE])), READABLE),
    ("another finalizer", |s| put(s, |s| s["metadata"]["finalizers"] = json!(["a.b/c"])), OWN_ONLY),
];

/// Asks every row about every Secret. What is refused or a dry run changes nothing, and shows nothing of a foreign Secret.
async fn check(rows: &[Row]) {
    let ground = Ground::get().await;
    let operator = Client::try_from(ground.operator_config().await).unwrap();
    let namespace = ground.namespace().await;
    let befores = [
        labelled(&[]),
        labelled(&[(ISSUER, "6f1c")]),
        labelled(&[(CONSENT, "upcloud")]),
        labelled(&[(ISSUER, "6f1c"), (CONSENT, "upcloud")]),
    ];
    let mut wrong = Vec::new();
    for (what, ask, answers) in rows {
        for (before, wanted) in befores.iter().zip(answers) {
            let stored = stored(ground, &namespace, before.clone()).await;
            let call = ask(&stored);
            let harmless = *wanted != Done || call.path.contains("dryRun=All");
            let (answer, text) = send(&operator, call).await;
            let labels = &before["metadata"]["labels"];
            if answer != *wanted {
                wrong.push(format!(
                    "{what}, {labels}: {answer:?}, not {wanted:?}: {text}"
                ));
            } else if harmless && now(ground, &stored).await.as_ref() != Some(&stored) {
                wrong.push(format!("{what}, {labels}: changed it"));
            } else if answer != Done && text.contains(DATA) {
                wrong.push(format!("{what}, {labels}: shows it: {text}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn a_secret_is_read_only_where_a_label_allows_it() {
    check(READS).await;
}

#[tokio::test]
async fn a_secret_is_deleted_only_if_made_by_cooper_and_as_it_was_read() {
    check(DELETES).await;
}

#[tokio::test]
async fn a_secret_is_changed_only_if_made_by_cooper() {
    check(REPLACES).await;
}

#[tokio::test]
async fn of_a_lent_secret_only_our_finalizer_is_taken_off() {
    let ground = Ground::get().await;
    let operator = Client::try_from(ground.operator_config().await).unwrap();
    let namespace = ground.namespace().await;
    for (left, wanted) in [
        (json!(["a.b/c"]), Done),
        (json!([IN_USE]), Fence),
        (json!(null), Fence),
    ] {
        let mut before = labelled(&[(CONSENT, "upcloud")]);
        before["metadata"]["finalizers"] = json!([IN_USE, "a.b/c"]);
        let stored = stored(ground, &namespace, before).await;
        let call = put(&stored, |secret| {
            secret["metadata"]["finalizers"] = left.clone();
        });
        let (answer, text) = send(&operator, call).await;
        assert_eq!(answer, wanted, "{left}: {text}");
    }
}

#[tokio::test]
async fn a_new_secret_is_labelled_and_of_a_harmless_type() {
    let ground = Ground::get().await;
    let operator = Client::try_from(ground.operator_config().await).unwrap();
    let namespace = ground.namespace().await;
    let issuer = (ISSUER, "6f1c");
    let of_type = |name: &str| {
        let mut secret = labelled(&[issuer]);
        secret["type"] = json!(name);
        secret["metadata"]["annotations"] =
            json!({"kubernetes.io/service-account.name": "default"});
        secret
    };
    for (what, mut secret, wanted) in [
        ("no label", labelled(&[]), Fence),
        ("empty issuer", labelled(&[(ISSUER, "")]), Fence),
        ("consent", labelled(&[(CONSENT, "upcloud")]), Fence),
        (
            "both labels",
            labelled(&[issuer, (CONSENT, "upcloud")]),
            Fence,
        ),
        ("Opaque", of_type("Opaque"), Done),
        ("staging", of_type("cooper.dev/minted-key"), Done),
        (
            "token",
            of_type("kubernetes.io/service-account-token"),
            Fence,
        ),
        ("bootstrap", of_type("bootstrap.kubernetes.io/token"), Fence),
    ] {
        secret["metadata"]["generateName"] = json!("s-");
        let call = Call {
            method: "POST",
            path: secrets(&namespace),
            content: JSON,
            body: Some(secret),
        };
        let (answer, text) = send(&operator, call).await;
        assert_eq!(answer, wanted, "{what}: {text}");
    }
}

/// Writes the status of a new user resource in each way there is.
async fn write_status(ground: &Ground, namespace: &Namespace, client: &Client) -> Vec<Answer> {
    let path = format!(
        "/apis/upcloud.cooper.dev/v1alpha1/namespaces/{}/iamusers",
        &**namespace
    );
    let user = json!({
        "apiVersion": "upcloud.cooper.dev/v1alpha1", "kind": "IamUser",
        "metadata": {"generateName": "ci-"}, "spec": {"serviceRef": {"name": "media"}},
    });
    let call = Call {
        method: "POST",
        path: path.clone(),
        content: JSON,
        body: Some(user),
    };
    let (answer, text) = send(&ground.admin(), call).await;
    assert_eq!(answer, Done, "{text}");
    let user: Value = serde_json::from_str(&text).unwrap();
    let name = user["metadata"]["name"].as_str().unwrap();
    let status = json!({"conditions": []});
    let applied = json!({
        "apiVersion": user["apiVersion"], "kind": user["kind"],
        "metadata": {"name": name}, "status": status,
    });
    let mut whole = user.clone();
    whole["status"] = status.clone();
    let mut answers = Vec::new();
    for (method, content, body) in [
        ("PATCH", MERGE, json!({"status": status})),
        (
            "PATCH",
            JSON_PATCH,
            json!([{"op": "add", "path": "/status", "value": status}]),
        ),
        ("PATCH", APPLY, applied),
        ("PUT", JSON, whole),
    ] {
        let call = Call {
            method,
            path: format!("{path}/{name}/status?dryRun=All&fieldManager=test"),
            content,
            body: Some(body),
        };
        answers.push(send(client, call).await.0);
    }
    answers
}

#[tokio::test]
async fn status_is_written_by_the_operator_and_who_may_restore_it() {
    let ground = Ground::get().await;
    let namespace = ground.namespace().await;
    let operator = Client::try_from(ground.operator_config().await).unwrap();
    // The role holds every verb, but in this namespace only.
    let tenant = ground.user_client(&namespace, "cluster-admin").await;
    let editor = ground.user_client(&namespace, "edit").await;
    eventually(
        Duration::from_secs(30),
        "the tenant's rights are known",
        async || {
            let call = all(&json!({"metadata": {"namespace": &*namespace}}), "GET", "");
            match send(&tenant, call).await {
                (Done, _) => Ok(()),
                (_, text) => Err(text),
            }
        },
    )
    .await;
    for (who, client, wanted) in [
        // It replaces a status as a whole, naming the version it read; patching would go by that.
        ("operator", operator, [Rbac, Rbac, Rbac, Done]),
        ("administrator", ground.admin(), [Done, Done, Done, Done]),
        (
            "tenant with every verb",
            tenant,
            [Fence, Fence, Fence, Fence],
        ),
        ("tenant who may edit", editor, NO_RIGHT),
    ] {
        let answers = write_status(ground, &namespace, &client).await;
        assert_eq!(answers, wanted, "{who}");
    }
}
