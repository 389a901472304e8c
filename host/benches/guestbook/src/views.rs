//! How often pages were seen since the server started.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Counters by name.
#[derive(Debug, Default)]
pub(crate) struct Views(Mutex<HashMap<String, i64>>);

impl Views {
    /// Adds to a counter, and says what it is then.
    pub(crate) fn increment(&self, name: &str, by: i64) -> i64 {
        // A number is whole, whatever another thread was at when it panicked.
        let mut counters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let counter = counters.entry(name.to_owned()).or_default();
        *counter += by;
        *counter
    }
}
