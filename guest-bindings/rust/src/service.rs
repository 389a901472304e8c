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

#[cfg(feature = "axum")]
thread_local! {
    /// What was built at deploy, and is in the memory that every instance starts from.
    static PREPARED: std::cell::RefCell<Option<axum::Router>> = const { std::cell::RefCell::new(None) };
}

/// Builds a router for all instances to come.
///
/// # Errors
/// None: one that cannot be built panics, which fails the deploy.
#[cfg(feature = "axum")]
pub fn prepare_router(app: impl FnOnce() -> axum::Router) -> Result<(), String> {
    PREPARED.set(Some(app()));
    Ok(())
}

/// Runs a router that was built at deploy; builds it where nobody did (inside a middleware).
#[cfg(feature = "axum")]
pub fn serve_prepared(app: impl FnOnce() -> axum::Router, head: Request, body: Body) -> Reply {
    start();
    let prepared = PREPARED.with_borrow(Option::clone);
    crate::router::serve(prepared.unwrap_or_else(app), head, body)
}

/// Runs a router.
#[cfg(feature = "axum")]
pub fn serve_router(app: impl FnOnce() -> axum::Router, head: Request, body: Body) -> Reply {
    start();
    crate::router::serve(app(), head, body)
}
