//! What `#[wharf_guest::service]` expands to: from the contract's call to the service's function and back.

pub use crate::bindings::exports::wharf::platform::http_handler::{Guest, Reply};
pub use crate::bindings::wharf::platform::http_types::{Body, Request};
pub use crate::stream::Stream;

use crate::{IntoReply, Request as PlainRequest};

/// Prepares logging and panics; cheap, and done once per instance.
#[inline]
pub(crate) fn start() {
    #[cfg(feature = "panic-log")]
    crate::panic::install();
    #[cfg(feature = "log")]
    crate::log::install();
    #[cfg(feature = "tracing")]
    crate::trace::install();
}

/// Runs a plain handler.
#[inline]
pub fn serve_plain<R: IntoReply>(
    handler: impl FnOnce(PlainRequest) -> R,
    head: Request,
    body: Body,
) -> Reply {
    start();
    handler(PlainRequest::from_parts(head, body)).into_reply().into_raw()
}

/// Runs a plain handler that is an `async fn`.
pub fn serve_async<F: Future<Output: IntoReply>>(
    handler: impl FnOnce(PlainRequest) -> F,
    head: Request,
    body: Body,
) -> Reply {
    serve_plain(|request| crate::block_on(handler(request)), head, body)
}

/// Runs a router.
#[cfg(feature = "axum")]
pub fn serve_router(app: impl FnOnce() -> axum::Router, head: Request, body: Body) -> Reply {
    start();
    crate::router::serve(app(), head, body)
}
