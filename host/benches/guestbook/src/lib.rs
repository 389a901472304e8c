//! A guestbook: a page and a JSON API on Postgres, with a view counter in memory.
//!
//! `entry` owns the data and its rules, `page` the HTML, `api` the JSON, `problem` what goes wrong, `database` the
//! pool and the migrations.

mod api;
mod database;
mod entry;
mod page;
mod problem;
mod views;

use std::sync::Arc;

use axum::{Router, extract::DefaultBodyLimit, routing::get};
use deadpool_postgres::Pool;

pub use database::{connect, migrate};

use problem::Problem;
use views::Views;

/// Bytes of a request's body, at most.
const BODY: usize = 64 << 10;

/// What whoever runs it may choose.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The page's title.
    pub title: String,
    /// Entries on the page, at most.
    pub page_size: i64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { title: "Guestbook".to_owned(), page_size: 20 }
    }
}

/// What all handlers share.
#[derive(Debug, Clone)]
struct Guestbook {
    pool: Pool,
    views: Arc<Views>,
    settings: Arc<Settings>,
}

/// All routes, on a database that is migrated.
pub fn app(pool: Pool, settings: Settings) -> Router {
    let state = Guestbook { pool, views: Arc::default(), settings: Arc::new(settings) };
    Router::new()
        .route("/guestbook", get(page::show).post(page::sign))
        .route("/guestbook/api/entries", get(api::list).post(api::create))
        .route("/guestbook/api/entries/{id}", get(api::read).delete(api::delete))
        .route("/guestbook/api/authors/{name}", get(api::author))
        .fallback(async || Problem::NotFound("page"))
        .layer(DefaultBodyLimit::max(BODY))
        .with_state(state)
}
