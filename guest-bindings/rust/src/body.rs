//! A request's body: whole, or read piece by piece.

use crate::{
    ErrorKind, Result,
    bindings::wharf::platform::http_types::{self, BodyReader},
};

/// How much to ask the host for at once.
pub(crate) const PIECE: u32 = 64 * 1024;

/// A body that came in: whole when it is small, otherwise read while it arrives.
///
/// As an iterator it gives the pieces; [`read_all`](Self::read_all) collects them.
///
/// ```no_run
/// # use wharf_guest::{Request, Response, Result};
/// fn count(request: Request) -> Result<Response> {
///     let mut bytes = 0;
///     for piece in request.into_body() {
///         bytes += piece?.len();
///     }
///     Ok(Response::text(format!("{bytes} bytes")))
/// }
/// ```
#[derive(Debug)]
pub struct Body {
    state: State,
    /// Whose fault it is when it breaks off: the client's, or the server's that was asked.
    blame: fn(http_types::Error) -> ErrorKind,
}

#[derive(Debug)]
enum State {
    Bytes(Vec<u8>),
    Reader(BodyReader),
    Done,
}

impl Body {
    fn new(state: State) -> Self {
        Self { state, blame: ErrorKind::Body }
    }

    /// The body of a server's response.
    pub(crate) fn of_response(body: http_types::Body) -> Self {
        Self { blame: ErrorKind::Http, ..body.into() }
    }

    /// Reads everything that is left.
    ///
    /// # Errors
    /// When the other side breaks off or is too slow, or a client sends more than the service's limit.
    pub fn read_all(self) -> Result<Vec<u8>> {
        let reader = match self.state {
            State::Bytes(bytes) => return Ok(bytes),
            State::Reader(reader) => reader,
            State::Done => return Ok(Vec::new()),
        };
        let mut all = Vec::new();
        loop {
            let piece = reader.read(PIECE).map_err(self.blame)?;
            if piece.is_empty() {
                return Ok(all);
            }
            all.extend_from_slice(&piece);
        }
    }

    /// The next piece, or none at the end.
    ///
    /// # Errors
    /// As [`read_all`](Self::read_all); after an error there is nothing more.
    pub fn next_piece(&mut self) -> Result<Option<Vec<u8>>> {
        match std::mem::replace(&mut self.state, State::Done) {
            State::Bytes(bytes) => Ok(Some(bytes).filter(|bytes| !bytes.is_empty())),
            State::Done => Ok(None),
            State::Reader(reader) => {
                let piece = reader.read(PIECE).map_err(self.blame)?;
                if piece.is_empty() {
                    return Ok(None);
                }
                self.state = State::Reader(reader);
                Ok(Some(piece))
            }
        }
    }

    /// The body as the contract has it: bytes, or a reader to use piece by piece.
    #[must_use]
    pub fn into_raw(self) -> http_types::Body {
        match self.state {
            State::Bytes(bytes) => http_types::Body::Bytes(bytes),
            State::Reader(reader) => http_types::Body::Streamed(reader),
            State::Done => http_types::Body::Bytes(Vec::new()),
        }
    }
}

impl Iterator for Body {
    type Item = Result<Vec<u8>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_piece().transpose()
    }
}

impl From<http_types::Body> for Body {
    fn from(body: http_types::Body) -> Self {
        match body {
            http_types::Body::Bytes(bytes) => Self::new(State::Bytes(bytes)),
            http_types::Body::Streamed(reader) => Self::new(State::Reader(reader)),
        }
    }
}

impl From<BodyReader> for Body {
    fn from(reader: BodyReader) -> Self {
        Self::new(State::Reader(reader))
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Self::new(State::Bytes(bytes))
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        text.into_bytes().into()
    }
}

impl From<&str> for Body {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_body_is_one_piece() {
        let pieces: Vec<_> = Body::from(b"abc".to_vec()).map(|piece| piece.unwrap()).collect();
        assert_eq!(pieces, [b"abc".to_vec()]);
        assert_eq!(Body::from(Vec::new()).count(), 0);
    }

    #[test]
    fn what_was_read_is_gone() {
        let mut body = Body::from(b"abc".to_vec());
        assert_eq!(body.next_piece().unwrap(), Some(b"abc".to_vec()));
        assert!(body.read_all().unwrap().is_empty());
    }
}
