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

mod batch;
mod bucket;
mod scan;

pub use batch::Batch;
pub use bucket::{Kv, Put};
pub use scan::Scan;

pub use crate::bindings::wharf::platform::kv::{
    Check, Condition, Entry, Features, Mutation, PutItem, Version,
};

use std::time::Duration;

/// Whole milliseconds; a span that does not fit lasts for ever anyway.
fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
