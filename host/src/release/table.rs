//! Which release answers which request: an immutable snapshot, and the one way to replace it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arc_swap::ArcSwap;
use http::Method;
use matchit::Router;

use crate::manifest::{Guard, Route};
use crate::request::ReadyGuard;

use super::Release;

/// Why a release was not published. The table stays as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// Two services claim the same requests.
    #[error(
        "route `{path}` of service `{service}` conflicts with `{other_path}` of service `{other}`: change a \
         path, a host or the methods of one"
    )]
    Conflict {
        /// The service that came later.
        service: String,
        /// Its route.
        path: String,
        /// The service that was there.
        other: String,
        /// Its route.
        other_path: String,
    },
}

/// The route table: read by every request without a lock, replaced whole by deploys.
#[derive(Default)]
pub(crate) struct RouteTable {
    current: ArcSwap<Snapshot>,
    /// Held while a new snapshot is made. No request ever takes it.
    writer: std::sync::Mutex<()>,
}

/// All routes at one moment.
#[derive(Default)]
struct Snapshot {
    services: BTreeMap<String, Arc<Release>>,
    hosts: HashMap<String, Paths>,
    any_host: Paths,
}

#[derive(Default)]
struct Paths {
    router: Router<Vec<Arc<Target>>>,
}

/// What a route leads to.
pub(crate) struct Target {
    /// Empty for every method.
    methods: Vec<Method>,
    pub(crate) release: Arc<Release>,
    /// Asked in this order before the handler.
    pub(crate) guards: Vec<ReadyGuard>,
    /// Whether responses may be compressed.
    pub(crate) compress: bool,
}

/// What the table knows of a host, path and method.
pub(crate) enum Found {
    /// The route's target, and the captures of its pattern, still percent-encoded.
    Target(Arc<Target>, Vec<(String, String)>),
    /// The path is known, but only with these methods.
    OtherMethods(Vec<Method>),
    Nothing,
}

impl RouteTable {
    /// Makes `release` answer for its service from the next request on. The only door between the
    /// control plane and the data plane.
    pub(crate) fn publish(&self, release: Arc<Release>) -> Result<(), PublishError> {
        self.replace(|services| {
            services.insert(release.service().to_owned(), release);
        })
    }

    /// Whether `release` could be published now; publishing may still find that another came first.
    pub(crate) fn check(&self, release: &Arc<Release>) -> Result<(), PublishError> {
        let mut services = self.current.load().services.clone();
        services.insert(release.service().to_owned(), release.clone());
        Snapshot::of(services).map(drop)
    }

    /// Takes a service out; true when there was one.
    pub(crate) fn remove(&self, service: &str) -> bool {
        let mut found = false;
        let removed = self.replace(|services| found = services.remove(service).is_some());
        removed.is_ok() && found
    }

    /// What answers for a service now.
    pub(crate) fn release(&self, service: &str) -> Option<Arc<Release>> {
        self.current.load().services.get(service).cloned()
    }

    /// Everything that is published, by name.
    pub(crate) fn releases(&self) -> Vec<Arc<Release>> {
        self.current.load().services.values().cloned().collect()
    }

    fn replace(&self, change: impl FnOnce(&mut BTreeMap<String, Arc<Release>>)) -> Result<(), PublishError> {
        let _writing = self.writer.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut services = self.current.load().services.clone();
        change(&mut services);
        let next = Arc::new(Snapshot::of(services)?);
        let old = self.current.load_full();
        next.beside(&old).for_each(|release| release.warm.open());
        self.current.store(next.clone());
        old.beside(&next).for_each(|release| release.rest());
        Ok(())
    }

    /// Looks in one snapshot; the host's own routes come before those for every host.
    pub(crate) fn find(&self, host: &str, path: &str, method: &Method) -> Found {
        let snapshot = self.current.load();
        let own = if snapshot.hosts.is_empty() { None } else { snapshot.hosts.get(host) };
        let found = own.map_or(Found::Nothing, |paths| paths.find(path, method));
        match found {
            Found::Nothing => snapshot.any_host.find(path, method),
            found => found,
        }
    }
}

impl Drop for RouteTable {
    /// Instances that wait hold their releases.
    fn drop(&mut self) {
        self.current.load().services.values().for_each(|release| release.rest());
    }
}

impl Snapshot {
    fn of(services: BTreeMap<String, Arc<Release>>) -> Result<Self, PublishError> {
        let mut grouped: BTreeMap<(Option<String>, &str), Vec<Arc<Target>>> = BTreeMap::new();
        for release in services.values() {
            for route in &release.manifest.routes {
                let host = route.host.as_ref().map(|host| host.to_ascii_lowercase());
                let targets = grouped.entry((host, route.path.as_str())).or_default();
                add(targets, release, route, &services)?;
            }
        }
        let mut snapshot =
            Self { hosts: HashMap::new(), any_host: Paths::default(), services: BTreeMap::new() };
        for ((host, path), targets) in grouped {
            let paths = match host {
                Some(host) => snapshot.hosts.entry(host).or_default(),
                None => &mut snapshot.any_host,
            };
            paths.insert(path, targets)?;
        }
        snapshot.services = services;
        Ok(snapshot)
    }
}

impl Snapshot {
    /// Releases that are not in `other`.
    fn beside<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'a Arc<Release>> {
        let there = |(name, release): &(&String, &Arc<Release>)| {
            other.services.get(*name).is_some_and(|found| Arc::ptr_eq(found, release))
        };
        self.services.iter().filter(move |entry| !there(entry)).map(|(_, release)| release)
    }
}

/// What a path takes, GET bringing HEAD along.
fn allowed(targets: &[Arc<Target>]) -> Vec<Method> {
    let mut methods: Vec<Method> = targets.iter().flat_map(|target| target.methods.clone()).collect();
    if methods.contains(&Method::GET) && !methods.contains(&Method::HEAD) {
        methods.push(Method::HEAD);
    }
    methods
}

/// Adds one route to those with the same host and path, unless their methods overlap.
fn add(
    targets: &mut Vec<Arc<Target>>,
    release: &Arc<Release>,
    route: &Route,
    services: &BTreeMap<String, Arc<Release>>,
) -> Result<(), PublishError> {
    let methods: Vec<Method> = route.methods.iter().filter_map(|m| m.parse().ok()).collect();
    let overlaps = |target: &&Arc<Target>| {
        target.methods.is_empty() || methods.is_empty() || target.methods.iter().any(|m| methods.contains(m))
    };
    if let Some(other) = targets.iter().find(overlaps) {
        return Err(conflict(release, &route.path, &other.release, &route.path));
    }
    let guards = route.guards.iter().map(|name| ready(release, name, services)).collect();
    targets.push(Arc::new(Target { methods, release: release.clone(), guards, compress: route.compress }));
    Ok(())
}

/// A guard as it stands in this snapshot.
fn ready(release: &Release, name: &str, services: &BTreeMap<String, Arc<Release>>) -> ReadyGuard {
    if let Some(guard) = release.guards.get(name) {
        return ReadyGuard::BuiltIn(guard.clone());
    }
    // What is nowhere described keeps its route shut.
    let Some(Guard::Service(service)) = release.manifest.guards.get(name) else {
        return ReadyGuard::Service(name.to_owned(), None);
    };
    let found = services.get(service).filter(|found| found.guard.is_some());
    ReadyGuard::Service(service.clone(), found.cloned())
}

fn conflict(release: &Release, path: &str, other: &Release, other_path: &str) -> PublishError {
    PublishError::Conflict {
        service: release.service().to_owned(),
        path: path.to_owned(),
        other: other.service().to_owned(),
        other_path: other_path.to_owned(),
    }
}

impl Paths {
    fn insert(&mut self, path: &str, targets: Vec<Arc<Target>>) -> Result<(), PublishError> {
        let Some(release) = targets.first().map(|target| target.release.clone()) else { return Ok(()) };
        let Err(error) = self.router.insert(path, targets) else { return Ok(()) };
        let other_path = match error {
            matchit::InsertError::Conflict { with } => with,
            _ => path.to_owned(),
        };
        let other = self.router.at(&other_path).ok().and_then(|m| m.value.first().map(|t| t.release.clone()));
        Err(conflict(&release, path, other.as_ref().unwrap_or(&release), &other_path))
    }

    fn find(&self, path: &str, method: &Method) -> Found {
        let Ok(found) = self.router.at(path) else { return Found::Nothing };
        let takes = |method: &Method| {
            found.value.iter().find(|target| target.methods.is_empty() || target.methods.contains(method))
        };
        let head_as_get = || takes(&Method::GET).filter(|_| *method == Method::HEAD);
        match takes(method).or_else(head_as_get) {
            Some(target) => {
                let captures = found.params.iter().map(|(key, value)| (key.to_owned(), value.to_owned()));
                Found::Target(target.clone(), captures.collect())
            }
            None => Found::OtherMethods(allowed(found.value)),
        }
    }
}
