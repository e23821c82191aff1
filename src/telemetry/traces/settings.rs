//! What the standard variables of OpenTelemetry say, as far as it concerns traces:
//! <https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/>.
//!
//! A platform may set them for all its workloads at once, so what cannot be followed never keeps the operator from starting: it is warned
//! of, and left out.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::percent_decode_str;
use reqwest::Url;

/// Where traces go, and how many.
#[derive(Clone)]
pub struct Settings {
    /// Where batches are posted to.
    pub endpoint: Url,
    /// Sent with each batch; may hold credentials.
    pub headers: HeaderMap,
    /// Longest time for one batch.
    pub timeout: Duration,
    /// PEM certificates to trust in place of the system's.
    pub certificate: Option<Vec<u8>>,
    /// Who says it all: `service.name` and more.
    pub resource: Vec<(String, String)>,
    /// Share of passes that are traced, from 0 to 1.
    pub share: f64,
    /// Longest time that spans wait for a batch.
    pub delay: Duration,
    /// Spans that wait at most.
    pub room: usize,
    /// Spans in one batch at most.
    pub batch: usize,
}

/// What could not be followed, for the log.
pub type Warned = Vec<String>;

/// Bounds of the numbers that are taken: one beyond them is moved to the nearest.
const TIMEOUT: (u64, u64) = (100, 60_000);
const DELAY: (u64, u64) = (100, 600_000);
const ROOM: (u64, u64) = (1, 65_536);

impl Settings {
    /// From variables by their names. `None`: no traces are wanted, or nowhere is said where to send them.
    pub fn read(
        variable: impl Fn(&str) -> Option<String>,
        file: impl Fn(&str) -> std::io::Result<Vec<u8>>,
    ) -> (Option<Self>, Warned) {
        let mut reader = Reader {
            variable: &variable,
            warned: Warned::new(),
        };
        let settings = reader.settings(file);
        (settings, reader.warned)
    }
}

struct Reader<'v> {
    variable: &'v dyn Fn(&str) -> Option<String>,
    warned: Warned,
}

impl Reader<'_> {
    fn settings(&mut self, file: impl Fn(&str) -> std::io::Result<Vec<u8>>) -> Option<Settings> {
        if self.is_off() {
            return None;
        }
        let endpoint = self.endpoint()?;
        match self.either("PROTOCOL").as_deref() {
            // What takes Protobuf takes JSON too, at the same place.
            None | Some("http/json" | "http/protobuf") => {}
            Some(other) => {
                self.warn(
                    "OTEL_EXPORTER_OTLP_PROTOCOL",
                    other,
                    "no traces are sent: they can be sent as http/json only",
                );
                return None;
            }
        }
        let certificate = self.either("CERTIFICATE").and_then(|path| {
            file(&path)
                .map_err(|error| {
                    self.warn(
                        "OTEL_EXPORTER_OTLP_CERTIFICATE",
                        &path,
                        &format!("the system's authorities are trusted: {error}"),
                    );
                })
                .ok()
        });
        let timeout = self.either("TIMEOUT");
        let timeout = self.number("OTEL_EXPORTER_OTLP_TIMEOUT", timeout, 10_000, TIMEOUT);
        let delay = self.get("OTEL_BSP_SCHEDULE_DELAY");
        let delay = self.number("OTEL_BSP_SCHEDULE_DELAY", delay, 5_000, DELAY);
        let room = self.get("OTEL_BSP_MAX_QUEUE_SIZE");
        let room = self.number("OTEL_BSP_MAX_QUEUE_SIZE", room, 2_048, ROOM);
        let batch = self.get("OTEL_BSP_MAX_EXPORT_BATCH_SIZE");
        let batch = self.number("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", batch, 512, (1, room));
        Some(Settings {
            endpoint,
            headers: self.headers(),
            timeout: Duration::from_millis(timeout),
            certificate,
            resource: self.resource(),
            share: self.share(),
            delay: Duration::from_millis(delay),
            room: usize::try_from(room).unwrap_or(usize::MAX),
            batch: usize::try_from(batch).unwrap_or(usize::MAX),
        })
    }

    fn is_off(&self) -> bool {
        let exporter = self.get("OTEL_TRACES_EXPORTER");
        self.get("OTEL_SDK_DISABLED")
            .is_some_and(|text| text.eq_ignore_ascii_case("true"))
            || exporter.is_some_and(|list| list.split(',').all(|name| name.trim() != "otlp"))
    }

    /// A variable; an empty one counts as not set.
    fn get(&self, name: &str) -> Option<String> {
        let text = (self.variable)(name)?;
        let text = text.trim();
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// A variable of the exporter: the one for traces, else the one for everything.
    fn either(&self, name: &str) -> Option<String> {
        self.get(&format!("OTEL_EXPORTER_OTLP_TRACES_{name}"))
            .or_else(|| self.get(&format!("OTEL_EXPORTER_OTLP_{name}")))
    }

    fn warn(&mut self, name: &str, value: &str, then: &str) {
        self.warned.push(format!("{name}={value:?}: {then}"));
    }

    /// The one for traces is taken as it stands, the one for everything is the folder above.
    fn endpoint(&mut self) -> Option<Url> {
        let own = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
        let all = "OTEL_EXPORTER_OTLP_ENDPOINT";
        let (name, text) = match (self.get(own), self.get(all)) {
            (Some(text), _) => (own, text),
            (None, Some(text)) => (all, format!("{}/v1/traces", text.trim_end_matches('/'))),
            (None, None) => return None,
        };
        match Url::parse(&text) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Some(url),
            // Not the value: it may hold credentials.
            _ => {
                self.warned.push(format!(
                    "{name}: no traces are sent: it must begin with http:// or https:// and name a host"
                ));
                None
            }
        }
    }

    fn headers(&mut self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs(&self.either("HEADERS").unwrap_or_default()) {
            let parsed = HeaderName::try_from(&name)
                .ok()
                .zip(HeaderValue::try_from(value).ok());
            let Some((name, mut value)) = parsed else {
                // Neither: what stands in the wrong place may be the credential.
                self.warned
                    .push("OTEL_EXPORTER_OTLP_HEADERS: a header is left out that is none".into());
                continue;
            };
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        headers
    }

    /// Who says it all. What the variables say wins over what is known anyway.
    fn resource(&self) -> Vec<(String, String)> {
        let mut resource = vec![
            ("service.name".to_owned(), "cooper".to_owned()),
            ("service.version".into(), env!("CARGO_PKG_VERSION").into()),
        ];
        let known = [
            ("service.instance.id", self.get("HOSTNAME")),
            ("k8s.namespace.name", self.get("POD_NAMESPACE")),
        ];
        resource.extend(
            known
                .into_iter()
                .filter_map(|(key, value)| Some((key.into(), value?))),
        );
        let told = pairs(&self.get("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default());
        let name = self
            .get("OTEL_SERVICE_NAME")
            .map(|name| ("service.name".to_owned(), name));
        for (key, value) in told.into_iter().chain(name) {
            resource.retain(|(known, _)| *known != key);
            resource.push((key, value));
        }
        resource
    }

    fn share(&mut self) -> f64 {
        let argument = self.get("OTEL_TRACES_SAMPLER_ARG");
        let sampler = self.get("OTEL_TRACES_SAMPLER");
        // A pass has no parent elsewhere.
        let kind = sampler
            .as_deref()
            .map(|name| name.trim_start_matches("parentbased_"));
        match kind {
            None | Some("always_on") => 1.0,
            Some("always_off") => 0.0,
            Some("traceidratio") => {
                let text = argument.unwrap_or_else(|| "1".into());
                match text.parse::<f64>() {
                    Ok(share) if (0.0..=1.0).contains(&share) => share,
                    _ => {
                        self.warn(
                            "OTEL_TRACES_SAMPLER_ARG",
                            &text,
                            "every pass is traced: it must be from 0 to 1",
                        );
                        1.0
                    }
                }
            }
            Some(other) => {
                let other = other.to_owned();
                self.warn(
                    "OTEL_TRACES_SAMPLER",
                    &other,
                    "every pass is traced: there are always_on, always_off and traceidratio",
                );
                1.0
            }
        }
    }

    fn number(
        &mut self,
        name: &str,
        text: Option<String>,
        default: u64,
        (least, most): (u64, u64),
    ) -> u64 {
        let Some(text) = text else {
            return default.clamp(least, most);
        };
        match text.parse::<u64>() {
            Ok(number) if (least..=most).contains(&number) => number,
            parsed => {
                let taken = parsed.unwrap_or(default).clamp(least, most);
                self.warn(
                    name,
                    &text,
                    &format!("{taken} is taken: it must be a number from {least} to {most}"),
                );
                taken
            }
        }
    }
}

/// A list as in `a=1,b=two%20words`.
fn pairs(text: &str) -> Vec<(String, String)> {
    let decoded = |text: &str| {
        percent_decode_str(text.trim())
            .decode_utf8_lossy()
            .into_owned()
    };
    text.split(',')
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, value)| (key.trim().to_owned(), decoded(value)))
        .filter(|(key, _)| !key.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> (Option<Settings>, Warned) {
        let find = |name: &str| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let file = |path: &str| match path {
            "/ca.pem" => Ok(b"PEM".to_vec()),
            _ => Err(std::io::ErrorKind::NotFound.into()),
        };
        Settings::read(find, file)
    }

    const ALL: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
    const OWN: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";

    #[test]
    fn where_traces_go_is_said_by_the_standard_variables() {
        for (variables, endpoint, warnings) in [
            (&[][..], None, 0),
            (&[(ALL, "")], None, 0),
            (
                &[(ALL, "http://collector:4318")],
                Some("http://collector:4318/v1/traces"),
                0,
            ),
            (
                &[(ALL, "http://collector:4318/x/")],
                Some("http://collector:4318/x/v1/traces"),
                0,
            ),
            (
                &[(ALL, "http://a"), (OWN, "https://b/t")],
                Some("https://b/t"),
                0,
            ),
            (&[(ALL, "http://a"), ("OTEL_SDK_DISABLED", "TRUE")], None, 0),
            (
                &[(ALL, "http://a"), ("OTEL_TRACES_EXPORTER", "none")],
                None,
                0,
            ),
            (
                &[(ALL, "http://a"), ("OTEL_TRACES_EXPORTER", "otlp")],
                Some("http://a/v1/traces"),
                0,
            ),
            (
                &[(ALL, "http://a"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")],
                None,
                1,
            ),
            (
                &[
                    (ALL, "http://a"),
                    ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
                ],
                Some("http://a/v1/traces"),
                0,
            ),
            (&[(ALL, "collector:4318")], None, 1),
        ] {
            let (settings, warned) = read(variables);
            let found = settings.map(|settings| settings.endpoint.to_string());
            assert_eq!(found.as_deref(), endpoint, "{variables:?}");
            assert_eq!(warned.len(), warnings, "{variables:?}: {warned:?}");
        }
    }

    #[test]
    fn what_cannot_be_followed_is_warned_of_and_left_out() {
        let with = |name, value| {
            let (settings, warned) = read(&[(ALL, "http://a"), (name, value)]);
            (settings.unwrap(), warned)
        };
        for (name, value, share) in [
            ("OTEL_TRACES_SAMPLER", "always_off", 0.0),
            ("OTEL_TRACES_SAMPLER", "parentbased_always_on", 1.0),
            ("OTEL_TRACES_SAMPLER", "jaeger_remote", 1.0),
        ] {
            let (settings, warned) = with(name, value);
            assert!((settings.share - share).abs() < f64::EPSILON, "{value}");
            assert_eq!(warned.is_empty(), value != "jaeger_remote", "{warned:?}");
        }
        for (value, room, warnings) in [
            ("10", 10, 0),
            ("0", 1, 1),
            ("9999999", 65_536, 1),
            ("many", 2_048, 1),
        ] {
            let (settings, warned) = with("OTEL_BSP_MAX_QUEUE_SIZE", value);
            assert_eq!((settings.room, warned.len()), (room, warnings), "{value}");
            assert!(settings.batch <= settings.room);
        }
        for (value, certificate, warnings) in
            [("/ca.pem", Some(b"PEM".to_vec()), 0), ("/none", None, 1)]
        {
            let (settings, warned) = with("OTEL_EXPORTER_OTLP_CERTIFICATE", value);
            assert_eq!(
                (settings.certificate, warned.len()),
                (certificate, warnings)
            );
        }
    }

    #[test]
    fn a_share_of_the_passes_can_be_asked_for() {
        for (argument, share, warnings) in [("0.25", 0.25, 0), ("2", 1.0, 1), ("half", 1.0, 1)] {
            let (settings, warned) = read(&[
                (ALL, "http://a"),
                ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"),
                ("OTEL_TRACES_SAMPLER_ARG", argument),
            ]);
            assert!(
                (settings.unwrap().share - share).abs() < f64::EPSILON,
                "{argument}"
            );
            assert_eq!(warned.len(), warnings, "{argument}");
        }
    }

    #[test]
    fn who_says_it_is_told_and_headers_are_kept_secret() {
        let (settings, warned) = read(&[
            (ALL, "http://a"),
            ("HOSTNAME", "cooper-0"),
            (
                "OTEL_RESOURCE_ATTRIBUTES",
                "service.name=x,deployment.environment.name=two%20words",
            ),
            ("OTEL_SERVICE_NAME", "storage"),
            (
                "OTEL_EXPORTER_OTLP_HEADERS",
                "authorization=Bearer%20s3cret, b ad=hunter2",
            ),
        ]);
        let settings = settings.unwrap();
        for (key, value) in [
            ("service.name", "storage"),
            ("service.instance.id", "cooper-0"),
            ("deployment.environment.name", "two words"),
        ] {
            let found: Vec<_> = settings
                .resource
                .iter()
                .filter(|(name, _)| name == key)
                .collect();
            assert_eq!(found, [&(key.to_owned(), value.to_owned())]);
        }
        assert_eq!(settings.headers["authorization"], "Bearer s3cret");
        assert!(!format!("{:?} {warned:?}", settings.headers).contains("s3cret"));
        assert_eq!(warned.len(), 1);
        assert!(!warned[0].contains("hunter2"), "{warned:?}");
    }
}
