//! Contract guest for `lifecycle`; `../../../README.md` lists what it answers.

use std::sync::atomic::{AtomicU64, Ordering};

use wharf_guest::{
    axum::{Json, Router, routing::get},
    random,
    serde_json::{Value, json},
};

/// Drawn when the router is built.
static DRAWN: AtomicU64 = AtomicU64::new(0);
/// Requests that this instance has had.
static SEEN: AtomicU64 = AtomicU64::new(0);

#[wharf_guest::service(prepared)]
fn app() -> Router {
    DRAWN.store(random::number(), Ordering::Relaxed);
    Router::new().route("/drawn", get(drawn)).route("/seen", get(seen))
}

async fn drawn() -> Json<Value> {
    Json(json!({ "drawn": DRAWN.load(Ordering::Relaxed).to_string() }))
}

async fn seen() -> Json<Value> {
    Json(json!({ "seen": SEEN.fetch_add(1, Ordering::Relaxed) + 1 }))
}
