//! What the control plane has at hand of each service: the releases that answer, the one before, and previews. Whoever
//! holds a lane is the only one to change its service.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use tokio::sync::Semaphore;
use wharf_host::{Preview, Release, Tally};

use crate::record::{Deployment, Piece};

use super::lock;

/// Releases that stay loaded without getting requests, so that going back to them takes no time. Each may hold
/// connections to its databases, so they are few.
const SPARE: usize = 1;

/// Changes of one service that are under way or wait.
pub(super) const TURNS: usize = 16;

/// All lanes, by service.
#[derive(Default)]
pub(super) struct Lanes {
    lanes: Mutex<HashMap<String, Arc<tokio::sync::Mutex<Lane>>>>,
    turns: Mutex<HashMap<String, Arc<Semaphore>>>,
}

impl Lanes {
    pub(super) fn of(&self, service: &str) -> Arc<tokio::sync::Mutex<Lane>> {
        lock(&self.lanes).entry(service.to_owned()).or_default().clone()
    }

    /// Bounds how many changes of a service wait.
    pub(super) fn turns(&self, service: &str) -> Arc<Semaphore> {
        let turns = || Arc::new(Semaphore::new(TURNS));
        lock(&self.turns).entry(service.to_owned()).or_insert_with(turns).clone()
    }
}

/// One service.
#[derive(Default)]
pub(super) struct Lane {
    /// The last used first.
    loaded: Vec<Loaded>,
    previews: Vec<Open>,
    /// What holds now.
    pub(super) head: Option<Deployment>,
    /// Of a split some releases did not load.
    pub(super) partial: bool,
    /// Those for which better code is being made.
    pub(super) improving: Vec<Vec<Piece>>,
    /// Where answers are counted while the head is watched.
    pub(super) tally: Option<Arc<Tally>>,
}

struct Loaded {
    blobs: Vec<Piece>,
    release: Arc<Release>,
}

/// A preview that can be looked at.
struct Open {
    number: u64,
    preview: Preview,
}

impl Lane {
    /// A release that is loaded still.
    pub(super) fn warm(&mut self, blobs: &[Piece]) -> Option<Arc<Release>> {
        let at = self.loaded.iter().position(|loaded| loaded.blobs == blobs)?;
        let found = self.loaded.remove(at);
        let release = found.release.clone();
        self.loaded.insert(0, found);
        Some(release)
    }

    /// Puts a release in the place of another that is still at hand.
    pub(super) fn exchange(&mut self, old: &Arc<Release>, new: &Arc<Release>) {
        let loaded = self.loaded.iter_mut().map(|loaded| &mut loaded.release);
        let previews = self.previews.iter_mut().map(|open| &mut open.preview.release);
        loaded.chain(previews).filter(|release| Arc::ptr_eq(release, old)).for_each(|release| {
            *release = new.clone();
        });
    }

    /// The release of these blobs, where it has code of the baseline compiler.
    pub(super) fn interim_of(&self, blobs: &[Piece]) -> Option<Arc<Release>> {
        let mut interim = self.loaded.iter().filter(|loaded| loaded.release.is_interim());
        interim.find(|loaded| loaded.blobs == blobs).map(|loaded| loaded.release.clone())
    }

    /// What has code of the baseline compiler.
    pub(super) fn interim(&self) -> Vec<Vec<Piece>> {
        let interim = self.loaded.iter().filter(|loaded| loaded.release.is_interim());
        interim.map(|loaded| loaded.blobs.clone()).collect()
    }

    pub(super) fn keep(&mut self, blobs: &[Piece], release: Arc<Release>) {
        self.loaded.insert(0, Loaded { blobs: blobs.to_vec(), release });
    }

    /// Notes what holds now and lets go of what is far from it.
    pub(super) fn published(&mut self, history: &[Deployment], deployment: Deployment) {
        let numbers: HashSet<u64> = deployment.shares.iter().map(|share| share.deployment).collect();
        let named = history.iter().chain([&deployment]).filter(|d| numbers.contains(&d.number));
        let live: Vec<&[Piece]> =
            named.filter_map(|d| d.artifact.as_ref()).map(|pieces| &*pieces.blobs).collect();
        let mut spare = SPARE;
        self.loaded.retain(|loaded| {
            let needed = live.contains(&&*loaded.blobs);
            let kept = needed || spare > 0;
            spare = spare.saturating_sub(usize::from(!needed));
            kept
        });
        self.head = Some(deployment);
        self.partial = false;
    }

    pub(super) fn previews(&self) -> Vec<Preview> {
        self.previews.iter().map(|open| open.preview.clone()).collect()
    }

    /// Opens a preview, in the place of an earlier one of the same deployment.
    pub(super) fn open(&mut self, number: u64, preview: Preview) {
        self.close(|open, _| open == number);
        self.previews.push(Open { number, preview });
    }

    /// Closes the previews of which `which` says so by number and key; true when there was one.
    pub(super) fn close(&mut self, which: impl Fn(u64, &str) -> bool) -> bool {
        let before = self.previews.len();
        self.previews.retain(|open| !which(open.number, &open.preview.key));
        before > self.previews.len()
    }
}
