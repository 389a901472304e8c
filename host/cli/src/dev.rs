//! `wharf dev`: build, serve, watch, and swap what changed. Requests are served during builds, and a build
//! that fails leaves the last good release in place.

pub(crate) mod watch;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Args;
use wharf_control::{Asked, Control, Folder, Memory, Order, Project};
use wharf_host::Faults;
use wharf_host::kv::KvStorage;
use wharf_host::{Host, Release, Serving};
use wharf_postgres::PrivatePostgres;

use crate::build::{self, Mode, Progress};
use crate::databases;
use crate::hosting::{self, Hosting, Signals};
use crate::kv;
use crate::output::{self, Paint};
use crate::service::{self, Service};
use crate::toolchain::Profile;
use watch::Watch;

/// Who deploys here.
const AUTHOR: &str = "wharf dev";

/// Build and serve services, and swap them live when their sources change
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wharf dev                       the service in this folder, on http://127.0.0.1:3000
  wharf dev hello guestbook --listen 127.0.0.1:8080

A granted database without an address is a private PostgreSQL in .wharf/postgres of the folder that
holds all services; buckets are kept in .wharf/kv there. Both are there next time.
Services may reach hosts of their `grants.http` on this machine, too (`wharf serve` wants `--http-allow 127.0.0.1`).")]
pub(crate) struct Arguments {
    /// Folders with a wharf.toml [default: the current one]
    #[arg(value_name = "DIR")]
    folders: Vec<PathBuf>,
    #[command(flatten)]
    hosting: Hosting,
}

pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    let Arguments { folders, mut hosting } = arguments;
    hosting.outbound.allow_loopback();
    let mut signals = Signals::catch()?;
    let services = Service::open_all(&folders)?;
    let start = Instant::now();
    // Before the build: what is edited meanwhile counts.
    let watch = Watch::start(&services)?;
    let up = async {
        // The slow halves run at the same time: cargo, and the database with the host on it.
        // A build that fails is no reason to stop; a port in use is, and at once.
        let building = async { Ok(build::build(&services, mode(Progress::Shown)).await) };
        let (built, (host, serving, postgres)) = tokio::try_join!(building, start_host(&services, &hosting))?;
        if let Err(error) = built {
            output::error(&error);
        }
        Ok::<_, anyhow::Error>((host, serving, postgres))
    };
    let (host, serving, postgres) = tokio::select! {
        up = up => up?,
        () = signals.stop() => return Ok(()),
    };
    let _commands = kv::serve(&host);
    let blobs = Folder::open(&service::project_root(&services).join(".wharf/dev/blobs"))?;
    let control = Control::new(host, Arc::new(Memory::default()), Arc::new(blobs));
    let mut session = Session { control, services, released: HashMap::new() };
    let releases = session.deploy_all().await;
    hosting::print_releases(&serving, &releases);
    drop(releases);
    let endpoints = hosting::joined(serving.endpoints());
    output::result(format!("listening on {endpoints}, watching for changes"));
    output::note(Paint::stderr().faint(format!("up in {}", output::time(start.elapsed()))));

    tokio::select! {
        never = session.follow(watch) => never?,
        () = signals.stop() => {}
    }
    hosting.shut_down(serving, &mut signals).await;
    if let Some(postgres) = postgres {
        postgres.stop().await.context("failed to stop the private PostgreSQL")?;
    }
    Ok(())
}

/// Builds are quick here: the components are for this machine and this minute.
fn mode(progress: Progress) -> Mode {
    Mode { profile: Profile::Quick, progress }
}

/// The databases, the host on them, and its listener.
async fn start_host(
    services: &[Service],
    hosting: &Hosting,
) -> Result<(Host, Serving, Option<PrivatePostgres>)> {
    let root = service::project_root(services);
    let granted = services.iter().flat_map(Service::databases);
    let (mut addresses, missing) = databases::given(granted, &hosting.databases);
    databases::reach(&addresses).await?;
    let postgres = match databases::private(&root, &missing).await? {
        Some((postgres, private)) => {
            addresses.extend(private);
            Some(postgres)
        }
        None => None,
    };
    let (kv, cache) = (KvStorage::Folder(root.join(".wharf/kv")), root.join(".wharf/cache"));
    let host = hosting.host(&addresses, kv, Faults::Shown, Some(cache))?;
    let serving = Hosting::listen(&host, hosting.edge.sockets()?)?;
    Ok((host, serving, postgres))
}

/// The running host and what it serves. Deploys take the same way as on a server; only the records end with the process.
struct Session {
    control: Control,
    services: Vec<Service>,
    /// Under which name each service's folder runs.
    released: HashMap<PathBuf, String>,
}

/// What a deploy made of a service.
struct Swapped {
    release: Arc<Release>,
    /// Whether anything is different.
    changed: bool,
}

impl Session {
    /// Deploys everything that was built, and says why when something cannot be.
    async fn deploy_all(&mut self) -> Vec<(Arc<Release>, Duration)> {
        let mut releases = Vec::new();
        // Guards first: who names one is loaded only when it is there.
        let mut services = self.services.clone();
        services.sort_by_key(|service| !service.is_guard());
        for service in services {
            if !service.component(Profile::Quick).exists() {
                continue;
            }
            let start = Instant::now();
            match self.deploy(&service).await {
                Ok(swapped) => releases.push((swapped.release, start.elapsed())),
                Err(error) => output::error(&error),
            }
        }
        releases
    }

    async fn deploy(&mut self, service: &Service) -> Result<Swapped> {
        let project = Project::open(&service.folder)?.with_component(service.component(Profile::Quick));
        let name = &service.name;
        let made = self.control.adopt(name, project.blobs()?, AUTHOR).await?;
        let before = self.released.insert(service.folder.clone(), name.clone());
        if let Some(before) = before.filter(|before| before != name) {
            let order = Order { author: AUTHOR.to_owned(), ..Order::default() };
            self.control.change(&before, Asked::Remove, order).await?;
        }
        let release = self.control.release(name).with_context(|| format!("`{name}` does not answer"))?;
        Ok(Swapped { release, changed: made.is_some() })
    }

    /// Swaps what changes, for ever. Returns only when watching fails.
    async fn follow(&mut self, mut watch: Watch) -> Result<()> {
        loop {
            let change = watch.next().await?;
            if change.only_tests {
                continue;
            }
            if let Err(error) = self.swap(&change.services, change.seen).await {
                output::error(&error);
                output::note(Paint::stderr().faint("the last good release is still served"));
            }
        }
    }

    /// Builds the services of these folders and deploys those that came out different.
    async fn swap(&mut self, folders: &[PathBuf], seen: Instant) -> Result<()> {
        let services = folders.iter().map(|folder| Service::open(folder)).collect::<Result<Vec<_>>>()?;
        let start = Instant::now();
        build::build(&services, mode(Progress::Quiet)).await?;
        let build = output::time(start.elapsed());
        for service in services {
            let start = Instant::now();
            let Swapped { release, changed } = self.deploy(&service).await?;
            let load = output::time(start.elapsed());
            let (paint, name) = (Paint::stdout(), release.service());
            if !changed {
                output::result(paint.faint(format!("{name} unchanged (build {build})")));
            } else {
                let total = output::time(seen.elapsed());
                output::result(format!(
                    "{} swapped in {total} (build {build}, load {load})",
                    paint.good(name)
                ));
            }
            for warning in release.warnings() {
                output::warning(format!("`{}`: {warning}", release.service()));
            }
        }
        Ok(())
    }
}
