//! Write [Wharf](https://github.com/wharf) services in Rust.
//!
//! A service is an ordinary [axum] router, compiled to a small WebAssembly component:
//!
//! ```
//! use wharf_guest::{Kv, PgClient, Result, axum::{Json, Router, extract::Path, routing::get}};
//!
//! #[wharf_guest::service]
//! fn app() -> Router {
//!     Router::new()
//!         .route("/", get(async || "Hello, World!"))
//!         .route("/names/{id}", get(name))
//! }
//!
//! async fn name(Path(id): Path<i64>) -> Result<Json<String>> {
//!     Kv::open("views")?.increment("names", 1)?;
//!     let row = PgClient::open("main")?.query_one("select name from users where id = $1", &[&id])?;
//!     Ok(Json(row.get("name")?))
//! }
//! ```
//!
//! or, where the last microsecond counts, a plain function ([`Request`], [`Response`]):
//!
//! ```
//! use wharf_guest::{Request, Response};
//!
//! #[wharf_guest::service]
//! fn handle(request: Request) -> Response {
//!     Response::text(format!("you asked for {}", request.path()))
//! }
//! ```
//!
//! What runs before a handler is a [`guard`](macro@guard) (a check of its own, for several services) or a
//! [`middleware`](macro@middleware) (composed around one handler, in whatever language that is).
//!
//! Background work is an `impl` of [`pg::Listener`], which the database wakes with NOTIFY, or of [`kv::Watcher`],
//! which is called for changes of a bucket.
//!
//! # How it runs
//! Each request gets a fresh instance of the component, with its own memory; nothing is left for the next.
//! Calls to the host ([`PgClient`], [`Kv`], [`HttpClient`]) look blocking, and block nobody: the host suspends this one
//! guest meanwhile. So there is no async runtime in a guest, and nothing to wait for but the host; a future
//! of tokio would wait for ever and is reported as an error ([`block_on`]).
//!
//! # Features
//! | feature | default | what it does |
//! |---|---|---|
//! | `axum` | yes | routers; without it only the plain form, and no axum in the binary |
//! | `json` | yes | `serde_json` for bodies in both directions, Postgres `json` and kv values |
//! | `arena` | yes | the global allocator: 256 KiB of arena, a general allocator beyond it |
//! | `log` | yes | the `log` crate's macros ([`log`]) reach the host's log |
//! | `panic-log` | yes | a panic's message and place reach the host's log |
//! | `tracing` | | so do events of the `tracing` crate |
//! | `chrono`, `time`, `uuid`, `rust_decimal` | | their types as Postgres values |

// The macros name this crate from outside, and its own tests use them.
#[cfg(test)]
extern crate self as wharf_guest;

#[cfg(all(feature = "arena", any(test, target_family = "wasm")))]
mod arena;
pub mod bindings;
mod block_on;
mod body;
mod config;
mod error;
pub mod guard;
mod head;
pub mod http_client;
#[cfg(feature = "axum")]
mod info;
pub mod kv;
pub mod log;
mod middleware;
#[cfg(feature = "panic-log")]
mod panic;
pub mod pg;
mod query;
pub mod random;
mod request;
mod response;
#[cfg(feature = "axum")]
mod router;
mod service;
mod stream;
pub mod time;
#[cfg(feature = "tracing")]
mod trace;

pub use block_on::block_on;
pub use body::Body;
pub use config::Config;
pub use error::{ColumnError, DbError, Error, ErrorKind, Result};
pub use head::Head;
pub use http_client::HttpClient;
#[cfg(feature = "axum")]
pub use info::RequestInfo;
pub use kv::Kv;
pub use middleware::Next;
pub use pg::{FromRow, PgClient};
pub use request::Request;
pub use response::{IntoReply, Response};
pub use stream::Pull;
/// Makes a [`pg::Sql`] of a statement and its parameters: `sql!("select $1", id as i64)`.
pub use wharf_guest_macros::sql;
pub use wharf_guest_macros::{guard, listener, middleware, service, watcher};

#[cfg(feature = "axum")]
pub use {axum, bytes, http};
#[cfg(feature = "json")]
pub use {serde, serde_json};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[doc(hidden)]
pub mod __private {
    pub use crate::bindings::guard::exports::wharf::platform::guard::{Guest as GuardGuest, Verdict};
    pub use crate::bindings::lifecycle::exports::wharf::platform::lifecycle::Guest as LifecycleGuest;
    pub use crate::bindings::listener::exports::wharf::platform::pg_listener::Guest as ListenerGuest;
    pub use crate::bindings::watcher::exports::wharf::platform::kv_watcher::Guest as WatcherGuest;
    pub use crate::guard::{check, check_async};
    pub use crate::kv::{on_change, on_watching};
    pub use crate::middleware::{wrap, wrap_async};
    pub use crate::pg::{on_listening, on_notify};
    pub use crate::service::*;
    pub use std::string::String;
    pub use wit_bindgen;
}

/// Runs a router, or says which feature is missing.
#[cfg(feature = "axum")]
#[doc(hidden)]
#[macro_export]
macro_rules! __serve_router {
    ($app:ident, $request:ident, $body:ident) => {
        $crate::__private::serve_router($app, $request, $body)
    };
    (prepared $app:ident, $request:ident, $body:ident) => {
        $crate::__private::serve_prepared($app, $request, $body)
    };
}

/// Builds a prepared router.
#[cfg(feature = "axum")]
#[doc(hidden)]
#[macro_export]
macro_rules! __prepare_router {
    ($app:ident) => {
        $crate::__private::prepare_router($app)
    };
}

#[cfg(not(feature = "axum"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __prepare_router {
    ($app:ident) => {
        ::core::unreachable!()
    };
}

#[cfg(not(feature = "axum"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __serve_router {
    ($($tokens:tt)*) => {
        ::core::unreachable!()
    };
}

/// Lets through what needs axum, or says that it is missing.
#[cfg(feature = "axum")]
#[doc(hidden)]
#[macro_export]
macro_rules! __with_axum {
    ($($item:item)*) => {
        $($item)*
    };
}

#[cfg(not(feature = "axum"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __with_axum {
    ($($item:item)*) => {
        ::core::compile_error!(
            "a service without parameters returns an axum router: that needs wharf-guest's feature `axum` \
             (or write `fn(wharf_guest::Request) -> wharf_guest::Response`)"
        );
    };
}
