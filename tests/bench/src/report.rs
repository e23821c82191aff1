//! The results as a table for people and as JSON and CSV for programs.

use std::fmt::{self, Display, Write as _};
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::counts::Requests;
use crate::handover::Handovers;
use crate::measures::{Beside, Made, Pair, Size, Step};
use crate::stage::Memory;

/// A line of the table.
struct Row {
    what: String,
    found: String,
    goal: &'static str,
}

/// All results of one run.
pub struct Report {
    machine: String,
    ratios: Vec<Row>,
    rows: Vec<Row>,
    json: Value,
    growth: String,
    /// The rows of `growth` for people, in Markdown.
    steps: String,
    many: usize,
}

impl Report {
    /// None yet, on this machine.
    pub fn new(size: &Size, programs: &Path) -> anyhow::Result<Self> {
        let machine = machine()?;
        let binary = std::fs::metadata(programs.join("cooper"))?.len() / 100_000;
        let binary = f64::from(u32::try_from(binary)?) / 10.0;
        let is_debug = cfg!(debug_assertions);
        let json = json!({
            "at": jiff::Timestamp::now(), "machine": machine, "debugBuild": is_debug, "binaryMB": binary,
            "many": size.many, "rate": size.rate, "raised": size.raised, "samples": size.samples,
        });
        let mut report = Self {
            machine: format!(
                "{machine}{}",
                if is_debug {
                    "; a debug build: times and memory mean nothing"
                } else {
                    ""
                }
            ),
            ratios: Vec::new(),
            rows: Vec::new(),
            json,
            growth: String::new(),
            steps: String::new(),
            many: size.many,
        };
        report.row("size of the program", format!("{binary:.1} MB"), "");
        Ok(report)
    }

    fn row(&mut self, what: impl Into<String>, found: String, goal: &'static str) {
        self.rows.push(Row {
            what: what.into(),
            found,
            goal,
        });
    }

    fn keep(&mut self, name: &str, value: Value) {
        if let Some(all) = self.json.as_object_mut() {
            all.insert(name.to_owned(), value);
        }
    }

    /// Users by both sides.
    pub fn users(&mut self, services: usize, rate: u32, pair: &Pair) {
        let which = match services {
            1 => format!("{} users", self.many),
            some => format!("{some} services × {} users", self.many / some),
        };
        let what = format!("{which}, {rate} requests/s");
        let (cooper, floor) = (&pair.cooper, &pair.floor);
        let by = |a: u32, b: u32| format!("{:.2}", f64::from(a) / f64::from(b.max(1)));
        self.ratios.push(Row {
            what: format!("{what}: time by that of a bare client"),
            found: format!("{:.2}", pair.ratio()),
            goal: "≤ 1.5 by default",
        });
        self.ratios.push(Row {
            what: format!("{what}: cloud requests, Kubernetes writes"),
            found: format!(
                "{}, {}",
                by(cooper.cloud.all(), floor.cloud.all()),
                by(cooper.kube.writes, floor.kube.writes)
            ),
            goal: "",
        });
        for (who, made) in [("cooper", cooper), ("bare client", floor)] {
            self.row(format!("{what}, {who}"), made.told(), "");
        }
        let name = format!("users-{services}-{rate}");
        self.keep(
            &name,
            json!({"ratio": pair.ratio(), "cooper": cooper.json(), "floor": floor.json()}),
        );
    }

    /// What was measured beside many objects.
    pub fn beside(&mut self, beside: &Beside) {
        let many = self.many;
        let round = &beside.round;
        self.ratios.push(Row {
            what: format!("requests of a drift round over {many} users and {many} buckets"),
            found: round.cloud.all().to_string(),
            goal: "≤ 25",
        });
        self.row(
            format!(
                "drift round, and the looks at Secrets in its {} s",
                round.every
            ),
            format!(
                "{:.2} s of processor; Kubernetes: {} writes, {} reads",
                round.processor, round.kube.writes, round.kube.reads
            ),
            "",
        );
        let (idle, drifting) = (Spread::of(&beside.idle), Spread::of(&beside.drifting));
        self.ratios.push(Row {
            what:
                "a new user's time to Ready during drift rounds by that when idle, median and p99"
                    .into(),
            found: format!(
                "{:.2}, {:.2}",
                drifting.median / idle.median,
                drifting.p99 / idle.p99
            ),
            goal: "",
        });
        self.row("a new user to Ready, idle", idle.to_string(), "");
        self.row("… during drift rounds", drifting.to_string(), "");
        let (timed, watched) = (Spread::of(&beside.timed), Spread::of(&beside.watched));
        self.row("a deleted Secret to the new one", timed.to_string(), "");
        self.row("… with secrets.watch", watched.to_string(), "");
        self.keep(
            "beside",
            json!({
                "round": {"every": round.every, "processor": round.processor, "cloud": requests(&round.cloud), "kube": requests(&round.kube)},
                "idle": beside.idle, "drifting": beside.drifting, "timed": beside.timed, "watched": beside.watched,
            }),
        );
    }

    /// From the end of one leader to the next.
    pub fn handovers(&mut self, found: &Handovers) {
        let sorts = [
            ("SIGTERM, idle", &found.idle, "≤ 1 s"),
            ("SIGTERM, during drift rounds", &found.drifting, "≤ 1 s"),
            ("SIGTERM, while users are made", &found.creating, ""),
            (
                "SIGTERM, while users are made, answers of the cloud after 200 ms",
                &found.far,
                "",
            ),
            ("SIGKILL", &found.killed, "≤ 1 lease"),
        ];
        for (what, samples, goal) in sorts {
            let spread = Spread::of(samples);
            let (median, most) = (spread.median, spread.most);
            self.row(
                format!("handover, {what}"),
                format!(
                    "median {:.0} ms, longest {:.0} ms of {}; {:.3}, {:.3} of the lease",
                    median * 1000.0,
                    most * 1000.0,
                    spread.count,
                    median / found.lease,
                    most / found.lease
                ),
                goal,
            );
        }
        self.keep(
            "handover",
            json!({
                "leaseSeconds": found.lease, "idle": found.idle, "drifting": found.drifting, "creating": found.creating,
                "creatingFar": found.far, "killed": found.killed,
            }),
        );
    }

    /// Memory, time and requests by the number of objects.
    pub fn growth(&mut self, steps: &[Step], restarted: Memory) {
        self.growth
            .push_str("objects,seconds,cloud,kube_writes,kube_reads,rss_mib,own_mib,peak_mib\n");
        for step in steps {
            let memory = step.memory;
            let (objects, is_most) = (step.objects, step.objects >= 10_000);
            self.row(
                format!("memory with {objects} objects (resident, own, peak)"),
                memory.told(),
                if is_most { "≤ 64 MiB" } else { "" },
            );
            // Writing to a string cannot fail.
            let _ = writeln!(
                self.growth,
                "{objects},{:.2},{},{},{},{:.1},{:.1},{:.1}",
                step.seconds,
                step.cloud.all(),
                step.kube.writes,
                step.kube.reads,
                memory.resident,
                memory.own,
                memory.peak
            );
            let _ = writeln!(
                self.steps,
                "| {objects} | {:.1} s | {} | {} | {} | {:.1} MiB |",
                step.seconds,
                step.cloud.all(),
                step.kube.writes,
                step.kube.reads,
                memory.resident
            );
        }
        self.row("… after a restart with all of them", restarted.told(), "");
        let steps = steps.iter().map(|step| {
            json!({
                "objects": step.objects, "seconds": step.seconds, "cloud": requests(&step.cloud), "kube": requests(&step.kube),
                "residentMiB": step.memory.resident, "ownMiB": step.memory.own, "peakMiB": step.memory.peak,
            })
        });
        let steps: Vec<_> = steps.collect();
        self.keep("growth", json!(steps));
        self.keep("restartedMiB", json!(restarted.resident));
    }

    /// How long all of it took.
    pub fn took(&mut self, time: Duration) {
        self.row("this run", format!("{:.0} s", time.as_secs_f64()), "");
    }

    /// The tables as `docs/performance.md` has them.
    fn markdown(&self) -> String {
        let mut text = format!("{}\n\n| | Measured | Goal |\n|---|---|---|\n", self.machine);
        for row in self.ratios.iter().chain(&self.rows) {
            let _ = writeln!(text, "| {} | {} | {} |", row.what, row.found, row.goal);
        }
        if !self.steps.is_empty() {
            text.push_str("\n| Objects | Time of the step | Cloud requests | Kubernetes writes | Kubernetes reads | Resident |\n");
            text.push_str("|---|---|---|---|---|---|\n");
            text.push_str(&self.steps);
        }
        text
    }

    /// Writes `result.json`, `growth.csv`, `table.txt` and `tables.md`.
    pub fn write(&self, folder: &Path) -> anyhow::Result<()> {
        let json = serde_json::to_string_pretty(&self.json)?;
        std::fs::write(folder.join("result.json"), json)?;
        std::fs::write(folder.join("table.txt"), self.to_string())?;
        std::fs::write(folder.join("tables.md"), self.markdown())?;
        if !self.growth.is_empty() {
            std::fs::write(folder.join("growth.csv"), &self.growth)?;
        }
        Ok(())
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = || self.ratios.iter().chain(&self.rows);
        let width = |text: fn(&Row) -> &str| {
            let lengths = rows().map(|row| text(row).chars().count());
            lengths.max().unwrap_or_default()
        };
        let (what, found) = (width(|row| &row.what), width(|row| &row.found));
        writeln!(f, "{}\n", self.machine)?;
        for row in rows() {
            let line = format!("{:what$}  {:found$}  {}", row.what, row.found, row.goal);
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

impl Made {
    fn told(&self) -> String {
        let processor = self.processor.map_or(String::new(), |seconds| {
            format!("; {seconds:.1} s of processor")
        });
        format!(
            "{:.1} s; cloud: {} writes, {} reads; Kubernetes: {} writes, {} reads{processor}",
            self.seconds, self.cloud.writes, self.cloud.reads, self.kube.writes, self.kube.reads
        )
    }

    fn json(&self) -> Value {
        json!({
            "seconds": self.seconds, "processor": self.processor, "cloud": requests(&self.cloud), "kube": requests(&self.kube),
        })
    }
}

impl Memory {
    fn told(&self) -> String {
        format!(
            "{:.1}, {:.1}, {:.1} MiB",
            self.resident, self.own, self.peak
        )
    }
}

fn requests(requests: &Requests) -> Value {
    json!({"writes": requests.writes, "reads": requests.reads, "sorts": requests.sorts})
}

/// How samples lie, in seconds.
struct Spread {
    count: usize,
    median: f64,
    p99: f64,
    most: f64,
}

impl Spread {
    fn of(samples: &[f64]) -> Self {
        let mut sorted = samples.to_vec();
        sorted.sort_by(f64::total_cmp);
        // The smallest sample that so many hundredths of all are not above.
        let at = |hundredths: usize| {
            let place = (sorted.len() * hundredths).div_ceil(100).max(1) - 1;
            sorted.get(place).copied().unwrap_or(f64::NAN)
        };
        Self {
            count: sorted.len(),
            median: at(50),
            p99: at(99),
            most: at(100),
        }
    }
}

impl Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "median {:.3} s, p99 {:.3} s, longest {:.3} s of {}",
            self.median, self.p99, self.most, self.count
        )
    }
}

/// Such as `AMD EPYC 7B13, 2 cores, 23 GiB, Linux 6.1.0`.
fn machine() -> anyhow::Result<String> {
    let read = |file: &str| std::fs::read_to_string(file).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let processor = field(&read("/proc/cpuinfo"), "model name").unwrap_or_else(|| "?".into());
    let memory = field(&read("/proc/meminfo"), "MemTotal").unwrap_or_default();
    let kib: u32 = memory.trim_end_matches(" kB").parse()?;
    let kernel = read("/proc/sys/kernel/osrelease");
    Ok(format!(
        "{processor}, {} cores, {} GiB, Linux {}",
        std::thread::available_parallelism()?,
        kib / 1024 / 1024,
        kernel.trim()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_sample_that_so_many_are_not_above() {
        let samples: Vec<_> = (1..=200).rev().map(f64::from).collect();
        assert_eq!(
            Spread::of(&samples).to_string(),
            "median 100.000 s, p99 198.000 s, longest 200.000 s of 200"
        );
        assert_eq!(
            Spread::of(&[7.0]).to_string(),
            "median 7.000 s, p99 7.000 s, longest 7.000 s of 1"
        );
    }
}
