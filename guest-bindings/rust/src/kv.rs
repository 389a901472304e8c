//! Key-value buckets.
//!
//! ```no_run
//! use std::time::Duration;
//! use wharf_guest::{Kv, Result, kv::Put};
//!
//! # fn main() -> Result<()> {
//! let kv = Kv::open("sessions")?;
//! kv.put("a", "text or bytes")?;
//! let only_once = Put::new().if_absent().ttl(Duration::from_secs(60));
//! if kv.put_with("lock", "me", only_once)?.is_none() {
//!     // somebody else has it
//! }
//! for entry in kv.scan("user/") {
//!     let (key, entry) = entry?;
//! }
//! # Ok(()) }
//! ```
//!
//! [`Kv::update`] changes a value that others may change at the same time, [`Kv::typed`] keeps values of a type as
//! JSON, and a [`Watcher`] is called when keys change.

mod batch;
mod bucket;
mod scan;
#[cfg(feature = "json")]
mod typed;
mod update;
mod watcher;

pub use batch::Batch;
pub use bucket::{Kv, Put};
pub use scan::Scan;
#[cfg(feature = "json")]
pub use typed::{Typed, TypedScan};
pub use watcher::Watcher;
#[doc(hidden)]
pub use watcher::{on_change, on_watching};

pub use crate::bindings::wharf::platform::kv::{
    Check, Condition, Entry, Features, Mutation, PutItem, Version,
};

use std::time::Duration;

/// Whole milliseconds; a span that does not fit lasts for ever anyway.
fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
