//! What cooper costs: `make bench`, or `make bench BENCH=quick`.
//!
//! One run on one machine: a real control plane, the emulated cloud and the operator, each a process of its own, in real time. Prints a
//! table, ratios first, and writes `result.json`, `growth.csv` and pictures into a folder.

mod counts;
mod floor;
mod handover;
mod measures;
mod plot;
mod report;
mod scene;
mod stage;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context;
use clap::Parser;
use measures::Size;
use report::Report;
use stage::Stage;

/// Measures what cooper costs, with a control plane, an emulated cloud and an operator of its own.
#[derive(Parser)]
struct Arguments {
    /// A tenth of everything, to see that it works.
    #[arg(long)]
    quick: bool,
    /// Folder for the results and the logs of the programs.
    #[arg(long, default_value = "target/bench")]
    out: PathBuf,
    /// Folder of the programs `cooper` and `cooper-emulator`; by default that of this one.
    #[arg(long)]
    programs: Option<PathBuf>,
    /// Only these measurements; everything if none is named.
    #[arg(long, value_delimiter = ',')]
    only: Vec<What>,
    /// Numbers of objects at which memory is read, in place of those of a full run.
    #[arg(long, value_delimiter = ',')]
    objects: Vec<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum What {
    /// Many users against the bare client, in one service.
    Users,
    /// The same in four services.
    Services,
    /// More and more objects: memory, time, requests.
    Growth,
    /// Drift rounds, new objects and lost Secrets beside many objects.
    Beside,
    /// How long nobody works when the leader is stopped or killed.
    Handover,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(async {
            tokio::select! {
                done = run(arguments) => done,
                _ = tokio::signal::ctrl_c() => anyhow::bail!("ended by hand"),
            }
        })
}

async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let begin = Instant::now();
    let out = &arguments.out;
    std::fs::create_dir_all(out).with_context(|| format!("cannot make {}", out.display()))?;
    let mut size = if arguments.quick {
        Size::quick()
    } else {
        Size::full()
    };
    if !arguments.objects.is_empty() {
        size.growth.clone_from(&arguments.objects);
    }
    let is_wanted = |what| arguments.only.is_empty() || arguments.only.contains(&what);
    let own = std::env::current_exe()?;
    let beside = own.parent().context("a program in a folder")?.to_owned();
    let programs = arguments.programs.unwrap_or(beside);
    let mut report = Report::new(&size, &programs)?;
    let stage = Stage::open(programs, out.clone()).await?;
    for (what, name, services) in [(What::Users, "one", 1), (What::Services, "four", 4)] {
        if !is_wanted(what) {
            continue;
        }
        for rate in [size.rate, size.raised] {
            eprintln!("{} users in {services} services, {rate}/s", size.many);
            let name = format!("{name}-{rate}");
            let pair = measures::users(&stage, &name, services, &size, rate).await?;
            report.users(services, rate, &pair);
        }
    }
    if is_wanted(What::Beside) {
        eprintln!("beside {} users and {} buckets", size.many, size.many);
        report.beside(&measures::beside(&stage, &size).await?);
    }
    if is_wanted(What::Handover) {
        eprintln!("handovers");
        report.handovers(&handover::measure(&stage, &size).await?);
    }
    if is_wanted(What::Growth) {
        eprintln!("more and more objects");
        let (steps, restarted) = measures::growth(&stage, &size).await?;
        report.growth(&steps, restarted);
        plot::write(out, &steps)?;
    }
    report.took(begin.elapsed());
    report.write(out)?;
    print!("{report}");
    Ok(())
}
