//! A guestbook: a page and a JSON API on Postgres, with a view counter in a key-value bucket.
//!
//! `entry` owns the data and its rules, `page` the HTML, `api` the JSON, `problem` what goes wrong.

mod api;
mod entry;
mod page;
mod problem;

use wharf_guest::axum::{Router, routing::get};

#[wharf_guest::service]
fn app() -> Router {
    Router::new()
        .route("/guestbook", get(page::show).post(page::sign))
        .route("/guestbook/api/entries", get(api::list).post(api::create))
        .route("/guestbook/api/entries/{id}", get(api::read).delete(api::delete))
        .route("/guestbook/api/authors/{name}", get(api::author))
        .fallback(async || problem::Problem::NotFound("page"))
}
