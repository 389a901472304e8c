//! The same hello through a router of five routes, built once, at deploy.

use wharf_guest::axum::{
    Json, Router,
    extract::{Path, Query},
    routing::{get, post},
};

#[wharf_guest::service(prepared)]
fn app() -> Router {
    Router::new()
        .route("/prepared/hello", get(async || "Hello, World!"))
        .route("/prepared/users/{id}", get(async |Path(id): Path<u32>| id.to_string()))
        .route(
            "/prepared/users/{id}/posts/{post}",
            get(async |Path(ids): Path<(u32, u32)>| Json([ids.0, ids.1])),
        )
        .route(
            "/prepared/search",
            get(async |Query(pairs): Query<Vec<(String, String)>>| pairs.len().to_string()),
        )
        .route("/prepared/echo", post(async |Json(numbers): Json<Vec<u32>>| Json(numbers)))
}
