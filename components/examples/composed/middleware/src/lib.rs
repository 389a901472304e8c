//! Middleware around a handler in any language: hands it the request's id, and tells how long it took.

use wharf_guest::{Next, Request, Response, log::info, time::Instant};

/// Browsers show `server-timing` among the other timings of a request.
#[wharf_guest::middleware]
fn wrap(request: Request, next: Next) -> Response {
    let (id, path) = (request.request_id().to_owned(), request.path().to_owned());
    let begun = Instant::now();
    let response = next.run(request.with_header("x-request-id", id));
    let took = begun.elapsed().as_secs_f64() * 1000.0;
    info!(path:%, status = response.status_code(); "the handler took {took:.3} ms");
    response.add_header("server-timing", format!("handler;dur={took:.3}"))
}
