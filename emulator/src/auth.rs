//! Who a request comes from: Basic or Bearer credentials of an account.

use base64::Engine as _;

use crate::state::Account;

/// Why nobody was recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no Authorization header.
    Missing,
    /// There is one, but it is nobody's.
    Wrong,
}

/// Name of the account whose credentials these are.
pub fn recognise(accounts: &[Account], authorization: Option<&str>) -> Result<String, Refusal> {
    let header = authorization.ok_or(Refusal::Missing)?;
    let (scheme, value) = header.split_once(' ').ok_or(Refusal::Wrong)?;
    let value = value.trim();
    let found = if scheme.eq_ignore_ascii_case("bearer") {
        accounts
            .iter()
            .find(|account| !value.is_empty() && account.credentials.token == value)
    } else if scheme.eq_ignore_ascii_case("basic") {
        let (username, password) = basic(value).ok_or(Refusal::Wrong)?;
        accounts.iter().find(|account| {
            let known = &account.credentials;
            !known.username.is_empty()
                && !known.password.is_empty()
                && known.username == username
                && known.password == password
        })
    } else {
        None
    };
    found
        .map(|account| account.name.clone())
        .ok_or(Refusal::Wrong)
}

fn basic(value: &str) -> Option<(String, String)> {
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(value)
        .ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (username, password) = text.split_once(':')?;
    Some((username.to_owned(), password.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::Credentials;

    fn accounts() -> Vec<Account> {
        let account = |name: &str, token: &str, password: &str| Account {
            name: name.to_owned(),
            credentials: Credentials {
                token: token.to_owned(),
                username: name.to_owned(),
                password: password.to_owned(),
            },
            ..Account::default()
        };
        vec![
            account("demo", "ucat_demo", "pass:word"),
            account("revoked", "", ""),
        ]
    }

    #[test]
    fn credentials_name_their_account() {
        let basic = |text: &str| {
            let encoded = base64::engine::general_purpose::STANDARD.encode(text);
            format!("Basic {encoded}")
        };
        let rows = [
            (Some("Bearer ucat_demo".to_owned()), Ok("demo".to_owned())),
            (Some(basic("demo:pass:word")), Ok("demo".to_owned())),
            (Some(basic("demo:wrong")), Err(Refusal::Wrong)),
            (Some(basic("revoked:")), Err(Refusal::Wrong)),
            (Some("Bearer ".to_owned()), Err(Refusal::Wrong)),
            (Some("Basic %%%".to_owned()), Err(Refusal::Wrong)),
            (Some("Digest x".to_owned()), Err(Refusal::Wrong)),
            (None, Err(Refusal::Missing)),
        ];
        for (header, want) in rows {
            assert_eq!(
                recognise(&accounts(), header.as_deref()),
                want,
                "{header:?}"
            );
        }
    }
}
