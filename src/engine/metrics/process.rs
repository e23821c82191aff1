//! What the kernel says of this process.

use std::fs;

/// CPU time, memory and beginning of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// In seconds.
    pub cpu: f64,
    /// In bytes.
    pub memory: f64,
    /// In Unix seconds.
    pub began: f64,
}

/// Ticks a second in what the kernel shows to programs; the same on every architecture Linux has now.
const TICKS: f64 = 100.0;

/// Of this process, where `/proc` is there to ask.
pub fn usage() -> Option<Usage> {
    let [stat, status, machine] = ["/proc/self/stat", "/proc/self/status", "/proc/stat"]
        .map(|path| fs::read_to_string(path).ok());
    read(&stat?, &status?, &machine?)
}

/// proc(5): fields 14 and 15 of `stat` are CPU time, 22 the beginning since boot; they come after the name, which may hold anything.
fn read(stat: &str, status: &str, machine: &str) -> Option<Usage> {
    let (_, fields) = stat.rsplit_once(')')?;
    let fields: Vec<f64> = fields
        .split_whitespace()
        .skip(1)
        .map(|field| field.parse().unwrap_or(0.0))
        .collect();
    let named = |text: &str, name: &str| -> Option<f64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse().ok()
    };
    Some(Usage {
        cpu: (fields.get(10)? + fields.get(11)?) / TICKS,
        memory: named(status, "VmRSS:")? * 1024.0,
        began: named(machine, "btime")? + fields.get(18)? / TICKS,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_read_whatever_its_name() {
        let stat = "7 (a) (b) S 1 7 7 0 -1 4194560 1 0 0 0 150 50 0 0 20 0 9 0 4200 1 2";
        let found = read(
            stat,
            "Name:\tx\nVmRSS:\t  2048 kB\n",
            "cpu 1 2\nbtime 1000\n",
        );
        let wanted = Usage {
            cpu: 2.0,
            memory: 2_097_152.0,
            began: 1042.0,
        };
        assert_eq!(found, Some(wanted));
        assert!(usage().is_some_and(|usage| usage.memory > 0.0));
    }
}
