//! The host's log. With the feature `log` (default) the `log` crate's macros write to it.
//!
//! ```no_run
//! use wharf_guest::log::{info, warn};
//!
//! # let (user, attempts) = (7, 3);
//! info!("signed in");
//! warn!(user, attempts; "locked out");
//! ```
//! The host adds time, service, release and request id.

use crate::bindings::wharf::platform::log as host;

#[cfg(feature = "log")]
pub use ::log::*;

/// Writes one event. Natively (in a service's own unit tests) there is no host, and nothing happens.
pub(crate) fn emit(level: host::Level, message: &str, fields: &[(String, String)]) {
    if cfg!(target_family = "wasm") {
        host::log(level, message, fields);
    }
}

/// Sends the `log` crate's records to the host.
#[cfg(feature = "log")]
pub(crate) fn install() {
    // A second call, or a logger of the service's own, is not an error.
    if ::log::set_logger(&Host).is_ok() {
        ::log::set_max_level(::log::LevelFilter::Trace);
    }
}

#[cfg(feature = "log")]
struct Host;

#[cfg(feature = "log")]
impl Log for Host {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let mut fields = Fields(vec![("target".to_owned(), record.target().to_owned())]);
        // Only a visitor can fail, and this one does not.
        let _ = record.key_values().visit(&mut fields);
        let level = match record.level() {
            Level::Error => host::Level::Error,
            Level::Warn => host::Level::Warn,
            Level::Info => host::Level::Info,
            Level::Debug => host::Level::Debug,
            Level::Trace => host::Level::Trace,
        };
        match record.args().as_str() {
            Some(message) => emit(level, message, &fields.0),
            None => emit(level, &record.args().to_string(), &fields.0),
        }
    }

    fn flush(&self) {}
}

/// Collects a record's fields as text.
#[cfg(feature = "log")]
struct Fields(Vec<(String, String)>);

#[cfg(feature = "log")]
impl<'kvs> kv::VisitSource<'kvs> for Fields {
    fn visit_pair(&mut self, key: kv::Key<'kvs>, value: kv::Value<'kvs>) -> Result<(), kv::Error> {
        self.0.push((key.to_string(), value.to_string()));
        Ok(())
    }
}

#[cfg(all(test, feature = "log"))]
mod tests {
    use super::*;
    use kv::Source;

    #[test]
    fn fields_keep_their_names_and_values() {
        let mut fields = Fields(Vec::new());
        [("user", 7), ("attempts", 3)].visit(&mut fields).unwrap();
        assert_eq!(fields.0, [("user".to_owned(), "7".to_owned()), ("attempts".to_owned(), "3".to_owned())]);
    }
}
