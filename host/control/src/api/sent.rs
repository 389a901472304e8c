//! What a client sends, read with bounds.

use std::time::Duration;

use axum::Json;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::artifact::sha256;

use super::Problem;

/// Bytes of a command.
const LARGEST_COMMAND: usize = 1 << 20;
/// How long a client may send nothing of a body.
const IDLE: Duration = Duration::from_secs(10);
/// How long all of a body may take: 32 MiB at 0.9 Mbit/s.
const WHOLE: Duration = Duration::from_mins(5);

/// A body of JSON.
pub(super) struct Sent<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Sent<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        let bytes = read(request.into_body(), LARGEST_COMMAND).await?;
        let bytes: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
        serde_json::from_slice(bytes).map(Sent).map_err(|error| {
            Problem::new(StatusCode::BAD_REQUEST, "bad-json", format!("the body does not fit: {error}"))
        })
    }
}

/// Reads a body to its end.
pub(super) async fn read(mut body: axum::body::Body, most: usize) -> Result<Bytes, Problem> {
    let mut bytes = BytesMut::new();
    let end = tokio::time::Instant::now() + WHOLE;
    loop {
        let idle = tokio::time::Instant::now() + IDLE;
        let next = tokio::time::timeout_at(idle.min(end), body.frame()).await.map_err(|_late| {
            let title = "the body did not arrive in time";
            Problem::new(StatusCode::REQUEST_TIMEOUT, "body-timeout", title)
        })?;
        let Some(frame) = next else { return Ok(bytes.freeze()) };
        let frame = frame.map_err(|error| {
            Problem::new(StatusCode::BAD_REQUEST, "body-broken", format!("the body broke off: {error}"))
        })?;
        let Ok(data) = frame.into_data() else { continue };
        if bytes.len() + data.len() > most {
            let title = format!("the body is larger than {} MiB", most >> 20);
            return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", title));
        }
        bytes.extend_from_slice(&data);
    }
}

/// The deployment that the client saw last: `If-Match: "7"`, 0 for none, `*` for whatever is there.
pub(super) fn parent(fields: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(value) = fields.get(axum::http::header::IF_MATCH) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(None);
    }
    let number = text.trim_matches('"').parse();
    number.map(Some).map_err(|_told| {
        let title = "`If-Match` is the number of a deployment in quotes, as in \"7\"";
        Problem::new(StatusCode::BAD_REQUEST, "bad-if-match", title)
    })
}

/// The idempotency key of a client, and a hash of what it asked for.
pub(super) fn idempotency<T: Serialize>(
    fields: &HeaderMap,
    caller: &str,
    path: &str,
    command: &T,
) -> Result<Option<(String, String)>, Problem> {
    let Some(value) = fields.get("idempotency-key") else { return Ok(None) };
    let key = value.to_str().ok().filter(|key| (1..=255).contains(&key.len()));
    let key = key.ok_or_else(|| {
        let title = "`Idempotency-Key` has 1 to 255 visible characters";
        Problem::new(StatusCode::BAD_REQUEST, "bad-idempotency-key", title)
    })?;
    let asked = serde_json::to_vec(&(path, command)).unwrap_or_default();
    Ok(Some((format!("{caller}/{key}"), sha256(&asked))))
}

/// JSON of a result.
pub(super) type Answer<T> = Result<Json<T>, Problem>;
