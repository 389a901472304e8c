//! Whether a release is well: its manifest's `health` path answers, before anybody else may ask it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{Request, StatusCode};
use http_body_util::BodyExt;

use crate::request::{self, Peer, Terms};

use super::{PublishError, Release, RouteTable};

/// Bytes of an answer that are shown.
const SHOWN: usize = 2 << 10;

/// Why a release is not well.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProbeError {
    /// Its routes are another service's.
    #[error("the routes of the service cannot be published")]
    Routes(#[from] PublishError),
    /// It answers with something else than 2xx or 3xx.
    #[error("`GET {path}` (the manifest's `health`) is {status}, not 2xx or 3xx{}", said(.answer))]
    Sick {
        /// As in the manifest.
        path: String,
        /// What it answers.
        status: StatusCode,
        /// The beginning of its body, or what the host says instead.
        answer: String,
    },
}

fn said(answer: &str) -> String {
    if answer.is_empty() { String::new() } else { format!(": {answer}") }
}

/// Asks as a client on this machine would; none where the manifest names no path.
pub(crate) async fn probe(
    routes: &RouteTable,
    terms: Terms,
    release: &Arc<Release>,
) -> Result<Option<Duration>, ProbeError> {
    let Some(path) = &release.manifest.health else { return Ok(None) };
    let begun = Instant::now();
    let table = routes.with(release)?;
    let host = release.manifest.routes.iter().find_map(|route| route.host.as_deref());
    let request = Request::get(path)
        .header(http::header::HOST, host.unwrap_or("localhost"))
        .header(http::header::ACCEPT, "application/problem+json, */*;q=0.5")
        .body(String::new());
    let (status, answer) = match request {
        Ok(request) => {
            let response = request::handle(&table, terms.open(), request, Peer::default()).await;
            let (parts, body) = response.into_parts();
            // A stream may never end.
            let body = tokio::time::timeout(release.manifest.limits.wall, body.collect());
            let bytes = match body.await {
                Ok(Ok(body)) => body.to_bytes(),
                _ => bytes::Bytes::new(),
            };
            let shown = bytes.get(..SHOWN).unwrap_or(&bytes);
            (parts.status, String::from_utf8_lossy(shown).into_owned())
        }
        Err(error) => (StatusCode::BAD_REQUEST, error.to_string()),
    };
    if status.is_success() || status.is_redirection() {
        return Ok(Some(begun.elapsed()));
    }
    Err(ProbeError::Sick { path: path.clone(), status, answer })
}
