//! The route's guards, in their order: each lets the request pass, with annotations for the handler, or answers instead.
//! Gets: head and target. Gives: the annotated head, fields for the response, perhaps a smaller body. Fails with: 401,
//! 429, and 503 where a guard is missing: a route never opens because its guard is gone.

mod api_key;
mod component;
mod cors;
mod jwt;
mod rate;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use http::HeaderMap;
use http::request::Parts;

use crate::clock::Clock;
use crate::manifest::{ByteSize, Guard};
use crate::outbound::Client;
use crate::release::{Release, Target};

use super::dispatch::Head;
use super::respond::Reply;
use super::{Arrival, Failure};

pub(crate) use component::check_guard;
pub(crate) use cors::is_preflight;

/// A guard that this host brings, ready to judge requests of one release.
pub(crate) enum BuiltIn {
    ApiKey(api_key::ApiKeys),
    Jwt(jwt::Tokens),
    Cors(cors::Cors),
    Rate(rate::Rate),
    Body(ByteSize),
}

/// One guard of a route.
#[derive(Clone)]
pub(crate) enum ReadyGuard {
    BuiltIn(Arc<BuiltIn>),
    /// A component; none when its service is not there, or is no guard any more.
    Service(String, Option<Arc<Release>>),
}

impl Target {
    /// Whether one of its guards knows which pages of other origins may call.
    pub(crate) fn answers_preflights(&self) -> bool {
        let is_cors = |guard: &ReadyGuard| matches!(guard, ReadyGuard::BuiltIn(built_in) if matches!(**built_in, BuiltIn::Cors(_)));
        self.guards.iter().any(is_cors)
    }
}

/// Why a guard cannot work.
#[derive(Debug, thiserror::Error)]
#[error("guard `{name}` cannot work: {why}")]
pub(crate) struct GuardError {
    name: String,
    why: String,
}

impl BuiltIn {
    /// Prepares what a manifest describes; none for a guard that is a component.
    pub(crate) fn prepare(
        name: &str,
        guard: &Guard,
        files: impl Fn(&str) -> Option<bytes::Bytes>,
        client: Option<&Client>,
        clock: &Arc<dyn Clock>,
    ) -> Result<Option<Self>, GuardError> {
        let failed = |why: String| GuardError { name: name.to_owned(), why };
        Ok(Some(match guard {
            Guard::Service(_) => return Ok(None),
            Guard::ApiKey(guard) => Self::ApiKey(api_key::ApiKeys::new(guard).map_err(failed)?),
            Guard::Jwt(guard) => {
                let file = files(&guard.jwks);
                let tokens = jwt::Tokens::new(guard, file.as_deref(), client, clock.clone());
                Self::Jwt(tokens.map_err(failed)?)
            }
            Guard::Cors(guard) => Self::Cors(cors::Cors::new(guard).map_err(failed)?),
            Guard::Rate(guard) => Self::Rate(rate::Rate::new(guard, clock.clone()).map_err(failed)?),
            Guard::Body(size) => Self::Body(*size),
        }))
    }
}

/// What guards leave behind.
#[derive(Default)]
pub(crate) struct Examined {
    /// Fields that the response gets, whoever answers.
    pub(crate) fields: HeaderMap,
    /// A bound on the body below the service's.
    pub(crate) body: Option<ByteSize>,
}

/// What a built-in guard sees.
struct Seen<'a> {
    parts: &'a Parts,
    address: IpAddr,
    annotations: &'a [(String, String)],
}

/// What a built-in guard says, if the request may pass.
enum Pass {
    As(Vec<(String, String)>),
    /// It answers itself, as to a preflight.
    Answer(Reply),
}

/// Asks the guards one after the other. A reply is the answer of one of them.
pub(crate) async fn examine(
    target: &Target,
    head: &mut Head,
    examined: &mut Examined,
    arrival: &Arrival,
    deadline: Instant,
) -> Result<Option<Reply>, (Failure, Option<Arc<Release>>)> {
    for guard in &target.guards {
        let passed = match guard {
            ReadyGuard::BuiltIn(guard) => {
                let asked =
                    tokio::time::timeout_at(deadline.into(), ask(guard, head, examined, arrival)).await;
                asked.unwrap_or(Err(Failure::Deadline)).map_err(|failure| (failure, None))?
            }
            ReadyGuard::Service(name, None) => {
                return Err((Failure::NoGuard(format!("service `{name}` is not there")), None));
            }
            ReadyGuard::Service(_, Some(release)) => {
                let asked = component::ask(release, head, arrival, deadline).await;
                asked.map_err(|failure| (failure, Some(release.clone())))?
            }
        };
        match passed {
            Pass::As(annotations) => {
                for (key, value) in annotations {
                    head.annotations.retain(|(known, _)| *known != key);
                    head.annotations.push((key, value));
                }
            }
            Pass::Answer(reply) => return Ok(Some(reply)),
        }
    }
    Ok(None)
}

async fn ask(
    guard: &BuiltIn,
    head: &Head,
    examined: &mut Examined,
    arrival: &Arrival,
) -> Result<Pass, Failure> {
    let seen =
        Seen { parts: &head.parts, address: arrival.peer.address.ip(), annotations: &head.annotations };
    match guard {
        BuiltIn::ApiKey(keys) => keys.ask(&seen),
        BuiltIn::Jwt(tokens) => tokens.ask(&seen).await,
        BuiltIn::Cors(cors) => Ok(cors.ask(&seen, &mut examined.fields)),
        BuiltIn::Rate(rate) => rate.ask(&seen),
        BuiltIn::Body(size) => {
            examined.body = Some(examined.body.map_or(*size, |known| known.min(*size)));
            Ok(Pass::As(Vec::new()))
        }
    }
}
