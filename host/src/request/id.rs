//! Names one request, in its response, its log lines and its errors.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

/// A ULID: 26 characters, sortable by time, unique without coordination.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestId([u8; ulid::ULID_LEN]);

impl RequestId {
    pub(crate) fn new(now: SystemTime) -> Self {
        let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let millis = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        let mut text = [0; ulid::ULID_LEN];
        ulid::Ulid::from_parts(millis, fastrand::u128(..)).array_to_str(&mut text);
        Self(text)
    }

    /// As it stands in `x-request-id`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
