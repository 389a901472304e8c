//! What a watcher has yet to be told: keys, not values. A key that changes again before it was told stands
//! there once; what was not kept is a gap.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// Keys that wait; beyond that there is a gap.
const MOST_KEYS: usize = 10_000;
/// How long a change rests that its watcher did not take: doubled with each failure.
const FIRST_REST: Duration = Duration::from_millis(100);
const LONGEST_REST: Duration = Duration::from_secs(30);

/// What to tell a watcher next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    /// Watching has begun; true when changes may have been missed before.
    Watching(bool),
    /// A key may have changed.
    Key(String),
}

/// Collects what one watcher is to be told.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    waiting: Mutex<Waiting>,
    woken: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    prefixes: Vec<String>,
    /// To be told before any key.
    watching: Option<bool>,
    order: VecDeque<String>,
    keys: BTreeSet<String>,
    /// Keys and the beginning (none) that are told again, and how often that failed.
    again: BTreeMap<Instant, Word>,
    failures: BTreeMap<Option<String>, u32>,
}

impl Inbox {
    /// For keys that begin with one of these.
    pub(crate) fn new(prefixes: Vec<String>) -> Self {
        let waiting = Waiting { prefixes, ..Waiting::default() };
        Self { waiting: Mutex::new(waiting), woken: Notify::new() }
    }

    /// Watches other prefixes from now on.
    pub(crate) fn set_prefixes(&self, prefixes: Vec<String>) {
        self.waiting().prefixes = prefixes;
    }

    /// A store says: every change from now on is told. `gap`: some before may not have been.
    pub(crate) fn watching(&self, gap: bool) {
        let mut waiting = self.waiting();
        waiting.watching = Some(gap || waiting.watching == Some(true));
        drop(waiting);
        self.woken.notify_one();
    }

    /// A store says: this key was written, deleted, or expired.
    pub(crate) fn changed(&self, key: &str) {
        let mut waiting = self.waiting();
        if !waiting.prefixes.iter().any(|prefix| key.starts_with(prefix)) || waiting.keys.contains(key) {
            return;
        }
        if waiting.keys.len() >= MOST_KEYS {
            waiting.watching = Some(true);
        } else {
            waiting.keys.insert(key.to_owned());
            waiting.order.push_back(key.to_owned());
        }
        drop(waiting);
        self.woken.notify_one();
    }

    /// The watcher did not take this: it is told again later.
    pub(crate) fn failed(&self, word: Word) {
        let mut waiting = self.waiting();
        let failures = waiting.failures.entry(name(&word)).or_default();
        let rest = (FIRST_REST * 2_u32.saturating_pow(*failures)).min(LONGEST_REST);
        *failures = failures.saturating_add(1).min(16);
        if waiting.again.len() >= MOST_KEYS {
            waiting.watching = Some(true);
            return;
        }
        let mut at = Instant::now() + rest;
        while waiting.again.contains_key(&at) {
            at += Duration::from_nanos(1);
        }
        waiting.again.insert(at, word);
    }

    /// The watcher took this.
    pub(crate) fn took(&self, word: &Word) {
        let mut waiting = self.waiting();
        if !waiting.failures.is_empty() {
            waiting.failures.remove(&name(word));
        }
    }

    /// Waits for what to tell next. Cancel safe.
    pub(crate) async fn next(&self) -> Word {
        loop {
            let due = match self.waiting().next(Instant::now()) {
                Ok(word) => return word,
                Err(due) => due,
            };
            let woken = self.woken.notified();
            match due {
                Some(due) => tokio::select! {
                    () = woken => {}
                    () = tokio::time::sleep_until(due.into()) => {}
                },
                None => woken.await,
            }
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a failure is counted for.
fn name(word: &Word) -> Option<String> {
    match word {
        Word::Watching(_) => None,
        Word::Key(key) => Some(key.clone()),
    }
}

impl Waiting {
    /// What is to be told now, or when something is.
    fn next(&mut self, now: Instant) -> Result<Word, Option<Instant>> {
        if let Some(gap) = self.watching.take() {
            return Ok(Word::Watching(gap));
        }
        let due = self.again.first_key_value().map(|(at, _)| *at);
        if due.is_some_and(|at| at <= now)
            && let Some((_, word)) = self.again.pop_first()
        {
            return Ok(word);
        }
        if let Some(key) = self.order.pop_front() {
            self.keys.remove(&key);
            return Ok(Word::Key(key));
        }
        Err(due)
    }
}

/// How often a store that is watched looks for entries that have expired.
pub(super) const SWEEP: Duration = Duration::from_millis(250);

/// The inboxes of a store in this process, by bucket.
#[derive(Debug, Default)]
pub(super) struct Feeds(Mutex<BTreeMap<String, Vec<Weak<Inbox>>>>);

impl Feeds {
    pub(super) fn add(&self, bucket: &str, inbox: &Arc<Inbox>) {
        let mut feeds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let inboxes = feeds.entry(bucket.to_owned()).or_default();
        inboxes.retain(|known| known.strong_count() > 0 && !Weak::ptr_eq(known, &Arc::downgrade(inbox)));
        inboxes.push(Arc::downgrade(inbox));
    }

    pub(super) fn tell<K: AsRef<str>>(&self, bucket: &str, keys: &[K]) {
        if keys.is_empty() {
            return;
        }
        let feeds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(inboxes) = feeds.get(bucket) else { return };
        for inbox in inboxes.iter().filter_map(Weak::upgrade) {
            keys.iter().for_each(|key| inbox.changed(key.as_ref()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Inbox, MOST_KEYS, Word};

    fn key(key: &str) -> Word {
        Word::Key(key.to_owned())
    }

    #[tokio::test]
    async fn a_key_that_changes_twice_is_told_once_and_in_order() {
        let inbox = Inbox::new(vec!["a".to_owned()]);
        for changed in ["a2", "b", "a1", "a2"] {
            inbox.changed(changed);
        }
        inbox.watching(false);
        assert_eq!(inbox.next().await, Word::Watching(false));
        assert_eq!(inbox.next().await, key("a2"));
        inbox.changed("a2");
        assert_eq!(inbox.next().await, key("a1"));
        assert_eq!(inbox.next().await, key("a2"), "it changed after it was told");
    }

    #[tokio::test]
    async fn what_was_not_taken_comes_again_and_what_does_not_fit_is_a_gap() {
        let inbox = Inbox::new(vec![String::new()]);
        inbox.failed(key("x"));
        assert_eq!(inbox.next().await, key("x"));
        inbox.took(&key("x"));
        for n in 0..=MOST_KEYS {
            inbox.changed(&n.to_string());
        }
        assert_eq!(inbox.next().await, Word::Watching(true));
        inbox.watching(true);
        inbox.watching(false);
        assert_eq!(inbox.next().await, Word::Watching(true), "a gap is not forgotten");
    }
}
