//! Services that LISTEN: what `#[wharf_guest::listener]` exports.

use crate::Result;

pub use crate::bindings::listener::exports::wharf::platform::pg_listener::Notification;

/// A service that is woken by NOTIFY, on the channels that its manifest names:
///
/// ```toml
/// [[listen]]
/// database = "main"
/// channels = ["orders"]
/// ```
///
/// ```
/// use wharf_guest::{Kv, PgClient, Result, pg::{Listener, Notification}};
///
/// struct Orders;
///
/// #[wharf_guest::listener]
/// impl Listener for Orders {
///     fn on_notify(notification: Notification) -> Result<()> {
///         Kv::open("orders")?.put("latest", notification.payload.as_bytes())?;
///         Ok(())
///     }
///
///     fn on_listening(database: &str, missed: bool) -> Result<()> {
///         if missed {
///             let latest: String = PgClient::open(database)?.query_value("select max(id)::text from orders", &[])?;
///             Kv::open("orders")?.put("latest", latest.as_bytes())?;
///         }
///         Ok(())
///     }
/// }
/// ```
///
/// It stands beside a [`service`](crate::service) in the same crate, or alone. One crate has one listener; it is
/// told which database and channel notified. Each call is made in a fresh instance, and one at a time for each
/// database. What it returns as an error, or a panic, is logged by the host, and the next notification follows.
pub trait Listener {
    /// Called at most once for each notification, in the order of the server.
    ///
    /// # Errors
    /// Whatever the host shall log.
    fn on_notify(notification: Notification) -> Result<()>;

    /// Called each time that the host has begun to listen to a database, before its notifications. When `missed`
    /// is set, notifications may have been lost: read the state that they would have told of.
    ///
    /// # Errors
    /// Whatever the host shall log.
    fn on_listening(database: &str, missed: bool) -> Result<()> {
        let _ = (database, missed);
        Ok(())
    }
}

/// Calls the service's code, and makes a text of its error.
#[doc(hidden)]
pub fn on_notify<L: Listener>(notification: Notification) -> Result<(), String> {
    crate::service::start();
    L::on_notify(notification).map_err(|error| error.to_string())
}

/// The same when the host has begun to listen.
#[doc(hidden)]
pub fn on_listening<L: Listener>(database: &str, missed: bool) -> Result<(), String> {
    crate::service::start();
    L::on_listening(database, missed).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::{Listener, Notification, on_listening, on_notify};
    use crate::{ErrorKind, Result};

    struct Picky;

    impl Listener for Picky {
        fn on_notify(notification: Notification) -> Result<()> {
            match notification.payload.as_str() {
                "bad" => Err(ErrorKind::Value("no such order".to_owned()).into()),
                _ => Ok(()),
            }
        }
    }

    fn notification(payload: &str) -> Notification {
        Notification { database: "main".into(), channel: "orders".into(), payload: payload.into(), sender: 7 }
    }

    #[test]
    fn an_error_reaches_the_host_as_text() {
        assert_eq!(on_notify::<Picky>(notification("good")), Ok(()));
        assert_eq!(on_notify::<Picky>(notification("bad")), Err("no such order".to_owned()));
        assert_eq!(on_listening::<Picky>("main", true), Ok(()));
    }
}
