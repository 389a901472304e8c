//! What happened, as a grid: a row for each case, a column for each language. As text, as JSON, and as a page.

mod page;

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

/// What became of one case in one language.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "outcome", content = "why")]
#[non_exhaustive]
pub enum Outcome {
    /// As promised.
    Passed,
    /// Not as promised: what came instead. Also a guest that was not built.
    Failed(String),
    /// Not as promised, and known not to be: the reason.
    ExpectedFailure(String),
    /// As promised, though it was said to fail.
    UnexpectedPass(String),
    /// The target lacks what the case needs: what that is.
    Skipped(String),
    /// There is no guest in this language, and it is known why. Never a pass.
    Absent(String),
}

impl Outcome {
    /// One word for the grid.
    #[must_use]
    pub fn mark(&self) -> &'static str {
        match self {
            Self::Passed => "ok",
            Self::Failed(_) => "FAILED",
            Self::ExpectedFailure(_) => "expected",
            Self::UnexpectedPass(_) => "UNEXPECTED",
            Self::Skipped(_) => "skipped",
            Self::Absent(_) => "absent",
        }
    }

    /// Why, when there is something to say.
    #[must_use]
    pub fn why(&self) -> Option<&str> {
        match self {
            Self::Passed => None,
            Self::Failed(why)
            | Self::ExpectedFailure(why)
            | Self::UnexpectedPass(why)
            | Self::Skipped(why)
            | Self::Absent(why) => Some(why),
        }
    }
}

/// One square of the grid.
#[derive(Clone, Debug, Serialize)]
pub struct Cell {
    /// Which guest.
    pub guest: String,
    /// In which language.
    pub language: String,
    /// Which case; `-` for what is said of the whole suite.
    pub case: String,
    /// Where it ran.
    pub target: String,
    /// What became of it.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// The grid.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// In the order in which they ran.
    pub cells: Vec<Cell>,
}

/// How many cells there are of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct Counts {
    /// As promised.
    pub passed: usize,
    /// Not as promised, or as promised against what was said.
    pub failed: usize,
    /// Not as promised, and known not to be.
    pub expected_failures: usize,
    /// Not run: the target lacks something.
    pub skipped: usize,
    /// Not there.
    pub absent: usize,
}

impl Report {
    pub(crate) fn add(&mut self, guest: &str, language: &str, case: &str, target: &str, outcome: Outcome) {
        let [guest, language, case, target] = [guest, language, case, target].map(str::to_owned);
        self.cells.push(Cell { guest, language, case, target, outcome });
    }

    /// Whether nothing failed, and nothing passed that should fail. What was skipped is told by the target beforehand,
    /// what is absent by `absent.toml`.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.counts().failed == 0
    }

    /// How many cells there are of each kind.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for cell in &self.cells {
            let count = match cell.outcome {
                Outcome::Passed => &mut counts.passed,
                Outcome::Failed(_) | Outcome::UnexpectedPass(_) => &mut counts.failed,
                Outcome::ExpectedFailure(_) => &mut counts.expected_failures,
                Outcome::Skipped(_) => &mut counts.skipped,
                Outcome::Absent(_) => &mut counts.absent,
            };
            *count += 1;
        }
        counts
    }

    /// The grid as a page of HTML that needs no other file.
    #[must_use]
    pub fn html(&self) -> String {
        page::render(self)
    }

    fn guests(&self) -> Vec<&str> {
        let mut guests: Vec<&str> = Vec::new();
        for cell in &self.cells {
            if !guests.contains(&cell.guest.as_str()) {
                guests.push(&cell.guest);
            }
        }
        guests
    }

    /// Of one guest: the languages, and each case with a cell (or none) for each language.
    fn grid(&self, guest: &str) -> Grid<'_> {
        let cells: Vec<&Cell> = self.cells.iter().filter(|cell| cell.guest == guest).collect();
        let languages: BTreeSet<&str> = cells.iter().map(|cell| cell.language.as_str()).collect();
        let mut cases: Vec<&str> = Vec::new();
        for cell in &cells {
            if !cases.contains(&cell.case.as_str()) {
                cases.push(&cell.case);
            }
        }
        let languages: Vec<&str> = languages.into_iter().collect();
        let cell = |case: &str, language: &str| {
            cells.iter().find(|cell| cell.case == case && cell.language == language).copied()
        };
        let rows = cases
            .iter()
            .map(|case| (*case, languages.iter().map(|language| cell(case, language)).collect()))
            .collect();
        Grid { languages, rows }
    }
}

struct Grid<'a> {
    languages: Vec<&'a str>,
    rows: Vec<(&'a str, Vec<Option<&'a Cell>>)>,
}

/// Letters of a case's name in the grid.
const CASE: usize = 72;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for guest in self.guests() {
            let grid = self.grid(guest);
            write!(f, "{:<CASE$}", guest.to_uppercase())?;
            for language in &grid.languages {
                write!(f, "  {language:<10}")?;
            }
            writeln!(f)?;
            for (case, cells) in &grid.rows {
                let name: String = case.chars().take(CASE - 2).collect();
                write!(f, "  {name:<width$}", width = CASE - 2)?;
                for (cell, language) in cells.iter().zip(&grid.languages) {
                    let mark = cell.map_or("", |cell| cell.outcome.mark());
                    write!(f, "  {mark:<width$}", width = language.len().max(10))?;
                }
                writeln!(f)?;
            }
        }
        for cell in &self.cells {
            let Cell { guest, language, case, target, outcome } = cell;
            if let (Some(why), false) = (outcome.why(), matches!(outcome, Outcome::Skipped(_))) {
                writeln!(f, "{}: {guest}, {language}, {target}: {case}: {why}", outcome.mark())?;
            }
        }
        let Counts { passed, failed, expected_failures, skipped, absent } = self.counts();
        write!(
            f,
            "{passed} passed, {failed} failed, {expected_failures} expected to fail, {skipped} skipped, {absent} absent"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let cell = |language: &str, case: &str, outcome| Cell {
            guest: "kv".to_owned(),
            language: language.to_owned(),
            case: case.to_owned(),
            target: "in-process".to_owned(),
            outcome,
        };
        Report {
            cells: vec![
                cell("rust", "a is b", Outcome::Passed),
                cell("c", "a is b", Outcome::ExpectedFailure("no <b>".to_owned())),
                cell("go", "-", Outcome::Absent("no compiler".to_owned())),
            ],
        }
    }

    #[test]
    fn a_grid_has_a_row_for_each_case_and_a_column_for_each_language() {
        let text = report().to_string();
        let lines: Vec<_> = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).collect();
        assert_eq!(lines[0], ["KV", "c", "go", "rust"]);
        assert_eq!(lines[1], ["a", "is", "b", "expected", "ok"]);
        assert_eq!(lines[2], ["-", "absent"]);
        assert!(text.ends_with("1 passed, 0 failed, 1 expected to fail, 0 skipped, 1 absent"), "{text}");
    }

    #[test]
    fn what_should_fail_and_passes_is_not_clean() {
        let mut report = report();
        assert!(report.is_clean());
        report.cells[1].outcome = Outcome::UnexpectedPass("it was said to fail".to_owned());
        assert!(!report.is_clean());
    }

    #[test]
    fn a_page_holds_every_word_and_no_markup_of_guests() {
        let page = report().html();
        assert!(
            page.contains("a is b") && page.contains("no &lt;b&gt;") && !page.contains("no <b>"),
            "{page}"
        );
    }
}
