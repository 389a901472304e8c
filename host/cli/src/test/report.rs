//! What came of the cases, and what of the services they reached: as text and as JSON.

use std::time::Duration;

use serde::{Serialize, Serializer};
use wharf_conformance::Outcome;
use wharf_test::ServiceCoverage;

use crate::output::{self, Paint};

/// A whole run.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) cases: Vec<Ran>,
    pub(super) coverage: Vec<ServiceCoverage>,
    #[serde(rename = "build_seconds", serialize_with = "seconds")]
    pub(super) build: Duration,
    #[serde(rename = "run_seconds", serialize_with = "seconds")]
    pub(super) run: Duration,
}

/// One case.
#[derive(Debug, Serialize)]
pub(super) struct Ran {
    pub(super) service: String,
    pub(super) file: String,
    pub(super) case: String,
    #[serde(flatten)]
    pub(super) outcome: Outcome,
    #[serde(rename = "seconds", serialize_with = "seconds")]
    pub(super) took: Duration,
}

fn seconds<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(time.as_secs_f64())
}

/// Letters of a statement that was not reached.
const STATEMENT: usize = 90;

impl Report {
    /// Cases that are not as they were said to be.
    pub(super) fn failed(&self) -> usize {
        let bad = |ran: &&Ran| matches!(ran.outcome, Outcome::Failed(_) | Outcome::UnexpectedPass(_));
        self.cases.iter().filter(bad).count()
    }

    /// The lines that a person reads: cases by service, what was not reached, and the sum.
    pub(super) fn text(&self, paint: Paint) -> String {
        let mut lines = Vec::new();
        let mut service = None;
        let width = self.cases.iter().map(|ran| ran.title().chars().count()).max().unwrap_or(0);
        for ran in &self.cases {
            if service != Some(&ran.service) {
                service = Some(&ran.service);
                lines.push(paint.strong(&ran.service));
            }
            lines.push(ran.line(paint, width));
        }
        for coverage in &self.coverage {
            lines.push(String::new());
            lines.extend(reached(coverage, paint));
        }
        let (failed, all) = (self.failed(), self.cases.len());
        let sum = format!("{} passed, {failed} failed", all - failed);
        let sum = if failed == 0 { paint.good(sum) } else { paint.bad(sum) };
        let (run, build) = (output::time(self.run), output::time(self.build));
        lines.push(format!("\n{sum} in {run} {}", paint.faint(format!("(build {build})"))));
        lines.join("\n")
    }
}

impl Ran {
    fn title(&self) -> String {
        format!("{}: {}", self.file, self.case)
    }

    fn line(&self, paint: Paint, width: usize) -> String {
        let mark = format!("{:<8}", self.outcome.mark());
        let mark = match self.outcome {
            Outcome::Passed => paint.good(mark),
            Outcome::Failed(_) | Outcome::UnexpectedPass(_) => paint.bad(mark),
            _ => paint.warn(mark),
        };
        let line = format!("  {mark}{:<width$}  {}", self.title(), paint.faint(output::time(self.took)));
        match self.outcome.why() {
            Some(why) => format!("{line}\n          {}", why.replace('\n', "\n          ")),
            None => line,
        }
    }
}

/// What of a service was reached, and each route and statement that was not.
fn reached(coverage: &ServiceCoverage, paint: Paint) -> Vec<String> {
    let (asked, routes) = coverage.routes_reached();
    let (ran, statements) = coverage.statements_reached();
    let mut sums = vec![format!("{asked} of {routes} routes")];
    if statements > 0 {
        sums.push(format!("{ran} of {statements} SQL statements"));
    }
    if !coverage.others.is_empty() {
        sums.push(format!("{} that it does not declare", coverage.others.len()));
    }
    let mut lines = vec![format!("{} reached: {}", paint.strong(&coverage.service), sums.join(", "))];
    for route in coverage.routes.iter().filter(|route| route.requests == 0) {
        lines.push(format!("  {} route {}", paint.warn("not reached:"), route.route));
    }
    for statement in coverage.statements.iter().filter(|statement| statement.runs == 0) {
        let sql = statement.sql.split_whitespace().collect::<Vec<_>>().join(" ");
        let shown: String = sql.chars().take(STATEMENT).collect();
        lines.push(format!("  {} {} {}", paint.warn("not reached:"), statement.place, paint.faint(shown)));
    }
    lines
}
