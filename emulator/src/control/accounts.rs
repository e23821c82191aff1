//! Accounts: adding, changing and revoking their credentials.

use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Outcoming, Refusal, Shared};
use crate::state::{Account, Credentials};

/// Without secrets.
fn show(account: &Account) -> Value {
    let credentials = &account.credentials;
    json!({
        "name": account.name,
        "username": credentials.username,
        "has_token": !credentials.token.is_empty(),
        "has_password": !credentials.password.is_empty(),
        "services": account.services.len(),
    })
}

pub async fn list(State(hub): Shared) -> Json<Value> {
    let world = hub.world.lock();
    let accounts: Vec<Value> = world.accounts.iter().map(show).collect();
    Json(json!({"accounts": accounts}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewAccount {
    name: String,
    #[serde(default)]
    token: String,
    #[serde(default)]
    username: String,
    #[serde(default)]
    password: String,
}

pub async fn create(
    State(hub): Shared,
    Json(body): Json<NewAccount>,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    let mut world = hub.world.lock();
    if world.account(&body.name).is_some() {
        return Err(Refusal(
            StatusCode::CONFLICT,
            "the account exists".to_owned(),
        ));
    }
    let account = Account {
        name: body.name,
        credentials: Credentials {
            token: body.token,
            username: body.username,
            password: body.password,
        },
        ..Account::default()
    };
    let shown = show(&account);
    world.accounts.push(account);
    hub.changed.notify_one();
    Ok((StatusCode::CREATED, Json(shown)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    token: Option<String>,
    username: Option<String>,
    password: Option<String>,
}

pub async fn change(
    State(hub): Shared,
    Path(name): Path<String>,
    Json(body): Json<Change>,
) -> Outcoming {
    let mut world = hub.world.lock();
    let account = world
        .account_mut(&name)
        .ok_or_else(|| Refusal::missing("account"))?;
    let credentials = &mut account.credentials;
    for (known, given) in [
        (&mut credentials.token, body.token),
        (&mut credentials.username, body.username),
        (&mut credentials.password, body.password),
    ] {
        if let Some(given) = given {
            *known = given;
        }
    }
    hub.changed.notify_one();
    Ok(Json(show(account)))
}

/// Revokes `token`, `password` or both (`credentials`).
pub async fn revoke(
    State(hub): Shared,
    Path((name, credential)): Path<(String, String)>,
) -> Outcoming {
    let mut world = hub.world.lock();
    let account = world
        .account_mut(&name)
        .ok_or_else(|| Refusal::missing("account"))?;
    let (token, password) = match credential.as_str() {
        "token" => (true, false),
        "password" => (false, true),
        "credentials" => (true, true),
        _ => {
            return Err(Refusal::missing(
                "credential: token, password or credentials",
            ));
        }
    };
    if token {
        account.credentials.token.clear();
    }
    if password {
        account.credentials.password.clear();
    }
    hub.changed.notify_one();
    Ok(Json(show(account)))
}

/// Removes an account with all that it has.
pub async fn remove(State(hub): Shared, Path(name): Path<String>) -> Outcoming {
    let mut world = hub.world.lock();
    if !world.remove_account(&name) {
        return Err(Refusal::missing("account"));
    }
    hub.forget(&mut world);
    hub.changed.notify_one();
    Ok(Json(json!({"name": name})))
}
