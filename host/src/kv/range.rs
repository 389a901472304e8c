//! Scans: options to a key range, and entries to a page.

use std::ops::{Bound, RangeBounds};

use super::batch::Stored;
use super::{Entry, Error, Page, ScanOptions};

/// Bytes of values in one page; the cursor goes on behind them.
pub(super) const LARGEST_PAGE: usize = 4 << 20;
const LONGEST_PAGE: u32 = 1_000;

/// What a backend scans.
#[derive(Debug)]
pub(super) struct Range {
    pub(super) from: Bound<String>,
    pub(super) to: Bound<String>,
    pub(super) reverse: bool,
    pub(super) keys_only: bool,
    /// At most so many entries, and `LARGEST_PAGE` bytes.
    pub(super) limit: usize,
}

impl Range {
    /// The cursor is the last key of the page before: it stays right whatever is written in between, and for as
    /// long as one likes.
    pub(super) fn of(options: ScanOptions) -> Result<Self, Error> {
        if !(1..=LONGEST_PAGE).contains(&options.limit) {
            let why = format!("`limit` is {}: use 1 to {LONGEST_PAGE}", options.limit);
            return Err(Error::InvalidArgument(why));
        }
        let start = options.start.filter(|start| *start > options.prefix).unwrap_or(options.prefix.clone());
        let mut from = Bound::Included(start);
        let mut to = match (options.end, after_prefix(&options.prefix)) {
            (Some(end), Some(after)) => Bound::Excluded(end.min(after)),
            (Some(end), None) => Bound::Excluded(end),
            (None, Some(after)) => Bound::Excluded(after),
            (None, None) => Bound::Unbounded,
        };
        if let Some(cursor) = options.cursor {
            let within = Self { from, to, reverse: false, keys_only: false, limit: 0 };
            if !within.contains(&cursor) {
                return Err(Error::InvalidArgument("`cursor` is not from a scan like this one".to_owned()));
            }
            Self { from, to, .. } = within;
            if options.reverse { to = Bound::Excluded(cursor) } else { from = Bound::Excluded(cursor) }
        }
        let limit = usize::try_from(options.limit).unwrap_or(usize::MAX);
        Ok(Self { from, to, reverse: options.reverse, keys_only: options.keys_only, limit })
    }

    /// As `ZRANGEBYLEX` takes it.
    pub(super) fn lex(&self) -> (String, String) {
        let bound = |bound: &Bound<String>, open: &str| match bound {
            Bound::Included(key) => format!("[{key}"),
            Bound::Excluded(key) => format!("({key}"),
            Bound::Unbounded => open.to_owned(),
        };
        (bound(&self.from, "-"), bound(&self.to, "+"))
    }

    pub(super) fn contains(&self, key: &str) -> bool {
        let bounds = (self.from.as_ref().map(String::as_str), self.to.as_ref().map(String::as_str));
        RangeBounds::<str>::contains(&bounds, key)
    }

    /// One page of what was collected. A page that was cut short by its size has a cursor, too.
    pub(super) fn page(&self, entries: Vec<(String, Stored)>) -> Page {
        let bytes: usize = entries.iter().map(|(key, stored)| key.len() + stored.value.len()).sum();
        let full = entries.len() >= self.limit || bytes >= LARGEST_PAGE;
        let next = entries.last().filter(|_| full).map(|(key, _)| key.clone());
        Page { entries: entries.into_iter().map(|(key, stored)| (key, Entry::from(stored))).collect(), next }
    }

    /// Takes live entries until the page is full. `scan` gives them in the order of this range.
    pub(super) fn collect<E>(
        &self,
        now: u64,
        scan: impl Iterator<Item = Result<(String, Stored), E>>,
    ) -> Result<Vec<(String, Stored)>, E> {
        let (mut entries, mut bytes) = (Vec::new(), 0_usize);
        for entry in scan {
            let (key, mut stored) = entry?;
            if !stored.is_live(now) {
                continue;
            }
            if self.keys_only {
                stored.value = Vec::new();
            }
            bytes = bytes.saturating_add(key.len() + stored.value.len());
            entries.push((key, stored));
            if entries.len() >= self.limit || bytes >= LARGEST_PAGE {
                break;
            }
        }
        Ok(entries)
    }

    pub(super) fn is_empty(&self) -> bool {
        match (&self.from, &self.to) {
            (Bound::Included(from), Bound::Included(to)) => from > to,
            (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
            (Bound::Included(from) | Bound::Excluded(from), Bound::Included(to) | Bound::Excluded(to)) => {
                from >= to
            }
        }
    }
}

/// The first key after all that begin with `prefix`: its last character that has a successor is
/// replaced by it. UTF-8 orders by bytes as it does by characters.
fn after_prefix(prefix: &str) -> Option<String> {
    let mut chars: Vec<char> = prefix.chars().collect();
    while let Some(last) = chars.pop() {
        let next = match last {
            '\u{d7ff}' => Some('\u{e000}'),
            last => char::from_u32(u32::from(last) + 1),
        };
        if let Some(next) = next {
            chars.push(next);
            return Some(chars.into_iter().collect());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::after_prefix;

    #[test]
    fn the_successor_of_a_prefix_is_behind_all_of_its_keys() {
        assert_eq!(after_prefix(""), None);
        assert_eq!(after_prefix("a").as_deref(), Some("b"));
        assert_eq!(after_prefix("a\u{10ffff}").as_deref(), Some("b"));
        assert_eq!(after_prefix("\u{d7ff}").as_deref(), Some("\u{e000}"));
        assert_eq!(after_prefix("\u{10ffff}"), None);
        assert!(after_prefix("ab").unwrap().as_str() > "ab\u{10ffff}\u{10ffff}");
    }
}
