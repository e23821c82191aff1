//! The control API: how tests steer the emulator and see what was asked of it.
//!
//! JSON over HTTP on an address of its own, without credentials. Errors are `{"error": "…"}`.

mod accounts;
mod dump;
pub mod faults;
pub mod journal;
pub mod late;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post, put};
use axum::{Json, Router};
use http::StatusCode;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use crate::api::{self, Caller};
use crate::hub::Hub;
use crate::lifecycle::{Pace, State as ServiceState};
use faults::{Order, Side};
use journal::{Entry, Outcome};

/// Failure of a control call.
pub struct Refusal(StatusCode, String);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, Json(json!({"error": self.1}))).into_response()
    }
}

impl Refusal {
    fn bad(reason: impl std::fmt::Display) -> Self {
        Self(StatusCode::BAD_REQUEST, reason.to_string())
    }

    fn missing(what: &str) -> Self {
        Self(StatusCode::NOT_FOUND, format!("no such {what}"))
    }
}

type Outcoming = Result<Json<Value>, Refusal>;
type Shared = State<Arc<Hub>>;

/// All routes of the control API.
pub fn router(hub: Arc<Hub>) -> Router {
    Router::new()
        .route("/healthz", get(|| async { Json(json!({"ok": true})) }))
        .route("/clock", get(clock))
        .route("/clock/advance", post(advance))
        .route("/provisioning", get(provisioning).put(set_provisioning))
        .route(
            "/faults",
            get(list_faults).post(add_fault).delete(clear_faults),
        )
        .route("/faults/{id}", delete(remove_fault))
        .route("/journal", get(read_journal).delete(clear_journal))
        .route("/accounts", get(accounts::list).post(accounts::create))
        .route(
            "/accounts/{name}",
            put(accounts::change).delete(accounts::remove),
        )
        .route("/accounts/{name}/{credential}", delete(accounts::revoke))
        .route("/foreign", post(foreign))
        .route("/state", get(state))
        .route("/operations", get(operations))
        .route("/choices", get(choices).put(set_choices))
        .fallback(|| async { Refusal::missing("route") })
        .with_state(hub)
}

async fn clock(State(hub): Shared) -> Json<Value> {
    Json(json!({"now": hub.now()}))
}

#[derive(Deserialize)]
struct Advance {
    seconds: f64,
}

async fn advance(State(hub): Shared, Json(body): Json<Advance>) -> Outcoming {
    // A hundred years at most: the clock must stay within what dates can say.
    let millis = body.seconds * 1000.0;
    if !(0.0..=3.2e12).contains(&millis) {
        return Err(Refusal::bad("seconds must be from 0 to 3.2e9"));
    }
    #[expect(clippy::cast_possible_truncation, reason = "the range was checked")]
    let now = hub.clock.advance(millis as i64);
    hub.late.run_due(now).await;
    hub.expire();
    Ok(Json(json!({"now": hub.now()})))
}

fn show_pace(pace: Pace) -> Json<Value> {
    Json(json!({"step_ms": pace.step_ms, "purge_ms": pace.purge_ms, "stuck": pace.stuck}))
}

async fn provisioning(State(hub): Shared) -> Json<Value> {
    show_pace(hub.world.lock().pace)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    clippy::option_option,
    reason = "absent, null and a value are three things"
)]
struct Provisioning {
    step_ms: Option<u32>,
    purge_ms: Option<u32>,
    /// Null frees what is stuck; absent leaves it.
    #[serde(default, deserialize_with = "present")]
    stuck: Option<Option<ServiceState>>,
}

/// Tells a null member from an absent one.
#[expect(
    clippy::option_option,
    reason = "absent, null and a value are three things"
)]
fn present<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<ServiceState>>, D::Error> {
    Option::deserialize(from).map(Some)
}

async fn set_provisioning(State(hub): Shared, Json(body): Json<Provisioning>) -> Json<Value> {
    let now = hub.now();
    let mut world = hub.world.lock();
    let old = world.pace;
    let pace = Pace {
        step_ms: body.step_ms.map_or(old.step_ms, i64::from),
        purge_ms: body.purge_ms.map_or(old.purge_ms, i64::from),
        stuck: body.stuck.unwrap_or(old.stuck),
    };
    world.set_pace(now, pace);
    hub.changed.notify_one();
    show_pace(pace)
}

async fn list_faults(State(hub): Shared) -> Json<Value> {
    Json(json!({"faults": hub.faults.lock().list()}))
}

async fn add_fault(State(hub): Shared, Json(order): Json<Order>) -> Outcoming {
    let id = hub.faults.lock().add(order).map_err(Refusal::bad)?;
    Ok(Json(json!({"id": id})))
}

async fn clear_faults(State(hub): Shared) -> Json<Value> {
    hub.faults.lock().clear();
    Json(json!({"faults": []}))
}

async fn remove_fault(State(hub): Shared, Path(id): Path<u64>) -> Outcoming {
    if hub.faults.lock().remove(id) {
        Ok(Json(json!({"id": id})))
    } else {
        Err(Refusal::missing("fault"))
    }
}

#[derive(Deserialize)]
struct Since {
    #[serde(default)]
    since: u64,
}

async fn read_journal(State(hub): Shared, Query(query): Query<Since>) -> Json<Value> {
    let journal = hub.journal.lock();
    let (entries, next) = journal.since(query.since);
    Json(json!({"entries": entries, "next": next}))
}

async fn clear_journal(State(hub): Shared) -> Json<Value> {
    hub.journal.lock().clear();
    Json(json!({"entries": []}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Foreign {
    account: String,
    method: String,
    path: String,
    body: Option<Value>,
}

/// Does what somebody else does on the account: without credentials and without faults.
async fn foreign(State(hub): Shared, Json(body): Json<Foreign>) -> Outcoming {
    if hub.world.lock().account(&body.account).is_none() {
        return Err(Refusal::missing("account"));
    }
    let (path, query) = body.path.split_once('?').unwrap_or((&body.path, ""));
    let request = api::Request {
        method: body.method.to_uppercase(),
        path: path.to_owned(),
        query: query.to_owned(),
        authorization: None,
        body: body
            .body
            .as_ref()
            .map(Value::to_string)
            .unwrap_or_default()
            .into(),
    };
    let seq = hub.journal.lock().begin(Entry {
        seq: 0,
        at: hub.now(),
        side: Side::Api,
        method: request.method.clone(),
        path: request.path.clone(),
        query: request.query.clone(),
        status: None,
        account: Some(body.account.clone()),
        user_agent: None,
        request: body.body,
        outcome: Outcome::Answered,
        foreign: true,
    });
    let answer = hub.respond(&request, Caller::Account(&body.account));
    hub.journal.lock().note(seq, answer.status);
    let value: Value = serde_json::from_str(&answer.body).unwrap_or_default();
    Ok(Json(json!({"status": answer.status, "body": value})))
}

async fn state(State(hub): Shared) -> Json<Value> {
    let now = hub.now();
    let mut world = hub.world.lock();
    world.settle(now);
    hub.forget(&mut world);
    Json(dump::dump(&world, now))
}

async fn operations() -> Json<Value> {
    let rows = api::routes::operations();
    let rows = rows.map(|(number, method, path)| {
        json!({"operation": number, "method": method, "path": format!("/{path}")})
    });
    Json(rows.collect())
}

async fn choices(State(hub): Shared) -> Json<BTreeMap<&'static str, String>> {
    Json(hub.world.lock().choices.all().collect())
}

/// All or nothing: one bad value refuses the whole.
async fn set_choices(
    State(hub): Shared,
    Json(body): Json<BTreeMap<String, Value>>,
) -> Result<Json<BTreeMap<&'static str, String>>, Refusal> {
    let now = hub.now();
    let mut world = hub.world.lock();
    let mut turned = world.choices.clone();
    for (name, value) in body {
        let text = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        turned.turn(&name, &text).map_err(Refusal::bad)?;
    }
    world.set_choices(now, turned);
    hub.changed.notify_one();
    Ok(Json(world.choices.all().collect()))
}
