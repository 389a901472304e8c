//! The body of a response: whole, handed on, or pulled; and how each becomes the contract's.

use crate::{
    Body,
    bindings::exports::wharf::platform::http_handler::{Chunks, ReplyBody},
    bindings::wharf::platform::http_types::{self, BodyReader, Error, Headers},
    stream::{Pull, Stream},
};
use std::fmt::Display;

/// Bodies up to this are handed over in one call; the host limits what one call may carry (8 MiB by default).
const WHOLE: usize = 4 << 20;

/// Longer ones go in pieces of this size.
const PIECE: usize = 1 << 20;

#[derive(Debug)]
pub(super) enum ResponseBody {
    Bytes(Vec<u8>),
    HandedOn(Body),
    Stream(Stream),
}

impl ResponseBody {
    /// The length of a body that is there and still goes in pieces; of others the host knows it, or nobody.
    pub(super) fn length_to_declare(&self) -> Option<usize> {
        match self {
            Self::Bytes(bytes) if bytes.len() > WHOLE => Some(bytes.len()),
            _ => None,
        }
    }

    pub(super) fn into_raw(self) -> ReplyBody {
        match self {
            Self::Bytes(bytes) if bytes.len() > WHOLE => {
                ReplyBody::Streamed(Chunks::new(Stream::new(Pieces { bytes, next: 0 })))
            }
            Self::Bytes(bytes) => ReplyBody::Bytes(bytes),
            Self::Stream(stream) => ReplyBody::Streamed(Chunks::new(stream)),
            Self::HandedOn(body) => match body.into_raw() {
                http_types::Body::Bytes(bytes) => ReplyBody::Bytes(bytes),
                http_types::Body::Streamed(reader) => ReplyBody::Reader(reader),
            },
        }
    }

    /// To be pulled by whoever wraps it.
    pub(super) fn into_pull(self) -> Box<dyn Pull> {
        match self {
            Self::Bytes(bytes) => Box::new(Pieces { bytes, next: 0 }),
            Self::Stream(stream) => stream.into_pull(),
            Self::HandedOn(body) => match body.into_raw() {
                http_types::Body::Bytes(bytes) => Box::new(Pieces { bytes, next: 0 }),
                http_types::Body::Streamed(reader) => Box::new(Incoming(reader)),
            },
        }
    }

    /// Without anything left to pull from this instance.
    pub(super) fn into_whole(self) -> Result<http_types::Body, Error> {
        match self {
            Self::Bytes(bytes) => Ok(http_types::Body::Bytes(bytes)),
            Self::HandedOn(body) => Ok(body.into_raw()),
            Self::Stream(stream) => {
                let (mut pull, mut all) = (stream.into_pull(), Vec::new());
                while let Some(piece) = pull.pull()? {
                    all.extend_from_slice(&piece);
                }
                Ok(http_types::Body::Bytes(all))
            }
        }
    }
}

/// A body that is there, but too large for one call.
struct Pieces {
    bytes: Vec<u8>,
    next: usize,
}

impl Pull for Pieces {
    fn pull(&mut self) -> Result<Option<Vec<u8>>, Error> {
        let rest = self.bytes.get(self.next..).unwrap_or_default();
        let piece = rest.get(..PIECE).unwrap_or(rest);
        self.next += piece.len();
        Ok(Some(piece).filter(|piece| !piece.is_empty()).map(<[u8]>::to_vec))
    }
}

/// A body that somebody else made and that passes through this instance after all.
struct Incoming(BodyReader);

impl Pull for Incoming {
    fn pull(&mut self) -> Result<Option<Vec<u8>>, Error> {
        Ok(Some(self.0.read(crate::body::PIECE)?).filter(|piece| !piece.is_empty()))
    }

    fn trailers(&mut self) -> Option<Headers> {
        self.0.trailers()
    }
}

/// Changes every piece.
pub(super) struct MapPieces<F> {
    pub(super) inner: Box<dyn Pull>,
    pub(super) change: F,
}

impl<F: FnMut(Vec<u8>) -> Vec<u8>> Pull for MapPieces<F> {
    fn pull(&mut self) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.inner.pull()?.map(&mut self.change))
    }

    fn trailers(&mut self) -> Option<Headers> {
        self.inner.trailers()
    }
}

/// An iterator of pieces.
#[derive(Debug)]
pub(super) struct Infallible<I>(pub(super) I);

impl<I: Iterator<Item: Into<Vec<u8>>>> Pull for Infallible<I> {
    fn pull(&mut self) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.0.next().map(Into::into))
    }
}

/// An iterator of pieces that can fail.
#[derive(Debug)]
pub(super) struct Fallible<I>(pub(super) I);

impl<I: Iterator<Item = Result<T, E>>, T: Into<Vec<u8>>, E: Display> Pull for Fallible<I> {
    fn pull(&mut self) -> Result<Option<Vec<u8>>, Error> {
        match self.0.next() {
            None => Ok(None),
            Some(Ok(piece)) => Ok(Some(piece.into())),
            Some(Err(error)) => Err(Error::Other(error.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_too_large_for_one_call_goes_in_pieces() {
        let mut pieces = Pieces { bytes: vec![7; 2 * PIECE + 3], next: 0 };
        let mut lengths = Vec::new();
        while let Some(piece) = pieces.pull().unwrap() {
            lengths.push(piece.len());
        }
        assert_eq!(lengths, [PIECE, PIECE, 3]);
    }

    /// One piece, then trailers.
    struct Once(bool);

    impl Pull for Once {
        fn pull(&mut self) -> Result<Option<Vec<u8>>, Error> {
            Ok(std::mem::take(&mut self.0).then(|| b"abc".to_vec()))
        }

        fn trailers(&mut self) -> Option<Headers> {
            Some(vec![("x-sum".to_owned(), b"1".to_vec())])
        }
    }

    #[test]
    fn changed_pieces_keep_their_trailers() {
        let inner = ResponseBody::Stream(Stream::new(Once(true))).into_pull();
        let mut loud = MapPieces { inner, change: |piece: Vec<u8>| piece.to_ascii_uppercase() };
        assert_eq!(loud.pull().unwrap(), Some(b"ABC".to_vec()));
        assert_eq!(loud.pull().unwrap(), None);
        assert_eq!(loud.trailers().map(|trailers| trailers.len()), Some(1));
    }
}
