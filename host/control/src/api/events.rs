//! Everything that happens, as it happens.

use std::convert::Infallible;

use axum::Extension;
use axum::extract::State;
use axum::response::sse::{self, KeepAlive, Sse};
use futures_util::{Stream, StreamExt, stream};
use tokio::sync::broadcast::error::RecvError;

use crate::rollout::Event;
use crate::token::Caller;

use super::Api;

/// Follow the rollouts of all services
#[utoipa::path(get, path = "/v1/events", responses((status = 200, body = Event, content_type = "text/event-stream")))]
pub(super) async fn all(
    State(api): State<Api>,
    _caller: Extension<Caller>,
) -> Sse<impl Stream<Item = Result<sse::Event, Infallible>>> {
    let events = stream::unfold(api.control.events(), |mut events| async move {
        let event = match events.recv().await {
            Ok(event) => {
                let data = serde_json::to_string(&event).unwrap_or_default();
                sse::Event::default().event("step").data(data)
            }
            Err(RecvError::Lagged(missed)) => sse::Event::default().event("missed").data(missed.to_string()),
            Err(RecvError::Closed) => return None,
        };
        Some((Ok(event), events))
    });
    Sse::new(events.take_until(api.stop.cancelled_owned())).keep_alive(KeepAlive::default())
}
