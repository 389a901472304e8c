//! An artifact becomes a release: inspect, check, compile, resolve, probe, migrate, check its SQL. Whatever fails
//! here fails before anything is published.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use http::Extensions;
use tokio_util::task::TaskTracker;
use wasmtime::Store;
use wasmtime::component::{Component, ComponentExportIndex, InstancePre};
use wasmtime_wasi_http::{p2, p3};

use crate::bindings::exports::wharf::platform::{http_handler, kv_watcher, pg_listener};
use crate::capability::{Capability, PrepareError};
use crate::config::Config;
use crate::engine::Concurrency;
use crate::kv::{self, Stores};
use crate::manifest::{ByteSize, Feature, Guard, Imports, Limits, Manifest};
use crate::outbound::Client;
use crate::platform::Platforms;
use crate::request::{self, BuiltIn, GuardError, RequestState, Shared, Warm};

use super::compile::Order;
use super::inspect;
use super::inspect::{GUARD, HTTP_HANDLER, KV_WATCHER, LIFECYCLE, PG_LISTENER, PLATFORM};
use super::{
    Admission, Artifact, CompileError, Compilers, ComposeError, Digest, Handler, HandlerKind, InspectError,
    Inspection, LoadTimings, MigrateError, PublishError, Release, RouteTable, SqlError, Traffic,
    TypedHandler,
};

/// Largest component that is taken, from behaviour.md: language runtimes reach 22 MB.
const LARGEST: usize = 32 << 20;
/// How long an instance may take to come up when its types are checked.
const PROBE: Duration = Duration::from_secs(10);

/// Why an artifact is no release.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// Larger than any component may be.
    #[error("the component has {size} bytes; at most {LARGEST} are taken")]
    TooLarge {
        /// Its size.
        size: usize,
    },
    /// Not a component.
    #[error("failed to read the component")]
    Inspect(#[from] InspectError),
    /// One of the components that are to be composed is none.
    #[error("failed to read `{name}`")]
    Part {
        /// Which.
        name: String,
        /// What it is instead.
        #[source]
        source: InspectError,
    },
    /// The manifest names a file that was not handed in.
    #[error("the manifest names `{0}`, which is not part of the artifact")]
    NoFile(String),
    /// The middleware does not fit.
    #[error("the middleware of the manifest cannot be put around the component")]
    Compose(#[from] ComposeError),
    /// It exports nothing that this host calls.
    #[error(
        "the manifest has routes, but the component exports none of `{HTTP_HANDLER}`, `wasi:http/handler@0.3` and \
         `wasi:http/incoming-handler@0.2`; it exports {0}"
    )]
    NoHandler(String),
    /// It is to be called for notifications, and cannot be.
    #[error("the manifest has `[[listen]]`, but the component exports no `{PG_LISTENER}`; it exports {0}")]
    NoListener(String),
    /// It is to be called for changes of buckets, and cannot be.
    #[error("the manifest has `[[watch]]`, but the component exports no `{KV_WATCHER}`; it exports {0}")]
    NoWatcher(String),
    /// Its instances are to answer several requests at once, and cannot.
    #[error(
        "`reuse.concurrency` is more than 1, but only `wasi:http/handler@0.3` answers several requests at once in one \
         instance: leave it out"
    )]
    Concurrency,
    /// It is to be a guard, and is none.
    #[error("the manifest has `guard = true`, but the component exports no `{GUARD}`; it exports {0}")]
    NoGuard(String),
    /// A route's guard is the component of a service that is not there, or is no guard.
    #[error("guard `{name}` is service `{service}`, which {why}: deploy it first")]
    GuardService {
        /// The guard's name in the manifest.
        name: String,
        /// The service that it names.
        service: String,
        /// What is wrong with that.
        why: &'static str,
    },
    /// A guard that this host brings cannot work as it is described.
    #[error("a guard of `{service}` cannot be prepared")]
    Guard {
        /// The service's name.
        service: String,
        /// Which, and why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A bucket cannot do what the manifest asks of it.
    #[error(
        "bucket `{bucket}` lacks {missing}, which the manifest asks for: keep it elsewhere, or ask for less"
    )]
    Features {
        /// As in `kv.<name>`.
        bucket: String,
        /// Names of features.
        missing: String,
    },
    /// Whether a bucket can do what the manifest asks of it is not known.
    #[error("bucket `{bucket}` does not answer what it can do")]
    Bucket {
        /// As in `kv.<name>`.
        bucket: String,
        /// What its store says.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It imports what this host does not have.
    #[error("the component imports `{0}`, which is not available on this host")]
    Import(String),
    /// Its imports or exports have other types than the contract's.
    #[error("an import or export of the component does not fit this host")]
    Misfit(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It exports what this host would have to call, and does not.
    #[error("the component exports `{0}`, which is not available on this host")]
    Export(String),
    /// Its routes are another service's.
    #[error("the routes of the service cannot be published")]
    Routes(#[from] PublishError),
    /// Imports that can only be denied, under `imports = "strict"`.
    #[error("the manifest has `imports = \"strict\"`, but {0}: grant it, or leave the import out")]
    Ungranted(String),
    /// A limit above the operator's.
    #[error("`limits.{limit}` is {asked}, but this host gives at most {most}")]
    Ceiling {
        /// Key in the manifest.
        limit: &'static str,
        /// What the manifest says.
        asked: String,
        /// What the operator allows.
        most: String,
    },
    /// A grant that this host cannot give.
    #[error("the manifest of `{service}` cannot be met")]
    Prepare {
        /// The service's name.
        service: String,
        /// Which grant and why.
        #[source]
        source: PrepareError,
    },
    /// What the component needs to run on did not start.
    #[error("failed to start what the component runs on")]
    Platform(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The compiler refused it, or it did not come up.
    #[error("failed to compile the component")]
    Compile(#[from] CompileError),
    /// It trapped, or took too long, while its globals and memories were set up.
    #[error("failed to start an instance of the component")]
    Probe(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A migration did not apply.
    #[error("failed to migrate the database of `{service}`")]
    Migrate {
        /// The service's name.
        service: String,
        /// Which file and why.
        #[source]
        source: MigrateError,
    },
    /// SQL that would fail when the component runs it. What migrated stays migrated.
    #[error("the SQL of `{service}` does not fit its database")]
    Sql {
        /// The service's name.
        service: String,
        /// Which statements and why.
        #[source]
        source: SqlError,
    },
}

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
    /// What is missing of the migrations.
    Migrate,
    /// The statements of the release against its databases.
    CheckSql,
}

pub(crate) async fn load(host: Loader<'_>, artifact: Artifact) -> Result<Arc<Release>, LoadError> {
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
    let platform = host.platforms.get(concurrency).map_err(|error| LoadError::Platform(error.into()))?;
    let order = Order {
        component: artifact.component.clone(),
        concurrency,
        prepare: inspection.prepares(),
        memory: artifact.manifest.limits.memory.as_usize(),
        patience: host.config.compile_timeout,
    };
    let (component, cached) = host.compilers.make(&platform.engine, order).await?;
    let compile = begun.elapsed();

    (host.begins)(LoadStep::Start);
    let misfit = |error: wasmtime::Error| LoadError::Misfit(error.into());
    let instances = platform.linker.instantiate_pre(&component).map_err(misfit)?;
    let handler = inspection.handler.map(|kind| handler(kind, &component, &instances)).transpose()?;
    let listener = if inspection.listens() {
        Some(pg_listener::GuestIndices::new(&instances).map_err(misfit)?)
    } else {
        None
    };
    let watcher = if inspection.watches() {
        Some(kv_watcher::GuestIndices::new(&instances).map_err(misfit)?)
    } else {
        None
    };
    let guards = guards(&host, &artifact, prepared.get())?;
    let release = Arc::new(Release {
        guard: find(&component, GUARD, "check"),
        guards,
        digest,
        size,
        warnings,
        timings: OnceLock::new(),
        capabilities: host.capabilities.clone(),
        instances,
        handler,
        listener,
        watcher,
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
    (host.begins)(LoadStep::Migrate);
    let begun = Instant::now();
    super::migrate(host.config, &artifact)
        .await
        .map_err(|source| LoadError::Migrate { service: artifact.manifest.name.clone(), source })?;
    let migrate = begun.elapsed();
    (host.begins)(LoadStep::CheckSql);
    let begun = Instant::now();
    super::check_sql(host.config, &artifact)
        .await
        .map_err(|source| LoadError::Sql { service: artifact.manifest.name, source })?;
    let _first = release.timings.set(LoadTimings { compile, cached, migrate, check_sql: begun.elapsed() });
    Ok(release)
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

fn check(host: &Loader<'_>, artifact: &Artifact) -> Result<Inspection, LoadError> {
    if artifact.component.len() > LARGEST {
        return Err(LoadError::TooLarge { size: artifact.component.len() });
    }
    let inspection = inspect(&artifact.component)?;
    if inspection.handler.is_none() && !artifact.manifest.routes.is_empty() {
        return Err(LoadError::NoHandler(list(&inspection.exports)));
    }
    if !inspection.listens() && !artifact.manifest.listen.is_empty() {
        return Err(LoadError::NoListener(list(&inspection.exports)));
    }
    if !inspection.watches() && !artifact.manifest.watch.is_empty() {
        return Err(LoadError::NoWatcher(list(&inspection.exports)));
    }
    let several = artifact.manifest.reuse.as_ref().is_some_and(|reuse| reuse.concurrency > 1);
    if several && inspection.handler != Some(HandlerKind::Wasi03) {
        return Err(LoadError::Concurrency);
    }
    if !inspection.guards() && artifact.manifest.guard {
        return Err(LoadError::NoGuard(list(&inspection.exports)));
    }
    let called = [HTTP_HANDLER, PG_LISTENER, KV_WATCHER, GUARD, LIFECYCLE];
    let others = |name: &&String| name.starts_with(PLATFORM) && !called.contains(&name.as_str());
    if let Some(export) = inspection.exports.iter().find(others) {
        return Err(LoadError::Export(export.clone()));
    }
    let served = |name: &str| {
        (name.starts_with("wasi:") && !name.starts_with("wasi:keyvalue/"))
            || host.capabilities.iter().any(|c| c.interfaces().contains(&name))
    };
    if let Some(import) = inspection.imports.iter().find(|name| !served(name)) {
        return Err(LoadError::Import(import.clone()));
    }
    if artifact.manifest.imports == Some(Imports::Strict)
        && let Some(denied) = denied(&inspection, &artifact.manifest).next()
    {
        return Err(LoadError::Ungranted(denied));
    }
    check_ceiling(&artifact.manifest.limits, &host.config.ceiling)?;
    Ok(inspection)
}

/// Refuses a manifest that needs what its buckets cannot do: now, not when a guest finds out.
async fn check_features(stores: &Stores, manifest: &Manifest) -> Result<(), LoadError> {
    let mut wanted: BTreeMap<&str, BTreeSet<Feature>> = BTreeMap::new();
    for (bucket, asked) in &manifest.kv {
        wanted.entry(bucket).or_default().extend(&asked.needs);
    }
    for bucket in manifest.prefixes().into_keys() {
        wanted.entry(bucket).or_default().insert(Feature::Watch);
    }
    wanted.retain(|_, features| !features.is_empty());
    for (bucket, wanted) in wanted {
        let failed = |error: kv::Error| LoadError::Bucket {
            bucket: bucket.to_owned(),
            source: kv::explain(&error).into(),
        };
        let has = stores.bucket(bucket).features().await.map_err(failed)?;
        let missing: Vec<_> = wanted.into_iter().filter(|feature| !has.contains((*feature).into())).collect();
        if !missing.is_empty() {
            let missing: Vec<String> = missing.into_iter().map(|feature| format!("`{feature}`")).collect();
            return Err(LoadError::Features { bucket: bucket.to_owned(), missing: missing.join(", ") });
        }
    }
    Ok(())
}

fn check_ceiling(asked: &Limits, most: &Limits) -> Result<(), LoadError> {
    let size = |n: ByteSize| (n.as_u64(), n.to_string());
    let span = |d: Duration| (u64::try_from(d.as_millis()).unwrap_or(u64::MAX), format!("{d:?}"));
    let count = |n: u32| (u64::from(n), n.to_string());
    let rows = [
        ("memory", size(asked.memory), size(most.memory)),
        ("cpu", span(asked.cpu), span(most.cpu)),
        ("wall", span(asked.wall), span(most.wall)),
        ("body", size(asked.body), size(most.body)),
        ("concurrency", count(asked.concurrency), count(most.concurrency)),
    ];
    for (limit, asked, most) in rows {
        if asked.0 > most.0 {
            return Err(LoadError::Ceiling { limit, asked: asked.1, most: most.1 });
        }
    }
    Ok(())
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

/// Imports that can only be denied, in words.
fn denied(inspection: &Inspection, manifest: &Manifest) -> impl Iterator<Item = String> {
    let granted = |kind: &str| match kind {
        "pg" => !manifest.grants.pg.is_empty(),
        "kv" => !manifest.grants.kv.is_empty(),
        _ => !manifest.grants.http.is_empty(),
    };
    let missing = inspection.grants.iter().filter(move |kind| !granted(kind));
    missing.map(|kind| format!("it imports what needs a `{kind}` grant and has none"))
}

fn warnings(inspection: &Inspection, manifest: &Manifest) -> Vec<String> {
    let denied = denied(inspection, manifest).map(|what| format!("{what}: every open will be denied"));
    let deaf = inspection.listens() && manifest.listen.is_empty();
    let deaf =
        deaf.then(|| "it can listen, but the manifest has no `[[listen]]`: it is never called".to_owned());
    let blind = inspection.watches() && manifest.watch.is_empty();
    let blind =
        blind.then(|| "it can watch, but the manifest has no `[[watch]]`: it is never called".to_owned());
    denied.chain(deaf).chain(blind).collect()
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
        if let Some(built_in) = BuiltIn::prepare(name, guard, file, client).map_err(failed)? {
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

fn list(names: &[String]) -> String {
    if names.is_empty() { "nothing".to_owned() } else { format!("`{}`", names.join("`, `")) }
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
