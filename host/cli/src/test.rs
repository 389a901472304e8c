//! `wharf test`: an author's cases, each with a host, a database, buckets and a clock of its own, all at once. Not in here:
//! the ground they stand on (`wharf-test`), their format and what is compared (`wharf-conformance`).

mod fresh;
mod report;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::Args;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use wharf_conformance::{Case, Outcome, Suite, run_case};
use wharf_control::Project;
use wharf_test::Stand;

use crate::build::{self, Mode, Progress};
use crate::dev::watch::Watch;
use crate::output;
use crate::service::{Service, project_root};
use crate::toolchain::Profile;
use fresh::Fresh;
use report::{Ran, Report};

/// Run the tests of services
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wharf test                      the tests of the service in this folder
  wharf test --watch              again whenever something changes
  wharf test shop --filter cart   of one service, those with `cart` in their file or name

Tests are files in DIR/tests, whatever language the service is in:

  [[case]]
  name = \"an order is kept for an hour\"
  [[case.upstream]]                                   # what the service asks others, answered here
  request = \"GET https://rates.example/EUR\"
  reply.json = { rate = 1.1 }
  [[case.step]]
  sql = \"insert into products (id, price) values (7, 100)\"
  request = \"POST /orders\"
  json = { product = 7 }
  expect = { status = 201, json = { id = \"<any>\" } }
  save = { id = \"id\" }
  [[case.step]]
  advance-ms = 3_600_000                              # on the service's own clock
  request = \"GET /orders/<id>\"
  expect.status = 404

Each case has a fresh host, databases with the migrations applied, empty buckets and a clock of its own; cases run at the
same time. All keys are in vendor/wharf/tests.md of a project that `wharf new` or `wharf vendor` wrote. Guards that are services are named before the service that lists them.
The databases are copied from a template on a private PostgreSQL, which is kept in .wharf/test. For tests in Rust see
the crate `wharf-test`. Exit code 1 when a case fails, or when there is none.")]
pub(crate) struct Arguments {
    /// Folders with a wharf.toml [default: the current one]
    #[arg(value_name = "DIR")]
    folders: Vec<PathBuf>,
    /// Only cases with this in the name of their file or in their own
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Test again whenever sources or tests change
    #[arg(long, conflicts_with = "json")]
    watch: bool,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

/// Cases that run at once, for each core: they wait for the database now and then.
const AT_ONCE: usize = 2;
/// And on a machine with many: each reserves address space, and connections of one PostgreSQL.
const MOST_AT_ONCE: usize = 16;

/// A case, and what it needs.
struct Job {
    service: String,
    file: String,
    case: Case,
    projects: Arc<[Project]>,
}

pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    let services = Service::open_all(&arguments.folders)?;
    let folder = project_root(&services).join(".wharf/test");
    let stand = Stand::at(&folder)?;
    if !arguments.watch {
        let report = test(&services, &stand, &arguments, true).await?;
        return show(&report, arguments.json);
    }
    let (mut watch, mut is_built) = (Watch::start(&services)?, false);
    loop {
        // Manifests may have changed, too.
        let tested = match Service::open_all(&arguments.folders) {
            Ok(services) => test(&services, &stand, &arguments, !is_built).await,
            Err(error) => Err(error),
        };
        is_built |= tested.is_ok();
        if let Err(error) = tested.and_then(|report| show(&report, false)) {
            output::error(&error);
        }
        output::note(output::Paint::stderr().faint("waiting for a change; Ctrl-C ends"));
        is_built &= watch.next().await?.only_tests;
    }
}

fn show(report: &Report, json: bool) -> Result<()> {
    if json {
        output::json(report)?;
    } else {
        output::result(report.text(output::Paint::stdout()));
    }
    match report.failed() {
        0 => Ok(()),
        1 => bail!("1 case failed"),
        failed => bail!("{failed} cases failed"),
    }
}

/// Builds, unless everything is, and runs every case that is wanted.
async fn test(services: &[Service], stand: &Stand, arguments: &Arguments, builds: bool) -> Result<Report> {
    // First: whether there is anything to run is known before anything is built.
    let jobs = jobs(services, arguments.filter.as_deref())?;
    stand.coverage().clear();
    output::under_way("building");
    let begun = Instant::now();
    let mode = Mode { profile: Profile::Quick, progress: Progress::Quiet };
    // Without a database, nothing is started.
    let needs_database = services.iter().any(|service| !service.databases().is_empty());
    let warm = async { if needs_database { stand.warm_up().await } else { Ok(()) } };
    let building = async { if builds { build::build(services, mode).await.map(drop) } else { Ok(()) } };
    let (built, warm) = tokio::join!(building, warm);
    built?;
    warm?;
    let build = begun.elapsed();
    let begun = Instant::now();
    let ran = run_all(jobs, stand).await;
    let mut report = Report { cases: ran, coverage: Vec::new(), build, run: begun.elapsed() };
    for service in services.iter().filter(|service| service.manifest.is_some()) {
        let artifact = project(service)?.artifact()?;
        report.coverage.push(stand.coverage().of(&artifact)?);
    }
    Ok(report)
}

fn project(service: &Service) -> Result<Project> {
    Ok(Project::open(&service.folder)?.with_component(service.component(Profile::Quick)))
}

/// The cases of all services.
fn jobs(services: &[Service], filter: Option<&str>) -> Result<Vec<Job>> {
    let mut guards = Vec::new();
    for guard in services.iter().filter(|service| service.is_guard()) {
        guards.push(project(guard)?);
    }
    let (mut jobs, mut known) = (Vec::new(), 0);
    for service in services {
        if service.manifest.is_none() {
            bail!("`{}` holds no wharf.toml", service.folder.display());
        }
        let beside = guards.iter().filter(|guard| guard.manifest().name != service.name).cloned();
        let projects: Arc<[Project]> = beside.chain([project(service)?]).collect();
        for (file, suite) in Suite::tests(&service.folder.join("tests"), &service.name)? {
            known += suite.cases.len();
            let wanted =
                |case: &Case| filter.is_none_or(|filter| file.contains(filter) || case.name.contains(filter));
            let cases = suite.cases.into_iter().filter(wanted);
            jobs.extend(cases.map(|case| Job {
                service: service.name.clone(),
                file: file.clone(),
                case,
                projects: projects.clone(),
            }));
        }
    }
    match (jobs.is_empty(), filter, known) {
        (true, Some(filter), 1..) => {
            bail!("none of {known} cases has `{filter}` in the name of its file or its own")
        }
        (true, ..) => bail!(
            "there are no tests: write a file such as `{}`; `wharf test --help` shows one",
            services
                .first()
                .map_or(PathBuf::new(), |service| service.folder.join("tests/first.toml"))
                .display()
        ),
        _ => Ok(jobs),
    }
}

/// Runs the cases, and gives what came of them in their order.
async fn run_all(jobs: Vec<Job>, stand: &Stand) -> Vec<Ran> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let turns = Arc::new(Semaphore::new((AT_ONCE * cores).min(MOST_AT_ONCE)));
    let (mut running, mut titles, all) = (JoinSet::new(), HashMap::new(), jobs.len());
    for (index, job) in jobs.into_iter().enumerate() {
        let (turns, stand) = (turns.clone(), stand.clone());
        let title = (job.service.clone(), job.file.clone(), job.case.name.clone());
        let task = running.spawn(async move {
            let _turn = turns.acquire_owned().await;
            (index, run_one(job, stand).await)
        });
        titles.insert(task.id(), (index, title));
    }
    let mut ran = Vec::with_capacity(all);
    while let Some(done) = running.join_next().await {
        match done {
            Ok(done) => ran.push(done),
            Err(error) => {
                // Of the harness, not of the guest: the other cases have their say.
                let Some((index, (service, file, case))) = titles.remove(&error.id()) else { continue };
                let outcome = Outcome::Failed(format!("the test itself failed: {error}"));
                ran.push((index, Ran { service, file, case, outcome, took: Duration::ZERO }));
            }
        }
        output::under_way(&format!("testing: {} of {all} cases", ran.len()));
    }
    ran.sort_by_key(|(index, _)| *index);
    ran.into_iter().map(|(_, ran)| ran).collect()
}

async fn run_one(job: Job, stand: Stand) -> Ran {
    let Job { service, file, case, projects } = job;
    let (begun, target) = (Instant::now(), Fresh::new(stand));
    let outcome: Outcome = run_case(&case, "", &projects, &target).await;
    let took: Duration = begun.elapsed();
    Ran { service, file, case: case.name, outcome, took }
}
