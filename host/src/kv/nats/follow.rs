//! Watches a bucket: tells an inbox of what is written from now on, and of what expires. Each watcher knows the
//! expiries itself, from all that the bucket has when it begins; so an entry that expires needs no message.

use std::collections::{BTreeSet, HashMap};
use std::convert::Infallible;
use std::sync::Arc;

use tokio::time::Instant;

use super::super::inbox::SWEEP;
use super::super::now;
use super::super::store::Settings;
use super::entry::Row;
use super::reader::{End, Item, Reader, Values};
use super::{Error, Inbox, Nats, room};

/// What one watcher clears away at a time.
const TIDIED: usize = 1_000;

impl Nats {
    pub(super) async fn follow(&self, bucket: &Settings, inbox: &Inbox) -> Result<Infallible, Error> {
        let line = self.line().await?;
        self.ready(&line, bucket).await?;
        let begin = room::state(&line, bucket).await?.last;
        let opened = Reader::open(line.clone(), &bucket.name, Values::Without, End::Wait).await?;
        let mut reader =
            opened.ok_or_else(|| Error::Unavailable("the bucket's stream is gone".to_owned()))?;
        inbox.watching(true);
        let mut expiries = Expiries::default();
        let mut sweep = tokio::time::interval(SWEEP);
        loop {
            tokio::select! {
                item = reader.next() => {
                    let Some(Item { key: Some(key), row }) = item? else { continue };
                    if row.sequence > begin {
                        inbox.changed(&key);
                    }
                    if row.stored.is_none() {
                        self.litter.add(&bucket.name, row.sequence);
                    }
                    expiries.note(key, &row);
                }
                _ = sweep.tick() => {
                    for (key, sequence) in expiries.due(now()) {
                        inbox.changed(&key);
                        self.litter.add(&bucket.name, sequence);
                    }
                    self.litter.tidy(&line, Instant::now(), TIDIED).await?;
                }
            }
        }
    }
}

/// When which entry expires, as far as their last messages tell.
#[derive(Debug, Default)]
struct Expiries {
    by_key: HashMap<Arc<str>, (u64, u64)>,
    /// Unix time in milliseconds, and the sequence.
    by_time: BTreeSet<(u64, u64, Arc<str>)>,
}

impl Expiries {
    fn note(&mut self, key: String, row: &Row) {
        let key: Arc<str> = key.into();
        if let Some((at, sequence)) = self.by_key.remove(&key) {
            self.by_time.remove(&(at, sequence, key.clone()));
        }
        if let Some(at) = row.stored.as_ref().and_then(|stored| stored.expires_at) {
            self.by_key.insert(key.clone(), (at, row.sequence));
            self.by_time.insert((at, row.sequence, key));
        }
    }

    fn due(&mut self, now: u64) -> Vec<(Arc<str>, u64)> {
        let mut due = Vec::new();
        while self.by_time.first().is_some_and(|(at, ..)| *at <= now) {
            let Some((_, sequence, key)) = self.by_time.pop_first() else { break };
            self.by_key.remove(&key);
            due.push((key, sequence));
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::batch::Stored;
    use super::{Expiries, Row};

    #[test]
    fn the_last_word_on_an_expiry_counts() {
        let mut expiries = Expiries::default();
        let row = |sequence, expires_at| {
            let stored = Some(Stored { value: Vec::new(), version: sequence, expires_at });
            Row { sequence, stored, size: 0 }
        };
        expiries.note("a".into(), &row(1, Some(10)));
        expiries.note("b".into(), &row(2, Some(5)));
        expiries.note("c".into(), &row(3, Some(5)));
        expiries.note("a".into(), &row(4, Some(20)));
        expiries.note("c".into(), &row(5, None));
        assert_eq!(expiries.due(10), [("b".into(), 2)]);
        expiries.note("a".into(), &Row { sequence: 6, stored: None, size: 0 });
        assert!(expiries.due(100).is_empty() && expiries.by_key.is_empty());
    }
}
