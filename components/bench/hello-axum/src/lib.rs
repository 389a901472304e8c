//! The same hello through a router of five routes, built anew in each instance.

use wharf_guest::axum::{
    Json, Router,
    extract::{Path, Query},
    routing::{get, post},
};

#[wharf_guest::service]
fn app() -> Router {
    Router::new()
        .route("/axum/hello", get(async || "Hello, World!"))
        .route("/axum/users/{id}", get(async |Path(id): Path<u32>| id.to_string()))
        .route("/axum/users/{id}/posts/{post}", get(async |Path(ids): Path<(u32, u32)>| Json([ids.0, ids.1])))
        .route(
            "/axum/search",
            get(async |Query(pairs): Query<Vec<(String, String)>>| pairs.len().to_string()),
        )
        .route("/axum/echo", post(async |Json(numbers): Json<Vec<u32>>| Json(numbers)))
}
