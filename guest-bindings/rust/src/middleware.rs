//! Middleware: what `#[wharf_guest::middleware]` exports, and the handler that it wraps.

use crate::{
    IntoReply, Request, Response, bindings::exports::wharf::platform::http_handler::Reply,
    bindings::wharf::platform::http_types,
};
use std::fmt;

/// The handler that a middleware wraps: the component that was composed behind it, in whatever language.
///
/// [`#[middleware]`](macro@crate::middleware) hands it over. It may be run not at all, once, or several times.
///
/// ```
/// use wharf_guest::{Next, Request, Response};
///
/// #[wharf_guest::middleware]
/// fn wrap(request: Request, next: Next) -> Response {
///     if request.path().ends_with(".php") {
///         return Response::text("not here").status(404);
///     }
///     next.run(request).header("x-frame-options", "deny")
/// }
/// ```
///
/// The component imports the handler that it exports. The `wharf.toml` of the service that it wraps names its file, the
/// outermost first; `wharf compose headers.wasm handler.wasm -o service.wasm` makes one component of both by hand:
///
/// ```toml
/// middleware = ["../headers/.wharf/build/headers.wasm"]
/// ```
///
/// All that is composed shares the grants, the config and the limits of that one service.
pub struct Next(Box<dyn Fn(Request) -> Response>);

impl Next {
    /// Asks the next handler. A body that is streamed is not read by this: its pieces are pulled when the response of
    /// this middleware is, one at a time.
    ///
    /// A trap of the next handler ends the whole request with it.
    #[must_use]
    pub fn run(&self, request: Request) -> Response {
        (self.0)(request)
    }

    /// A function in place of the next handler: for tests of a middleware.
    ///
    /// ```
    /// # use wharf_guest::{Next, Request, Response};
    /// fn wrap(request: Request, next: Next) -> Response {
    ///     next.run(request).header("x-frame-options", "deny")
    /// }
    ///
    /// let response = wrap(Request::new("GET", "/"), Next::calling(|_| "hello"));
    /// assert_eq!(response.header_value("x-frame-options"), Some("deny"));
    /// ```
    pub fn calling<R: IntoReply>(handler: impl Fn(Request) -> R + 'static) -> Self {
        Self(Box::new(move |request| handler(request).into_reply()))
    }
}

impl fmt::Debug for Next {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Next").finish_non_exhaustive()
    }
}

/// Runs a middleware around what was composed behind it.
#[doc(hidden)]
pub fn wrap<R: IntoReply>(
    middleware: impl FnOnce(Request, Next) -> R,
    next: fn(Request) -> Response,
    head: http_types::Request,
    body: http_types::Body,
) -> Reply {
    crate::service::start();
    middleware(Request::from_parts(head, body), Next::calling(next)).into_reply().into_raw()
}

/// The same for an `async fn`.
#[doc(hidden)]
pub fn wrap_async<F: Future<Output: IntoReply>>(
    middleware: impl FnOnce(Request, Next) -> F,
    next: fn(Request) -> Response,
    head: http_types::Request,
    body: http_types::Body,
) -> Reply {
    wrap(|request, next| crate::block_on(middleware(request, next)), next, head, body)
}

#[cfg(test)]
mod tests {
    use crate::{Next, Request, Response, Result};

    fn stamp(request: Request, next: &Next) -> Result<Response> {
        if request.path() == "/stop" {
            return Ok(Response::empty(204));
        }
        Ok(next.run(request.with_header("x-stamp", "in")).add_header("x-stamp", "out"))
    }

    fn stamped(path: &str) -> Response {
        let next = Next::calling(|request: Request| {
            Response::text(request.path()).add_header("x-stamp", request.header("x-stamp").unwrap_or("none"))
        });
        stamp(Request::new("GET", path), &next).unwrap()
    }

    #[test]
    fn both_ways_pass_through_the_middleware() {
        let response = stamped("/a");
        let stamps = response.headers().filter(|(name, _)| *name == "x-stamp").map(|(_, value)| value);
        assert_eq!(stamps.collect::<Vec<_>>(), [b"in".as_slice(), b"out"]);
    }

    #[test]
    fn a_middleware_may_answer_itself() {
        assert_eq!(stamped("/stop").status_code(), 204);
    }
}
