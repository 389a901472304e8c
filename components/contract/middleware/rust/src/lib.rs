//! Contract guest for middleware: stands around the `http` guest; `../../README.md` lists what it adds.

use wharf_guest::{
    Config, Next, Pull, Request, Response,
    bindings::wharf::platform::http_types::{Error, Headers},
};

#[wharf_guest::middleware]
fn wrap(request: Request, next: Next) -> Response {
    if request.path() == "/stop" {
        return Response::text("stopped here");
    }
    let name = Config::get("middleware").unwrap_or_else(|| "rust".to_owned());
    let [upper, count] = ["upper", "count"].map(|wish| request.query_param(wish).is_some());
    let request = request.with_header("x-middleware", name.as_str()).annotate("middleware", name.as_str());
    let response = next.run(request).header("x-middleware", name);
    match (upper, count) {
        (true, _) => response.map_pieces(|piece| piece.to_ascii_uppercase()),
        (_, true) => response.header("trailer", "x-chunks, x-pieces, x-bytes").wrap_body(|inner| Count {
            inner,
            bytes: 0,
            pieces: 0,
        }),
        _ => response,
    }
}

/// Tells in trailers what passed, beside the trailers that were there.
struct Count {
    inner: Box<dyn Pull>,
    bytes: usize,
    pieces: usize,
}

impl Pull for Count {
    fn pull(&mut self) -> Result<Option<Vec<u8>>, Error> {
        let piece = self.inner.pull()?;
        self.pieces += usize::from(piece.is_some());
        self.bytes += piece.as_ref().map_or(0, Vec::len);
        Ok(piece)
    }

    fn trailers(&mut self) -> Option<Headers> {
        let mut trailers = self.inner.trailers().unwrap_or_default();
        trailers.push(("x-pieces".to_owned(), self.pieces.to_string().into_bytes()));
        trailers.push(("x-bytes".to_owned(), self.bytes.to_string().into_bytes()));
        Some(trailers)
    }
}
