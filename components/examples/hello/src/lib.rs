//! The first service: text, a path parameter, JSON, and routes behind a guard.
//!
//! Everything here is ordinary axum; only `#[service]` and [`Config`] come from Wharf.

use serde::Serialize;
use wharf_guest::{
    Config, RequestInfo, Result,
    axum::{
        Json, Router,
        extract::{Path, Request},
        http::{HeaderMap, StatusCode, header::AUTHORIZATION},
        middleware::{self, Next},
        response::{IntoResponse, Response},
        routing::get,
    },
    log::info,
};

#[wharf_guest::service]
fn app() -> Router {
    let guarded = Router::new()
        .route("/hello/admin/request", get(describe))
        .route_layer(middleware::from_fn(require_token));
    Router::new()
        .route("/", get(async || "Hello from Wharf!\n"))
        .route("/hello/json", get(describe))
        .route("/hello/{name}", get(greet))
        .merge(guarded)
        .fallback((StatusCode::NOT_FOUND, "there is nothing here\n"))
}

async fn greet(Path(name): Path<String>) -> String {
    info!(name:%; "greeting");
    let greeting = Config::get("greeting").unwrap_or_else(|| "Hello".to_owned());
    format!("{greeting}, {name}!\n")
}

/// What the host knows about a request.
#[derive(Debug, Serialize)]
struct Description {
    request_id: String,
    remote_addr: String,
    milliseconds_left: u64,
}

async fn describe(info: RequestInfo) -> Json<Description> {
    Json(Description {
        request_id: info.request_id().to_owned(),
        remote_addr: info.remote_addr().to_owned(),
        milliseconds_left: info.deadline().saturating_sub(info.received_at()),
    })
}

/// A guard as a layer: lets a request through only with the token that the manifest configures.
async fn require_token(headers: HeaderMap, request: Request, next: Next) -> Result<Response> {
    let token = Config::require("admin-token")?;
    let sent = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    if sent.and_then(|value| value.strip_prefix("Bearer ")) != Some(&token) {
        return Ok((StatusCode::UNAUTHORIZED, "this needs `authorization: Bearer <token>`\n").into_response());
    }
    Ok(next.run(request).await)
}
