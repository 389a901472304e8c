//! Whether a release is well: its manifest's `health` path answers, before anybody else may ask it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{Request, StatusCode};
use http_body_util::BodyExt;

use crate::body::Body;
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
    terms: Terms<'_>,
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
            let mut shown = Vec::new();
            if !is_well(parts.status) {
                // A stream may never end.
                let _late =
                    tokio::time::timeout(release.manifest.limits.wall, beginning(body, &mut shown)).await;
            }
            (parts.status, String::from_utf8_lossy(&shown).into_owned())
        }
        Err(error) => (StatusCode::BAD_REQUEST, error.to_string()),
    };
    if let Some(shared) = &release.shared {
        // Its instances are of the thread that asked.
        shared.close();
    }
    if is_well(status) {
        return Ok(Some(begun.elapsed()));
    }
    Err(ProbeError::Sick { path: path.clone(), status, answer })
}

fn is_well(status: StatusCode) -> bool {
    status.is_success() || status.is_redirection()
}

/// Takes what can be shown of a body, and drops the rest.
async fn beginning(mut body: Body, shown: &mut Vec<u8>) {
    while let Some(Ok(frame)) = body.frame().await
        && shown.len() < SHOWN
    {
        if let Some(data) = frame.data_ref() {
            let room = SHOWN - shown.len();
            shown.extend_from_slice(data.get(..room).unwrap_or(data));
        }
    }
}
