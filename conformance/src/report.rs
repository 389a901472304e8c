//! What happened, as a grid: a row for each case, a column for each language.

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
    /// Not as promised: what came instead.
    Failed(String),
    /// Not as promised, and known not to be: the reason.
    ExpectedFailure(String),
    /// As promised, though it was said to fail.
    UnexpectedPass(String),
    /// The target lacks what the case needs: what that is.
    Skipped(String),
    /// No guest, or none that was built: never a pass.
    Absent(String),
}

/// One square of the grid.
#[derive(Clone, Debug, Serialize)]
pub struct Cell {
    /// Which guest.
    pub guest: String,
    /// In which language.
    pub language: String,
    /// Which case.
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

impl Report {
    /// Whether nothing failed, nothing passed that should fail, and nothing was absent. What was skipped is told
    /// by the target beforehand.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        let is_clean = |outcome: &Outcome| {
            matches!(outcome, Outcome::Passed | Outcome::ExpectedFailure(_) | Outcome::Skipped(_))
        };
        self.cells.iter().all(|cell| is_clean(&cell.outcome))
    }

    fn count(&self, is: impl Fn(&Outcome) -> bool) -> usize {
        self.cells.iter().filter(|cell| is(&cell.outcome)).count()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows: BTreeSet<(&str, &str)> = self.cells.iter().map(|c| (&*c.guest, &*c.case)).collect();
        for (guest, case) in rows {
            write!(f, "{guest:<12} {case:<64}")?;
            for cell in self.cells.iter().filter(|cell| cell.guest == guest && cell.case == case) {
                write!(f, " {}/{} {}", cell.language, cell.target, mark(&cell.outcome))?;
            }
            writeln!(f)?;
        }
        for cell in &self.cells {
            if let Outcome::Failed(why) | Outcome::UnexpectedPass(why) | Outcome::Absent(why) = &cell.outcome
            {
                writeln!(f, "{} {} ({}, {}): {why}", cell.guest, cell.case, cell.language, cell.target)?;
            }
        }
        write!(
            f,
            "{} passed, {} failed, {} expected to fail, {} skipped, {} absent",
            self.count(|o| matches!(o, Outcome::Passed)),
            self.count(|o| matches!(o, Outcome::Failed(_) | Outcome::UnexpectedPass(_))),
            self.count(|o| matches!(o, Outcome::ExpectedFailure(_))),
            self.count(|o| matches!(o, Outcome::Skipped(_))),
            self.count(|o| matches!(o, Outcome::Absent(_))),
        )
    }
}

fn mark(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Passed => "ok",
        Outcome::Failed(_) => "FAILED",
        Outcome::ExpectedFailure(_) => "expected failure",
        Outcome::UnexpectedPass(_) => "UNEXPECTED PASS",
        Outcome::Skipped(_) => "skipped",
        Outcome::Absent(_) => "absent",
    }
}
