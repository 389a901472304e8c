//! Replies that are pulled.

use crate::number;
use std::iter;
use wharf_guest::{
    Pull, Request, Response,
    bindings::wharf::platform::http_types::{Error, Headers},
};

/// A reply of `n` pieces of `size` letters, `a` in the first, with trailers and faults on demand.
struct Chunks {
    made: usize,
    n: usize,
    size: usize,
    fail: usize,
    trap: usize,
    trailers: bool,
}

impl Pull for Chunks {
    fn pull(&mut self) -> Result<Option<Vec<u8>>, Error> {
        if self.made == self.fail {
            return Err(Error::Other("asked to fail here".to_owned()));
        }
        assert!(self.made != self.trap, "asked to trap here");
        if self.made == self.n {
            return Ok(None);
        }
        let letter = iter::repeat(b'a'..=b'z').flatten().nth(self.made % 26).unwrap_or(b'a');
        self.made += 1;
        Ok(Some(vec![letter; self.size]))
    }

    fn trailers(&mut self) -> Option<Headers> {
        self.trailers.then(|| vec![("x-chunks".to_owned(), self.made.to_string().into_bytes())])
    }
}

/// `/stream?n=3&size=4&trailers=1&fail=2&trap=2`
pub(crate) fn chunks(request: &Request) -> Response {
    let chunks = Chunks {
        made: 0,
        n: number(request, "n", 3),
        size: number(request, "size", 4),
        fail: number(request, "fail", usize::MAX),
        trap: number(request, "trap", usize::MAX),
        trailers: number(request, "trailers", 0) == 1,
    };
    Response::from_pull(chunks).header("content-type", "text/plain; charset=utf-8")
}

/// `/stream/endless?size=16`
pub(crate) fn endless(request: &Request) -> Response {
    let size = number(request, "size", 16);
    Response::stream(iter::repeat_with(move || vec![b'x'; size]))
}

/// `/events?n=3`: server-sent events.
pub(crate) fn events(request: &Request) -> Response {
    let events = (0..number(request, "n", 3)).map(|index| format!("id: {index}\ndata: event {index}\n\n"));
    Response::stream(events).header("content-type", "text/event-stream").header("cache-control", "no-cache")
}
