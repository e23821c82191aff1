//! The emulator as a process: flags in, one line of JSON out, logs to stderr.

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Parser;
use cooper_emulator::choices::Choices;
use cooper_emulator::lifecycle::Pace;
use cooper_emulator::state::{Account, Credentials};
use cooper_emulator::{Emulator, Options};
use tracing_subscriber::EnvFilter;

/// UpCloud Managed Object Storage in one process.
#[derive(Parser)]
#[command(version)]
struct Flags {
    /// Address of the API.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    api: SocketAddr,
    /// Address of S3.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    s3: SocketAddr,
    /// Address of static websites.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    web: SocketAddr,
    /// Address of the control API.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    control: SocketAddr,
    /// Length of one state of a service's life; 0 settles at the next look.
    #[arg(long, value_name = "MS", default_value_t = 1000)]
    step: u32,
    /// How long a deleted bucket stays listed; 0 shows it once.
    #[arg(long, value_name = "MS", default_value_t = 3000)]
    purge: u32,
    /// An account: NAME:TOKEN:USERNAME:PASSWORD.
    #[arg(long, value_name = "ACCOUNT", default_value = "demo:ucat_demo:demo:demo-password", value_parser = account)]
    account: Vec<ParsedAccount>,
    /// What to do where the API reference leaves it open: NAME=VALUE.
    #[arg(long, value_name = "CHOICE")]
    choice: Vec<String>,
    /// Keep the state in this file, and large objects in a folder beside it.
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// Exit when stdin reaches its end.
    #[arg(long)]
    until_stdin_closes: bool,
}

#[derive(Clone)]
struct ParsedAccount {
    name: String,
    credentials: Credentials,
}

fn account(text: &str) -> Result<ParsedAccount, String> {
    let mut parts = text.splitn(4, ':').map(str::to_owned);
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(name), Some(token), Some(username), Some(password)) if !name.is_empty() => {
            Ok(ParsedAccount {
                name,
                credentials: Credentials {
                    token,
                    username,
                    password,
                },
            })
        }
        _ => Err("an account is NAME:TOKEN:USERNAME:PASSWORD".to_owned()),
    }
}

fn options(flags: &Flags) -> anyhow::Result<Options> {
    let mut choices = Choices::default();
    for choice in &flags.choice {
        let (name, value) = choice.split_once('=').context("a choice is NAME=VALUE")?;
        choices.turn(name, value).map_err(anyhow::Error::msg)?;
    }
    let accounts = flags.account.iter().map(|account| Account {
        name: account.name.clone(),
        credentials: account.credentials.clone(),
        ..Account::default()
    });
    Ok(Options {
        api: flags.api,
        s3: flags.s3,
        web: flags.web,
        control: flags.control,
        pace: Pace {
            step_ms: flags.step.into(),
            purge_ms: flags.purge.into(),
            stuck: None,
        },
        accounts: accounts.collect(),
        choices,
        data: flags.data.clone(),
    })
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,s3s=off"));
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(filter)
        .init();
    let flags = Flags::parse();
    let emulator = Emulator::start(options(&flags)?).await?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", serde_json::to_string(&emulator.addresses)?)?;
    out.flush()?;
    drop(out);
    tokio::select! {
        () = end_of_input(), if flags.until_stdin_closes => {}
        () = signalled() => {}
    }
    emulator.save()?;
    drop(emulator);
    // A thread may still wait for input: do not wait for it.
    std::process::exit(0);
}

/// Returns when stdin reaches its end or fails.
async fn end_of_input() {
    let (ended, wait) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let mut input = std::io::stdin().lock();
        let mut bytes = [0; 1024];
        while input.read(&mut bytes).is_ok_and(|count| count > 0) {}
        let _ = ended.send(());
    });
    let _ = wait.await;
}

async fn signalled() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}
