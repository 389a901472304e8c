//! Watching buckets: one task per service and bucket, and a call into a fresh instance for each key that changed.
//!
//! The store says which keys changed ([`Inbox`]); what the guest is told is what a key holds when its turn comes.
//! A deploy replaces the release behind a watch that goes on.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::background::Background;
use crate::config::Config;
use crate::kv::{self, Bucket, Inbox, Stores, Word};
use crate::release::{Release, RouteTable};
use crate::request::{Event, notify};

/// How long a store rests that cannot be watched: doubled with each failure, from the beginning after a while.
const FIRST_REST: Duration = Duration::from_millis(100);
const LONGEST_REST: Duration = Duration::from_secs(5);

/// All that a host watches, by service and bucket; a task ends when its sender is dropped.
#[derive(Default)]
pub(crate) struct Watchers(Mutex<Tasks>);

type Tasks = BTreeMap<(String, String), watch::Sender<Arc<Release>>>;

impl Watchers {
    /// Makes the release that `routes` has for a service the one that is called.
    pub(crate) fn follow(
        &self,
        background: &Background,
        config: &Config,
        stores: &Stores,
        routes: &RouteTable,
        service: &str,
    ) {
        let mut tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Looked up under the lock: of two deploys at once, the one that was published last is called.
        let release = routes.release(service).filter(|release| release.watcher.is_some());
        let prefixes = release.as_ref().map(|release| release.manifest.prefixes()).unwrap_or_default();
        tasks.retain(|(name, bucket), _| name != service || prefixes.contains_key(bucket.as_str()));
        let Some(release) = &release else { return };
        for bucket in prefixes.keys() {
            let key = (service.to_owned(), (*bucket).to_owned());
            if let Some(current) = tasks.get(&key) {
                current.send_replace(release.clone());
                continue;
            }
            let runtime = match background.runtime(config.cores.get()) {
                Ok(runtime) => runtime,
                Err(error) => return tracing::error!(%error, "failed to start the watching thread"),
            };
            let (sender, current) = watch::channel(release.clone());
            runtime.spawn(Watcher { bucket: stores.bucket(bucket), current }.run());
            tasks.insert(key, sender);
        }
    }
}

struct Watcher {
    bucket: Bucket,
    current: watch::Receiver<Arc<Release>>,
}

impl Watcher {
    async fn run(mut self) {
        let inbox = Arc::new(Inbox::new(self.prefixes()));
        let (bucket, told) = (self.bucket.clone(), inbox.clone());
        tokio::select! {
            never = follow(&bucket, &told) => match never {},
            () = self.tell(&inbox) => {}
        }
    }

    fn prefixes(&self) -> Vec<String> {
        let release = self.current.borrow();
        let prefixes = release.manifest.prefixes().remove(self.bucket.name()).unwrap_or_default();
        prefixes.into_iter().map(str::to_owned).collect()
    }

    /// Calls the guest, one word after the other, until nobody watches any more.
    async fn tell(&mut self, inbox: &Inbox) {
        let mut release = self.current.borrow_and_update().clone();
        loop {
            let word = tokio::select! {
                biased;
                changed = self.current.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    release = self.current.borrow_and_update().clone();
                    let (before, now) = (inbox.prefixes(), self.prefixes());
                    let known = |prefix: &String| before.iter().any(|before| prefix.starts_with(before));
                    // What changed under a prefix that nobody watched was not told.
                    let gap = !now.iter().all(known);
                    inbox.set_prefixes(now);
                    inbox.watching(gap);
                    continue;
                }
                word = inbox.next() => word,
            };
            match self.call(&release, &word).await {
                Ok(()) => inbox.took(&word),
                Err(error) => {
                    let (service, bucket) = (release.service(), self.bucket.name());
                    let key = match &word {
                        Word::Watching(_) => None,
                        Word::Key(key) => Some(key),
                    };
                    tracing::warn!(service, bucket, ?key, error, "a change was not handled; it comes again");
                    inbox.failed(word);
                }
            }
        }
    }

    async fn call(&self, release: &Arc<Release>, word: &Word) -> Result<(), String> {
        let bucket = self.bucket.name();
        let Ok(permit) = release.admission.wait().await else { return Ok(()) };
        let event = match word {
            Word::Watching(gap) => Event::Watching { bucket, gap: *gap },
            // Read last: what it holds now is what counts.
            Word::Key(key) => match self.bucket.get(key.clone()).await {
                Ok(entry) => Event::Changed { bucket, key, entry },
                Err(error) => return Err(kv::explain(&error)),
            },
        };
        notify(release, permit, &event).await.map_err(|error| error.to_string())
    }
}

/// Watches the store for ever.
async fn follow(bucket: &Bucket, inbox: &Arc<Inbox>) -> std::convert::Infallible {
    let mut rest = FIRST_REST;
    loop {
        let begun = Instant::now();
        let error = bucket.watch(inbox).await;
        if begun.elapsed() > LONGEST_REST {
            rest = FIRST_REST;
        }
        tracing::warn!(bucket = bucket.name(), error = kv::explain(&error), "failed to watch; trying again");
        tokio::time::sleep(rest.mul_f64(0.5 + fastrand::f64())).await;
        rest = (rest * 2).min(LONGEST_REST);
    }
}
