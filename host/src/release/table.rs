//! Which release answers which request: an immutable snapshot, and the one way to replace it.

mod routing;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arc_swap::ArcSwap;
use http::{HeaderMap, Method};

use super::traffic::{PREVIEW, Traffic};
use super::{Release, Share};

pub(crate) use routing::{Found, Target};
use routing::{Grouped, Routing, alone};

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
    /// There is no release that could answer.
    #[error("no release of service `{0}` has a weight: give one of them something")]
    NoShare(String),
}

/// The route table: read by every request without a lock, replaced whole by deploys.
#[derive(Default)]
pub(crate) struct RouteTable {
    current: ArcSwap<Snapshot>,
    /// Held while a new snapshot is made. No request ever takes it.
    writer: std::sync::Mutex<()>,
    /// Whether its releases are another table's.
    borrowed: bool,
}

/// All routes at one moment.
#[derive(Default)]
struct Snapshot {
    services: BTreeMap<String, Traffic>,
    routing: Routing,
    /// By their keys.
    previews: HashMap<String, Routing>,
}

impl RouteTable {
    /// Sends the requests of a service where `traffic` says, from the next one on. The only door between the control
    /// plane and the data plane.
    pub(crate) fn direct(&self, traffic: Traffic) -> Result<(), PublishError> {
        self.replace(|services| {
            services.insert(traffic.service.clone(), traffic);
        })
    }

    /// The same for many services in one step: all or none.
    pub(crate) fn direct_all(&self, all: Vec<Traffic>) -> Result<(), PublishError> {
        self.replace(|services| {
            services.extend(all.into_iter().map(|traffic| (traffic.service.clone(), traffic)));
        })
    }

    /// Whether `traffic` could be published now; publishing may still find that another came first.
    pub(crate) fn check(&self, traffic: Traffic) -> Result<(), PublishError> {
        let mut services = self.current.load().services.clone();
        services.insert(traffic.service.clone(), traffic);
        Snapshot::of(services).map(drop)
    }

    /// A table for one caller, as this one would be with `release` published.
    pub(crate) fn with(&self, release: &Arc<Release>) -> Result<Self, PublishError> {
        let mut services = self.current.load().services.clone();
        services.insert(release.service().to_owned(), Traffic::all(release.clone()));
        let current = ArcSwap::from_pointee(Snapshot::of(services)?);
        Ok(Self { current, writer: std::sync::Mutex::default(), borrowed: true })
    }

    /// Takes a service out; true when there was one.
    pub(crate) fn remove(&self, service: &str) -> bool {
        let mut found = false;
        let removed = self.replace(|services| found = services.remove(service).is_some());
        removed.is_ok() && found
    }

    /// What answers for a service now; of several releases the one with the largest share.
    pub(crate) fn release(&self, service: &str) -> Option<Arc<Release>> {
        self.current.load().services.get(service).and_then(Traffic::main).cloned()
    }

    /// What is published of every service, by name; of several releases the one with the largest share.
    pub(crate) fn releases(&self) -> Vec<Arc<Release>> {
        self.current.load().services.values().filter_map(Traffic::main).cloned().collect()
    }

    fn replace(&self, change: impl FnOnce(&mut BTreeMap<String, Traffic>)) -> Result<(), PublishError> {
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

    /// Looks in one snapshot. The fields decide among several releases of one service, and whether it is a preview.
    pub(crate) fn find(&self, host: &str, path: &str, method: &Method, fields: &HeaderMap) -> Found {
        let snapshot = self.current.load();
        let routing = if snapshot.previews.is_empty() { None } else { snapshot.preview(fields) };
        routing.unwrap_or(&snapshot.routing).find(host, path, method, fields)
    }
}

impl Drop for RouteTable {
    /// Instances that wait hold their releases.
    fn drop(&mut self) {
        if self.borrowed {
            return;
        }
        let snapshot = self.current.load();
        snapshot.services.values().flat_map(Traffic::releases).for_each(|release| release.rest());
    }
}

impl Snapshot {
    fn of(services: BTreeMap<String, Traffic>) -> Result<Self, PublishError> {
        let mut grouped = Grouped::new();
        let mut previews = HashMap::new();
        for traffic in services.values() {
            grouped.add_service(traffic, &services)?;
            for preview in &traffic.previews {
                let share = Share { release: preview.release.clone(), weight: 1, tally: None };
                previews.insert(preview.key.clone(), alone(&share, &services)?);
            }
        }
        Ok(Self { routing: grouped.routing()?, previews, services })
    }

    fn preview(&self, fields: &HeaderMap) -> Option<&Routing> {
        self.previews.get(fields.get(&PREVIEW)?.to_str().ok()?)
    }

    /// Releases that are not in `other`.
    fn beside<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'a Arc<Release>> {
        let releases = |(name, traffic): (&'a String, &'a Traffic)| {
            let there = other.services.get(name);
            let missing = move |release: &&Arc<Release>| {
                !there.is_some_and(|there| there.releases().any(|found| Arc::ptr_eq(found, release)))
            };
            traffic.releases().filter(missing)
        };
        self.services.iter().flat_map(releases)
    }
}
