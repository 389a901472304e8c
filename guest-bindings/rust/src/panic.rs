//! Tells the host why a service is about to trap: without this, a panic leaves no trace of its reason.

use crate::{bindings::wharf::platform::log::Level, log::emit};
use std::panic::{self, PanicHookInfo};

/// Replaces the hook that would print to a standard error which does not exist.
pub(crate) fn install() {
    panic::set_hook(Box::new(report));
}

fn report(info: &PanicHookInfo<'_>) {
    let message = info.payload_as_str().unwrap_or("a value that is no text");
    let mut fields = vec![("message".to_owned(), message.to_owned())];
    if let Some(place) = info.location() {
        fields.push(("location".to_owned(), place.to_string()));
    }
    emit(Level::Error, "the service panicked", &fields);
}
