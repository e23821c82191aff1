//! Logs: one line a happening, as text or JSON, to standard error. What is logged can be changed while the operator runs. And where
//! traces go, if they are wanted: [`traces`].

pub mod otlp;
pub mod traces;

use std::io::IsTerminal;

use tracing_subscriber::{
    EnvFilter, Layer, Registry, fmt, layer::SubscriberExt, reload, util::SubscriberInitExt,
};

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// For machines.
    Json,
}

/// Changes what is logged.
#[derive(Clone)]
pub struct Level(reload::Handle<EnvFilter, Registry>);

impl Level {
    /// From now on by this filter, such as `info` or `cooper=debug,info`.
    pub fn set(&self, filter: &str) -> anyhow::Result<()> {
        let parsed = EnvFilter::try_new(filter)?;
        self.0.reload(parsed)?;
        tracing::warn!(
            filter,
            "what is logged was changed; a restart takes it back"
        );
        Ok(())
    }
}

/// Starts logging with a filter such as `info` or `cooper=debug,info`.
pub fn start(filter: &str, format: Format) -> anyhow::Result<Level> {
    let (filter, level) = reload::Layer::new(EnvFilter::try_new(filter)?);
    let colours = std::io::stderr().is_terminal();
    let lines = match format {
        Format::Text => fmt::layer()
            .with_writer(std::io::stderr)
            .with_ansi(colours)
            .with_target(false)
            .boxed(),
        Format::Json => fmt::layer().json().with_writer(std::io::stderr).boxed(),
    };
    tracing_subscriber::registry()
        .with(filter)
        .with(lines)
        .try_init()?;
    Ok(Level(level))
}
