//! The command line. The environment is read here and nowhere else.
//!
//! One file a command. [`reach`] leads to the cluster and into accounts, [`output`] prints. Results go to standard output, everything
//! else to standard error; no secret goes to either.

#![allow(
    clippy::doc_markdown,
    reason = "the lines on commands and flags are what --help prints"
)]

mod crds;
mod import;
mod keys;
mod output;
mod plan;
mod probe;
mod reach;
mod reference;
mod regions;
mod release;
mod run;
mod status;
mod usage;

use std::{ffi::OsString, path::Path, process::ExitCode};

use clap::{Command as Clap, CommandFactory, FromArgMatches, Parser, Subcommand};

/// Name of the program as a plugin of kubectl.
const PLUGIN: &str = "kubectl-cooper";

/// A Kubernetes operator for managed object storage and IAM.
///
/// As a plugin of kubectl it is called `kubectl cooper`: put a link named kubectl-cooper to this program into a folder of PATH.
#[derive(Debug, Parser)]
#[command(
    name = "cooper",
    version,
    after_help = "Exit codes: 0 done; 1 error; 2 something differs (plan), an unknown key was found (keys --fail-on-unknown), or something is not Ready (status)."
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the operator until it is told to stop (SIGTERM, SIGINT).
    Run(Box<run::Run>),
    /// Write the CRDs, one YAML file a kind.
    Crds(crds::Crds),
    /// Write the reference of all kinds, one page of Markdown a kind.
    #[command(hide = true)]
    Reference(reference::Reference),
    /// Ask a running operator whether it is ready.
    #[command(hide = true)]
    Probe(probe::Probe),
    Plan(plan::Plan),
    Import(import::Import),
    Keys(keys::Keys),
    Usage(usage::Usage),
    Regions(regions::Regions),
    Status(status::Status),
    Release(release::Release),
}

/// How a command that did its work ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Nothing is left to say.
    Done,
    /// What was looked for was found: something differs, or is unknown.
    Found,
    /// It was told already what is wrong.
    Wrong,
}

/// Does what the command line says.
pub fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let cli = match parse(&arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Neither stream may be there any more; the exit code still says it.
            let _ = error.print();
            // Not clap's own 2, which says here that something differs.
            return ExitCode::from(u8::from(error.use_stderr()));
        }
    };
    // A dependency that brings a second TLS provider must not make every client panic.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    match cli.command.run() {
        Ok(End::Done) => ExitCode::SUCCESS,
        Ok(End::Wrong) => ExitCode::from(1),
        Ok(End::Found) => ExitCode::from(2),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(1)
        }
    }
}

/// The command line as it is described to its user, who may have come by way of kubectl.
fn named(program: Option<&OsString>) -> Clap {
    let name = program.and_then(|program| Path::new(program).file_stem());
    let is_plugin = name.is_some_and(|name| name == PLUGIN);
    Cli::command().bin_name(if is_plugin {
        "kubectl cooper"
    } else {
        "cooper"
    })
}

fn parse(arguments: &[OsString]) -> Result<Cli, clap::Error> {
    let command = named(arguments.first());
    Cli::from_arg_matches(&command.try_get_matches_from(arguments)?)
}

impl Command {
    fn run(self) -> anyhow::Result<End> {
        match self {
            Self::Run(run) => run.run().map(|()| End::Done),
            Self::Crds(crds) => crds.write().map(|()| End::Done),
            Self::Reference(reference) => reference.write().map(|()| End::Done),
            Self::Probe(probe) => asking(probe.run()),
            Self::Plan(plan) => asking(plan.run()),
            Self::Import(import) => asking(import.run()),
            Self::Keys(keys) => asking(keys.run()),
            Self::Usage(usage) => asking(usage.run()),
            Self::Regions(regions) => asking(regions.run()),
            Self::Status(status) => asking(status.run()),
            Self::Release(release) => asking(release.run()),
        }
    }
}

/// Runs a command that asks others: one thread waits for all answers.
fn asking(command: impl Future<Output = anyhow::Result<End>>) -> anyhow::Result<End> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn help(program: &str, arguments: &[&str]) -> String {
        let arguments = [program].into_iter().chain(arguments.iter().copied());
        let arguments: Vec<OsString> = arguments.map(OsString::from).collect();
        parse(&arguments).unwrap_err().to_string()
    }

    #[test]
    fn the_command_line_fits_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn help_calls_the_program_as_its_user_did() {
        for (program, name) in [
            ("cooper", "cooper"),
            ("/usr/local/bin/cooper", "cooper"),
            ("/home/me/.krew/bin/kubectl-cooper", "kubectl cooper"),
        ] {
            let text = help(program, &["plan", "--help"]);
            assert!(text.contains(&format!("Usage: {name} plan")), "{text}");
        }
    }

    #[test]
    fn a_provider_that_nobody_knows_is_refused_by_name() {
        let run = |providers| {
            let arguments = ["cooper", "run", "--providers", providers].map(OsString::from);
            parse(&arguments).err().map(|error| error.to_string())
        };
        assert_eq!(run("upcloud"), None);
        assert_eq!(run("upcloud,upcloud"), None);
        for (providers, complaint) in [
            ("upcloud,elsewhere", "invalid value 'elsewhere'"),
            ("", "a value is required"),
        ] {
            let said = run(providers).unwrap();
            assert!(said.contains(complaint), "{said}");
            assert!(said.contains("[possible values: upcloud]"), "{said}");
        }
    }

    #[test]
    fn every_command_for_people_shows_an_example() {
        for command in [
            "plan", "import", "keys", "usage", "regions", "status", "release",
        ] {
            let text = help("cooper", &[command, "--help"]);
            assert!(text.contains(&format!("cooper {command}")), "{text}");
            assert!(text.contains("Example"), "{text}");
        }
    }
}
