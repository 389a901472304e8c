//! The least that a middleware can do: a header on every response.

use wharf_guest::{Next, Request, Response};

#[wharf_guest::middleware]
fn wrap(request: Request, next: Next) -> Response {
    next.run(request).header("x-frame-options", "deny")
}
