//! Hosts, paths and methods to what answers there: one release, or the draw among several.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use http::{HeaderMap, Method};
use matchit::Router;

use crate::manifest::{Guard, Route};
use crate::request::ReadyGuard;

use super::PublishError;
use crate::release::traffic::{Sticky, Tally, Traffic};
use crate::release::{Release, Share};

/// Hosts and paths to what answers there.
#[derive(Default)]
pub(super) struct Routing {
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
    /// Which one it is in the release's manifest.
    index: usize,
    /// Asked in this order before the handler.
    pub(crate) guards: Vec<ReadyGuard>,
    /// Whether responses may be compressed.
    pub(crate) compress: bool,
    /// Where answers are counted.
    pub(crate) tally: Option<Arc<Tally>>,
    /// Several releases share the service: this route only leads there.
    split: Option<Arc<Split>>,
}

/// Releases that share a service. Each has routes of its own, as releases may differ in them: which one answers is drawn
/// first, and then it is asked as if it were alone. So what a new release adds is found by those who are drawn for it, and
/// is 404 for the others.
struct Split {
    /// Each with the sum of the weights up to its own.
    arms: Vec<(u64, Routing)>,
    total: u64,
    sticky: Option<Sticky>,
}

/// What the table knows of a host, path and method.
pub(crate) enum Found {
    /// The route's target, and the captures of its pattern, still percent-encoded.
    Target(Arc<Target>, Vec<(String, String)>),
    /// The path is known, but only with these methods.
    OtherMethods(Vec<Method>),
    Nothing,
}

impl Target {
    /// What the manifest says of it.
    pub(crate) fn route(&self) -> Option<&Route> {
        self.release.manifest.routes.get(self.index)
    }
}

impl Split {
    /// Draws a release, the same for the same client where clients are told apart.
    fn choose(&self, fields: &HeaderMap) -> Option<&Routing> {
        let known = self.sticky.as_ref().and_then(|sticky| sticky.number(fields));
        let place = known.map_or_else(|| fastrand::u64(..self.total), |number| number % self.total);
        self.arms.iter().find(|(upto, _)| place < *upto).map(|(_, routing)| routing)
    }
}

/// The routes of one release as if it were alone.
pub(super) fn alone(share: &Share, services: &BTreeMap<String, Traffic>) -> Result<Routing, PublishError> {
    let mut grouped = Grouped::new();
    grouped.add(share, services)?;
    grouped.routing()
}

/// Targets by host and path.
pub(super) struct Grouped<'a>(BTreeMap<(Option<String>, &'a str), Vec<Arc<Target>>>);

impl<'a> Grouped<'a> {
    pub(super) fn new() -> Self {
        Self(BTreeMap::new())
    }

    fn targets(&mut self, route: &'a Route) -> &mut Vec<Arc<Target>> {
        let host = route.host.as_ref().map(|host| host.to_ascii_lowercase());
        self.0.entry((host, route.path.as_str())).or_default()
    }

    /// The routes of a service; none where it has only previews.
    pub(super) fn add_service(
        &mut self,
        traffic: &'a Traffic,
        services: &BTreeMap<String, Traffic>,
    ) -> Result<(), PublishError> {
        let shares: Vec<&Share> = traffic.shares.iter().filter(|share| share.weight > 0).collect();
        match *shares {
            [] if traffic.previews.is_empty() => Err(PublishError::NoShare(traffic.service.clone())),
            [] => Ok(()),
            [share] => self.add(share, services),
            _ => self.add_split(traffic, &shares, services),
        }
    }

    /// The routes of a release.
    fn add(&mut self, share: &'a Share, services: &BTreeMap<String, Traffic>) -> Result<(), PublishError> {
        for (index, route) in share.release.manifest.routes.iter().enumerate() {
            let guards = route.guards.iter().map(|name| ready(&share.release, name, services)).collect();
            let target = Target {
                methods: methods(route),
                release: share.release.clone(),
                index,
                guards,
                compress: route.compress,
                tally: share.tally.clone(),
                split: None,
            };
            add(self.targets(route), target, &route.path)?;
        }
        Ok(())
    }

    /// The routes that any of several releases has, leading to the draw among them.
    fn add_split(
        &mut self,
        traffic: &'a Traffic,
        shares: &[&'a Share],
        services: &BTreeMap<String, Traffic>,
    ) -> Result<(), PublishError> {
        let (mut arms, mut total) = (Vec::with_capacity(shares.len()), 0);
        for share in shares {
            total += u64::from(share.weight);
            arms.push((total, alone(share, services)?));
        }
        let split = Arc::new(Split { arms, total, sticky: traffic.sticky.clone() });
        for share in shares {
            for (index, route) in share.release.manifest.routes.iter().enumerate() {
                let targets = self.targets(route);
                let own = |target: &Arc<Target>| target.release.service() == traffic.service;
                let before = targets.iter().position(own).map(|at| targets.remove(at));
                let methods = united(methods(route), before.as_ref().map(|target| &*target.methods));
                let target = Target {
                    methods,
                    release: share.release.clone(),
                    index,
                    guards: Vec::new(),
                    compress: false,
                    tally: None,
                    split: Some(split.clone()),
                };
                add(targets, target, &route.path)?;
            }
        }
        Ok(())
    }

    pub(super) fn routing(self) -> Result<Routing, PublishError> {
        let mut routing = Routing::default();
        for ((host, path), targets) in self.0 {
            let paths = match host {
                Some(host) => routing.hosts.entry(host).or_default(),
                None => &mut routing.any_host,
            };
            paths.insert(path, targets)?;
        }
        Ok(routing)
    }
}

fn methods(route: &Route) -> Vec<Method> {
    route.methods.iter().filter_map(|method| method.parse().ok()).collect()
}

/// What either takes; empty stands for every method.
fn united(mut methods: Vec<Method>, others: Option<&[Method]>) -> Vec<Method> {
    match others {
        None => methods,
        Some([]) => Vec::new(),
        Some(_) if methods.is_empty() => methods,
        Some(others) => {
            methods.extend(others.iter().cloned());
            methods
        }
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

/// Adds a target to those with the same host and path, unless their methods overlap.
fn add(targets: &mut Vec<Arc<Target>>, added: Target, path: &str) -> Result<(), PublishError> {
    let methods = &added.methods;
    let overlaps = |target: &&Arc<Target>| {
        target.methods.is_empty() || methods.is_empty() || target.methods.iter().any(|m| methods.contains(m))
    };
    if let Some(other) = targets.iter().find(overlaps) {
        return Err(conflict(&added.release, path, &other.release, path));
    }
    targets.push(Arc::new(added));
    Ok(())
}

/// A guard as it stands in this snapshot.
fn ready(release: &Release, name: &str, services: &BTreeMap<String, Traffic>) -> ReadyGuard {
    if let Some(guard) = release.guards.get(name) {
        return ReadyGuard::BuiltIn(guard.clone());
    }
    // What is nowhere described keeps its route shut.
    let Some(Guard::Service(service)) = release.manifest.guards.get(name) else {
        return ReadyGuard::Service(name.to_owned(), None);
    };
    let found = services.get(service).and_then(Traffic::main).filter(|found| found.guard.is_some());
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

impl Routing {
    /// The host's own routes come before those for every host. The fields decide among several releases of one service.
    pub(super) fn find(&self, host: &str, path: &str, method: &Method, fields: &HeaderMap) -> Found {
        let found = self.matching(host, path, method);
        match &found {
            Found::Target(target, _) if target.split.is_some() => {
                let drawn = target.split.as_ref().and_then(|split| split.choose(fields));
                drawn.map_or(Found::Nothing, |routing| routing.matching(host, path, method))
            }
            _ => found,
        }
    }

    fn matching(&self, host: &str, path: &str, method: &Method) -> Found {
        let own = if self.hosts.is_empty() { None } else { self.hosts.get(host) };
        let found = own.map_or(Found::Nothing, |paths| paths.find(path, method));
        match found {
            Found::Nothing => self.any_host.find(path, method),
            found => found,
        }
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
