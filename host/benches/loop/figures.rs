//! The table for people and the summary for programs.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

/// What a figure counts.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Unit {
    Seconds,
    Bytes,
}

/// One line of the table: all samples of both.
#[derive(Debug, Clone)]
pub(crate) struct Figure {
    pub(crate) key: &'static str,
    pub(crate) what: &'static str,
    pub(crate) unit: Unit,
    pub(crate) native: Vec<f64>,
    pub(crate) wharf: Vec<f64>,
}

impl Figure {
    /// Pairs of native and Wharf.
    pub(crate) fn times(key: &'static str, what: &'static str, times: &[(Duration, Duration)]) -> Self {
        let (native, wharf) = times.iter().map(|(a, b)| (a.as_secs_f64(), b.as_secs_f64())).unzip();
        Self { key, what, unit: Unit::Seconds, native, wharf }
    }

    /// How many times what Wharf takes the native server does.
    fn ratio(&self) -> f64 {
        median(&self.native) / median(&self.wharf)
    }

    fn shown(&self, value: f64) -> String {
        match self.unit {
            Unit::Seconds if value < 1.0 => format!("{:.0} ms", value * 1e3),
            Unit::Seconds => format!("{value:.2} s"),
            Unit::Bytes => format!("{:.0} kB", value / 1e3),
        }
    }

    fn json(&self) -> Value {
        let rounded = |value: f64| (value * 1e3).round() / 1e3;
        let samples = |values: &[f64]| values.iter().copied().map(rounded).collect::<Vec<_>>();
        json!({
            "unit": match self.unit { Unit::Seconds => "s", Unit::Bytes => "bytes" },
            "native": rounded(median(&self.native)),
            "wharf": rounded(median(&self.wharf)),
            "ratio": rounded(self.ratio()),
            "samples": { "native": samples(&self.native), "wharf": samples(&self.wharf) },
        })
    }
}

/// All that was measured, and what has to be said about it. It is printed as it comes.
#[derive(Debug)]
pub(crate) struct Figures {
    figures: Vec<Figure>,
    notes: Vec<&'static str>,
}

impl Figures {
    /// An empty table.
    #[expect(clippy::print_stdout, reason = "the table is the result")]
    pub(crate) fn begin() -> Self {
        println!("{:38} {:>10} {:>10} {:>16}", "", "native", "wharf", "native / wharf");
        Self { figures: Vec::new(), notes: Vec::new() }
    }

    /// One more line.
    #[expect(clippy::print_stdout, reason = "the table is the result")]
    pub(crate) fn add(&mut self, figure: Figure) {
        let [native, wharf] = [&figure.native, &figure.wharf].map(|values| figure.shown(median(values)));
        println!("{:38} {native:>10} {wharf:>10} {:>16.1}", figure.what, figure.ratio());
        self.figures.push(figure);
    }

    /// One more line, of bytes.
    pub(crate) fn size(&mut self, key: &'static str, what: &'static str, native: u64, wharf: u64) {
        let [native, wharf] = [native, wharf].map(|bytes| vec![bytes as f64]);
        self.add(Figure { key, what, unit: Unit::Bytes, native, wharf });
    }

    /// What belongs to the line before.
    #[expect(clippy::print_stdout, reason = "the table is the result")]
    pub(crate) fn note(&mut self, note: &'static str) {
        println!("  {note}");
        self.notes.push(note);
    }

    /// Writes the medians, and all that they come from.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let figures: Map<_, _> =
            self.figures.iter().map(|figure| (figure.key.to_owned(), figure.json())).collect();
        let cores = std::thread::available_parallelism()?.get();
        let summary = json!({ "cores": cores, "notes": self.notes, "figures": figures });
        let folder = path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder)
            .and_then(|()| std::fs::write(path, format!("{summary:#}\n")))
            .with_context(|| format!("failed to write `{}`", path.display()))
    }
}

/// The middle of the values; zero when there are none.
fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
