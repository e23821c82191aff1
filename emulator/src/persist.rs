//! Saving the world to a file, so that a restart finds it again.
//!
//! The file is JSON and holds secrets: it is made readable for its owner only. It is written
//! beside itself and moved into place, at most a few times a second while things change, and
//! once more at the end.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use crate::hub::Hub;
use crate::state::World;

/// Shortest time between two writes.
const PAUSE: Duration = Duration::from_millis(200);

#[derive(Serialize)]
struct Saving<'a> {
    clock_shift_ms: i64,
    world: &'a World,
}

/// What a file held.
#[derive(Deserialize)]
pub struct Saved {
    /// How far the clock ran ahead.
    pub clock_shift_ms: i64,
    /// Everything else.
    pub world: World,
}

/// Reads a file; nothing if there is none.
pub fn load(path: &Path) -> anyhow::Result<Option<Saved>> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).context(format!("cannot read {}", path.display())),
    };
    let mut saved: Saved = serde_json::from_slice(&text)
        .with_context(|| format!("{} is not a file of this emulator", path.display()))?;
    saved.world.reindex();
    Ok(Some(saved))
}

/// Writes the world as it is now.
pub fn save(hub: &Hub, path: &Path) -> anyhow::Result<()> {
    let _turn = hub.saving.lock();
    let text = {
        let world = hub.world.lock();
        serde_json::to_vec(&Saving {
            clock_shift_ms: hub.clock.shift_ms(),
            world: &world,
        })?
    };
    let beside = path.with_extension("partial");
    write_private(&beside, &text)?;
    fs::rename(&beside, path).with_context(|| format!("cannot write {}", path.display()))
}

fn write_private(path: &Path, text: &[u8]) -> anyhow::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let file = options.open(path);
    let mut file = file.with_context(|| format!("cannot write {}", path.display()))?;
    file.write_all(text)?;
    file.sync_all()?;
    Ok(())
}

/// Writes the world whenever it has changed, for ever.
pub async fn keep(hub: Arc<Hub>, path: PathBuf) {
    loop {
        hub.changed.notified().await;
        if let Err(error) = save(&hub, &path) {
            tracing::warn!(%error, "the state was not saved");
        }
        tokio::time::sleep(PAUSE).await;
    }
}
