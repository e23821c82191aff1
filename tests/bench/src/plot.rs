//! Pictures of growth as SVG: both axes logarithmic, so that a straight line of slope one means "in proportion".
//!
//! Legible on light and dark ground: the text follows the reader's colour scheme, and the ground is left out.

use std::fmt::Write as _;
use std::path::Path;

use crate::measures::Step;

const WIDTH: f64 = 660.0;
const HEIGHT: f64 = 400.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 150.0;
const TOP: f64 = 46.0;
const BOTTOM: f64 = 52.0;
/// Of the lines, in this order; they differ in lightness too.
const COLOURS: [&str; 4] = ["#2563eb", "#ea580c", "#16a34a", "#9333ea"];

/// One line of a picture.
struct Line {
    name: &'static str,
    points: Vec<(f64, f64)>,
}

/// Writes the pictures into a folder.
pub fn write(folder: &Path, steps: &[Step]) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder)?;
    let line = |name, value: &dyn Fn(&Step) -> f64| Line {
        name,
        points: steps
            .iter()
            .map(|step| (number(step.objects), value(step)))
            .collect(),
    };
    // What it took to get there from nothing, not from the step before.
    let sum = |value: &dyn Fn(&Step) -> f64| {
        let mut all = 0.0;
        let points = steps.iter().map(|step| {
            all += value(step);
            (number(step.objects), all)
        });
        points.collect()
    };
    let memory = [
        line("resident", &|step| step.memory.resident),
        line("own", &|step| step.memory.own),
    ];
    let requests = [
        Line {
            name: "cloud",
            points: sum(&|step| f64::from(step.cloud.all())),
        },
        Line {
            name: "Kubernetes writes",
            points: sum(&|step| f64::from(step.kube.writes)),
        },
        Line {
            name: "Kubernetes reads",
            points: sum(&|step| f64::from(step.kube.reads)),
        },
    ];
    let time = [Line {
        name: "to Ready",
        points: sum(&|step| step.seconds),
    }];
    for (file, title, lines) in [
        (
            "growth-memory.svg",
            "Memory of the operator, MiB",
            &memory[..],
        ),
        (
            "growth-requests.svg",
            "Requests to make them all",
            &requests[..],
        ),
        ("growth-time.svg", "Time to make them all, s", &time[..]),
    ] {
        std::fs::write(folder.join(file), picture(title, lines))?;
    }
    Ok(())
}

fn number(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

/// A logarithmic axis from one power of ten to another, over so many pixels.
struct Axis {
    low: f64,
    high: f64,
    pixels: f64,
}

impl Axis {
    fn over(values: impl Iterator<Item = f64> + Clone, pixels: f64) -> Self {
        let least = values.clone().fold(f64::INFINITY, f64::min).max(0.01);
        let most = values.fold(least, f64::max);
        let (low, high) = (least.log10().floor(), most.log10().ceil());
        Self {
            low,
            high: high.max(low + 1.0),
            pixels,
        }
    }

    fn at(&self, value: f64) -> f64 {
        (value.max(0.01).log10() - self.low) / (self.high - self.low) * self.pixels
    }

    /// The powers of ten.
    fn marks(&self) -> Vec<f64> {
        let mut marks = vec![self.low];
        while let Some(last) = marks.last().copied().filter(|last| *last < self.high) {
            marks.push(last + 1.0);
        }
        marks.into_iter().map(|power| 10_f64.powf(power)).collect()
    }
}

fn picture(title: &str, lines: &[Line]) -> String {
    let points = || lines.iter().flat_map(|line| &line.points);
    let x = Axis::over(points().map(|point| point.0), WIDTH - LEFT - RIGHT);
    let y = Axis::over(points().map(|point| point.1), HEIGHT - TOP - BOTTOM);
    let at = |point: (f64, f64)| (LEFT + x.at(point.0), HEIGHT - BOTTOM - y.at(point.1));
    let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
    let mut body = String::new();
    for mark in x.marks() {
        let (place, text) = (LEFT + x.at(mark), told(mark));
        let _ = writeln!(
            body,
            "<path class=\"grid\" d=\"M{place:.1} {TOP}V{bottom}\"/><text x=\"{place:.1}\" y=\"{}\" text-anchor=\"middle\">{text}</text>",
            bottom + 20.0
        );
    }
    for mark in y.marks() {
        let (place, text) = (bottom - y.at(mark), told(mark));
        let _ = writeln!(
            body,
            "<path class=\"grid\" d=\"M{LEFT} {place:.1}H{right}\"/><text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{text}</text>",
            LEFT - 8.0,
            place + 4.0
        );
    }
    for (line, colour) in lines.iter().zip(COLOURS) {
        let places: Vec<_> = line.points.iter().map(|point| at(*point)).collect();
        let path: Vec<_> = places
            .iter()
            .map(|(x, y)| format!("{x:.1},{y:.1}"))
            .collect();
        let _ = writeln!(
            body,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            path.join(" ")
        );
        for ((x, y), (_, value)) in places.iter().zip(&line.points) {
            let _ = writeln!(
                body,
                "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\" fill=\"{colour}\"><title>{}</title></circle>",
                told(*value)
            );
        }
        if let (Some((x, y)), Some((_, value))) = (places.last(), line.points.last()) {
            let _ = writeln!(
                body,
                "<text x=\"{:.1}\" y=\"{:.1}\" style=\"fill:{colour};font-weight:600\">{}</text><text x=\"{:.1}\" y=\"{:.1}\" style=\"fill:{colour};font-weight:600\">{}</text>",
                x + 8.0,
                y - 2.0,
                line.name,
                x + 8.0,
                y + 12.0,
                told(*value)
            );
        }
    }
    let middle = f64::midpoint(LEFT, right);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"system-ui, 'DejaVu Sans', Helvetica, Arial, sans-serif\" font-size=\"12\" role=\"img\" aria-labelledby=\"title\">\n\
         <title id=\"title\">{title}, by the number of objects</title>\n\
         <style>text {{ fill: #334155 }} .grid {{ stroke: #94a3b8; stroke-opacity: .4 }} .head {{ font-size: 15px; font-weight: 600 }}\n\
         @media (prefers-color-scheme: dark) {{ text {{ fill: #cbd5e1 }} }}</style>\n\
         <text x=\"{LEFT}\" y=\"26\" class=\"head\">{title}</text>\n\
         {body}<text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">objects, half of them users and half buckets</text>\n</svg>\n",
        HEIGHT - 12.0
    )
}

/// A number as an axis shows it.
fn told(value: f64) -> String {
    match value {
        value if value >= 1000.0 => format!("{:.0}k", value / 1000.0),
        value if value >= 10.0 => format!("{value:.0}"),
        value => format!("{value:.1}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_runs_over_whole_powers_of_ten() {
        let axis = Axis::over([100.0, 10_000.0].into_iter(), 200.0);
        assert_eq!(axis.marks(), [100.0, 1000.0, 10_000.0]);
        assert!((axis.at(1000.0) - 100.0).abs() < 1e-9);
    }

    #[test]
    fn a_single_point_still_makes_a_picture() {
        let line = Line {
            name: "one",
            points: vec![(20.0, 0.0)],
        };
        let picture = picture("Title", &[line]);
        assert!(picture.contains("<polyline") && !picture.contains("NaN"));
    }
}
