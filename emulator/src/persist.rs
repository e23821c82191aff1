//! Saving the world to a file, so that a restart finds it again.
//!
//! The file is two lines of JSON: the state, and its digest. It holds secrets and is made readable
//! for its owner only. It is written beside itself and moved into place, a few times a second at most
//! while things change, and once more at the end. Bodies of objects stand in a folder beside it
//! (`FILE.objects`), one file each by the name of their digest; a body is written once, before the
//! state that mentions it, and removed after the state that no longer does. So whatever moment the
//! process dies at, the file and all it mentions are whole.
//!
//! What was damaged since is not read around: [`load`] fails and says what is wrong.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::data::objects::saved::Buckets;
use crate::data::objects::{Body, Store};
use crate::data::{Sessions, hex};
use crate::hub::Hub;
use crate::state::World;

/// Shortest time between two writes; a write that took longer is followed by as long a rest.
const PAUSE: Duration = Duration::from_millis(200);

/// Number of the file's form.
const FORM: u32 = 2;

/// All members of the state but `world`.
#[derive(Serialize)]
struct Head<'a> {
    form: u32,
    clock_shift_ms: i64,
    sessions: &'a Sessions,
    buckets: &'a Buckets,
}

#[derive(Deserialize)]
struct Reading {
    form: u32,
    clock_shift_ms: i64,
    world: World,
    sessions: Sessions,
    buckets: Buckets,
}

/// What a file held.
pub struct Saved {
    /// How far the clock ran ahead.
    pub clock_shift_ms: i64,
    /// Accounts, and all that the API knows.
    pub world: World,
    /// Sessions of roles.
    pub sessions: Sessions,
    /// Objects.
    pub store: Store,
    /// What is in the folder of bodies.
    pub keeper: Keeper,
}

/// Names of the bodies that are in the folder.
#[derive(Debug, Default)]
pub struct Keeper(HashSet<String>);

/// Reads a file; nothing if there is none.
pub fn load(path: &Path) -> anyhow::Result<Option<Saved>> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let bodies = folder(path);
            ensure!(
                !bodies.exists(),
                "{} is missing although {} is there; move that away to begin anew",
                path.display(),
                bodies.display()
            );
            return Ok(None);
        }
        Err(error) => return Err(error).context(format!("cannot read {}", path.display())),
    };
    let saved = restore(path, &text).with_context(|| {
        format!(
            "{} cannot be restored; repair it, or move it and {} away to begin anew",
            path.display(),
            folder(path).display()
        )
    })?;
    Ok(Some(saved))
}

fn restore(path: &Path, text: &[u8]) -> anyhow::Result<Saved> {
    let mut lines = text.splitn(2, |byte| *byte == b'\n');
    let (state, proof) = (
        lines.next().unwrap_or_default(),
        lines.next().unwrap_or_default(),
    );
    ensure!(!state.is_empty(), "the file is empty");
    let want: String = serde_json::from_slice(proof)
        .context("the second line, the digest of the first, is missing or damaged")?;
    ensure!(
        want == hex(&Sha256::digest(state)),
        "the state does not have the digest in the second line"
    );
    let mut reading: Reading =
        serde_json::from_slice(state).context("the state is not of this emulator")?;
    if reading.form != FORM {
        bail!("the file has form {}, not {FORM}", reading.form);
    }
    let folder = folder(path);
    let mut there = HashSet::new();
    let store = Store::restored(reading.buckets, |name| {
        there.insert(name.to_owned());
        body(&folder, name)
    })?;
    reading.world.reindex();
    reading.world.recount(&store);
    Ok(Saved {
        clock_shift_ms: reading.clock_shift_ms,
        world: reading.world,
        sessions: reading.sessions,
        store,
        keeper: Keeper(there),
    })
}

/// Reads a body and holds it against its name.
fn body(folder: &Path, name: &str) -> anyhow::Result<Bytes> {
    let plain = name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    ensure!(plain, "{name:?} is not the name of a body");
    let path = folder.join(name);
    let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    ensure!(
        hex(&Sha256::digest(&bytes)) == name,
        "{} is damaged",
        path.display()
    );
    Ok(bytes.into())
}

/// Where the bodies are.
fn folder(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".objects");
    name.into()
}

/// Writes the world as it is now.
pub fn save(hub: &Hub, path: &Path) -> anyhow::Result<()> {
    let mut keeper = hub.saving.lock();
    // Objects and their counts of one moment; digests of bodies, which take long, come later.
    let (world, moment) = {
        let world = hub.world.lock();
        (serde_json::to_vec(&*world)?, hub.store.moment())
    };
    let (buckets, bodies) = moment.documents();
    let mut text = serde_json::to_vec(&Head {
        form: FORM,
        clock_shift_ms: hub.clock.shift_ms(),
        sessions: &hub.sessions,
        buckets: &buckets,
    })?;
    // The world is JSON already: it becomes the last member.
    text.pop();
    text.extend_from_slice(b",\"world\":");
    text.extend_from_slice(&world);
    text.push(b'}');
    keeper.write(&folder(path), &bodies)?;
    let proof = format!("\n\"{}\"\n", hex(&Sha256::digest(&text)));
    replace(path, &[&text, proof.as_bytes()])?;
    keeper.sweep(&folder(path), &bodies);
    Ok(())
}

impl Keeper {
    /// Writes the bodies that are not there yet.
    fn write(&mut self, folder: &Path, bodies: &HashMap<String, Body>) -> anyhow::Result<()> {
        let fresh: Vec<_> = bodies
            .iter()
            .filter(|(name, _)| !self.0.contains(*name))
            .collect();
        if fresh.is_empty() {
            return Ok(());
        }
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        for (name, body) in fresh {
            let pieces: Vec<&[u8]> = body.pieces().iter().map(AsRef::as_ref).collect();
            replace(&folder.join(name), &pieces)?;
            self.0.insert(name.clone());
        }
        Ok(())
    }

    /// Removes the bodies that nothing mentions any more.
    fn sweep(&mut self, folder: &Path, bodies: &HashMap<String, Body>) {
        self.0.retain(|name| {
            let wanted = bodies.contains_key(name);
            if !wanted && let Err(error) = fs::remove_file(folder.join(name)) {
                tracing::warn!(%error, name, "a body that nobody needs was not removed");
            }
            wanted
        });
    }
}

/// Writes a file beside itself, readable for its owner only, and moves it into place.
fn replace(path: &Path, pieces: &[&[u8]]) -> anyhow::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut beside = path.as_os_str().to_owned();
    beside.push(".partial");
    let write = || -> std::io::Result<()> {
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(&beside)?;
        for piece in pieces {
            file.write_all(piece)?;
        }
        file.sync_all()?;
        fs::rename(&beside, path)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// Writes the world whenever it has changed, for ever.
pub async fn keep(hub: Arc<Hub>, path: PathBuf) {
    loop {
        hub.changed.notified().await;
        let begun = Instant::now();
        let work = {
            let (hub, path) = (Arc::clone(&hub), path.clone());
            move || save(&hub, &path)
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the state was not saved"),
            Err(error) => tracing::warn!(%error, "the state was not saved"),
        }
        tokio::time::sleep(begun.elapsed().max(PAUSE)).await;
    }
}
