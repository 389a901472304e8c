//! The macros of `wharf-guest`; use them through that crate, which documents them with examples.

mod from_row;
mod guard;
mod listener;
mod middleware;
mod service;
mod shape;
mod sql;
mod watcher;

use proc_macro::TokenStream;
use syn::{DeriveInput, ItemFn, ItemImpl, parse_macro_input};

/// Makes a function the service of this component.
///
/// A function without parameters returns an axum router; a function with one takes a `wharf_guest::Request`
/// and returns a `wharf_guest::Response`, text, or a `Result` of these. One crate has one service.
///
/// `#[service(prepared)]` builds a router once, when the service is deployed, instead of in every instance: its function
/// may then not use what a request has (settings, databases, the clock), and a panic in it fails the deploy.
#[proc_macro_attribute]
pub fn service(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let function = parse_macro_input!(item as ItemFn);
    service::expand(&arguments.into(), &function).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Makes a function a guard: it judges requests before a route's handler runs, and never sees their body.
///
/// It takes a `&wharf_guest::Head` and returns a `wharf_guest::guard::Verdict`, or a `Result` of it whose error is a
/// response. One crate has one guard; the module `wharf_guest::guard` has an example.
#[proc_macro_attribute]
pub fn guard(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let function = parse_macro_input!(item as ItemFn);
    guard::expand(&arguments.into(), &function).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Makes a function a middleware: a handler around another handler, which is composed with it.
///
/// It takes a `wharf_guest::Request` and a `wharf_guest::Next` and returns a `wharf_guest::Response`, text, or a
/// `Result` of these. One crate has one middleware and no service beside it; `wharf_guest::Next` has an example.
#[proc_macro_attribute]
pub fn middleware(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let function = parse_macro_input!(item as ItemFn);
    middleware::expand(&arguments.into(), &function).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Makes an `impl wharf_guest::pg::Listener` what this component does when the database notifies.
///
/// It stands beside a `#[service]`, or alone. One crate has one listener.
#[proc_macro_attribute]
pub fn listener(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let item = parse_macro_input!(item as ItemImpl);
    listener::expand(&arguments.into(), &item).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Makes an `impl wharf_guest::kv::Watcher` what this component does when a watched bucket changes.
///
/// It stands beside a `#[service]` and a `#[listener]`, or alone. One crate has one watcher.
#[proc_macro_attribute]
pub fn watcher(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let item = parse_macro_input!(item as ItemImpl);
    watcher::expand(&arguments.into(), &item).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Makes a struct of a row: named fields by column name, tuple fields by position.
///
/// `#[pg(rename = "column")]` on a field names its column; `#[pg(default)]` takes `Default::default()` when
/// the query has no such column.
#[proc_macro_derive(FromRow, attributes(pg))]
pub fn derive_from_row(item: TokenStream) -> TokenStream {
    let input = parse_macro_input!(item as DeriveInput);
    from_row::expand(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Makes a `wharf_guest::pg::Sql` of a statement and its parameters; that type documents it.
#[proc_macro]
pub fn sql(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as sql::Input);
    let here = proc_macro::Span::call_site();
    let place = sql::Place::new(&here.file(), here.line());
    sql::expand(&input, &place).unwrap_or_else(syn::Error::into_compile_error).into()
}
