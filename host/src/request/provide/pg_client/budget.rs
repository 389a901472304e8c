//! How much the host holds of results on behalf of one call.

use crate::bindings::wharf::platform::pg_client::Error;

/// Bounds of one call: behaviour.md. Bytes are those of the decoded values, which may be many more than
/// those on the wire (a `numeric` of ten bytes can have 131,072 digits).
const MOST_ROWS: usize = 10_000;
const MOST_BYTES: usize = 4 << 20;

/// What is left of it.
#[derive(Debug)]
pub(super) struct Budget {
    rows: usize,
    bytes: usize,
}

impl Budget {
    pub(super) fn new() -> Self {
        Self { rows: MOST_ROWS, bytes: MOST_BYTES }
    }

    /// Takes one row.
    pub(super) fn row(&mut self) -> Result<(), Error> {
        self.rows = self.rows.checked_sub(1).ok_or_else(exceeded)?;
        Ok(())
    }

    /// Takes bytes; false when there are not that many left.
    pub(super) fn take(&mut self, bytes: usize) -> bool {
        match self.bytes.checked_sub(bytes) {
            Some(left) => self.bytes = left,
            None => return false,
        }
        true
    }

    /// Whether something was refused for lack of bytes, given what it would have taken.
    pub(super) fn bytes(&mut self, bytes: usize) -> Result<(), Error> {
        if self.take(bytes) { Ok(()) } else { Err(exceeded()) }
    }
}

fn exceeded() -> Error {
    Error::LimitExceeded(format!(
        "the result has more than {MOST_ROWS} rows or {} MiB: ask for fewer rows, or read it through a cursor",
        MOST_BYTES >> 20
    ))
}
