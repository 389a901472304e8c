//! What a service logged.

use std::convert::Infallible;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use serde::Deserialize;
use tokio::sync::broadcast::error::RecvError;

use crate::logs::LogLine;
use crate::token::Caller;

use super::{Api, Problem};

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Wanted {
    /// Stay, and send what comes.
    #[serde(default)]
    follow: bool,
    /// How many of the last lines. Default 100.
    #[serde(default = "hundred")]
    tail: usize,
}

fn hundred() -> usize {
    100
}

/// Read what a service logged last
///
/// One JSON object a line. The host keeps the last 1000 lines of each service, and forgets them when it restarts.
#[utoipa::path(get, path = "/v1/services/{name}/logs", params(("name" = String, Path), ("follow" = Option<bool>, Query, description = "Stay, and send what comes"), ("tail" = Option<usize>, Query, description = "How many of the last lines; default 100")),
    responses((status = 200, body = LogLine, content_type = "application/x-ndjson"),
    (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn lines(
    State(api): State<Api>,
    _caller: Extension<Caller>,
    Path(service): Path<String>,
    Query(wanted): Query<Wanted>,
) -> Response {
    let (kept, coming) = api.logs.read(&service, wanted.tail);
    let kept = stream::iter(kept).map(|line| Ok::<_, Infallible>(encode(&line)));
    let body = if wanted.follow {
        let coming = stream::unfold((coming, service), |(mut coming, service)| async move {
            loop {
                match coming.recv().await {
                    Ok(line) if line.service == service => {
                        return Some((Ok(encode(&line)), (coming, service)));
                    }
                    Ok(_) | Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return None,
                }
            }
        });
        Body::from_stream(kept.chain(coming).take_until(api.stop.cancelled_owned()))
    } else {
        Body::from_stream(kept)
    };
    ([(CONTENT_TYPE, "application/x-ndjson")], body).into_response()
}

fn encode(line: &LogLine) -> Bytes {
    let mut bytes = serde_json::to_vec(line).unwrap_or_default();
    bytes.push(b'\n');
    bytes.into()
}
