//! Services that watch buckets: what `#[wharf_guest::watcher]` exports.

use super::Entry;
use crate::Result;

/// A service that is called when keys change, in the buckets and under the prefixes that its manifest names:
///
/// ```toml
/// [grants]
/// kv = ["sessions"]
///
/// [[watch]]
/// bucket = "sessions"
/// prefix = "user/"
/// ```
///
/// ```
/// use wharf_guest::{Kv, Result, kv::{Entry, Watcher}, log::info};
///
/// struct Sessions;
///
/// #[wharf_guest::watcher]
/// impl Watcher for Sessions {
///     fn on_change(bucket: &str, key: &str, entry: Option<Entry>) -> Result<()> {
///         match entry {
///             Some(entry) => info!("{bucket}: {key} has {} bytes now", entry.value.len()),
///             None => info!("{bucket}: {key} was deleted, or it expired"),
///         }
///         Ok(())
///     }
///
///     fn on_watching(bucket: &str, gap: bool) -> Result<()> {
///         if gap {
///             for entry in Kv::open(bucket)?.scan("user/") {
///                 let (key, entry) = entry?;
///                 Self::on_change(bucket, &key, Some(entry))?;
///             }
///         }
///         Ok(())
///     }
/// }
/// ```
///
/// It stands beside a [`service`](crate::service) and a [`listener`](crate::listener) in the same crate, or alone.
/// One crate has one watcher; it is told which bucket and key changed. Each call is made in a fresh instance, and
/// one at a time for each bucket. What it returns as an error, or a panic, is logged by the host, and the same call
/// comes again later.
///
/// Each host that serves the component calls a watcher of its own: of ten hosts, all ten are told.
pub trait Watcher {
    /// Called for a key that was written, deleted or expired, at least once, with what it holds now: a quick
    /// series of changes may arrive as its last. Without an entry the key is gone.
    ///
    /// # Errors
    /// Whatever the host shall log; the key comes again, later each time, up to every 30 s.
    fn on_change(bucket: &str, key: &str, entry: Option<Entry>) -> Result<()>;

    /// Called each time that the host has begun to watch a bucket, before its changes. When `gap` is set, changes
    /// may not have been told (the host has just started, or the connection to the store broke): read what the
    /// bucket holds.
    ///
    /// # Errors
    /// Whatever the host shall log; the call comes again.
    fn on_watching(bucket: &str, gap: bool) -> Result<()> {
        let _ = (bucket, gap);
        Ok(())
    }
}

/// Calls the service's code, and makes a text of its error.
#[doc(hidden)]
pub fn on_change<W: Watcher>(bucket: &str, key: &str, entry: Option<Entry>) -> Result<(), String> {
    crate::service::start();
    W::on_change(bucket, key, entry).map_err(|error| error.to_string())
}

/// The same when the host has begun to watch.
#[doc(hidden)]
pub fn on_watching<W: Watcher>(bucket: &str, gap: bool) -> Result<(), String> {
    crate::service::start();
    W::on_watching(bucket, gap).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::{Entry, Watcher, on_change, on_watching};
    use crate::{ErrorKind, Result};

    struct Picky;

    impl Watcher for Picky {
        fn on_change(bucket: &str, key: &str, entry: Option<Entry>) -> Result<()> {
            match entry {
                Some(entry) if entry.value == b"bad" => {
                    Err(ErrorKind::Value(format!("no such session: {bucket}/{key}")).into())
                }
                _ => Ok(()),
            }
        }
    }

    fn entry(value: &str) -> Option<Entry> {
        Some(Entry { value: value.into(), version: 1, expires_at: None })
    }

    #[test]
    fn an_error_reaches_the_host_as_text() {
        assert_eq!(on_change::<Picky>("sessions", "a", entry("good")), Ok(()));
        assert_eq!(on_change::<Picky>("sessions", "a", None), Ok(()));
        assert_eq!(
            on_change::<Picky>("sessions", "a", entry("bad")),
            Err("no such session: sessions/a".to_owned())
        );
        assert_eq!(on_watching::<Picky>("sessions", true), Ok(()));
    }
}
