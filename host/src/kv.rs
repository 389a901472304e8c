//! Key-value buckets: one contract over several stores. What guests, operators (`wharf kv`) and embedders
//! use is [`Bucket`]; what it promises is written in `wit/kv.wit`, and tested as one suite on every store.
//!
//! [`Bucket`] checks what comes in and bounds every wait; `batch` says what conditions, expiry and counters
//! mean; `memory`, `embedded`, `postgres`, `redis` and `nats` keep the entries.

mod batch;
mod bucket;
mod embedded;
mod inbox;
mod lines;
mod memory;
mod nats;
mod postgres;
mod range;
mod redis;
mod storage;
mod store;

pub use bucket::Bucket;
pub(crate) use inbox::{Inbox, Word};
pub use storage::{BucketConfig, KvStorage, StorageError};
pub use store::{KvError, Stores, Usage};

pub use crate::bindings::wharf::platform::kv::{
    Check, Condition, Entry, Error, Features, IncrementItem, Mutation, Page, PutItem, ScanOptions, Version,
};

use std::time::SystemTime;

/// Unix time in milliseconds.
fn now() -> u64 {
    crate::clock::unix_millis(SystemTime::now())
}

/// An error as a sentence for people.
#[must_use]
pub fn explain(error: &Error) -> String {
    let (what, why) = match error {
        Error::Unavailable(why) => ("the bucket cannot be reached", why.as_str()),
        Error::ConnectionLost(why) => ("the connection broke, the outcome is unknown", why.as_str()),
        Error::Denied(why) => ("it is not allowed", why.as_str()),
        Error::Timeout => return "the bucket did not answer in time, the outcome is unknown".to_owned(),
        Error::LimitExceeded(why) => ("it is too much", why.as_str()),
        Error::InvalidArgument(why) => ("it is not valid", why.as_str()),
        Error::Unsupported(why) => ("the bucket cannot do this", why.as_str()),
        Error::Other(why) => ("it failed", why.as_str()),
    };
    format!("{what}: {why}")
}
