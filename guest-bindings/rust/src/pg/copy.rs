//! COPY: many rows in or out, as a stream of bytes.

use crate::bindings::wharf::platform::pg_client::{self, CopyReader, CopyWriter};
use crate::{Error, Result};
use std::io::{self, BufRead, Read, Write};

/// Bytes that one call of the host carries.
const CHUNK: usize = 65_536;

/// `CHUNK`, as the contract counts.
const MOST: u32 = 65_536;

/// Feeds `copy ... from stdin`. Dropping it without [`finish`](Self::finish) stores nothing.
///
/// It writes as any [`Write`], in the format that the statement names, and collects what it is given: a call of
/// the host carries 64 KiB.
///
/// ```no_run
/// use std::io::Write;
/// use wharf_guest::{PgClient, Result};
///
/// # fn main() -> Result<()> {
/// let pg = PgClient::open("main")?;
/// let mut copy = pg.copy_in("copy users (id, name) from stdin (format csv)")?;
/// for (id, name) in [(1, "Ada"), (2, "Grace")] {
///     writeln!(copy, "{id},{name}")?;
/// }
/// assert_eq!(copy.finish()?, 2);
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct CopyIn {
    /// None once a write failed: the rest must not be stored without it.
    raw: Option<CopyWriter>,
    buffer: Vec<u8>,
}

impl CopyIn {
    pub(super) fn new(raw: CopyWriter) -> Self {
        Self { raw: Some(raw), buffer: Vec::new() }
    }

    /// Writes one row in the text format, which is COPY's default; a field of `None` is null.
    ///
    /// ```no_run
    /// # use wharf_guest::{PgClient, Result};
    /// # fn main() -> Result<()> {
    /// let mut copy = PgClient::open("main")?.copy_in("copy users (name, email) from stdin")?;
    /// copy.write_row([Some("Ada\tLovelace"), None])?;
    /// copy.finish()?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// When the copy has failed.
    pub fn write_row<'a>(&mut self, fields: impl IntoIterator<Item = Option<&'a str>>) -> Result<()> {
        push_row(&mut self.buffer, fields);
        self.send_full()
    }

    /// Ends the copy and tells how many rows were stored.
    ///
    /// # Errors
    /// When the server refused what was written, or the copy has failed before: nothing is stored then.
    /// [`Error::is_outcome_unknown`] when the connection broke.
    pub fn finish(mut self) -> Result<u64> {
        self.send(self.buffer.len())?;
        match &self.raw {
            Some(raw) => Ok(raw.finish()?),
            None => Err(failed()),
        }
    }

    /// Sends what fills calls, and keeps the rest.
    fn send_full(&mut self) -> Result<()> {
        self.send(self.buffer.len() / CHUNK * CHUNK)
    }

    /// Sends so many bytes of the buffer.
    fn send(&mut self, count: usize) -> Result<()> {
        let Some(raw) = &self.raw else { return Err(failed()) };
        let mut chunks = self.buffer.get(..count).unwrap_or_default().chunks(CHUNK);
        let sent = chunks.try_for_each(|chunk| raw.write(chunk));
        self.buffer.drain(..count);
        if sent.is_err() {
            self.raw = None;
        }
        Ok(sent?)
    }
}

fn failed() -> Error {
    pg_client::Error::Other("the copy has failed before".to_owned()).into()
}

impl Write for CopyIn {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        self.send_full().map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.send(self.buffer.len()).map_err(io::Error::other)
    }
}

/// Adds a row in the text format: fields apart by tabs, with what would mean something else escaped.
fn push_row<'a>(buffer: &mut Vec<u8>, fields: impl IntoIterator<Item = Option<&'a str>>) {
    for (index, field) in fields.into_iter().enumerate() {
        if index > 0 {
            buffer.push(b'\t');
        }
        let Some(field) = field else {
            buffer.extend_from_slice(b"\\N");
            continue;
        };
        for byte in field.bytes() {
            match byte {
                b'\\' => buffer.extend_from_slice(b"\\\\"),
                b'\t' => buffer.extend_from_slice(b"\\t"),
                b'\n' => buffer.extend_from_slice(b"\\n"),
                b'\r' => buffer.extend_from_slice(b"\\r"),
                byte => buffer.push(byte),
            }
        }
    }
    buffer.push(b'\n');
}

/// Drains `copy ... to stdout`. Dropping it early cancels the copy.
///
/// It reads as any [`Read`] and [`BufRead`].
///
/// ```no_run
/// use std::io::BufRead;
/// use wharf_guest::{PgClient, Result};
///
/// # fn main() -> Result<()> {
/// let pg = PgClient::open("main")?;
/// for line in pg.copy_out("copy (select id, name from users) to stdout (format csv)")?.lines() {
///     let line = line?;
/// }
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct CopyOut {
    raw: CopyReader,
    chunk: Vec<u8>,
    /// How much of the chunk was read.
    read: usize,
    ended: bool,
}

impl CopyOut {
    pub(super) fn new(raw: CopyReader) -> Self {
        Self { raw, chunk: Vec::new(), read: 0, ended: false }
    }
}

impl BufRead for CopyOut {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.read >= self.chunk.len() && !self.ended {
            // Assume the worst, so that an error is the end.
            self.ended = true;
            self.chunk = self.raw.read(MOST).map_err(|error| io::Error::other(Error::from(error)))?;
            self.read = 0;
            self.ended = self.chunk.is_empty();
        }
        Ok(self.chunk.get(self.read..).unwrap_or_default())
    }

    fn consume(&mut self, amount: usize) {
        self.read = self.read.saturating_add(amount).min(self.chunk.len());
    }
}

impl Read for CopyOut {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(out)?;
        self.consume(read);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::push_row;

    #[test]
    fn a_row_escapes_what_would_mean_something_else() {
        let mut buffer = Vec::new();
        push_row(&mut buffer, [Some("a\tb\\N\n\r"), None, Some(""), Some("é")]);
        push_row(&mut buffer, []);
        assert_eq!(String::from_utf8(buffer).unwrap(), "a\\tb\\\\N\\n\\r\t\\N\t\té\n\n");
    }
}
