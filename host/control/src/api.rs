//! The control plane over HTTP, on a listener of its own. The OpenAPI document is made from these handlers.
//!
//! Every request needs a token, but for that document, `/healthz` (the process answers) and `/readyz` (what was deployed
//! serves, and the host is not about to stop). Bodies, connections and times are bounded. A `Host` that is
//! none of this listener's is refused, so that a web page cannot reach it under a name of its own (DNS rebinding).

mod blobs;
mod caller;
mod deployments;
mod events;
mod listen;
mod logs;
mod problem;
mod sent;
mod services;
mod tokens;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::logs::Logs;
use crate::rollout::Control;

pub use blobs::{Missing, Names};
pub use deployments::{DeployRequest, PromoteRequest, RollbackRequest, TrafficRequest};
pub use listen::{ApiServer, serve};
pub use problem::Problem;
pub use services::{Change, Difference, ServiceStatus, ShareStatus};
pub use tokens::{CreatedToken, NewToken};

/// Uploads at once: each may take 32 MiB of memory.
const UPLOADS: usize = 4;

/// What every handler has.
#[derive(Clone)]
pub(crate) struct Api {
    control: Control,
    logs: Logs,
    uploads: Arc<Semaphore>,
    /// Ends streams that would go on for ever.
    stop: CancellationToken,
    /// Cancelled when this host is about to stop.
    leaving: CancellationToken,
    /// Names and addresses that this listener answers under.
    hosts: Arc<[String]>,
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Wharf control plane",
        description = "Deploy services to a running host, send requests to several releases, go back.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    modifiers(&Bearer),
    security(("token" = []))
)]
struct Document;

struct Bearer;

impl utoipa::Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(bearer));
    }
}

fn documented() -> OpenApiRouter<Api> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(blobs::missing))
        .routes(routes!(blobs::upload))
        .routes(routes!(services::list))
        .routes(routes!(services::status, deployments::remove))
        .routes(routes!(services::history, deployments::deploy))
        .routes(routes!(services::deployment))
        .routes(routes!(deployments::preview))
        .routes(routes!(services::diff))
        .routes(routes!(deployments::rollback))
        .routes(routes!(deployments::traffic))
        .routes(routes!(deployments::promote))
        .routes(routes!(logs::lines))
        .routes(routes!(events::all))
        .routes(routes!(tokens::list, tokens::create))
        .routes(routes!(tokens::revoke))
        .routes(routes!(tokens::audit))
}

/// The OpenAPI document as JSON.
#[must_use]
pub fn openapi() -> String {
    let (_, document) = documented().split_for_parts();
    document.to_pretty_json().unwrap_or_default()
}

fn router(api: Api) -> Router {
    let (router, _) = documented().split_for_parts();
    let document: Arc<str> = openapi().into();
    let json = [("content-type", "application/json")];
    router
        .layer(from_fn_with_state(api.clone(), caller::authenticate))
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/v1/openapi.json", get(move || async move { (json, document.to_string()) }))
        .fallback(problem::nothing)
        .method_not_allowed_fallback(problem::wrong_method)
        .layer(from_fn_with_state(api.clone(), caller::check_host))
        .with_state(api)
}

/// Whether requests should be sent here.
async fn ready(State(api): State<Api>) -> (StatusCode, &'static str) {
    if api.leaving.is_cancelled() {
        (StatusCode::SERVICE_UNAVAILABLE, "stopping\n")
    } else {
        (StatusCode::OK, "ready\n")
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_document_names_every_operation() {
        let document: serde_json::Value = serde_json::from_str(&super::openapi()).unwrap();
        assert_eq!(document["openapi"], "3.1.0");
        let paths = document["paths"].as_object().unwrap();
        assert!(paths.len() >= 15, "{:?}", paths.keys());
        assert!(paths["/v1/services/{name}/deployments"]["post"]["requestBody"].is_object());
        for (path, operations) in paths {
            for (method, operation) in operations.as_object().unwrap() {
                assert!(operation["summary"].is_string(), "{method} {path} has no summary");
            }
        }
    }
}
