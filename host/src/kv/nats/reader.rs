//! Reads a bucket from its first message on, and what is written meanwhile: a consumer that is asked for messages in
//! bunches. The server forgets it when nobody asks any more.

use std::sync::Arc;
use std::time::Duration;

use async_nats::{Message, StatusCode, Subscriber};
use futures_util::StreamExt;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};

use super::super::lines::Line;
use super::Error;
use super::entry::{self, Row};
use super::link::{Intent, Link, lost};

/// Messages that are asked for at once, and bytes of them.
const BUNCH: usize = 1_000;
const BUNCH_BYTES: usize = 4 << 20;
/// What a message takes besides its payload.
const MOST_AROUND: usize = 16 << 10;
/// How long the server keeps a request open, and how often it says that it does.
const OPEN: Duration = Duration::from_secs(30);
const HEARTBEAT: Duration = Duration::from_secs(4);
/// Silence after which the consumer is lost.
const SILENCE: Duration = Duration::from_secs(12);
/// When the server forgets a consumer that nobody asks.
const FORGOTTEN: Duration = Duration::from_secs(15);

/// Whether messages come with their values.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Values {
    With,
    Without,
}

/// What to do where the bucket ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Tell,
    Wait,
}

pub(super) struct Reader {
    end: End,
    line: Arc<Line<Link>>,
    bucket: String,
    consumer: String,
    inbox: String,
    messages: Subscriber,
    /// What the server still owes of the last request.
    owed: usize,
    delivered: u64,
    /// Of the last message read.
    pub(super) sequence: u64,
    heard: Instant,
}

#[derive(Debug)]
pub(super) struct Item {
    /// None for one that is no entry's.
    pub(super) key: Option<String>,
    pub(super) row: Row,
}

impl Reader {
    /// None for a bucket that was never written to.
    pub(super) async fn open(
        line: Arc<Line<Link>>,
        bucket: &str,
        values: Values,
        end: End,
    ) -> Result<Option<Self>, Error> {
        #[derive(Deserialize)]
        struct Created {
            name: String,
        }
        let stream = entry::stream(bucket);
        let config = json!({
            "deliver_policy": "all",
            "ack_policy": "none",
            "replay_policy": "instant",
            "headers_only": values == Values::Without,
            "inactive_threshold": nanos(FORGOTTEN),
            "mem_storage": true,
            "num_replicas": 1,
        });
        let body = json!({ "stream_name": stream, "config": config });
        let subject = format!("CONSUMER.CREATE.{stream}");
        let created: Created = match line.api(&subject, &body, Intent::Read).await? {
            Ok(created) => created,
            Err(refusal) if refusal.err_code == super::Refusal::NO_STREAM => return Ok(None),
            Err(refusal) => return Err(refusal.into()),
        };
        let (inbox, messages) = line.wait(line.connection.subscribe()).await?;
        Ok(Some(Self {
            end,
            line,
            bucket: bucket.to_owned(),
            consumer: created.name,
            inbox,
            messages,
            owed: 0,
            delivered: 0,
            sequence: 0,
            heard: Instant::now(),
        }))
    }

    /// The next message; where there is none, waits for it or tells so (none). Cancel safe.
    pub(super) async fn next(&mut self) -> Result<Option<Item>, Error> {
        loop {
            if self.owed == 0 {
                self.request().await?;
            }
            let message = tokio::select! {
                message = timeout_at(self.heard + SILENCE, self.messages.next()) => message,
                () = self.line.connection.lost.cancelled() => return Err(lost(Intent::Read)),
            };
            let message = message.map_err(|_late| silent())?.ok_or_else(|| lost(Intent::Read))?;
            self.heard = Instant::now();
            match message.status {
                None | Some(StatusCode::OK) => return self.item(message).map(Some),
                Some(StatusCode::IDLE_HEARTBEAT) => {}
                Some(StatusCode::NOT_FOUND | StatusCode::TIMEOUT) => {
                    self.owed = 0;
                    if self.end == End::Tell {
                        return Ok(None);
                    }
                }
                Some(StatusCode::REQUEST_TERMINATED) if is_full(&message) => self.owed = 0,
                Some(_) => return Err(ended(&message)),
            }
        }
    }

    async fn request(&mut self) -> Result<(), Error> {
        let client = &self.line.connection.client;
        let bytes = BUNCH_BYTES.max(client.max_payload() + MOST_AROUND);
        let body = match self.end {
            End::Tell => json!({ "batch": BUNCH, "max_bytes": bytes, "no_wait": true }),
            End::Wait => json!({
                "batch": BUNCH,
                "max_bytes": bytes,
                "expires": nanos(OPEN),
                "idle_heartbeat": nanos(HEARTBEAT),
            }),
        };
        let subject = format!("$JS.API.CONSUMER.MSG.NEXT.{}.{}", entry::stream(&self.bucket), self.consumer);
        let sent = client.publish_with_reply(subject, self.inbox.clone(), body.to_string().into());
        sent.await.map_err(|_gone| lost(Intent::Read))?;
        self.owed = BUNCH;
        self.heard = Instant::now();
        Ok(())
    }

    fn item(&mut self, message: Message) -> Result<Item, Error> {
        self.owed = self.owed.saturating_sub(1);
        let place = message.reply.as_deref().and_then(Place::parse).ok_or_else(misread)?;
        self.delivered += 1;
        if place.delivered != self.delivered {
            return Err(Error::Unavailable("messages of the bucket were lost on their way".to_owned()));
        }
        self.sequence = place.sequence;
        let key = entry::key(&self.bucket, &message.subject);
        let row = Row::new(place.sequence, message.headers.as_ref(), message.payload.into());
        Ok(Item { key, row })
    }

    /// Lets the server forget the consumer now.
    pub(super) async fn close(self) {
        let subject = format!("CONSUMER.DELETE.{}.{}", entry::stream(&self.bucket), self.consumer);
        // It forgets without being told, too.
        let _ = self.line.tell(&subject, &Value::Null).await;
    }
}

/// Where a message stands, from the subject for its acknowledgement.
struct Place {
    sequence: u64,
    delivered: u64,
}

impl Place {
    fn parse(reply: &str) -> Option<Self> {
        let tokens: Vec<&str> = reply.strip_prefix("$JS.ACK.")?.split('.').collect();
        // `<stream>.<consumer>.<attempts>.<sequence>.<delivered>.<time>.<pending>`, since later with the domain and
        // the account before it. The last number is not to be trusted: up to 2.9 it counts messages that were
        // overwritten before they were delivered.
        let skipped = if tokens.len() >= 9 { 2 } else { 0 };
        let number = |at: usize| tokens.get(skipped + at)?.parse().ok();
        Some(Self { sequence: number(3)?, delivered: number(4)? })
    }
}

/// The bytes asked for are through; as said in 2.9 and since.
fn is_full(message: &Message) -> bool {
    let text = message.description.as_deref().unwrap_or_default().to_ascii_lowercase();
    text.contains("size exceeds maxbytes") || text.contains("batch completed")
}

fn ended(message: &Message) -> Error {
    let text = message.description.as_deref().unwrap_or("without a word");
    Error::Unavailable(format!("the NATS server ended the consumer: {text}"))
}

fn silent() -> Error {
    Error::Unavailable("the NATS server went silent".to_owned())
}

fn misread() -> Error {
    Error::Other("JetStream delivered a message that tells no place in the stream".to_owned())
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::Place;

    #[test]
    fn both_forms_of_a_place_are_read() {
        for reply in ["$JS.ACK.S.c.1.17.3.1700000000000000000.4", "$JS.ACK._.hash.S.c.1.17.3.17.4.x"] {
            let place = Place::parse(reply).unwrap();
            assert_eq!((place.sequence, place.delivered), (17, 3));
        }
        assert!(Place::parse("$JS.ACK.S.c.1").is_none());
        assert!(Place::parse("_INBOX.x").is_none());
    }
}
