//! What commands print: a table for people, JSON or YAML for machines.

use std::io::{ErrorKind, Write};

use serde::Serialize;

/// How results look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Columns for people.
    #[default]
    Table,
    /// JSON, whole.
    Json,
    /// YAML, whole.
    Yaml,
}

/// Prints a result in the form that was asked for.
pub fn print<T: Serialize>(
    format: Format,
    result: &T,
    table: impl FnOnce(&T) -> String,
) -> anyhow::Result<()> {
    let text = match format {
        Format::Table => table(result),
        Format::Json => serde_json::to_string_pretty(result)? + "\n",
        Format::Yaml => serde_saphyr::to_string(result)?,
    };
    write(&text)
}

/// Writes to standard output. A reader that has gone, such as `head`, is no error.
pub fn write(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        done => Ok(done?),
    }
}

/// Columns of one width each, two spaces apart, under a header.
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// With these headings.
    pub fn new<const N: usize>(headings: [&str; N]) -> Self {
        Self {
            rows: vec![headings.map(str::to_owned).to_vec()],
        }
    }

    /// Adds a row. An empty cell shows as `-`.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        let cells = cells.into_iter().map(|cell| match cell.as_str() {
            "" => "-".to_owned(),
            // A name from outside must not move the cursor of whoever reads it.
            cell => cell.replace(char::is_control, "?"),
        });
        self.rows.push(cells.collect());
    }

    /// The text, without spaces at the ends of lines.
    pub fn finish(&self) -> String {
        let mut widths = Vec::new();
        for row in &self.rows {
            widths.resize(row.len().max(widths.len()), 0);
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = cell.chars().count().max(*width);
            }
        }
        let line = |row: &Vec<String>| {
            let cells = row.iter().zip(&widths);
            let cells = cells.map(|(cell, width)| format!("{cell:width$}"));
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
        };
        self.rows.iter().map(line).collect()
    }
}

/// Bytes in a unit that reads well.
pub fn bytes(count: Option<i64>) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    let Some(count) = count else {
        return String::new();
    };
    let mut whole = count.max(0);
    if whole < 1024 {
        return format!("{whole} B");
    }
    let mut tenths = 0;
    let mut name = "B";
    for unit in UNITS {
        name = unit;
        tenths = whole % 1024 * 10 / 1024;
        whole /= 1024;
        if whole < 1024 {
            break;
        }
    }
    format!("{whole}.{tenths} {name}")
}

/// A count, or nothing if it is not known.
pub fn count(count: Option<i64>) -> String {
    count.map(|count| count.to_string()).unwrap_or_default()
}

/// How long ago something was, in its largest unit from two on, as kubectl says it.
pub fn age(seconds: i64) -> String {
    let seconds = seconds.max(0);
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7200 => format!("{}m", seconds / 60),
        7200..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_lines_end_with_words() {
        let mut table = Table::new(["NAME", "SIZE"]);
        table.row(["a".into(), "1 B".into()]);
        table.row(["longer".into(), String::new()]);
        assert_eq!(table.finish(), "NAME    SIZE\na       1 B\nlonger  -\n");
    }

    #[test]
    fn a_name_cannot_move_the_cursor() {
        let mut table = Table::new(["NAME"]);
        table.row(["\u{1b}[2Jx\n".into()]);
        assert_eq!(table.finish(), "NAME\n?[2Jx?\n");
    }

    #[test]
    fn sizes_and_ages_read_well() {
        for (count, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1536, "1.5 KiB"),
            (5 << 30, "5.0 GiB"),
            (i64::MAX, "8191.9 PiB"),
        ] {
            assert_eq!(bytes(Some(count)), text);
        }
        assert_eq!(bytes(None), "");
        for (seconds, text) in [(5, "5s"), (300, "5m"), (90_000, "25h"), (864_000, "10d")] {
            assert_eq!(age(seconds), text);
        }
    }
}
