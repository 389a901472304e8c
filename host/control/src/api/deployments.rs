//! Commands: everything that makes a deployment.

use std::convert::Infallible;

use axum::Extension;
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::header::{ACCEPT, ETAG};
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{self, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, stream};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use utoipa::ToSchema;

use crate::record::{Deployment, Piece, Portion};
use crate::rollout::{Asked, Event, Order, PreviewKey, Watch};
use crate::token::Caller;

use super::sent::{Answer, Sent, idempotency, parent};
use super::{Api, Problem};

/// Events of one rollout that may wait for its client.
const BEHIND: usize = 64;

/// A new artifact.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DeployRequest {
    /// What it consists of; every blob was uploaded.
    pub blobs: Vec<Piece>,
    /// What there is to say about it.
    #[serde(default)]
    pub message: String,
    /// Load and record it, but send it no requests yet.
    #[serde(default)]
    pub stage: bool,
    /// Go back by itself when it fails too often.
    #[serde(default)]
    pub watch: Option<Watch>,
}

/// Back to an earlier deployment.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct RollbackRequest {
    /// Its number; none for what was before the last change.
    #[serde(default)]
    pub to: Option<u64>,
    /// What there is to say about it.
    #[serde(default)]
    pub message: String,
}

/// Who gets the requests of a service.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct TrafficRequest {
    /// Deployments and weights.
    pub shares: Vec<Portion>,
    /// `cookie:NAME` or `header:NAME`: the same value gets the same deployment.
    #[serde(default)]
    pub sticky: Option<String>,
    /// What there is to say about it.
    #[serde(default)]
    pub message: String,
}

/// All requests to one deployment.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PromoteRequest {
    /// Its number.
    pub deployment: u64,
    /// What there is to say about it.
    #[serde(default)]
    pub message: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Reason {
    /// What there is to say about it.
    #[serde(default)]
    message: String,
}

/// One command of one caller.
struct Asking<'a> {
    api: Api,
    caller: &'a Caller,
    service: &'a str,
    fields: &'a HeaderMap,
}

impl Asking<'_> {
    async fn order<T: Serialize>(&self, path: &str, command: &T, message: String) -> Result<Order, Problem> {
        if !self.caller.may_deploy(self.service) {
            // Names of services are short; what is no name is not repeated.
            let service = self.service.get(..self.service.floor_char_boundary(63)).unwrap_or_default();
            self.api.control.note_refusal(&self.caller.name, path, service, "forbidden").await;
            return Err(Problem::forbidden(&format!("change service `{}`", self.service)));
        }
        let path = format!("{}/{path}", self.service);
        Ok(Order {
            author: self.caller.name.clone(),
            message,
            parent: parent(self.fields)?,
            idempotency: idempotency(self.fields, &self.caller.name, &path, command)?,
            ..Order::default()
        })
    }

    async fn answer(&self, asked: Asked, order: Order) -> Result<Response, Problem> {
        let stated = order.parent.is_some();
        match self.api.control.change(self.service, asked, order).await {
            Ok(deployment) => Ok(made(&deployment)),
            Err(error) if stated => Err(Problem::from(error).stated()),
            Err(error) => Err(error.into()),
        }
    }
}

fn made(deployment: &Deployment) -> Response {
    let tag = [(ETAG, format!("\"{}\"", deployment.number))];
    (StatusCode::CREATED, tag, Json(deployment)).into_response()
}

/// Deploy an artifact whose blobs were uploaded
///
/// With `Accept: text/event-stream` the steps come as events while they are done, and at the end `done` with the
/// deployment, or `failed` with a problem.
#[utoipa::path(post, path = "/v1/services/{name}/deployments", request_body = DeployRequest,
    params(("name" = String, Path), ("If-Match" = Option<String>, Header), ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 201, body = Deployment), (status = 200, body = Event, content_type = "text/event-stream"),
    (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn deploy(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(service): Path<String>,
    fields: HeaderMap,
    Sent(command): Sent<DeployRequest>,
) -> Result<Response, Problem> {
    let asking = Asking { api, caller: &caller, service: &service, fields: &fields };
    let mut order = asking.order("deploy", &command, command.message.clone()).await?;
    order.watch = command.watch;
    let asked = if command.stage { Asked::Stage(command.blobs) } else { Asked::Deploy(command.blobs) };
    let streams = fields.get(ACCEPT).is_some_and(|accept| accept == "text/event-stream");
    if streams {
        return Ok(stream_of(asking.api.clone(), service.clone(), asked, order).into_response());
    }
    asking.answer(asked, order).await
}

/// Steps as they are done, then how it ended.
fn stream_of(
    api: Api,
    service: String,
    asked: Asked,
    mut order: Order,
) -> Sse<impl Stream<Item = Result<sse::Event, Infallible>>> {
    let (sender, steps) = mpsc::channel(BEHIND);
    order.progress = Some(sender);
    let stated = order.parent.is_some();
    let (send_end, end) = mpsc::channel(1);
    let control = api.control;
    tokio::spawn(async move {
        let _gone = send_end.send(control.change(&service, asked, order).await).await;
    });
    let events = stream::unfold((steps, end), move |(mut steps, mut end)| async move {
        let event = tokio::select! {
            // Steps first: the end comes after them.
            biased;
            Some(step) = steps.recv() => event("step", &step),
            Some(result) = end.recv() => match result {
                Ok(deployment) => event("done", &deployment),
                Err(error) if stated => event("failed", &Problem::from(error).stated()),
                Err(error) => event("failed", &Problem::from(error)),
            },
            else => return None,
        };
        Some((Ok(event), (steps, end)))
    });
    Sse::new(events).keep_alive(KeepAlive::default())
}

fn event<T: Serialize>(name: &str, value: &T) -> sse::Event {
    sse::Event::default().event(name).data(serde_json::to_string(value).unwrap_or_default())
}

/// Go back to an earlier deployment
#[utoipa::path(post, path = "/v1/services/{name}/rollback", request_body = RollbackRequest,
    params(("name" = String, Path), ("If-Match" = Option<String>, Header), ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 201, body = Deployment),
    (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn rollback(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(service): Path<String>,
    fields: HeaderMap,
    Sent(command): Sent<RollbackRequest>,
) -> Result<Response, Problem> {
    let asking = Asking { api, caller: &caller, service: &service, fields: &fields };
    let order = asking.order("rollback", &command, command.message.clone()).await?;
    asking.answer(Asked::Rollback(command.to), order).await
}

/// Share the requests of a service among deployments
#[utoipa::path(put, path = "/v1/services/{name}/traffic", request_body = TrafficRequest,
    params(("name" = String, Path), ("If-Match" = Option<String>, Header), ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 201, body = Deployment),
    (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn traffic(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(service): Path<String>,
    fields: HeaderMap,
    Sent(command): Sent<TrafficRequest>,
) -> Result<Response, Problem> {
    let asking = Asking { api, caller: &caller, service: &service, fields: &fields };
    let order = asking.order("traffic", &command, command.message.clone()).await?;
    asking.answer(Asked::Split(command.shares, command.sticky), order).await
}

/// Send all requests to one deployment
#[utoipa::path(post, path = "/v1/services/{name}/promote", request_body = PromoteRequest,
    params(("name" = String, Path), ("If-Match" = Option<String>, Header), ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 201, body = Deployment),
    (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn promote(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(service): Path<String>,
    fields: HeaderMap,
    Sent(command): Sent<PromoteRequest>,
) -> Result<Response, Problem> {
    let asking = Asking { api, caller: &caller, service: &service, fields: &fields };
    let order = asking.order("promote", &command, command.message.clone()).await?;
    asking.answer(Asked::Promote(command.deployment), order).await
}

/// Take a service out; its history stays
#[utoipa::path(delete, path = "/v1/services/{name}",
    params(("name" = String, Path), ("message" = Option<String>, Query), ("If-Match" = Option<String>, Header),
    ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 201, body = Deployment),
    (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn remove(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(service): Path<String>,
    Query(reason): Query<Reason>,
    fields: HeaderMap,
) -> Result<Response, Problem> {
    let asking = Asking { api, caller: &caller, service: &service, fields: &fields };
    let order = asking.order("remove", &reason, reason.message.clone()).await?;
    asking.answer(Asked::Remove, order).await
}

/// Let those who know a key reach a deployment for an hour
#[utoipa::path(post, path = "/v1/services/{name}/deployments/{number}/preview",
    params(("name" = String, Path), ("number" = u64, Path)),
    responses((status = 200, body = PreviewKey),
    (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn preview(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path((service, number)): Path<(String, u64)>,
) -> Answer<PreviewKey> {
    if !caller.may_deploy(&service) {
        return Err(Problem::forbidden(&format!("preview service `{service}`")));
    }
    Ok(Json(api.control.preview(&service, number, &caller.name).await?))
}
