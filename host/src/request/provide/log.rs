//! `wharf:platform/log`: a guest's lines among the host's own, tagged with service and request.

use std::fmt::Write;
use std::sync::Arc;

use wasmtime::component::{HasSelf, Linker};

use crate::bindings::wharf::platform::log::{self, Level};
use crate::capability::Capability;
use crate::release::Release;
use crate::request::{Notes, RequestId, RequestState};

/// Events and bytes that one request may log; the rest is dropped and said to be.
const MOST_EVENTS: u32 = 1_000;
const MOST_BYTES: usize = 1 << 20;
const LONGEST: usize = 16 << 10;

/// The target of guests' lines, for filters: `RUST_LOG=guest=debug`.
const TARGET: &str = "guest";

pub(super) struct Log;

/// How much a request has logged.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Budget {
    events: u32,
    bytes: usize,
    /// Its last line said that the rest is dropped.
    full: bool,
}

/// Whose lines they are.
#[derive(Clone)]
pub(crate) struct Source {
    pub(crate) release: Arc<Release>,
    pub(crate) request: RequestId,
    pub(crate) notes: Option<Arc<Notes>>,
}

impl Capability for Log {
    fn interfaces(&self) -> &'static [&'static str] {
        &["wharf:platform/log@0.1.0"]
    }

    fn link(&self, linker: &mut Linker<RequestState>) -> wasmtime::Result<()> {
        log::add_to_linker::<_, HasSelf<_>>(linker, |state| state)
    }
}

impl log::Host for RequestState {
    fn log(&mut self, level: Level, message: String, fields: Vec<(String, String)>) -> wasmtime::Result<()> {
        let mut budget = *self.local::<Budget>();
        budget.emit(&self.source(), level, &message, &fields);
        *self.local::<Budget>() = budget;
        Ok(())
    }
}

impl Budget {
    /// Logs one line while there is something left.
    pub(super) fn emit(&mut self, source: &Source, level: Level, message: &str, fields: &[(String, String)]) {
        if self.full {
            return;
        }
        let line = line(message, fields);
        self.events += 1;
        self.bytes = self.bytes.saturating_add(line.len());
        self.full = self.events > MOST_EVENTS || self.bytes > MOST_BYTES;
        if self.full {
            let most = format!("{MOST_EVENTS} events or {} MiB", MOST_BYTES >> 20);
            emit(source, Level::Warn, &format!("this request logged more than {most}; the rest is dropped"));
        } else {
            emit(source, level, &line);
            if let Some(notes) = &source.notes {
                notes.add(format!("{level:?} {line}"));
            }
        }
    }
}

fn emit(source: &Source, level: Level, line: &str) {
    let (service, release, request) =
        (source.release.service(), source.release.digest().short(), source.request);
    match level {
        Level::Trace => tracing::trace!(target: TARGET, service, release, %request, "{line}"),
        Level::Debug => tracing::debug!(target: TARGET, service, release, %request, "{line}"),
        Level::Info => tracing::info!(target: TARGET, service, release, %request, "{line}"),
        Level::Warn => tracing::warn!(target: TARGET, service, release, %request, "{line}"),
        Level::Error => tracing::error!(target: TARGET, service, release, %request, "{line}"),
    }
}

/// One line, whatever the guest wrote: control characters are escaped, so that no line can be forged.
fn line(message: &str, fields: &[(String, String)]) -> String {
    let mut line = String::with_capacity(message.len());
    escape(&mut line, message);
    for (key, value) in fields {
        line.push(' ');
        escape(&mut line, key);
        let _ = write!(line, "={value:?}");
    }
    if line.len() > LONGEST {
        line.truncate(line.floor_char_boundary(LONGEST));
        line.push_str(" [cut]");
    }
    line
}

fn escape(line: &mut String, text: &str) {
    for c in text.chars() {
        if c.is_control() { line.extend(c.escape_debug()) } else { line.push(c) }
    }
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn a_guest_cannot_forge_a_line() {
        let fields = [("user".to_owned(), "a\nb".to_owned())];
        assert_eq!(line("one\n2026 ERROR two", &fields), "one\\n2026 ERROR two user=\"a\\nb\"");
    }

    #[test]
    fn a_long_line_is_cut_at_a_character() {
        let cut = line(&"é".repeat(20_000), &[]);
        assert!(cut.len() < 17_000 && cut.ends_with(" [cut]"));
    }
}
