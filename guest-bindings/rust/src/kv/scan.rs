//! Walks over the entries of a bucket.

use super::Entry;
use crate::{
    Result,
    bindings::wharf::platform::kv::{Bucket, ScanOptions},
};

/// Entries to fetch at once when nothing else is asked for; the contract's most.
const PAGE: u32 = 1000;

/// An iterator over keys and entries; see [`Kv::scan`](super::Kv::scan).
///
/// After an error it ends. What changes meanwhile may be seen or not.
#[derive(Debug)]
pub struct Scan<'a> {
    bucket: &'a Bucket,
    options: ScanOptions,
    page: std::vec::IntoIter<(String, Entry)>,
    ended: bool,
}

impl<'a> Scan<'a> {
    pub(super) fn new(bucket: &'a Bucket, prefix: String) -> Self {
        let options = ScanOptions {
            prefix,
            start: None,
            end: None,
            reverse: false,
            keys_only: false,
            limit: PAGE,
            cursor: None,
        };
        Self { bucket, options, page: Vec::new().into_iter(), ended: false }
    }

    /// Begins at this key.
    #[must_use]
    pub fn from_key(mut self, key: impl Into<String>) -> Self {
        self.options.start = Some(key.into());
        self
    }

    /// Ends before this key.
    #[must_use]
    pub fn until_key(mut self, key: impl Into<String>) -> Self {
        self.options.end = Some(key.into());
        self
    }

    /// From the last key to the first.
    #[must_use]
    pub fn reverse(mut self) -> Self {
        self.options.reverse = true;
        self
    }

    /// Leaves the values out: they come back empty.
    #[must_use]
    pub fn keys_only(mut self) -> Self {
        self.options.keys_only = true;
        self
    }

    /// Fetches this many entries at once: 1 to 1,000, by default 1,000.
    #[must_use]
    pub fn page_size(mut self, entries: u32) -> Self {
        self.options.limit = entries;
        self
    }

    fn fetch(&mut self) -> Result<()> {
        // Assume the worst, so that an error is the end.
        self.ended = true;
        let page = self.bucket.scan(&self.options)?;
        self.page = page.entries.into_iter();
        self.ended = page.next.is_none();
        self.options.cursor = page.next;
        Ok(())
    }
}

impl Iterator for Scan<'_> {
    type Item = Result<(String, Entry)>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(entry) = self.page.next() {
                return Some(Ok(entry));
            }
            if self.ended {
                return None;
            }
            // A page may be empty and not the last.
            if let Err(error) = self.fetch() {
                return Some(Err(error));
            }
        }
    }
}
