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
    /// To be told before any key, but not before `rest`.
    watching: Option<bool>,
    rest: Option<Instant>,
    /// How often telling it failed.
    failures: u32,
    order: VecDeque<String>,
    keys: BTreeSet<String>,
    /// Keys that were not taken: when they are told again, and how often that failed.
    failing: BTreeMap<String, (Instant, u32)>,
    due: BTreeSet<(Instant, String)>,
}

impl Inbox {
    /// For keys that begin with one of these.
    pub(crate) fn new(prefixes: Vec<String>) -> Self {
        let waiting = Waiting { prefixes, ..Waiting::default() };
        Self { waiting: Mutex::new(waiting), woken: Notify::new() }
    }

    pub(crate) fn prefixes(&self) -> Vec<String> {
        self.waiting().prefixes.clone()
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
        // What was not taken has its time: it is told with what it holds then.
        if waiting.failing.get(key).is_some_and(|(due, _)| waiting.due.contains(&(*due, key.to_owned()))) {
            return;
        }
        if waiting.keys.len() >= MOST_KEYS {
            waiting.overflow();
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
        match word {
            Word::Watching(gap) => {
                waiting.watching = Some(gap || waiting.watching == Some(true));
                waiting.rest = Some(Instant::now() + rest(waiting.failures));
                waiting.failures = waiting.failures.saturating_add(1);
            }
            Word::Key(key) => {
                let failures = waiting.failing.get(&key).map_or(0, |(_, failures)| *failures);
                if failures == 0 && waiting.failing.len() >= MOST_KEYS {
                    return waiting.overflow();
                }
                let due = Instant::now() + rest(failures);
                let before = waiting.failing.insert(key.clone(), (due, failures.saturating_add(1)));
                if let Some((before, _)) = before {
                    waiting.due.remove(&(before, key.clone()));
                }
                waiting.due.insert((due, key));
            }
        }
    }

    /// The watcher took this.
    pub(crate) fn took(&self, word: &Word) {
        let mut waiting = self.waiting();
        match word {
            Word::Watching(_) => (waiting.failures, waiting.rest) = (0, None),
            Word::Key(key) => {
                if let Some((due, _)) = waiting.failing.remove(key) {
                    waiting.due.remove(&(due, key.clone()));
                }
            }
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

/// How long to wait after so many failures.
fn rest(failures: u32) -> Duration {
    (FIRST_REST * 2_u32.saturating_pow(failures.min(16))).min(LONGEST_REST)
}

impl Waiting {
    /// More than can wait: the gap stands for all of it.
    fn overflow(&mut self) {
        self.order.clear();
        self.keys.clear();
        self.failing.clear();
        self.due.clear();
        self.watching = Some(true);
        // A watcher that fails and falls behind is not called without end.
        self.rest = self.rest.max(Some(Instant::now() + FIRST_REST));
    }

    /// What is to be told now, or when something is.
    fn next(&mut self, now: Instant) -> Result<Word, Option<Instant>> {
        if let Some(gap) = self.watching {
            if let Some(rest) = self.rest.filter(|rest| *rest > now) {
                return Err(Some(rest));
            }
            self.watching = None;
            return Ok(Word::Watching(gap));
        }
        let due = self.due.first().map(|(due, _)| *due);
        if due.is_some_and(|due| due <= now)
            && let Some((_, key)) = self.due.pop_first()
        {
            return Ok(Word::Key(key));
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

    /// Changes may have happened that nobody was told of.
    pub(super) fn missed(&self) {
        let feeds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        feeds.values().flatten().filter_map(Weak::upgrade).for_each(|inbox| inbox.watching(true));
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
    use super::{Duration, Inbox, Instant, MOST_KEYS, Word};

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
        let left = tokio::time::timeout(Duration::from_millis(50), inbox.next()).await;
        assert!(left.is_err(), "the gap stands for the keys: {left:?}");
    }

    #[tokio::test]
    async fn a_watcher_that_takes_nothing_is_told_ever_more_slowly_and_costs_no_memory() {
        let inbox = Inbox::new(vec![String::new()]);
        inbox.watching(true);
        let (begun, mut told) = (Instant::now(), 0);
        while begun.elapsed() < Duration::from_millis(500) {
            for n in 0..1_000 {
                inbox.changed(&format!("{told}/{n}"));
            }
            if let Ok(word) = tokio::time::timeout(Duration::from_millis(5), inbox.next()).await {
                inbox.failed(word);
                told += 1;
            }
        }
        assert!(told < 10, "told {told} times");
        let waiting = inbox.waiting();
        assert!(waiting.keys.len() <= MOST_KEYS && waiting.failing.len() <= MOST_KEYS);
    }
}
