//! Events for users: on change only, sent beside the pass, never in its way.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use futures::{
    StreamExt,
    channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded},
};
use k8s_openapi::{
    api::{core::v1::ObjectReference, events::v1::Event},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};
use kube::{Api, Client, Resource, api::PostParams};

use super::{clock::Clock, metrics::Metrics, reason::Reason};

/// The API server refuses longer notes.
const NOTE_BYTES: usize = 1000;
/// The same event about the same object is sent once in this time.
const QUIET: Duration = Duration::from_mins(10);

/// How an event looks in `kubectl get events`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tone {
    /// All is well.
    Normal,
    /// Somebody should look.
    Warning,
}

impl Tone {
    /// The type of the event.
    pub fn name(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Warning => "Warning",
        }
    }
}

/// Something worth telling about a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// How it looks.
    pub tone: Tone,
    /// Its name.
    pub reason: Reason,
    /// What happened, and what helps.
    pub text: String,
    /// The cloud's id of the request that failed. It differs with every try, so it makes no news of what was said before.
    pub request_id: Option<String>,
}

impl Note {
    /// All is well.
    pub fn normal(reason: Reason, text: impl Into<String>) -> Self {
        Self {
            tone: Tone::Normal,
            reason,
            text: text.into(),
            request_id: None,
        }
    }

    /// The same, with the cloud's id of the request that it speaks of.
    #[must_use]
    pub fn quoting(mut self, request_id: Option<String>) -> Self {
        self.request_id = request_id;
        self
    }

    /// Somebody should look.
    pub fn warning(reason: Reason, text: impl Into<String>) -> Self {
        Self {
            tone: Tone::Warning,
            reason,
            text: text.into(),
            request_id: None,
        }
    }
}

/// Sends events in the background.
pub struct Events {
    clock: Clock,
    queue: UnboundedSender<(ObjectReference, Note)>,
}

/// The background half of [`Events`].
pub struct Mailbox {
    client: Client,
    clock: Clock,
    metrics: Arc<Metrics>,
    queue: UnboundedReceiver<(ObjectReference, Note)>,
    /// When what was said of whom, by a digest of both: two that share one cost an event.
    sent: Mutex<HashMap<u64, Instant>>,
    digests: RandomState,
}

impl Events {
    /// The sender and what must be run for its events to leave.
    pub fn new(client: Client, clock: Clock, metrics: Arc<Metrics>) -> (Self, Mailbox) {
        let (sender, receiver) = unbounded();
        let mailbox = Mailbox {
            client,
            clock: clock.clone(),
            metrics,
            queue: receiver,
            sent: Mutex::default(),
            digests: RandomState::new(),
        };
        (
            Self {
                clock,
                queue: sender,
            },
            mailbox,
        )
    }

    /// Sends an event about an object.
    pub fn send<K: Resource<DynamicType = ()>>(&self, about: &ObjectMeta, note: Note) {
        let reference = ObjectReference {
            api_version: Some(K::api_version(&()).into_owned()),
            kind: Some(K::kind(&()).into_owned()),
            name: about.name.clone(),
            namespace: about.namespace.clone(),
            uid: about.uid.clone(),
            ..ObjectReference::default()
        };
        tracing::debug!(at = %self.clock.now(), kind = %K::kind(&()), name = ?about.name, reason = %note.reason, "{}", note.text);
        // A closed queue means that the operator is stopping.
        let _ = self.queue.unbounded_send((reference, note));
    }
}

impl Mailbox {
    /// Sends what is queued; runs for as long as the operator.
    pub async fn run(mut self) {
        while let Some((about, note)) = self.queue.next().await {
            if self.is_repeat(&about, &note) {
                continue;
            }
            let namespace = about.namespace.clone().unwrap_or_else(|| "default".into());
            self.metrics.told(note.reason, note.tone.name());
            let event = self.event(about, note);
            let api: Api<Event> = Api::namespaced(self.client.clone(), &namespace);
            let sent = tokio::time::timeout(
                Duration::from_secs(10),
                api.create(&PostParams::default(), &event),
            )
            .await;
            if let Ok(Err(error)) = sent {
                // An event is a courtesy: a namespace on its way out refuses it, and that is fine.
                tracing::debug!(%error, "event not sent");
            }
        }
    }

    fn is_repeat(&self, about: &ObjectReference, note: &Note) -> bool {
        let Ok(mut sent) = self.sent.lock() else {
            return false;
        };
        let now = Instant::now();
        sent.retain(|_, at| now.duration_since(*at) < QUIET);
        let digest = self
            .digests
            .hash_one((&about.uid, note.tone, note.reason, &note.text));
        sent.insert(digest, now).is_some()
    }

    fn event(&self, about: ObjectReference, note: Note) -> Event {
        let quote = note
            .request_id
            .map_or_else(String::new, |id| format!(" (request {id})"));
        let mut text = note.text;
        text.truncate(text.floor_char_boundary(NOTE_BYTES.saturating_sub(quote.len())));
        text.push_str(&quote);
        let name = about.name.clone().unwrap_or_default();
        Event {
            metadata: ObjectMeta {
                generate_name: Some(format!(
                    "{}-",
                    name.chars()
                        .take(200)
                        .collect::<String>()
                        .trim_end_matches(['-', '.'])
                )),
                namespace: about.namespace.clone(),
                ..ObjectMeta::default()
            },
            action: Some("Reconcile".into()),
            event_time: Some(MicroTime(self.clock.now())),
            reason: Some(note.reason.to_string()),
            note: Some(text),
            regarding: Some(about),
            reporting_controller: Some("cooper.dev/operator".into()),
            reporting_instance: Some("cooper".into()),
            type_: Some(match note.tone {
                Tone::Normal => "Normal".into(),
                Tone::Warning => "Warning".into(),
            }),
            ..Event::default()
        }
    }
}
