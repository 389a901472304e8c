//! Suites times guests, on one target.

use std::time::{Duration, Instant};

use http::{HeaderName, HeaderValue, Request};
use serde_json::Value;
use wharf_control::Project;

use crate::absent::Absences;
use crate::case::{Case, Column, Step, Suite};
use crate::compare::compare;
use crate::guest::Guest;
use crate::report::{Outcome, Report};
use crate::saved::Saved;
use crate::target::{Outgoing, Rows, Target, TargetError, chunked, known};

/// How long one step may take: more than any limit that a case provokes.
const PATIENCE: Duration = Duration::from_secs(30);

/// Between two requests of a step that is repeated.
const PAUSE: Duration = Duration::from_millis(10);

/// What is to be said before anything runs. A suite without a guest in one of the languages is absent when `absences` say
/// why; it fails when they don't, as does a guest without a suite: neither would ever be noticed otherwise. `target` stands
/// in the report.
#[must_use]
pub fn survey(suites: &[Suite], guests: &[Guest], absences: &Absences, target: &str) -> Report {
    let mut report = Report::default();
    let mut add = |guest: &str, language: &str, outcome| report.add(guest, language, "-", target, outcome);
    for guest in guests.iter().filter(|guest| !suites.iter().any(|suite| exercises(suite, guest, guests))) {
        add(&guest.name, &guest.language, Outcome::Failed("no suite of cases exercises it".to_owned()));
    }
    for (guest, language) in absences.stale(guests) {
        let why = "it is there, and `absent.toml` says that it is not".to_owned();
        add(&guest, &language, Outcome::Failed(why));
    }
    for missing in absences.missing(suites, guests) {
        let outcome = match missing.reason {
            Some(reason) => Outcome::Absent(reason.to_owned()),
            None => Outcome::Failed("no guest implements it, and `absent.toml` does not say why".to_owned()),
        };
        add(&missing.suite.guest, missing.language, outcome);
    }
    report
}

/// Runs the cases of every suite with those guests of its name that are `wanted`: best all of one language, as cases count
/// what is in the target's stores. `guests` are all that there are, as some have others served beside them.
pub async fn run(
    suites: &[Suite],
    guests: &[Guest],
    wanted: impl Fn(&Guest) -> bool,
    absences: &Absences,
    target: &impl Target,
) -> Report {
    let mut report = Report::default();
    for suite in suites {
        for guest in guests.iter().filter(|guest| guest.name == suite.guest && wanted(guest)) {
            let mut add =
                |case: &str, outcome| report.add(&guest.name, &guest.language, case, target.name(), outcome);
            if let Some(lacking) = suite.needs.iter().find(|need| target.lacks(need)) {
                add("-", Outcome::Skipped(format!("the target lacks {lacking}")));
                continue;
            }
            let found = if target.deploys() { services(suite, guest, guests) } else { Ok(Vec::new()) };
            let services = match found {
                Ok(services) => services,
                Err(why) => {
                    add("-", Outcome::Failed(why));
                    continue;
                }
            };
            let unbuilt = services.last().and_then(|service| absences.unbuilt(guest, service.component()));
            if let Some(why) = unbuilt {
                add("-", Outcome::Absent(why));
                continue;
            }
            if !suite.anew
                && let Err(error) = target.deploy(&services).await
            {
                add("-", Outcome::Failed(error.to_string()));
                continue;
            }
            for case in &suite.cases {
                let outcome = if suite.anew {
                    run_case(case, &guest.language, &services, target).await
                } else {
                    run_deployed(case, &guest.language, &services, target).await
                };
                add(&case.name, outcome);
            }
        }
    }
    report
}

/// Whether a suite runs with a guest, or with one that has it served beside.
fn exercises(suite: &Suite, guest: &Guest, guests: &[Guest]) -> bool {
    let has_beside = |of: &Guest| suite.deploy.iter().any(|name| of.beside(name, guests) == Some(guest));
    suite.guest == guest.name || guests.iter().filter(|of| of.name == suite.guest).any(has_beside)
}

/// What a suite has deployed for a guest: others first, the guest last.
fn services(suite: &Suite, guest: &Guest, guests: &[Guest]) -> Result<Vec<Project>, String> {
    let mut services = Vec::with_capacity(suite.deploy.len() + 1);
    for name in &suite.deploy {
        let found = guest.beside(name, guests);
        services.push(found.ok_or_else(|| format!("there is no guest `{name}` to deploy before it"))?);
    }
    services.push(guest);
    let open = |guest: &Guest| Project::open(&guest.folder).map_err(|error| wharf_host::chain(&error));
    services.into_iter().map(open).collect()
}

fn outcome(case: &Case, language: &str, ran: Result<(), Failure>) -> Outcome {
    match (ran, case.expected_failures.get(language)) {
        (Ok(()), None) => Outcome::Passed,
        (Ok(()), Some(reason)) => Outcome::UnexpectedPass(format!("it was said to fail: {reason}")),
        (Err(Failure::Deploy(why)), _) | (Err(Failure::Step(why)), None) => Outcome::Failed(why),
        (Err(Failure::Step(_)), Some(reason)) => Outcome::ExpectedFailure(reason.clone()),
    }
}

enum Failure {
    /// Nothing was built, or it was refused: no language is expected to.
    Deploy(String),
    Step(String),
}

/// Runs one case with one guest, deployed anew: these services, the last being the guest. `language` is looked up among the
/// failures that the case expects.
pub async fn run_case(case: &Case, language: &str, services: &[Project], target: &impl Target) -> Outcome {
    match target.deploy(services).await {
        Ok(()) => run_deployed(case, language, services, target).await,
        Err(error) => outcome(case, language, Err(Failure::Deploy(error.to_string()))),
    }
}

async fn run_deployed(case: &Case, language: &str, services: &[Project], target: &impl Target) -> Outcome {
    if let Some(lacking) = case.all_needs().find(|need| target.lacks(need)) {
        return Outcome::Skipped(format!("the target lacks {lacking}"));
    }
    outcome(case, language, run_steps(case, services, target).await)
}

async fn run_steps(case: &Case, services: &[Project], target: &impl Target) -> Result<(), Failure> {
    let told = |error: TargetError| Failure::Step(error.to_string());
    if !case.upstreams.is_empty() {
        target.expect(&case.upstreams).map_err(told)?;
    }
    let mut saved = Saved::default();
    for (index, step) in case.steps.iter().enumerate() {
        let done = tokio::time::timeout(PATIENCE, run_step(step, &mut saved, services, target)).await;
        let done = done.unwrap_or_else(|_| Err(format!("it took longer than {PATIENCE:?}")));
        done.map_err(|why| Failure::Step(format!("step {}: {why}", index + 1)))?;
    }
    target.finish().await.map_err(told)
}

async fn run_step(
    step: &Step,
    saved: &mut Saved,
    services: &[Project],
    target: &impl Target,
) -> Result<(), String> {
    let told = |error: TargetError| error.to_string();
    if step.swap {
        target.deploy(services).await.map_err(told)?;
    }
    if let Some(wait) = step.wait_ms {
        tokio::time::sleep(Duration::from_millis(wait)).await;
    }
    if let Some(by) = step.advance_ms {
        target.advance(Duration::from_millis(by)).map_err(told)?;
    }
    if let Some(sql) = &step.sql {
        let rows = target.sql(step.database.as_deref(), &saved.put_in_text(sql)).await.map_err(told)?;
        check_rows(step.rows.as_deref(), &rows)?;
    }
    let (Some(line), Some(expect)) = (&step.request, &step.expect) else { return Ok(()) };
    let line = saved.put_in_text(line);
    let patience = Duration::from_millis(step.until_ms.unwrap_or(0));
    let json = step.json.as_ref().map(|json| fill(saved.put_in(json), step)).transpose()?;
    let mut expect = expect.clone();
    expect.json = expect.json.map(|json| saved.put_in(&json));
    let begun = Instant::now();
    loop {
        let answer = target.send(request(step, &line, json.as_ref())?).await.map_err(told)?;
        match compare(&answer, &expect) {
            Err(_) if begun.elapsed() < patience => tokio::time::sleep(PAUSE).await,
            compared => return compared.and_then(|()| saved.save(&step.save, &answer.body)),
        }
    }
}

/// Rows against those that were expected.
fn check_rows(expected: Option<&[Vec<Column>]>, found: &Rows) -> Result<(), String> {
    let Some(expected) = expected else { return Ok(()) };
    let fits = |(row, found): (&Vec<Column>, &Vec<Option<String>>)| {
        row.len() == found.len() && row.iter().zip(found).all(|(column, found)| column.fits(found.as_deref()))
    };
    if expected.len() == found.len() && expected.iter().zip(found).all(fits) {
        return Ok(());
    }
    let text = |row: &Vec<Option<String>>| {
        let columns = row.iter().map(|column| column.as_deref().unwrap_or("NULL"));
        format!("\n    {}", columns.collect::<Vec<_>>().join(" | "))
    };
    let rows: String = found.iter().take(20).map(text).collect();
    Err(format!("{} rows instead of the {} that were expected:{rows}", found.len(), expected.len()))
}

/// Repeats the last item of lists until they are as long as they shall be.
fn fill(mut json: Value, step: &Step) -> Result<Value, String> {
    for (name, length) in &step.fill {
        let list = json.get_mut(name).and_then(Value::as_array_mut);
        let Some((list, last)) = list.and_then(|list| list.last().cloned().map(|last| (list, last))) else {
            return Err(format!("`json` has no list `{name}` with an item to fill it up with"));
        };
        list.resize(*length, last);
    }
    Ok(json)
}

fn request(step: &Step, line: &str, json: Option<&Value>) -> Result<Request<Outgoing>, String> {
    let (method, path) = line.split_once(' ').ok_or_else(|| format!("`{line}` is no method and target"))?;
    let body = match (&step.body, json, step.streamed_bytes) {
        (Some(text), _, _) => known(text.clone()),
        (_, Some(json), _) => known(json.to_string()),
        (_, _, Some(total)) => chunked(total),
        _ => known(""),
    };
    let mut request = Request::builder().method(method).uri(path).body(body).map_err(|e| e.to_string())?;
    if json.is_some() && !step.headers.keys().any(|name| name.eq_ignore_ascii_case("content-type")) {
        request
            .headers_mut()
            .insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    for (name, values) in &step.headers {
        let name: HeaderName = name.parse().map_err(|error| format!("`{name}`: {error}"))?;
        for value in values.values() {
            let value = value.parse().map_err(|error| format!("`{name}`: {error}"))?;
            request.headers_mut().append(name.clone(), value);
        }
    }
    Ok(request)
}

#[cfg(test)]
mod tests {
    use super::{exercises, fill};
    use crate::case::{Step, Suite};
    use crate::guest::Guest;
    use serde_json::json;
    use std::collections::BTreeMap;

    #[test]
    fn a_guest_is_exercised_by_its_suite_or_beside_another_one_of_its_language() {
        let guest = |name: &str, language: &str| Guest {
            name: name.to_owned(),
            language: language.to_owned(),
            folder: "x".into(),
        };
        let (deploy, cases) = (vec!["guard".to_owned()], Vec::new());
        let suite = Suite { guest: "guarded".to_owned(), deploy, needs: Vec::new(), anew: true, cases };
        let guests = [guest("guard", "c"), guest("guard", "go"), guest("guarded", "c"), guest("kv", "c")];
        let exercised = |guest: &Guest| exercises(&suite, guest, &guests);
        assert_eq!(guests.each_ref().map(exercised), [true, false, true, false]);
    }

    #[test]
    fn a_list_is_filled_up_with_its_last_item() {
        let step = Step { fill: BTreeMap::from([("keys".to_owned(), 3)]), ..Step::default() };
        assert_eq!(fill(json!({"keys": ["a", "b"]}), &step).unwrap(), json!({"keys": ["a", "b", "b"]}));
        assert!(fill(json!({"keys": []}), &step).unwrap_err().contains("`keys`"));
        assert!(fill(json!({}), &step).is_err());
    }
}
