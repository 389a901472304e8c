//! What a person reads: results on standard output, everything else on standard error, colours only on a
//! terminal and never under `NO_COLOR`.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use owo_colors::{OwoColorize, Style};

/// Whether the line of standard error that the cursor is in only says what goes on.
static UNDER_WAY: AtomicBool = AtomicBool::new(false);

/// Says what goes on, on a terminal, until the next line is printed.
pub(crate) fn under_way(what: &str) {
    if io::stderr().is_terminal() {
        clear();
        let _ = write!(io::stderr().lock(), "  {what} ...");
        UNDER_WAY.store(true, Ordering::Relaxed);
    }
}

fn clear() {
    if UNDER_WAY.swap(false, Ordering::Relaxed) {
        let _ = write!(io::stderr().lock(), "\r\x1b[K");
    }
}

/// Prints a line of the result. A reader that went away (`| head`) is not an error.
pub(crate) fn result(line: impl Display) {
    clear();
    let _ = writeln!(io::stdout().lock(), "{line}");
}

/// Prints a value as the only line of the result.
pub(crate) fn json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    result(serde_json::to_string_pretty(value)?);
    Ok(())
}

/// Prints a line that is not the result.
pub(crate) fn note(line: impl Display) {
    clear();
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Writes a text file, and the folders that lead to it.
pub(crate) fn place(path: &Path, text: &str) -> anyhow::Result<()> {
    let write = || {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(path, text)
    };
    write().with_context(|| format!("failed to write `{}`", path.display()))
}

/// Prints an error and what caused it, one cause a line.
pub(crate) fn error(error: &anyhow::Error) {
    note(format!("{} {error}", Paint::stderr().bad("error:")));
    for cause in error.chain().skip(1) {
        note(format!("  caused by: {cause}"));
    }
}

/// Prints a warning.
pub(crate) fn warning(line: impl Display) {
    note(format!("{} {line}", Paint::stderr().warn("warning:")));
}

/// Colours for one stream, or none.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paint {
    on: bool,
}

impl Paint {
    pub(crate) fn stdout() -> Self {
        Self { on: io::stdout().is_terminal() && wanted() }
    }

    pub(crate) fn stderr() -> Self {
        Self { on: io::stderr().is_terminal() && wanted() }
    }

    /// Whether colours are on.
    pub(crate) fn is_on(self) -> bool {
        self.on
    }

    pub(crate) fn strong(self, text: impl Display) -> String {
        self.style(text, Style::new().bold())
    }

    pub(crate) fn faint(self, text: impl Display) -> String {
        self.style(text, Style::new().dimmed())
    }

    pub(crate) fn good(self, text: impl Display) -> String {
        self.style(text, Style::new().green().bold())
    }

    pub(crate) fn warn(self, text: impl Display) -> String {
        self.style(text, Style::new().yellow().bold())
    }

    pub(crate) fn bad(self, text: impl Display) -> String {
        self.style(text, Style::new().red().bold())
    }

    fn style(self, text: impl Display, style: Style) -> String {
        if self.on { text.style(style).to_string() } else { text.to_string() }
    }
}

/// See <https://no-color.org>.
fn wanted() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Lines up rows under their headings, two spaces apart.
pub(crate) fn table<const N: usize>(paint: Paint, headings: [&str; N], rows: &[[String; N]]) -> String {
    let mut widths = headings.map(|heading| heading.chars().count());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: [&str; N]| {
        let padded = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let mut lines = vec![paint.strong(line(headings))];
    lines.extend(rows.iter().map(|row| line(row.each_ref().map(String::as_str))));
    lines.join("\n")
}

/// A size in powers of ten, as file managers and registries show it.
pub(crate) fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{}.{} kB", bytes / 1_000, bytes % 1_000 / 100),
        _ => format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000),
    }
}

/// A duration with as many digits as matter.
pub(crate) fn time(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds >= 0.95 {
        format!("{seconds:.1} s")
    } else if seconds >= 0.095 {
        format!("{seconds:.2} s")
    } else {
        format!("{:.1} ms", seconds * 1e3)
    }
}

/// How long ago a time in Unix milliseconds is, roughly.
pub(crate) fn ago(at: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = now.saturating_sub(Duration::from_millis(at)).as_secs();
    match seconds {
        0..60 => format!("{seconds} s ago"),
        60..3_600 => format!("{} min ago", seconds / 60),
        3_600..172_800 => format!("{} h ago", seconds / 3_600),
        _ => format!("{} d ago", seconds / 86_400),
    }
}

/// A time in Unix milliseconds as a day and a time of day, UTC.
pub(crate) fn date(at: u64) -> String {
    // Days since 0000-03-01, where leap days come last: every 400 years are alike.
    let days = at / 86_400_000 + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (day, month) = (day - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    let year = era * 400 + year + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02} {}", clock(at))
}

/// The time of day of a time in Unix milliseconds, UTC.
pub(crate) fn clock(at: u64) -> String {
    let seconds = at / 1_000 % 86_400;
    format!("{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_lines_up_without_trailing_spaces() {
        let paint = Paint { on: false };
        let rows = [["a".to_owned(), "1".to_owned()], ["longer".to_owned(), "2".to_owned()]];
        assert_eq!(table(paint, ["name", "n"], &rows), "name    n\na       1\nlonger  2");
    }

    #[test]
    fn a_date_is_that_of_the_calendar() {
        let days = [(0, "1970-01-01"), (951_782_400_000, "2000-02-29"), (1_795_392_000_000, "2026-11-23")];
        for (at, day) in days {
            assert_eq!(date(at), format!("{day} 00:00:00"));
        }
        assert_eq!(clock(1_795_392_000_000 + 3_661_999), "01:01:01");
    }

    #[test]
    fn sizes_and_times_are_short() {
        assert_eq!([size(12), size(13_749), size(2_500_000)], ["12 B", "13.7 kB", "2.5 MB"]);
        let times = [1, 50, 949, 1234].map(|ms| time(Duration::from_millis(ms)));
        assert_eq!(times, ["1.0 ms", "50.0 ms", "0.95 s", "1.2 s"]);
    }
}
