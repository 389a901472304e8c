//! The connection to the server: one for all cores, and what it says in return. A request either gets its answer, or
//! an error that tells whether it may have been done.
//!
//! The client would reconnect by itself and send then what waits. Here a connection that broke is over: what was
//! asked on it fails at once, and the next operation connects anew. So nothing is sent late.

use std::sync::Arc;
use std::time::Duration;

use async_nats::connection::State;
use async_nats::{
    Client, ConnectErrorKind, ConnectOptions, Event, Message, Request, RequestErrorKind, ServerError,
    Subscriber,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use super::super::lines::{CONNECT, Line};
use super::Error;
use super::address::{Address, Identity};

/// How often the server is asked whether it is there; three times unanswered, and the connection is lost.
const PING: Duration = Duration::from_secs(4);

/// A connection, as long as it lasts.
pub(super) struct Link {
    pub(super) client: Client,
    /// It broke, or the runtime that it lived on is gone.
    pub(super) lost: CancellationToken,
    /// What the server refused, in its words: it answers no such request otherwise.
    refused: broadcast::Sender<Arc<str>>,
}

/// Whether a request changes something: what became of it is then not known when the connection breaks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Intent {
    Read,
    Write,
}

/// What JetStream says instead of an answer.
#[derive(Debug, Deserialize)]
pub(super) struct Refusal {
    pub(super) code: u16,
    #[serde(default)]
    pub(super) err_code: u64,
    #[serde(default)]
    description: String,
}

impl Refusal {
    pub(super) const NO_MESSAGE: u64 = 10_037;
    pub(super) const NO_STREAM: u64 = 10_059;

    /// A stream of this name, or one with these subjects, is there already: the server looks at the name first, so
    /// of two that make the same stream at once, either may be told.
    pub(super) fn is_taken(&self) -> bool {
        matches!(self.err_code, 10_058 | 10_065)
    }

    /// Somebody else wrote the key meanwhile.
    pub(super) fn is_beaten(&self) -> bool {
        matches!(self.err_code, 10_071 | 10_164)
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        let Refusal { code, err_code, description } = refusal;
        let text = format!("JetStream: {description} ({err_code})");
        match (code, err_code) {
            // Resources of the account or the server; a message or a stream that is too large.
            (_, 10_002 | 10_023 | 10_026..=10_028 | 10_047 | 10_054) => Self::LimitExceeded(text),
            (_, 10_077) if description.contains("maximum") || description.contains("no space") => {
                Self::LimitExceeded(text)
            }
            (_, 10_035) | (401 | 403, _) => Self::Denied(text),
            (503, _) | (_, 10_039 | 10_076 | 10_077) => Self::Unavailable(text),
            _ => Self::Other(text),
        }
    }
}

impl Link {
    pub(super) async fn connect(address: &Address) -> Result<Self, Error> {
        let lost = CancellationToken::new();
        let (refused, _) = broadcast::channel(16);
        // The client lets go of its callback when it ends, or when its runtime does.
        let (over, gone, refusals) = (lost.clone(), lost.clone().drop_guard(), refused.clone());
        let options = ConnectOptions::new()
            .name("wharf")
            .connection_timeout(CONNECT)
            .ping_interval(PING)
            .request_timeout(None)
            .ignore_discovered_servers()
            .max_reconnects(address.servers.len())
            .event_callback(move |event| {
                let _held = &gone;
                match event {
                    Event::Disconnected | Event::Closed => over.cancel(),
                    // Nobody may wait for one.
                    Event::ServerError(ServerError::Other(text)) => drop(refusals.send(text.into())),
                    _ => {}
                }
                std::future::ready(())
            });
        let options = match &address.identity {
            Identity::Nobody => options,
            Identity::Token(token) => options.token(token.clone()),
            Identity::User { name, password } => options.user_and_password(name.clone(), password.clone()),
        };
        let connected = options.connect(address.servers.as_slice()).await;
        let client = connected.map_err(|error| match error.kind() {
            ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication => {
                Error::Denied("the NATS server does not know the user or refuses the password".to_owned())
            }
            _ => Error::Unavailable(format!("the NATS server: {error}")),
        })?;
        Ok(Self { client, lost, refused })
    }

    pub(super) fn is_lost(&self) -> bool {
        self.lost.is_cancelled() || self.client.connection_state() != State::Connected
    }

    /// Sends a request and waits for the answer; none when nobody is there to take it.
    async fn ask(&self, subject: &str, request: Request, intent: Intent) -> Result<Option<Message>, Error> {
        let mut refused = self.refused.subscribe();
        let asked = async {
            match self.client.send_request(subject.to_owned(), request).await {
                Ok(message) => Ok(Some(message)),
                Err(error) => match error.kind() {
                    RequestErrorKind::NoResponders => Ok(None),
                    RequestErrorKind::MaxPayloadExceeded => Err(self.too_large()),
                    _ => Err(lost(intent)),
                },
            }
        };
        tokio::select! {
            answer = asked => answer,
            () = self.lost.cancelled() => Err(lost(intent)),
            text = refusal(&mut refused, subject) => Err(Error::Denied(format!("NATS: {text}"))),
        }
    }

    fn too_large(&self) -> Error {
        let most = self.client.max_payload();
        Error::LimitExceeded(format!(
            "the value does not fit in a message: the NATS server takes {most} bytes with headers (`max_payload`)"
        ))
    }

    /// An inbox, and what comes to it.
    pub(super) async fn subscribe(&self) -> Result<(String, Subscriber), Error> {
        let inbox = self.client.new_inbox();
        let subscriber = self.client.subscribe(inbox.clone()).await.map_err(|_gone| lost(Intent::Read))?;
        Ok((inbox, subscriber))
    }
}

impl Line<Link> {
    /// As [`Link::ask`], in bounded time.
    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        subject: &str,
        request: Request,
        intent: Intent,
    ) -> Result<Option<Result<T, Refusal>>, Error> {
        let answer = self.wait(self.connection.ask(subject, request, intent)).await?;
        answer.map(|message| parse(&message)).transpose()
    }

    /// Asks JetStream itself.
    pub(super) async fn api<T: DeserializeOwned>(
        &self,
        subject: &str,
        body: &Value,
        intent: Intent,
    ) -> Result<Result<T, Refusal>, Error> {
        let request = Request::new().payload(body.to_string().into());
        self.ask(&format!("$JS.API.{subject}"), request, intent).await?.ok_or_else(no_jetstream)
    }

    /// Asks JetStream for what nobody waits for.
    pub(super) async fn tell(&self, subject: &str, body: &Value) -> Result<(), Error> {
        let client = &self.connection.client;
        let subject = format!("$JS.API.{subject}");
        let told = client.publish_with_reply(subject, client.new_inbox(), body.to_string().into());
        self.wait(async { told.await.map_err(|_gone| lost(Intent::Read)) }).await
    }
}

fn parse<T: DeserializeOwned>(message: &Message) -> Result<Result<T, Refusal>, Error> {
    #[derive(Deserialize)]
    struct Refused {
        error: Option<Refusal>,
    }
    let misread = |error| Error::Other(format!("JetStream answered what was not asked: {error}"));
    let Refused { error } = serde_json::from_slice(&message.payload).map_err(misread)?;
    match error {
        Some(refusal) => Ok(Err(refusal)),
        None => serde_json::from_slice(&message.payload).map(Ok).map_err(misread),
    }
}

/// Waits until the server refuses this subject, or the inbox that answers come to.
async fn refusal(refused: &mut broadcast::Receiver<Arc<str>>, subject: &str) -> Arc<str> {
    loop {
        match refused.recv().await {
            Ok(text) if is_about(&text, subject) => return text,
            Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }
}

fn is_about(text: &str, subject: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    lower.starts_with("permissions violation")
        && (text.contains(&format!("\"{subject}\"")) || lower.contains("subscription to \"_inbox."))
}

pub(super) fn lost(intent: Intent) -> Error {
    let text = "the connection to the NATS server was lost".to_owned();
    if intent == Intent::Write { Error::ConnectionLost(text) } else { Error::Unavailable(text) }
}

pub(super) fn no_jetstream() -> Error {
    Error::Unavailable("the NATS server has no JetStream for this account, or none that is ready".to_owned())
}

#[cfg(test)]
mod tests {
    use super::{Error, Refusal, is_about};

    #[test]
    fn a_refusal_tells_whose_turn_it_is() {
        let error = |code, err_code, description: &str| {
            Error::from(Refusal { code, err_code, description: description.to_owned() })
        };
        assert!(matches!(error(503, 10_047, "insufficient storage"), Error::LimitExceeded(_)));
        assert!(matches!(error(503, 10_077, "maximum bytes exceeded"), Error::LimitExceeded(_)));
        assert!(matches!(error(503, 10_077, "input/output error"), Error::Unavailable(_)));
        assert!(matches!(error(503, 10_039, "not enabled for account"), Error::Unavailable(_)));
        assert!(matches!(error(400, 10_025, "odd"), Error::Other(_)));
    }

    #[test]
    fn a_violation_is_told_to_whom_it_concerns() {
        let text = "Permissions Violation for Publish to \"wharf.kv.b.a\"";
        assert!(is_about(text, "wharf.kv.b.a"));
        assert!(!is_about(text, "wharf.kv.b.ab"));
        assert!(is_about("Permissions Violation for Subscription to \"_INBOX.x.*\"", "wharf.kv.b.a"));
    }
}
