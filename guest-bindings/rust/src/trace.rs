//! Sends events of the `tracing` crate to the host's log.
//!
//! Spans are only a way to name fields here: an event carries the fields of the spans around it, innermost
//! last. Timings belong to the host, which sees the whole request.

use crate::{bindings::wharf::platform::log as host, log::emit};
use std::{
    cell::{Cell, RefCell},
    fmt,
};
use tracing_core::{
    Event, Metadata, Subscriber, dispatcher,
    field::{Field, Visit},
    span,
};

type Fields = Vec<(String, String)>;

thread_local! {
    /// Open spans by id, and those entered at the moment, outermost first.
    static SPANS: RefCell<Vec<(u64, Fields)>> = const { RefCell::new(Vec::new()) };
    static ENTERED: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
    static LAST: Cell<u64> = const { Cell::new(0) };
}

/// Makes the host's log the destination of all events, unless the service has chosen another.
pub(crate) fn install() {
    if !dispatcher::has_been_set() {
        let _ = dispatcher::set_global_default(dispatcher::Dispatch::new(Host));
    }
}

struct Host;

impl Subscriber for Host {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, attributes: &span::Attributes<'_>) -> span::Id {
        let id = LAST.with(|last| {
            last.set(last.get() + 1);
            last.get()
        });
        let mut fields = Collected::default();
        attributes.record(&mut fields);
        SPANS.with_borrow_mut(|spans| spans.push((id, fields.fields)));
        span::Id::from_u64(id)
    }

    fn record(&self, span: &span::Id, values: &span::Record<'_>) {
        let mut fields = Collected::default();
        values.record(&mut fields);
        SPANS.with_borrow_mut(|spans| {
            if let Some((_, known)) = spans.iter_mut().find(|(id, _)| *id == span.into_u64()) {
                known.extend(fields.fields);
            }
        });
    }

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut own = Collected::default();
        event.record(&mut own);
        let metadata = event.metadata();
        let mut fields = vec![("target".to_owned(), metadata.target().to_owned())];
        fields.extend(inherited());
        fields.extend(own.fields);
        emit(level(*metadata.level()), &own.message, &fields);
    }

    fn enter(&self, span: &span::Id) {
        ENTERED.with_borrow_mut(|entered| entered.push(span.into_u64()));
    }

    fn exit(&self, span: &span::Id) {
        ENTERED.with_borrow_mut(|entered| {
            if let Some(place) = entered.iter().rposition(|id| *id == span.into_u64()) {
                entered.remove(place);
            }
        });
    }

    fn try_close(&self, span: span::Id) -> bool {
        SPANS.with_borrow_mut(|spans| spans.retain(|(id, _)| *id != span.into_u64()));
        true
    }
}

/// The fields of the spans that are entered, outermost first.
fn inherited() -> Fields {
    SPANS.with_borrow(|spans| {
        ENTERED.with_borrow(|entered| {
            let of = |id: &u64| spans.iter().find(|(other, _)| other == id);
            entered.iter().filter_map(of).flat_map(|(_, fields)| fields.iter().cloned()).collect()
        })
    })
}

fn level(level: tracing_core::Level) -> host::Level {
    match level {
        tracing_core::Level::ERROR => host::Level::Error,
        tracing_core::Level::WARN => host::Level::Warn,
        tracing_core::Level::INFO => host::Level::Info,
        tracing_core::Level::DEBUG => host::Level::Debug,
        _ => host::Level::Trace,
    }
}

/// An event's message and its other fields as text.
#[derive(Default)]
struct Collected {
    message: String,
    fields: Fields,
}

impl Visit for Collected {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}"));
    }
}

impl Collected {
    fn put(&mut self, field: &Field, value: String) {
        match field.name() {
            "message" => self.message = value,
            name => self.fields.push((name.to_owned(), value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_carries_the_fields_of_the_spans_around_it() {
        dispatcher::with_default(&dispatcher::Dispatch::new(Host), || {
            let outer = tracing::info_span!("outer", user = 7).entered();
            let inner = tracing::info_span!("inner", step = "pay");
            inner.in_scope(|| {
                let fields = inherited();
                assert_eq!(
                    fields,
                    [("user".into(), "7".into()), ("step".into(), "pay".into())] as [(String, String); 2]
                );
            });
            drop((inner, outer));
            assert!(inherited().is_empty());
            SPANS.with_borrow(|spans| assert!(spans.is_empty()));
        });
    }
}
