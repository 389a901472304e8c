//! Whether a bucket has room. A stream knows how many messages and bytes it has, among them marks of deleted keys,
//! expired entries and what the server adds; so one that seems full is counted. What others write at the same moment
//! is not seen.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Deserialize;
use serde_json::json;

use super::super::batch::Stored;
use super::super::lines::Line;
use super::super::store::{Quota, Settings, Usage};
use super::link::{Intent, Link};
use super::{Error, Nats, entry};

pub(super) const UNBOUNDED: Quota = Quota { entries: u64::MAX, bytes: u64::MAX };

/// What buckets took when they were last counted.
#[derive(Debug, Default)]
pub(super) struct Counts(Mutex<BTreeMap<String, Count>>);

#[derive(Clone, Copy, Debug)]
struct Count {
    /// The stream's last message before the count.
    sequence: u64,
    usage: Usage,
}

/// How a stream stands.
#[derive(Debug, Deserialize)]
pub(super) struct State {
    pub(super) messages: u64,
    bytes: u64,
    #[serde(rename = "last_seq")]
    pub(super) last: u64,
}

impl Nats {
    /// Refuses to put `write` in the place of `current` if that makes the bucket larger than it may be.
    pub(super) async fn make_sure_it_fits(
        &self,
        line: &Arc<Line<Link>>,
        bucket: &Settings,
        key: &str,
        current: Option<&Stored>,
        write: Option<&Stored>,
    ) -> Result<(), Error> {
        let size = |stored: &Stored| Usage::of(key, &stored.value);
        let (before, after) = (current.map(size), write.map(size));
        let grows = |left: fn(&Quota) -> u64, before: u64, after: u64| {
            left(&bucket.quota) != u64::MAX && after > before
        };
        if !grows(|quota| quota.entries, u64::from(before.is_some()), u64::from(after.is_some()))
            && !grows(|quota| quota.bytes, before.unwrap_or(0), after.unwrap_or(0))
        {
            return Ok(());
        }
        let fits = |usage: Usage| bucket.quota.check(usage, usage.replace(before, after));
        let state = state(line, bucket).await?;
        if fits(Usage { entries: state.messages, bytes: state.bytes }).is_ok() {
            return Ok(());
        }
        if self.counts.at_most(bucket, state.last).is_some_and(|usage| fits(usage).is_ok()) {
            return Ok(());
        }
        let usage = self.usage(line, bucket).await?;
        self.counts.keep(bucket, Count { sequence: state.last, usage });
        fits(usage)
    }
}

impl Counts {
    /// What a bucket can take at most, each message since the count having added the largest entry.
    fn at_most(&self, bucket: &Settings, last: u64) -> Option<Usage> {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Count { sequence, usage } = *counts.get(&bucket.name)?;
        let written = last.checked_sub(sequence)?;
        let largest = u64::try_from(bucket.key + bucket.value).unwrap_or(u64::MAX);
        Some(Usage {
            entries: usage.entries.saturating_add(written),
            bytes: usage.bytes.saturating_add(written.saturating_mul(largest)),
        })
    }

    fn keep(&self, bucket: &Settings, count: Count) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(bucket.name.clone(), count);
    }
}

pub(super) async fn state(line: &Line<Link>, bucket: &Settings) -> Result<State, Error> {
    #[derive(Deserialize)]
    struct Info {
        state: State,
    }
    let subject = format!("STREAM.INFO.{}", entry::stream(&bucket.name));
    let info: Info = line.api(&subject, &json!({}), Intent::Read).await?.map_err(Error::from)?;
    Ok(info.state)
}

#[cfg(test)]
mod tests {
    use super::{Count, Counts, Settings, UNBOUNDED, Usage};

    #[test]
    fn a_count_bounds_what_was_written_since() {
        let bucket = Settings { name: "b".into(), key: 10, value: 90, quota: UNBOUNDED };
        let counts = Counts::default();
        assert_eq!(counts.at_most(&bucket, 7), None);
        counts.keep(&bucket, Count { sequence: 7, usage: Usage { entries: 2, bytes: 20 } });
        assert_eq!(counts.at_most(&bucket, 7), Some(Usage { entries: 2, bytes: 20 }));
        assert_eq!(counts.at_most(&bucket, 10), Some(Usage { entries: 5, bytes: 320 }));
        assert_eq!(counts.at_most(&bucket, 6), None, "another stream of the same name");
    }
}
