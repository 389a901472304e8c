//! One page of a bucket. The server cannot tell keys in their order, so all of the bucket passes by, and what belongs
//! to the page is kept.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::batch::Stored;
use super::super::lines::{Line, OPERATION};
use super::super::now;
use super::super::range::{LARGEST_PAGE, Range};
use super::super::store::{Settings, Usage};
use super::link::Link;
use super::reader::{End, Item, Reader, Values};
use super::{Error, Nats, room};

/// Entries that are kept beyond a page, for those of it that are deleted while the rest passes by.
const SPARE: usize = 32;
/// How often it is tried when more are.
const TRIES: usize = 3;
/// How often the end of a stream is looked for.
const SPANS: usize = 4;

impl Nats {
    pub(super) async fn page(
        &self,
        line: &Arc<Line<Link>>,
        bucket: &Settings,
        range: &Range,
    ) -> Result<Vec<(String, Stored)>, Error> {
        let values = if range.keys_only { Values::Without } else { Values::With };
        for _ in 0..TRIES {
            let mut shelf = Shelf::new(range);
            self.pass(line, bucket, values, |key, item| shelf.offer(key, item.row.stored)).await?;
            if let Some(entries) = shelf.entries() {
                return Ok(entries);
            }
        }
        Err(Error::Unavailable("the bucket changes too fast for a scan".to_owned()))
    }

    /// What all entries take.
    pub(super) async fn usage(&self, line: &Arc<Line<Link>>, bucket: &Settings) -> Result<Usage, Error> {
        let (mut usage, now) = (Usage::default(), now());
        let count = |key: String, item: Item| {
            if item.row.stored.is_some_and(|stored| stored.is_live(now)) {
                let bytes = u64::try_from(key.len()).unwrap_or(u64::MAX).saturating_add(item.row.size);
                usage = usage.replace(None, Some(bytes));
            }
        };
        self.pass(line, bucket, Values::Without, count).await?;
        Ok(usage)
    }

    /// Gives the last message of each key to `take`; of those that are written meanwhile the one from before, a newer
    /// one, or both.
    ///
    /// A message that is overwritten before its turn is not delivered; the newer one is, further on. So when all
    /// messages that the stream had came by, they were all. Otherwise it goes on to what the stream's end is by then:
    /// what is missing after that has been overwritten in each of these ever shorter spans, just before its turn.
    async fn pass(
        &self,
        line: &Arc<Line<Link>>,
        bucket: &Settings,
        values: Values,
        mut take: impl FnMut(String, Item),
    ) -> Result<(), Error> {
        let opened = Reader::open(line.clone(), &bucket.name, values, End::Tell).await?;
        let Some(mut reader) = opened else { return Ok(()) };
        let (now, mut delivered) = (now(), 0);
        for span in 0..SPANS {
            let state = room::state(line, bucket).await?;
            if span > 0 && reader.sequence >= state.last {
                break;
            }
            while reader.sequence < state.last {
                let next = tokio::time::timeout(OPERATION, reader.next());
                let Some(mut item) = next.await.map_err(|_late| Error::Timeout)?? else { break };
                delivered += u64::from(item.row.sequence <= state.last);
                if !item.row.stored.as_ref().is_some_and(|stored| stored.is_live(now)) {
                    self.litter.add(&bucket.name, item.row.sequence);
                }
                if let Some(key) = item.key.take() {
                    take(key, item);
                }
            }
            // Later on, some keys came by twice.
            if span == 0 && delivered == state.messages {
                break;
            }
        }
        reader.close().await;
        Ok(())
    }
}

/// What is kept of what passes by: the first entries of a range in its order, and no more than a page and a bit.
struct Shelf<'a> {
    range: &'a Range,
    now: u64,
    kept: BTreeMap<String, Stored>,
    bytes: usize,
    /// The first key that there was no room for: of those from here on, nothing is known.
    edge: Option<String>,
}

impl<'a> Shelf<'a> {
    fn new(range: &'a Range) -> Self {
        Self { range, now: now(), kept: BTreeMap::new(), bytes: 0, edge: None }
    }

    /// Takes the latest that was said of a key.
    fn offer(&mut self, key: String, stored: Option<Stored>) {
        if !self.range.contains(&key) || self.edge.as_ref().is_some_and(|edge| !self.precedes(&key, edge)) {
            return;
        }
        if let Some(old) = self.kept.remove(&key) {
            self.bytes -= size(&key, &old);
        }
        if let Some(stored) = stored.filter(|stored| stored.is_live(self.now)) {
            self.bytes += size(&key, &stored);
            self.kept.insert(key, stored);
            self.cut();
        }
    }

    fn precedes(&self, key: &str, other: &str) -> bool {
        if self.range.reverse { key > other } else { key < other }
    }

    fn cut(&mut self) {
        let last = |kept: &mut BTreeMap<String, Stored>| {
            if self.range.reverse { kept.pop_first() } else { kept.pop_last() }
        };
        let most = LARGEST_PAGE + LARGEST_PAGE / 4;
        while let Some((key, stored)) = last(&mut self.kept) {
            let left = self.bytes - size(&key, &stored);
            if self.kept.len() < self.range.limit + SPARE && left < most {
                self.kept.insert(key, stored);
                return;
            }
            self.bytes = left;
            self.edge = Some(key);
        }
    }

    /// The page; none when too much of it was deleted to know the rest of it.
    fn entries(self) -> Option<Vec<(String, Stored)>> {
        let known = self.edge.is_none() || self.kept.len() >= self.range.limit || self.bytes >= LARGEST_PAGE;
        let mut rows: Vec<_> = self.kept.into_iter().map(Ok::<_, std::convert::Infallible>).collect();
        if self.range.reverse {
            rows.reverse();
        }
        let Ok(entries) = self.range.collect(self.now, rows.into_iter());
        known.then_some(entries)
    }
}

fn size(key: &str, stored: &Stored) -> usize {
    key.len() + stored.value.len()
}

#[cfg(test)]
mod tests {
    use super::super::super::ScanOptions;
    use super::{LARGEST_PAGE, Range, SPARE, Shelf, Stored};

    fn range(limit: u32, reverse: bool) -> Range {
        let (prefix, start, end, cursor) = (String::new(), None, None, None);
        Range::of(ScanOptions { prefix, start, end, reverse, keys_only: false, limit, cursor }).unwrap()
    }

    fn stored(bytes: usize) -> Option<Stored> {
        Some(Stored { value: vec![0; bytes], version: 1, expires_at: None })
    }

    fn keys(entries: &[(String, Stored)]) -> Vec<&str> {
        entries.iter().map(|(key, _)| key.as_str()).collect()
    }

    #[test]
    fn the_first_entries_are_kept_in_either_direction() {
        for (reverse, expected) in [(false, ["000", "001", "002"]), (true, ["199", "198", "197"])] {
            let range = range(3, reverse);
            let mut shelf = Shelf::new(&range);
            for n in 0..200 {
                shelf.offer(format!("{:03}", n * 7 % 200), stored(1));
                assert!(shelf.kept.len() <= 3 + SPARE);
            }
            assert_eq!(keys(&shelf.entries().unwrap()), expected);
        }
    }

    #[test]
    fn what_is_deleted_meanwhile_is_replaced_or_the_page_is_not_known() {
        let range = range(2, false);
        let mut shelf = Shelf::new(&range);
        (0..100).for_each(|n| shelf.offer(format!("{n:03}"), stored(1)));
        shelf.offer("000".into(), None);
        shelf.offer("099".into(), stored(1));
        assert_eq!(keys(&shelf.entries().unwrap()), ["001", "002"]);

        let mut shelf = Shelf::new(&range);
        (0..100).for_each(|n| shelf.offer(format!("{n:03}"), stored(1)));
        (0..=SPARE).for_each(|n| shelf.offer(format!("{n:03}"), None));
        shelf.offer("500".into(), stored(1));
        assert!(shelf.entries().is_none(), "033 passed by and is gone");
    }

    #[test]
    fn large_values_are_let_go() {
        let range = range(1_000, false);
        let mut shelf = Shelf::new(&range);
        for n in (0..20).rev() {
            shelf.offer(format!("{n:02}"), stored(1 << 20));
            assert!(shelf.bytes < LARGEST_PAGE + (3 << 20));
        }
        assert_eq!(shelf.entries().unwrap().len(), 4);
    }
}
