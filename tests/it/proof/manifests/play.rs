//! Plays manifests beside healthy neighbours: sent, judged, deleted.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use k8s_openapi::api::events::v1::Event;
use kube::Api;
use kube::api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use kube::client::Body;
use kube::{ResourceExt, core::PartialObjectMeta};
use serde_json::{Value, json};

use super::draft::{CLOUD, Edit, Manifest, Name, Sent, UID, replaced};
use super::judge::{self, Answer, End};
use super::stage::Stage;
use super::weak::Crds;
use crate::ground::Ground;
use crate::scene::{PATIENCE, resource};

/// Longer than the wait after the first faults.
const SOON: Duration = Duration::from_secs(31);
/// How time passes while deletions end.
const STEPS: [Duration; 4] = [
    Duration::from_secs(5),
    Duration::from_secs(61),
    Duration::from_secs(350),
    Duration::from_mins(11),
];
/// After so many steps of time, what others put on a resource is taken off.
const PATIENT: usize = 2;
/// After so many, what is held is abandoned.
const LAST: usize = 8;
/// After so many, it will never go.
const NEVER: usize = 14;
/// Not everything becomes Ready whose status is then spoilt.
const SHORT: Duration = Duration::from_secs(20);

/// What came of all of them.
pub struct Played {
    pub ends: Vec<(Name, Result<End, String>)>,
    /// How many went only by the last way out.
    pub abandoned: usize,
    /// What is wrong with everybody else.
    pub wrongs: Vec<String>,
}

/// A resource that was taken.
#[derive(Clone, Debug)]
struct Subject {
    kind: String,
    name: String,
    uid: String,
}

/// Plays them all at once, on a stage of their own; under schemas that let everything through, if these are given, until all are judged.
pub async fn play(ground: &'static Ground, batch: &[Manifest], crds: Option<&Crds>) -> Played {
    let stage = Stage::open(ground).await;
    if let Some(crds) = crds {
        crds.weaken(&stage.scene.namespace).await;
    }
    let (ends, subjects) = suffer(&stage, batch).await;
    if let Some(crds) = crds {
        crds.restore(&stage.scene.namespace).await;
    }
    let Cleared {
        abandoned,
        mut left,
        mut wrongs,
    } = clear(&stage, &subjects).await;
    // Who has lost what stood in its status has lost its claim: what it made is nobody's.
    let is_spoilt = |manifest: &&Manifest| manifest.edits.iter().any(|edit| edit.is_status);
    left.extend(batch.iter().filter(is_spoilt).flat_map(|manifest| {
        let name = manifest.name.resource();
        [format!("{name}.example.org"), name]
    }));
    wrongs.extend(stage.close(&left).await);
    Played {
        ends,
        abandoned: abandoned.len(),
        wrongs,
    }
}

type Ends = Vec<(Name, Result<End, String>)>;

/// Sends them, lets the operator work, and judges them.
async fn suffer(stage: &Stage, batch: &[Manifest]) -> (Ends, Vec<Subject>) {
    let sending = batch.iter().map(|manifest| send(stage, manifest));
    let sent = futures::future::join_all(sending).await;
    stage.rest().await;
    let editing = batch
        .iter()
        .zip(&sent)
        .map(|(manifest, (_, subjects))| edit(stage, manifest, subjects));
    let edited = futures::future::join_all(editing).await;
    stage.rest().await;
    stage.step(SOON).await;
    let mut ends = Vec::new();
    for ((manifest, (answer, subjects)), edited) in batch.iter().zip(&sent).zip(edited) {
        let end = match (answer, &edited) {
            (Err(why), _) | (_, Err(why)) => Err(why.clone()),
            (Ok(Some(end)), _) => Ok(end.clone()),
            (Ok(None), Ok(())) => came_to(stage, manifest, subjects).await,
        };
        let end = end.and_then(|end| judge::fits(&end, &manifest.expect).map(|()| end));
        ends.push((manifest.name.clone(), end));
    }
    let subjects = sent.into_iter().flat_map(|(_, subjects)| subjects);
    (ends, subjects.collect())
}

/// Sends all of a manifest; what is decided already, and what was taken.
async fn send(stage: &Stage, manifest: &Manifest) -> (Result<Option<End>, String>, Vec<Subject>) {
    let mut subjects = Vec::new();
    let mut first = None;
    for sent in &manifest.sent {
        let answer = post(stage, sent, manifest.is_strict).await;
        if (200..300).contains(&answer.code) {
            subjects.push(Subject {
                kind: sent.kind.clone(),
                name: text(&answer.body["metadata"]["name"]),
                uid: text(&answer.body["metadata"]["uid"]),
            });
        }
        first.get_or_insert_with(|| judge::answered(&answer, &manifest.expect));
    }
    (first.unwrap_or(Ok(None)), subjects)
}

async fn post(stage: &Stage, sent: &Sent, is_strict: bool) -> Answer {
    let (namespace, plural) = (&*stage.scene.namespace, resource(&sent.kind).plural);
    let validation = if is_strict { "Strict" } else { "Ignore" };
    let path = format!(
        "/apis/upcloud.cooper.dev/v1alpha1/namespaces/{namespace}/{plural}?fieldManager=test&fieldValidation={validation}"
    );
    let body = replaced(&sent.body, CLOUD, stage.scene.endpoint.as_bytes());
    let request = http::Request::post(path)
        .header("content-type", "application/json")
        .body(Body::from(body))
        .unwrap();
    let answer = stage.scene.admin().send(request).await.unwrap();
    let code = answer.status().as_u16();
    let body = answer.into_body().collect_bytes().await.unwrap();
    let plain = || json!({"message": String::from_utf8_lossy(&body)});
    Answer {
        code,
        body: serde_json::from_slice(&body).unwrap_or_else(|_| plain()),
    }
}

/// What is changed after everything was made.
async fn edit(stage: &Stage, manifest: &Manifest, subjects: &[Subject]) -> Result<(), String> {
    for Edit {
        of,
        patch,
        is_status,
    } in &manifest.edits
    {
        let Some(subject) = subjects.get(*of) else {
            continue;
        };
        let mut text = patch.to_string();
        for (number, subject) in subjects.iter().enumerate() {
            text = text.replace(&format!("{UID}{number}"), &subject.uid);
        }
        let patch: Value = serde_json::from_str(&text).unwrap();
        let api = stage.scene.api(&subject.kind);
        let (how, patch) = (PatchParams::default(), Patch::Merge(&patch));
        let edited = if *is_status {
            until_ready(stage, subject).await;
            api.patch_status(&subject.name, &how, &patch).await
        } else {
            api.patch(&subject.name, &how, &patch).await
        };
        match edited {
            Ok(_) => {}
            // Owners that are nobody's take it away.
            Err(kube::Error::Api(status)) if (400..500).contains(&status.code) => {}
            Err(error) => return Err(format!("it could not be edited: {error}")),
        }
    }
    Ok(())
}

async fn until_ready(stage: &Stage, subject: &Subject) {
    let begin = Instant::now();
    while begin.elapsed() < SHORT {
        let object = read(stage, subject).await;
        if object.is_none_or(|object| judge::told(&object).is_ok()) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn read(stage: &Stage, subject: &Subject) -> Option<Value> {
    let object = stage.scene.api(&subject.kind).get_opt(&subject.name).await;
    object
        .unwrap()
        .map(|object| serde_json::to_value(object).unwrap())
}

/// What came of one that was taken, and of those that came with it.
async fn came_to(stage: &Stage, manifest: &Manifest, subjects: &[Subject]) -> Result<End, String> {
    let mut end = None;
    let is_spoilt = manifest.edits.iter().any(|edit| edit.is_status);
    for subject in subjects {
        let came = patiently(stage, subject, is_spoilt).await;
        let came = came.map_err(|why| format!("{} {}: {why}", subject.kind, subject.name))?;
        end.get_or_insert(came);
    }
    end.ok_or_else(|| format!("nothing was made of {:?}", manifest.about))
}

async fn patiently(stage: &Stage, subject: &Subject, is_spoilt: bool) -> Result<End, String> {
    let begin = Instant::now();
    loop {
        let Some(object) = read(stage, subject).await else {
            // Kubernetes collects what belongs to nobody.
            return Ok(End::Explained("collected".to_owned()));
        };
        // What is spoilt may be what it said before.
        if is_spoilt && let Some(warned) = warned(stage, subject).await {
            return warned;
        }
        let why = match judge::told(&object) {
            Ok(end) => return Ok(end),
            Err(why) => why,
        };
        if let Some(warned) = warned(stage, subject).await {
            return warned;
        }
        if begin.elapsed() > PATIENCE {
            return Err(why);
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// What an event says of one whose status cannot be read, and so not be written either.
async fn warned(stage: &Stage, subject: &Subject) -> Option<Result<End, String>> {
    let events: Api<Event> = Api::namespaced(stage.scene.admin(), &stage.scene.namespace);
    let events = events.list(&ListParams::default()).await.unwrap();
    let about = events.into_iter().find(|event| {
        let regarding = event.regarding.as_ref();
        let uid = regarding.and_then(|regarding| regarding.uid.as_deref());
        uid == Some(&subject.uid) && event.reason.as_deref() == Some("Undecodable")
    })?;
    Some(judge::explained(&json!(about.reason), &json!(about.note)))
}

/// What became of them when they were deleted.
#[derive(Default)]
struct Cleared {
    /// Who went only by the last way out.
    abandoned: BTreeSet<String>,
    /// Names of what may be left at the cloud.
    left: BTreeSet<String>,
    wrongs: Vec<String>,
}

/// Deletes them all, and waits until they are gone.
async fn clear(stage: &Stage, subjects: &[Subject]) -> Cleared {
    let mut cleared = Cleared::default();
    let Cleared {
        abandoned,
        left,
        wrongs,
    } = &mut cleared;
    for subject in subjects {
        if let Some(object) = read(stage, subject).await.filter(stays) {
            left.extend(remote(&object));
        }
        let api = stage.scene.api(&subject.kind);
        let _ = api.delete(&subject.name, &DeleteParams::default()).await;
    }
    stage.rest().await;
    for turn in 0.. {
        let there = remaining(stage, subjects).await;
        if there.is_empty() {
            break;
        }
        if turn == NEVER {
            let still = still(stage, &there).await;
            panic!("not gone: {still}");
        }
        for (subject, meta) in &there {
            let is_ours = meta
                .finalizers()
                .iter()
                .any(|one| one == "cooper.dev/finalizer");
            if turn < if is_ours { LAST } else { PATIENT } {
                continue;
            }
            if is_ours {
                // Read before: it may be gone a moment after.
                let stays = read(stage, subject).await;
                wrongs.extend(abandon(stage, subject).await);
                if abandoned.insert(subject.name.clone()) {
                    left.extend(stays.iter().flat_map(remote));
                }
            } else {
                let patch = json!({"metadata": {"finalizers": null}});
                let _ = merge(stage, subject, &patch).await;
            }
        }
        stage.step(STEPS[turn % STEPS.len()]).await;
    }
    cleared
}

/// The last way out of one that says why it needs it.
async fn abandon(stage: &Stage, subject: &Subject) -> Option<String> {
    let object = read(stage, subject).await?;
    let told = match warned(stage, subject).await {
        Some(warned) => warned,
        None => judge::told(&object),
    };
    let patch = json!({"metadata": {"annotations": {"cooper.dev/abandon": "true"}}});
    if merge(stage, subject, &patch).await.is_err() {
        // The API server itself lets nobody change it before its status is put right.
        let (how, patch) = (
            PatchParams::default(),
            Patch::Merge(json!({"status": null})),
        );
        let api = stage.scene.api(&subject.kind);
        let _ = api.patch_status(&subject.name, &how, &patch).await;
    }
    let why = match told {
        Ok(End::Explained(_)) => return None,
        Ok(end) => format!("it says {end:?}"),
        Err(why) => why,
    };
    Some(format!(
        "{} {} does not go: {why}",
        subject.kind, subject.name
    ))
}

async fn merge(stage: &Stage, subject: &Subject, patch: &Value) -> kube::Result<DynamicObject> {
    let api = stage.scene.api(&subject.kind);
    let how = PatchParams::default();
    api.patch(&subject.name, &how, &Patch::Merge(patch)).await
}

type There = Vec<(Subject, PartialObjectMeta<DynamicObject>)>;

/// Those that are still there.
async fn remaining(stage: &Stage, subjects: &[Subject]) -> There {
    let mut of_kind = BTreeMap::<_, Vec<_>>::new();
    for subject in subjects {
        of_kind.entry(&subject.kind).or_default().push(subject);
    }
    let mut there = Vec::new();
    for (kind, subjects) in of_kind {
        let api = stage.scene.api(kind);
        for meta in api.list_metadata(&ListParams::default()).await.unwrap() {
            let uid = meta.uid().unwrap_or_default();
            let found = subjects.iter().find(|subject| subject.uid == uid);
            there.extend(found.map(|subject| ((*subject).clone(), meta.clone())));
        }
    }
    there
}

async fn still(stage: &Stage, there: &There) -> String {
    let mut told = Vec::new();
    for (subject, _) in there {
        let object = read(stage, subject).await.unwrap_or_default();
        let meta = &object["metadata"];
        told.push(format!(
            "{} {} {} {}: {}",
            subject.kind,
            subject.name,
            meta["finalizers"],
            meta["ownerReferences"],
            object["status"]
        ));
    }
    told.join("\n  ")
}

/// Whether its remote stays when it goes.
fn stays(object: &Value) -> bool {
    let spec = &object["spec"];
    let notes = &object["metadata"]["annotations"];
    let says = |note: &str| notes[note] == "true";
    says("cooper.dev/undo")
        || says("cooper.dev/abandon")
        || spec["deletionPolicy"] == "Orphan"
        || object["status"]["deletionPolicy"] == "Orphan"
}

/// Names under which it may stand at the cloud, and that of its Secret.
fn remote(object: &Value) -> Vec<String> {
    let spec = &object["spec"];
    let names = [
        &object["metadata"]["name"],
        &spec["name"],
        &spec["domainName"],
        &spec["accessKey"]["secretName"],
    ];
    names
        .into_iter()
        .filter_map(|name| name.as_str().map(str::to_owned))
        .collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
