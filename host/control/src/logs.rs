//! What guests log, and what the host says about their failures: the last lines of each service.
//!
//! Requests only put a line into a bounded channel, and drop it when that is full: they never wait for who reads.

use std::collections::{HashMap, VecDeque};
use std::fmt::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::{broadcast, mpsc};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use utoipa::ToSchema;

use crate::record::now;

/// Lines on their way to the ring.
const WAITING: usize = 4_096;
/// Lines and bytes that are kept of each service.
const LINES: usize = 1_000;
const BYTES: usize = 256 << 10;
/// Lines that a slow reader may be behind.
const BEHIND: usize = 1_024;

/// One line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogLine {
    /// Unix time in milliseconds.
    pub at: u64,
    /// The service.
    pub service: String,
    /// `TRACE`, `DEBUG`, `INFO`, `WARN`, `ERROR`.
    pub level: String,
    /// What was said.
    pub message: String,
    /// The request that it is about.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub request: String,
    /// The first digits of the release that said it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub release: String,
}

/// The last lines of each service. Cheap to clone.
#[derive(Clone)]
pub struct Logs(Arc<Kept>);

struct Kept {
    services: Mutex<HashMap<String, Ring>>,
    coming: broadcast::Sender<Arc<LogLine>>,
}

#[derive(Default)]
struct Ring {
    lines: VecDeque<Arc<LogLine>>,
    bytes: usize,
}

impl fmt::Debug for Logs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Logs")
    }
}

/// Takes lines out of the process's own log: a layer of `tracing`.
#[derive(Debug)]
pub struct LogTap(mpsc::Sender<LogLine>);

impl Logs {
    /// A ring, what fills it, and what has to run for that.
    pub fn new() -> (Self, LogTap, impl Future<Output = ()> + Send + 'static) {
        let (sender, mut lines) = mpsc::channel(WAITING);
        let (coming, _) = broadcast::channel(BEHIND);
        let logs = Self(Arc::new(Kept { services: Mutex::default(), coming }));
        let filled = logs.clone();
        let fill = async move {
            while let Some(line) = lines.recv().await {
                filled.add(line);
            }
        };
        (logs, LogTap(sender), fill)
    }

    fn add(&self, line: LogLine) {
        let line = Arc::new(line);
        let mut services = self.0.services.lock().unwrap_or_else(PoisonError::into_inner);
        let ring = services.entry(line.service.clone()).or_default();
        ring.bytes += line.message.len();
        ring.lines.push_back(line.clone());
        while ring.lines.len() > LINES || ring.bytes > BYTES {
            let Some(gone) = ring.lines.pop_front() else { break };
            ring.bytes = ring.bytes.saturating_sub(gone.message.len());
        }
        let _nobody_follows = self.0.coming.send(line);
    }

    /// The last lines of a service, and all that come after them.
    pub(crate) fn read(
        &self,
        service: &str,
        tail: usize,
    ) -> (Vec<Arc<LogLine>>, broadcast::Receiver<Arc<LogLine>>) {
        let services = self.0.services.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = services.get(service).map(|ring| &ring.lines);
        let skip = lines.map_or(0, |lines| lines.len().saturating_sub(tail));
        let kept = lines.into_iter().flatten().skip(skip).cloned().collect();
        (kept, self.0.coming.subscribe())
    }
}

impl<S: Subscriber> Layer<S> for LogTap {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let metadata = event.metadata();
        let named = metadata.fields().field("service").is_some();
        if !named || !(metadata.target() == "guest" || metadata.target().starts_with("wharf_host")) {
            return;
        }
        let mut line = LogLine { at: now(), level: metadata.level().to_string(), ..LogLine::default() };
        event.record(&mut Fields(&mut line));
        if !line.service.is_empty() {
            let _full = self.0.try_send(line);
        }
    }
}

/// Puts the fields of an event into a line; unknown ones behind the message.
struct Fields<'a>(&'a mut LogLine);

impl Fields<'_> {
    fn put(&mut self, name: &str, value: fmt::Arguments<'_>) {
        let line = &mut *self.0;
        let _never = match name {
            "service" => line.service.write_fmt(value),
            "request" => line.request.write_fmt(value),
            "release" => line.release.write_fmt(value),
            "message" => {
                let rest = std::mem::take(&mut line.message);
                line.message.write_fmt(value).and_then(|()| line.message.write_str(&rest))
            }
            _ => write!(line.message, " {name}={value}"),
        };
    }
}

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field.name(), format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field.name(), format_args!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing_subscriber::layer::SubscriberExt;

    #[tokio::test]
    async fn lines_of_services_are_kept_and_others_are_not() {
        let (logs, tap, fill) = Logs::new();
        let subscriber = tracing_subscriber::registry().with(tap);
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(target: "guest", service = "a", release = "r", request = %7, "hello {}", 1);
            tracing::warn!(target: "wharf_host::respond", service = "a", code = "guest-trap", "guest failed");
            tracing::info!(target: "elsewhere", service = "a", "not this");
            tracing::info!(target: "guest", "nor this");
        });
        fill.await;
        let (lines, _) = logs.read("a", 100);
        let words: Vec<_> = lines.iter().map(|line| (&*line.level, &*line.message)).collect();
        assert_eq!(words, [("INFO", "hello 1"), ("WARN", "guest failed code=guest-trap")]);
        assert_eq!((&*lines[0].request, &*lines[0].release), ("7", "r"));
        assert_eq!(logs.read("a", 1).0.len(), 1);
        assert!(logs.read("b", 1).0.is_empty());
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let (logs, _tap, _fill) = Logs::new();
        for number in 0..3_000 {
            let message = if number < 1_500 { "x".repeat(1_000) } else { number.to_string() };
            logs.add(LogLine { service: "a".to_owned(), message, ..LogLine::default() });
            assert!(logs.0.services.lock().unwrap()["a"].bytes <= BYTES);
        }
        assert_eq!(logs.read("a", usize::MAX).0.len(), LINES);
    }
}
