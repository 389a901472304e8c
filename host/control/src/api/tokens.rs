//! Who may do what, and who did what: for admins.

use axum::Extension;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::error::ControlError;
use crate::record::{AuditEntry, TokenRecord, now};
use crate::token::Caller;

use super::sent::{Answer, Sent};
use super::{Api, Problem};

/// A token to be.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct NewToken {
    /// What the audit log calls its holder.
    pub name: String,
    /// `read`, `deploy:SERVICE`, `deploy:*`, `admin`.
    pub roles: Vec<String>,
    /// Seconds until it is worth nothing; none for ever.
    #[serde(default)]
    pub expires_in: Option<u64>,
}

/// A token, the only time that it is shown.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct CreatedToken {
    /// What the audit log calls its holder.
    pub name: String,
    /// What its holder shows.
    pub token: String,
}

fn admin(caller: &Caller) -> Result<(), Problem> {
    if caller.is_admin() { Ok(()) } else { Err(Problem::forbidden("do this: it needs the role `admin`")) }
}

/// List the tokens, without what their holders show
#[utoipa::path(get, path = "/v1/tokens", responses((status = 200, body = Vec<TokenRecord>),
    (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn list(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
) -> Answer<Vec<TokenRecord>> {
    admin(&caller)?;
    let tokens = api.control.ledger().tokens().await.map_err(ControlError::from)?;
    Ok(Json(tokens.into_iter().map(|(_, token)| token).collect()))
}

/// Make a token
#[utoipa::path(post, path = "/v1/tokens", request_body = NewToken, responses((status = 201, body = CreatedToken),
    (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn create(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Sent(new): Sent<NewToken>,
) -> Result<(StatusCode, Json<CreatedToken>), Problem> {
    admin(&caller)?;
    let expires = new.expires_in.map(|seconds| now().saturating_add(seconds.saturating_mul(1_000)));
    let token = api.control.create_token(&new.name, new.roles, expires, &caller.name).await?;
    Ok((StatusCode::CREATED, Json(CreatedToken { name: new.name, token })))
}

/// Make a token worthless
#[utoipa::path(delete, path = "/v1/tokens/{name}", params(("name" = String, Path)), responses((status = 204),
    (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn revoke(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    admin(&caller)?;
    api.control.revoke_token(&name, &caller.name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Read the audit log, the last line first
#[utoipa::path(get, path = "/v1/audit", responses((status = 200, body = Vec<AuditEntry>),
    (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn audit(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
) -> Answer<Vec<AuditEntry>> {
    admin(&caller)?;
    let mut entries = api.control.ledger().audited().await.map_err(ControlError::from)?;
    entries.reverse();
    Ok(Json(entries))
}
