//! What nobody sees any more and the server still has: expired entries, and the marks of deleted ones. They stay for a
//! while, for the watchers; then whoever writes next, or watches, clears them away, each by its sequence, so that
//! nothing newer is lost. What is not known here is found again by the next scan or watcher.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::super::lines::Line;
use super::Error;
use super::entry;
use super::link::Link;

/// How long a watcher may lag behind and still be told of a deletion.
pub(super) const GRACE: Duration = Duration::from_secs(60);
/// What is remembered.
const MOST: usize = 100_000;

#[derive(Debug, Default)]
pub(super) struct Litter(Mutex<Heap>);

#[derive(Debug, Default)]
struct Heap {
    /// Oldest first.
    queue: VecDeque<(Instant, Scrap)>,
    known: HashSet<Scrap>,
}

/// A bucket, and a message of its stream.
type Scrap = (String, u64);

impl Litter {
    pub(super) fn add(&self, bucket: &str, sequence: u64) {
        let scrap = (bucket.to_owned(), sequence);
        let mut heap = self.heap();
        if heap.known.len() < MOST && heap.known.insert(scrap.clone()) {
            heap.queue.push_back((Instant::now() + GRACE, scrap));
        }
    }

    /// Asks for up to `most` of what is due to be cleared away, and does not wait.
    pub(super) async fn tidy(&self, line: &Line<Link>, now: Instant, most: usize) -> Result<(), Error> {
        for (bucket, sequence) in self.due(now, most) {
            let subject = format!("STREAM.MSG.DELETE.{}", entry::stream(&bucket));
            // Without `no_erase` the bytes would be overwritten with noise first.
            line.tell(&subject, &json!({ "seq": sequence, "no_erase": true })).await?;
        }
        Ok(())
    }

    fn due(&self, now: Instant, most: usize) -> Vec<Scrap> {
        let (mut heap, mut due) = (self.heap(), Vec::new());
        while due.len() < most
            && let Some((_, scrap)) = heap.queue.pop_front_if(|(at, _)| *at <= now)
        {
            heap.known.remove(&scrap);
            due.push(scrap);
        }
        due
    }

    fn heap(&self) -> MutexGuard<'_, Heap> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::{GRACE, Instant, Litter};

    #[test]
    fn litter_is_known_once_and_due_after_a_while() {
        let litter = Litter::default();
        for sequence in [1, 2, 1, 3] {
            litter.add("b", sequence);
        }
        assert!(litter.due(Instant::now(), 10).is_empty());
        let later = Instant::now() + GRACE;
        assert_eq!(litter.due(later, 2), [("b".to_owned(), 1), ("b".to_owned(), 2)]);
        assert_eq!(litter.due(later, 2), [("b".to_owned(), 3)]);
    }
}
