//! Routes and the paths made from them.

use ::http::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Everything but the unreserved characters of RFC 3986 section 2.3.
pub(crate) const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// One operation of a cloud's API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The operation's number in the cloud's reference; 0 for one outside it.
    pub operation: u16,
    /// The method.
    pub method: Method,
    /// The path with its parameters in braces: `/{uuid}/users/{u}`.
    pub template: &'static str,
    /// What it does, to complete "cannot …": `create the user`.
    pub does: &'static str,
}

/// A request that cannot be built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Bad {
    /// A name that would lead to another path: empty, `.` or `..`.
    #[error("the name {0:?} cannot be part of a path")]
    Segment(&'static str),
    /// More or fewer names than the template has parameters.
    #[error("the route wants other parameters")]
    Parameters,
    /// The whole is not a URL.
    #[error("the request's address is not a URL")]
    Url,
    /// The credentials hold characters that no header may hold.
    #[error("the credentials hold characters that cannot be sent, such as a line break")]
    Credentials,
    /// The body cannot be written as JSON.
    #[error("the request's body cannot be written as JSON")]
    Body,
}

/// Fills the template's parameters, in order, percent-encoded.
///
/// Refuses an empty name and the dot segments, which a URL parser resolves even when encoded: with them
/// the deletion of a user would become one of something else.
pub fn fill(template: &str, names: &[&str]) -> Result<String, Bad> {
    let mut path = String::with_capacity(template.len() + 32);
    let mut names = names.iter();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let (_, after) = after.split_once('}').ok_or(Bad::Parameters)?;
        let name = names.next().ok_or(Bad::Parameters)?;
        match *name {
            "" => return Err(Bad::Segment("")),
            "." => return Err(Bad::Segment(".")),
            ".." => return Err(Bad::Segment("..")),
            name => {
                path.push_str(before);
                path.extend(utf8_percent_encode(name, SEGMENT));
            }
        }
        rest = after;
    }
    path.push_str(rest);
    if names.next().is_some() {
        Err(Bad::Parameters)
    } else {
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_encoded_whole() {
        assert_eq!(
            fill("/{uuid}/users/{u}", &["12ab", "ci"]).unwrap(),
            "/12ab/users/ci"
        );
        assert_eq!(
            fill("/{uuid}/labels/{key}", &["12ab", "a/b %?#é"]).unwrap(),
            "/12ab/labels/a%2Fb%20%25%3F%23%C3%A9"
        );
        assert_eq!(
            fill("/{uuid}/buckets/{bucket}", &["12ab", "my.bucket"]).unwrap(),
            "/12ab/buckets/my.bucket"
        );
    }

    #[test]
    fn a_name_cannot_lead_to_another_path() {
        for name in ["", ".", ".."] {
            assert_eq!(
                fill("/{uuid}/users/{u}", &["12ab", name]),
                Err(Bad::Segment(name))
            );
        }
    }

    #[test]
    fn parameters_are_counted() {
        assert_eq!(fill("/{uuid}/users", &[]), Err(Bad::Parameters));
        assert_eq!(fill("/{uuid}/users", &["a", "b"]), Err(Bad::Parameters));
    }
}
