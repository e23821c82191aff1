//! The entries of a Secret that holds an access key, in the dialects that S3 clients read as they are.
//!
//! - Environment (`envFrom`): `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_REGION`, `AWS_ENDPOINT_URL`, `AWS_ENDPOINT_URL_S3`,
//!   and `BUCKET_NAME` if the user names exactly one bucket.
//! - Files (a volume, mounted as `~/.aws`): `credentials` and `config`, which awscli and boto3 take unchanged.
//! - What the user's template says.
//!
//! Pure: the same input gives the same bytes, so a Secret is rendered anew to see whether it is still right.

use std::collections::BTreeMap;

use crate::{confidential::Confidential, engine::key::KeyId};

const ID: &str = "AWS_ACCESS_KEY_ID";
const SECRET: &str = "AWS_SECRET_ACCESS_KEY";
const OURS: [&str; 8] = [
    ID,
    SECRET,
    "AWS_REGION",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "BUCKET_NAME",
    "credentials",
    "config",
];

/// What stands beside a key in its Secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// Region of the service.
    pub region: String,
    /// Address for S3 clients.
    pub endpoint: String,
    /// Host of the service, as the cloud names it.
    pub host: String,
    /// Clients must put the bucket into the path.
    pub path_style: bool,
    /// The bucket, if there is exactly one.
    pub bucket: Option<String>,
    /// The user.
    pub username: String,
    /// Further entries, with placeholders.
    pub template: BTreeMap<String, String>,
    /// The service answers S3 requests now: keys can be tried there. It stands in no entry.
    pub usable: bool,
}

/// Words that a template may hold, as `{{ word }}`.
const PLACEHOLDERS: &str =
    "accessKeyId, secretAccessKey, region, endpoint, endpointHost, bucket, username";

impl Surroundings {
    /// Whether the template can be rendered; asked before a key is made. The error says what is wrong in it.
    pub fn check(&self) -> Result<(), String> {
        for (entry, text) in &self.template {
            if OURS.contains(&entry.as_str()) {
                return Err(format!(
                    "entry {entry} is one of cooper's own; use another name"
                ));
            }
            let named = |letter: char| letter.is_ascii_alphanumeric() || "-._".contains(letter);
            if entry.is_empty() || entry.len() > 253 || !entry.chars().all(named) {
                return Err(format!(
                    "entry {entry:?} is no name for an entry of a Secret: use up to 253 letters, digits, -, _ and ."
                ));
            }
            fill(text, |word| self.word(word, "", ""))
                .map_err(|wrong| format!("entry {entry}: {wrong}"))?;
        }
        Ok(())
    }

    /// All entries.
    pub fn render(&self, id: &KeyId, secret: &Confidential) -> BTreeMap<String, Vec<u8>> {
        let (id, secret) = (id.as_str(), secret.expose());
        let mut data = BTreeMap::new();
        let mut put = |entry: &str, text: String| data.insert(entry.to_owned(), text.into_bytes());
        put(ID, id.to_owned());
        put(SECRET, secret.to_owned());
        put("AWS_REGION", self.region.clone());
        put("AWS_ENDPOINT_URL", self.endpoint.clone());
        put("AWS_ENDPOINT_URL_S3", self.endpoint.clone());
        if let Some(bucket) = &self.bucket {
            put("BUCKET_NAME", bucket.clone());
        }
        put(
            "credentials",
            format!("[default]\naws_access_key_id = {id}\naws_secret_access_key = {secret}\n"),
        );
        put("config", self.config());
        for (entry, text) in &self.template {
            // Checked before the key was made; an entry that fails all the same is left out rather than half filled.
            if let Ok(text) = fill(text, |word| self.word(word, id, secret)) {
                put(entry, text);
            }
        }
        data
    }

    fn config(&self) -> String {
        let style = if self.path_style {
            "s3 =\n    addressing_style = path\n"
        } else {
            ""
        };
        format!(
            "[default]\nregion = {}\nendpoint_url = {}\n{style}",
            self.region, self.endpoint
        )
    }

    fn word<'a>(&'a self, word: &str, id: &'a str, secret: &'a str) -> Result<&'a str, String> {
        match word {
            "accessKeyId" => Ok(id),
            "secretAccessKey" => Ok(secret),
            "region" => Ok(&self.region),
            "endpoint" => Ok(&self.endpoint),
            "endpointHost" => Ok(&self.host),
            "username" => Ok(&self.username),
            "bucket" => self.bucket.as_deref().ok_or_else(|| {
                "{{ bucket }} needs exactly one entry in spec.accessKey.bucketRefs".into()
            }),
            _ => Err(format!(
                "{{{{ {word} }}}} is no placeholder; there are {PLACEHOLDERS}"
            )),
        }
    }
}

/// Id and secret out of entries that [`Surroundings::render`] made.
pub fn extract(data: &BTreeMap<String, Vec<u8>>) -> Option<(KeyId, Confidential)> {
    let entry = |name| {
        std::str::from_utf8(data.get(name)?)
            .ok()
            .filter(|text| !text.is_empty())
    };
    Some((
        KeyId::new(entry(ID)?),
        Confidential::new(entry(SECRET)?.to_owned()),
    ))
}

/// The text with each `{{ word }}` replaced.
fn fill<'a>(text: &str, word: impl Fn(&str) -> Result<&'a str, String>) -> Result<String, String> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let (inside, after) = after.split_once("}}").ok_or("a {{ is not closed by }}")?;
        filled.push_str(before);
        filled.push_str(word(inside.trim())?);
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn media() -> Surroundings {
        Surroundings {
            region: "europe-2".into(),
            endpoint: "https://q7x2m.upcloudobjects.com".into(),
            host: "q7x2m.upcloudobjects.com".into(),
            path_style: false,
            bucket: None,
            username: "ci".into(),
            usable: true,
            template: BTreeMap::new(),
        }
    }

    fn rendered(surroundings: &Surroundings) -> BTreeMap<String, String> {
        surroundings
            .render(&KeyId::new("AKIA1"), &Confidential::new("s/3+t"))
            .into_iter()
            .map(|(entry, bytes)| (entry, String::from_utf8(bytes).unwrap()))
            .collect()
    }

    fn with_template(text: &str) -> Surroundings {
        Surroundings {
            template: [("rclone.conf".to_owned(), text.to_owned())].into(),
            ..media()
        }
    }

    #[test]
    fn a_secret_speaks_the_usual_dialects() {
        let data = rendered(&media());
        assert_eq!(data["AWS_ACCESS_KEY_ID"], "AKIA1");
        assert_eq!(
            data["AWS_ENDPOINT_URL_S3"],
            "https://q7x2m.upcloudobjects.com"
        );
        assert_eq!(
            data["credentials"],
            "[default]\naws_access_key_id = AKIA1\naws_secret_access_key = s/3+t\n"
        );
        assert_eq!(
            data["config"],
            "[default]\nregion = europe-2\nendpoint_url = https://q7x2m.upcloudobjects.com\n"
        );
        assert!(!data.contains_key("BUCKET_NAME"));
    }

    #[test]
    fn an_address_without_names_below_it_asks_for_path_style() {
        let demo = Surroundings {
            path_style: true,
            ..media()
        };
        assert!(rendered(&demo)["config"].ends_with("\ns3 =\n    addressing_style = path\n"));
    }

    #[test]
    fn id_and_secret_are_found_again_in_what_was_rendered() {
        let data = media().render(&KeyId::new("AKIA1"), &Confidential::new("s"));
        let (id, secret) = extract(&data).unwrap();
        assert_eq!((id.as_str(), secret.expose()), ("AKIA1", "s"));
        assert!(extract(&BTreeMap::new()).is_none());
    }

    #[test]
    fn a_template_is_filled() {
        let user = with_template("{{accessKeyId}}:{{ secretAccessKey }}@{{ endpointHost }}/{}");
        assert_eq!(user.check(), Ok(()));
        assert_eq!(
            rendered(&user)["rclone.conf"],
            "AKIA1:s/3+t@q7x2m.upcloudobjects.com/{}"
        );
    }

    #[test]
    fn a_template_that_cannot_be_filled_is_refused_before_a_key_is_made() {
        for (text, complaint) in [
            ("{{ password }}", "{{ password }} is no placeholder"),
            ("{{ region", "not closed"),
            ("{{ bucket }}", "exactly one entry"),
        ] {
            let wrong = with_template(text).check().unwrap_err();
            assert!(wrong.contains(complaint), "{wrong}");
        }
    }

    #[test]
    fn a_template_cannot_replace_an_entry_of_ours_or_have_a_bad_name() {
        for name in ["AWS_REGION", "a/b", ""] {
            let user = Surroundings {
                template: [(name.to_owned(), String::new())].into(),
                ..media()
            };
            assert!(user.check().is_err(), "{name:?}");
        }
    }
}
