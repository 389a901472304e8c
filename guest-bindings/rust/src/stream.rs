//! Response bodies made piece by piece: the guest's side of the contract's `chunks` resource.

use crate::bindings::{
    exports::wharf::platform::http_handler::GuestChunks,
    wharf::platform::http_types::{Error, Headers},
};
use std::{cell::RefCell, fmt};

/// Makes a response body, one piece each time the client has room.
///
/// Iterators are simpler: [`Response::stream`](crate::Response::stream). This is for bodies with trailers.
pub trait Pull {
    /// The next bytes, or none at the end; an error breaks the response off. Not called again after either.
    fn pull(&mut self) -> Result<Option<Vec<u8>>, Error>;

    /// Trailer fields, asked for once after the end. Clients on HTTP/1.1 get those that the header `trailer` of the
    /// response names, if they asked for trailers.
    fn trailers(&mut self) -> Option<Headers> {
        None
    }
}

/// The resource that the host pulls.
pub struct Stream(RefCell<State>);

enum State {
    Running(Box<dyn Pull>),
    Ended(Option<Headers>),
}

impl Stream {
    pub(crate) fn new(pull: impl Pull + 'static) -> Self {
        Self(RefCell::new(State::Running(Box::new(pull))))
    }

    /// What makes the pieces, to be wrapped.
    pub(crate) fn into_pull(self) -> Box<dyn Pull> {
        match self.0.into_inner() {
            State::Running(pull) => pull,
            State::Ended(trailers) => Box::new(Ended(trailers)),
        }
    }
}

/// Nothing but trailers is left.
struct Ended(Option<Headers>);

impl Pull for Ended {
    fn pull(&mut self) -> Result<Option<Vec<u8>>, Error> {
        Ok(None)
    }

    fn trailers(&mut self) -> Option<Headers> {
        self.0.take()
    }
}

impl GuestChunks for Stream {
    fn next(&self) -> Result<Option<Vec<u8>>, Error> {
        let Ok(mut state) = self.0.try_borrow_mut() else {
            return Err(Error::Other("the stream was asked for a piece while it makes one".to_owned()));
        };
        let State::Running(pull) = &mut *state else { return Ok(None) };
        loop {
            match pull.pull() {
                // The contract has no empty pieces.
                Ok(Some(piece)) if piece.is_empty() => {}
                Ok(Some(piece)) => return Ok(Some(piece)),
                Ok(None) => {
                    let trailers = pull.trailers();
                    *state = State::Ended(trailers);
                    return Ok(None);
                }
                Err(error) => {
                    *state = State::Ended(None);
                    return Err(error);
                }
            }
        }
    }

    fn trailers(&self) -> Option<Headers> {
        match &mut *self.0.try_borrow_mut().ok()? {
            State::Running(_) => None,
            State::Ended(trailers) => trailers.take(),
        }
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Script(Vec<Result<Option<Vec<u8>>, Error>>);

    impl Pull for Script {
        fn pull(&mut self) -> Result<Option<Vec<u8>>, Error> {
            self.0.remove(0)
        }

        fn trailers(&mut self) -> Option<Headers> {
            Some(vec![("x-sum".to_owned(), b"1".to_vec())])
        }
    }

    #[test]
    fn empty_pieces_are_skipped_and_trailers_come_once() {
        let stream = Stream::new(Script(vec![Ok(Some(vec![])), Ok(Some(vec![1])), Ok(None)]));
        assert!(stream.trailers().is_none(), "not before the end");
        assert_eq!(stream.next().unwrap(), Some(vec![1]));
        assert_eq!(stream.next().unwrap(), None);
        assert_eq!(stream.next().unwrap(), None, "the script is not asked again");
        assert_eq!(stream.trailers().map(|trailers| trailers.len()), Some(1));
        assert!(stream.trailers().is_none());
    }

    #[test]
    fn an_error_ends_the_stream_without_trailers() {
        let stream = Stream::new(Script(vec![Err(Error::Other("boom".into()))]));
        assert!(stream.next().is_err());
        assert_eq!(stream.next().unwrap(), None);
        assert!(stream.trailers().is_none());
    }
}
