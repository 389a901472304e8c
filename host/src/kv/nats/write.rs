//! Changes of one key. One that depends on nothing is written straight away. Any other reads the key, decides, and
//! writes on the condition that the key's last message is still the one it read; who is beaten to it begins anew.

use std::sync::Arc;
use std::time::Duration;

use async_nats::Request;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::super::batch::{Applied, Batch, Change, Stored};
use super::super::lines::Line;
use super::super::store::Settings;
use super::super::{Check, now};
use super::entry::{self, Row};
use super::link::{Intent, Link, Refusal, no_jetstream};
use super::room::UNBOUNDED;
use super::{Error, Nats};

/// How long a change is tried while others are faster.
const PATIENCE: Duration = Duration::from_secs(4);
/// The longest rest after having been beaten, in milliseconds.
const LONGEST_REST: u64 = 16;
/// Only when the last message of the key has this sequence; 0 for no message.
const EXPECTED: &str = "Nats-Expected-Last-Subject-Sequence";

impl Nats {
    /// Applies one change under checks of its own key; none when one does not hold.
    pub(super) async fn change(
        &self,
        line: &Arc<Line<Link>>,
        bucket: &Settings,
        checks: &[Check],
        change: Change,
    ) -> Result<Option<Applied>, Error> {
        match change {
            Change::Put { key, value, ttl_ms } if checks.is_empty() && bucket.quota == UNBOUNDED => {
                let expires_at = ttl_ms.map(|ttl| now().saturating_add(ttl));
                let stored = Stored { value, version: 0, expires_at };
                let version = self.publish(line, bucket, &key, None, Some(stored)).await?;
                Ok(version.map(|version| Applied { version, sums: Vec::new() }))
            }
            change => self.compete(line, bucket, checks, &change).await,
        }
    }

    async fn compete(
        &self,
        line: &Arc<Line<Link>>,
        bucket: &Settings,
        checks: &[Check],
        change: &Change,
    ) -> Result<Option<Applied>, Error> {
        let (Change::Put { key, .. } | Change::Delete(key) | Change::Increment { key, .. }) = change;
        let patience = Instant::now() + PATIENCE;
        for beaten in 0_u32.. {
            let row = self.read(line, bucket, key).await?;
            let expected = row.as_ref().map_or(0, |row| row.sequence);
            let now = now();
            let current = row.and_then(|row| row.stored).filter(|stored| stored.is_live(now));
            let batch = Batch { checks: checks.to_vec(), changes: vec![copy(change)] };
            let planned =
                batch.plan(now, 0, |_| Ok(current.as_ref().map(Stored::mark)), |_| Ok(current.clone()))?;
            let Some((mut writes, mut applied)) = planned else { return Ok(None) };
            let write = writes.remove(key).flatten();
            if write.is_none() && current.is_none() {
                return Ok(Some(applied));
            }
            self.make_sure_it_fits(line, bucket, key, current.as_ref(), write.as_ref()).await?;
            if let Some(version) = self.publish(line, bucket, key, Some(expected), write).await? {
                applied.version = version;
                return Ok(Some(applied));
            }
            if Instant::now() > patience {
                break;
            }
            let rest = LONGEST_REST.min(1 << beaten.min(6));
            tokio::time::sleep(Duration::from_millis(fastrand::u64(0..=rest))).await;
        }
        Err(Error::Unavailable(format!("`{key}` is written by too many at once")))
    }

    /// Writes the key's next message; none when its last one is not `expected`.
    async fn publish(
        &self,
        line: &Line<Link>,
        bucket: &Settings,
        key: &str,
        expected: Option<u64>,
        write: Option<Stored>,
    ) -> Result<Option<u64>, Error> {
        #[derive(Deserialize)]
        struct Done {
            seq: u64,
        }
        let mut headers = entry::headers(write.as_ref());
        if let Some(expected) = expected {
            headers.insert(EXPECTED, expected.to_string());
        }
        let deletes = write.is_none();
        let payload = bytes::Bytes::from(write.map(|stored| stored.value).unwrap_or_default());
        let subject = entry::subject(&bucket.name, key);
        for _ in 0..2 {
            let request = Request::new().headers(headers.clone()).payload(payload.clone());
            match line.ask::<Done>(&subject, request, Intent::Write).await? {
                Some(Ok(done)) => {
                    if deletes {
                        self.litter.add(&bucket.name, done.seq);
                    }
                    return Ok(Some(done.seq));
                }
                Some(Err(refusal)) if refusal.is_beaten() => return Ok(None),
                Some(Err(refusal)) => return Err(refusal.into()),
                // The stream is gone, or its leader is.
                None => {
                    self.forget(&bucket.name);
                    self.ready(line, bucket).await?;
                }
            }
        }
        Err(no_jetstream())
    }

    /// The last message of a key.
    pub(super) async fn read(
        &self,
        line: &Line<Link>,
        bucket: &Settings,
        key: &str,
    ) -> Result<Option<Row>, Error> {
        #[derive(Deserialize)]
        struct Found {
            message: async_nats::jetstream::stream::RawMessage,
        }
        let subject = format!("STREAM.MSG.GET.{}", entry::stream(&bucket.name));
        let body: Value = json!({ "last_by_subj": entry::subject(&bucket.name, key) });
        let found: Found = match line.api(&subject, &body, Intent::Read).await? {
            Ok(found) => found,
            Err(refusal) if matches!(refusal.err_code, Refusal::NO_MESSAGE | Refusal::NO_STREAM) => {
                return Ok(None);
            }
            Err(refusal) => return Err(refusal.into()),
        };
        let message = async_nats::jetstream::message::StreamMessage::try_from(found.message)
            .map_err(|error| Error::Other(format!("a message of the bucket cannot be read: {error}")))?;
        let row = Row::new(message.sequence, Some(&message.headers), message.payload.into());
        if row.stored.as_ref().is_some_and(|stored| !stored.is_live(now())) {
            self.litter.add(&bucket.name, row.sequence);
        }
        Ok(Some(row))
    }
}

fn copy(change: &Change) -> Change {
    match change {
        Change::Put { key, value, ttl_ms } => {
            Change::Put { key: key.clone(), value: value.clone(), ttl_ms: *ttl_ms }
        }
        Change::Delete(key) => Change::Delete(key.clone()),
        Change::Increment { key, delta, initial, ttl_ms } => {
            Change::Increment { key: key.clone(), delta: *delta, initial: *initial, ttl_ms: *ttl_ms }
        }
    }
}
