//! An artifact becomes a release: inspect, check, compile, resolve, probe, migrate, check its SQL. Whatever fails
//! here fails before anything is published.

mod check;
mod error;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use http::Extensions;
use tokio_util::task::TaskTracker;
use wasmtime::Store;
use wasmtime::component::{Component, ComponentExportIndex, InstancePre};
use wasmtime_wasi_http::{p2, p3};

use crate::bindings::exports::wharf::platform::{http_handler, kv_watcher, pg_listener};
use crate::capability::Capability;
use crate::config::Config;
use crate::engine::{Compiler, Concurrency, Kind};
use crate::kv::Stores;
use crate::manifest::{Guard, Manifest};
use crate::outbound::Client;
use crate::platform::{Platform, Platforms};
use crate::request::{self, BuiltIn, GuardError, RequestState, Shared, Warm};

use super::compile::{CompileError, Order};
use super::inspect;
use super::inspect::{GUARD, HTTP_HANDLER};
use super::{
    Admission, Artifact, Compilers, Digest, Handler, HandlerKind, LoadTimings, Release, RouteTable, Traffic,
    TypedHandler,
};

use check::{check, check_features, warnings};
pub use error::LoadError;

/// Largest component that is taken, from behaviour.md: language runtimes reach 22 MB.
const LARGEST: usize = 32 << 20;
/// How long an instance may take to come up when its types are checked.
const PROBE: Duration = Duration::from_secs(10);
/// How much longer compiling may take when it runs only while the cores are idle.
const UNHURRIED: u32 = 6;

/// What of a host loading needs.
pub(crate) struct Loader<'a> {
    pub(crate) platforms: &'a Platforms,
    pub(crate) capabilities: &'a Arc<[Box<dyn Capability>]>,
    pub(crate) compilers: &'a Compilers,
    pub(crate) config: &'a Config,
    pub(crate) routes: &'a RouteTable,
    pub(crate) stores: &'a Stores,
    pub(crate) cleanup: &'a TaskTracker,
    pub(crate) begins: &'a (dyn Fn(LoadStep) + Send + Sync),
}

/// How much time machine code is worth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Effort {
    /// The best code, made now.
    #[default]
    Best,
    /// For a large component whose code is not in the cache: code that is there five times sooner and runs at some 60 %
    /// of the speed. [`Release::is_interim`] says whether it came to that; load it again with [`Effort::Background`] then.
    QuickFirst,
    /// The best code, made in time that nobody else wants; may take six times as long.
    Background,
    /// As [`Self::QuickFirst`], for who will not ask for better code: what was made is kept in the cache. For tests.
    Draft,
}

/// What loading does, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum LoadStep {
    /// The world, limits and grants.
    Verify,
    /// Bytes to machine code, or from the cache, `lifecycle.init` included.
    Compile,
    /// Linking, a first instance, guards and routes.
    Start,
    /// What is missing of the migrations; this and the next only where a database is granted.
    Migrate,
    /// The statements of the release against its databases.
    CheckSql,
}

pub(crate) async fn load(
    host: Loader<'_>,
    artifact: Artifact,
    effort: Effort,
) -> Result<Arc<Release>, LoadError> {
    (host.begins)(LoadStep::Verify);
    let digest = Digest::of(&artifact);
    let artifact = composed(artifact)?;
    let inspection = check(&host, &artifact)?;
    let prepared = prepare(host.capabilities, &artifact.manifest)?;
    let size = artifact.component.len();
    let warnings = warnings(&inspection, &artifact.manifest);

    (host.begins)(LoadStep::Compile);
    let begun = Instant::now();
    let concurrency = if inspection.concurrent { Concurrency::On } else { Concurrency::Off };
    let background = effort == Effort::Background;
    let order = Order {
        component: artifact.component.clone(),
        kind: Kind { concurrency, compiler: Compiler::Optimizing },
        background,
        prepare: inspection.prepares(),
        memory: artifact.manifest.limits.memory.as_usize(),
        patience: host.config.compile_timeout * if background { UNHURRIED } else { 1 },
    };
    let Made { platform, component, cached, interim } = machine_code(&host, order, effort).await?;
    let compile = begun.elapsed();

    (host.begins)(LoadStep::Start);
    let misfit = |error: wasmtime::Error| LoadError::Misfit(error.into());
    let instances = platform.linker.instantiate_pre(&component).map_err(misfit)?;
    let handler = inspection.handler.map(|kind| handler(kind, &component, &instances)).transpose()?;
    let listener = inspection.listens().then(|| pg_listener::GuestIndices::new(&instances));
    let watcher = inspection.watches().then(|| kv_watcher::GuestIndices::new(&instances));
    let guards = guards(&host, &artifact, prepared.get())?;
    let release = Arc::new(Release {
        guard: find(&component, GUARD, "check"),
        guards,
        digest,
        size,
        interim,
        warnings,
        timings: OnceLock::new(),
        capabilities: host.capabilities.clone(),
        instances,
        handler,
        listener: listener.transpose().map_err(misfit)?,
        watcher: watcher.transpose().map_err(misfit)?,
        clock: host.config.clock.clone(),
        prepared,
        admission: Admission::new(artifact.manifest.limits.concurrency),
        cleanup: host.cleanup.clone(),
        shared: Shared::new(artifact.manifest.reuse.as_ref(), host.config.cores.get()),
        warm: Warm::new(artifact.manifest.reuse.as_ref(), host.config.cores.get()),
        manifest: artifact.manifest.clone(),
    });
    probe(&release).await?;
    host.routes.check(Traffic::all(release.clone()))?;
    check_features(host.stores, &release.manifest).await?;

    // Last, as it cannot be undone: everything that can be known to be wrong is known by now.
    let databases = !artifact.manifest.grants.pg.is_empty();
    let begins = |step| {
        if databases {
            (host.begins)(step)
        }
    };
    begins(LoadStep::Migrate);
    let begun = Instant::now();
    super::migrate(host.config, &artifact)
        .await
        .map_err(|source| LoadError::Migrate { service: artifact.manifest.name.clone(), source })?;
    let migrate = begun.elapsed();
    begins(LoadStep::CheckSql);
    let begun = Instant::now();
    super::check_sql(host.config, &artifact)
        .await
        .map_err(|source| LoadError::Sql { service: artifact.manifest.name, source })?;
    let _first = release.timings.set(LoadTimings { compile, cached, migrate, check_sql: begun.elapsed() });
    Ok(release)
}

/// Machine code, and what it runs on.
struct Made {
    platform: Arc<Platform>,
    component: Component,
    cached: bool,
    interim: bool,
}

/// The best code that can be had with that effort.
async fn machine_code(host: &Loader<'_>, order: Order, effort: Effort) -> Result<Made, LoadError> {
    let platform = |kind| host.platforms.get(kind).map_err(|error| LoadError::Platform(error.into()));
    let best = platform(order.kind)?;
    let quick = matches!(effort, Effort::QuickFirst | Effort::Draft);
    if quick && order.component.len() >= host.config.quick_from {
        if let Some(component) = host.compilers.made(&best.engine, &order).await {
            return Ok(Made { platform: best, component, cached: true, interim: false });
        }
        let quick = Order { kind: Kind { compiler: Compiler::Baseline, ..order.kind }, ..order.clone() };
        match baseline(host, &platform, quick, effort).await {
            Ok(made) => return Ok(made),
            Err(error @ LoadError::Compile(CompileError::Init(_))) => return Err(error),
            // It knows less of WebAssembly than the other one, and need not run everywhere.
            Err(error) => {
                let error = crate::error::chain(&error);
                tracing::debug!(error, "no baseline code: compiling it well at once");
            }
        }
    }
    let (component, cached) = host.compilers.make(&best.engine, order).await?;
    Ok(Made { platform: best, component, cached, interim: false })
}

/// Code of the baseline compiler.
async fn baseline(
    host: &Loader<'_>,
    platform: impl Fn(Kind) -> Result<Arc<Platform>, LoadError>,
    order: Order,
    effort: Effort,
) -> Result<Made, LoadError> {
    let platform = platform(order.kind)?;
    let (component, cached) = match effort {
        Effort::Draft => host.compilers.make(&platform.engine, order).await?,
        _ => (host.compilers.make_once(&platform.engine, order).await?, false),
    };
    Ok(Made { platform, component, cached, interim: true })
}

/// Puts the manifest's middleware around the component.
fn composed(artifact: Artifact) -> Result<Artifact, LoadError> {
    let names = &artifact.manifest.middleware;
    if names.is_empty() {
        return Ok(artifact);
    }
    let file = |name: &String| artifact.files.get(name).ok_or_else(|| LoadError::NoFile(name.clone()));
    let mut parts = Vec::with_capacity(names.len() + 1);
    for name in names {
        parts.push((name.as_str(), &file(name)?[..]));
    }
    parts.push((artifact.manifest.name.as_str(), &artifact.component[..]));
    for (name, bytes) in &parts {
        if bytes.len() > LARGEST {
            return Err(LoadError::TooLarge { size: bytes.len() });
        }
        inspect(bytes).map_err(|source| LoadError::Part { name: (*name).to_owned(), source })?;
    }
    let component = super::compose(&parts)?.into();
    Ok(Artifact { component, ..artifact })
}

fn prepare(capabilities: &[Box<dyn Capability>], manifest: &Manifest) -> Result<Extensions, LoadError> {
    let mut prepared = Extensions::new();
    for capability in capabilities {
        capability
            .prepare(manifest, &mut prepared)
            .map_err(|source| LoadError::Prepare { service: manifest.name.clone(), source })?;
    }
    Ok(prepared)
}

/// A function of an exported interface.
fn find(component: &Component, interface: &str, function: &str) -> Option<ComponentExportIndex> {
    let interface = component.get_export_index(None, interface)?;
    component.get_export_index(Some(&interface), function)
}

/// Prepares the guards that this host brings, and looks for those that are services.
fn guards(
    host: &Loader<'_>,
    artifact: &Artifact,
    client: Option<&Client>,
) -> Result<BTreeMap<String, Arc<BuiltIn>>, LoadError> {
    let mut guards = BTreeMap::new();
    for (name, guard) in &artifact.manifest.guards {
        let file = |name: &str| artifact.files.get(name).cloned();
        let failed = |error: GuardError| LoadError::Guard {
            service: artifact.manifest.name.clone(),
            source: error.into(),
        };
        if let Some(built_in) =
            BuiltIn::prepare(name, guard, file, client, &host.config.clock).map_err(failed)?
        {
            guards.insert(name.clone(), Arc::new(built_in));
        }
        let Guard::Service(service) = guard else { continue };
        let why = match host.routes.release(service) {
            None => "is not there",
            Some(release) if release.guard.is_none() => "exports no guard",
            Some(_) => continue,
        };
        return Err(LoadError::GuardService { name: name.clone(), service: service.clone(), why });
    }
    Ok(guards)
}

/// Looks the handler up once, for all requests.
fn handler(
    kind: HandlerKind,
    component: &Component,
    instances: &InstancePre<RequestState>,
) -> Result<Handler, LoadError> {
    let misfit = |error: wasmtime::Error| LoadError::Misfit(error.into());
    Ok(match kind {
        HandlerKind::Wasi02 => Handler::Wasi02(p2::bindings::ProxyIndices::new(instances).map_err(misfit)?),
        HandlerKind::Wasi03 => Handler::Wasi03(p3::bindings::ServiceIndices::new(instances).map_err(misfit)?),
        HandlerKind::HttpHandler => {
            let handle = find(component, HTTP_HANDLER, "handle")
                .ok_or_else(|| LoadError::NoHandler(HTTP_HANDLER.to_owned()))?;
            let indices = http_handler::GuestIndices::new(instances).map_err(misfit)?;
            Handler::Typed(TypedHandler { handle, indices })
        }
    })
}

/// Starts one instance and checks the types of all that the host will call: afterwards requests may
/// skip the check.
async fn probe(release: &Arc<Release>) -> Result<(), LoadError> {
    let mut store = request::probe_store(release);
    let checked = tokio::time::timeout(PROBE, check_types(&release.instances, release, &mut store)).await;
    match checked {
        Ok(result) => result,
        Err(late) => Err(LoadError::Probe(late.into())),
    }
}

async fn check_types(
    instances: &InstancePre<RequestState>,
    release: &Release,
    store: &mut Store<RequestState>,
) -> Result<(), LoadError> {
    let instance =
        instances.instantiate_async(&mut *store).await.map_err(|error| LoadError::Probe(error.into()))?;
    let misfit = |error: wasmtime::Error| LoadError::Misfit(error.into());
    if let Some(listener) = &release.listener {
        listener.load(&mut *store, &instance).map_err(misfit)?;
    }
    if let Some(watcher) = &release.watcher {
        watcher.load(&mut *store, &instance).map_err(misfit)?;
    }
    if let Some(check) = &release.guard {
        request::check_guard(&instance, store, check).map_err(misfit)?;
    }
    match &release.handler {
        None => Ok(()),
        Some(Handler::Typed(typed)) => {
            typed.indices.load(&mut *store, &instance).map_err(misfit)?;
            request::check_handle(&instance, store, &typed.handle).map_err(misfit)
        }
        Some(Handler::Wasi02(proxy)) => proxy.load(&mut *store, &instance).map(drop).map_err(misfit),
        Some(Handler::Wasi03(service)) => service.load(&mut *store, &instance).map(drop).map_err(misfit),
    }
}
