//! Bytes of artifacts: which are missing, and here they are.

use axum::Extension;
use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::rollout::blocking;
use crate::token::Caller;

use super::sent::{Answer, Sent, read};
use super::{Api, Problem};

/// Largest blob: a component.
const LARGEST: usize = 32 << 20;
/// Blobs of one question.
const MOST: usize = 1_000;

/// Blobs that a client has.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Names {
    /// Up to 1000 SHA-256, each 64 hexadecimal digits.
    pub sha256: Vec<String>,
}

/// Blobs that are to be uploaded.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Missing {
    /// Those that the host does not have. The others stay for an hour at least.
    pub missing: Vec<String>,
}

/// Say which blobs the host does not have
#[utoipa::path(post, path = "/v1/blobs/missing", request_body = Names, responses(
    (status = 200, body = Missing), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn missing(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Sent(names): Sent<Names>,
) -> Answer<Missing> {
    may_upload(&api, &caller).await?;
    if names.sha256.len() > MOST {
        let title = format!("at most {MOST} blobs can be asked for at once");
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "too-many-blobs", title));
    }
    let artifacts = api.control.artifacts().clone();
    let missing = blocking(move || {
        let mut missing = Vec::new();
        for name in names.sha256 {
            if !artifacts.has(&name)? {
                missing.push(name);
            }
        }
        Ok::<_, crate::ControlError>(missing)
    });
    Ok(Json(Missing { missing: missing.await?? }))
}

/// Upload a blob of at most 32 MiB
#[utoipa::path(put, path = "/v1/blobs/{sha256}", params(("sha256" = String, Path)),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"), responses(
    (status = 204), (status = 413, body = Problem, content_type = "application/problem+json"),
    (status = 422, body = Problem, content_type = "application/problem+json"),
    (status = 507, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn upload(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(sha256): Path<String>,
    request: Request,
) -> Result<StatusCode, Problem> {
    may_upload(&api, &caller).await?;
    let declared = http_body::Body::size_hint(request.body()).lower();
    if declared > LARGEST as u64 {
        let title = format!("the blob has {declared} bytes: at most 32 MiB are taken");
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", title));
    }
    let _place = api.uploads.acquire().await.map_err(|_closed| crate::ControlError::Stopping)?;
    let bytes = read(request.into_body(), LARGEST).await?;
    api.control.put(sha256, bytes).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn may_upload(api: &Api, caller: &Caller) -> Result<(), Problem> {
    if caller.may_upload() {
        return Ok(());
    }
    api.control.note_refusal(&caller.name, "upload", "blobs", "forbidden").await;
    Err(Problem::forbidden("upload"))
}
