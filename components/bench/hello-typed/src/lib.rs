//! The smallest service, without axum: what one request costs at least.

use wharf_guest::{Request, Response};

#[wharf_guest::service]
fn handle(_request: Request) -> Response {
    Response::text("Hello, World!")
}
