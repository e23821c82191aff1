//! `cooper reference`: the pages of `docs/reference`.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;

use crate::kinds;

/// Where to write them.
#[derive(Debug, Args)]
pub struct Reference {
    /// Folder to write to.
    #[arg(long, value_name = "FOLDER")]
    dir: PathBuf,
    /// Folder with the samples, which are the examples.
    #[arg(long, value_name = "FOLDER", default_value = "deploy/samples")]
    samples: PathBuf,
}

impl Reference {
    /// Writes one page a kind.
    pub fn write(self) -> anyhow::Result<()> {
        let dir = &self.dir;
        std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
        for (name, page) in kinds::reference::pages(&self.samples)? {
            std::fs::write(dir.join(&name), page)
                .with_context(|| format!("cannot write {name}"))?;
        }
        Ok(())
    }
}
