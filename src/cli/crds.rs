//! `cooper crds`: what the API server must know.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;

use crate::kinds;

/// Where to write them.
#[derive(Debug, Args)]
pub struct Crds {
    /// Folder to write to. Without it they are printed.
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
}

impl Crds {
    /// Writes the CRDs of all kinds.
    pub fn write(self) -> anyhow::Result<()> {
        if let Some(dir) = &self.dir {
            std::fs::create_dir_all(dir)
                .with_context(|| format!("cannot make {}", dir.display()))?;
        }
        for (name, yaml) in kinds::crds()? {
            match &self.dir {
                None => print!("---\n{yaml}"),
                Some(dir) => std::fs::write(dir.join(&name), yaml)
                    .with_context(|| format!("cannot write {name}"))?,
            }
        }
        Ok(())
    }
}
