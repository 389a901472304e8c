//! Why there is no reply, and the one table of statuses.

use http::{Method, StatusCode};

use crate::body::BodyError;
use crate::error::Blame;
use crate::manifest::ByteSize;

/// Why there is no reply.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("{0}")]
    BadRequest(&'static str),
    #[error("no route leads here")]
    NotFound,
    #[error("the route does not take this method")]
    MethodNotAllowed(Vec<Method>),
    #[error("the request's target is longer than 8 KiB")]
    UriTooLong,
    #[error("the request's header section is larger than 32 KiB or 100 fields")]
    HeadTooLarge,
    #[error("the request's body is larger than {0}")]
    BodyTooLarge(ByteSize),
    #[error("the request's body did not arrive in time")]
    BodyTimeout,
    #[error("the request's body broke off")]
    BodyBroken(#[source] BodyError),
    #[error("a guard refused the request: no valid credentials")]
    Unauthorized(String),
    #[error("a guard refused the request: too many of them")]
    TooManyRequests(u64),
    #[error("a guard of the route cannot judge: {0}")]
    NoGuard(String),
    #[error("too many requests run or wait")]
    Overloaded,
    #[error("the guest trapped")]
    Trap(#[source] wasmtime::Error),
    #[error("the guest trapped after it had reached its memory limit")]
    OutOfMemory(#[source] wasmtime::Error),
    #[error("the guest was stopped")]
    OutOfCpu(#[source] wasmtime::Error),
    #[error("the guest did not reply in time")]
    Deadline,
    #[error("the guest's reply is invalid: {0}")]
    InvalidReply(String),
    #[error("the guest answered with an error: {0}")]
    GuestError(String),
    #[error("the host failed")]
    Host(#[source] wasmtime::Error),
}

/// Status, stable code, blame, and a sentence that gives nothing away: behaviour.md.
pub(super) type Row = (StatusCode, &'static str, Blame, &'static str);

impl Failure {
    pub(super) fn row(&self) -> Row {
        use Blame::{Client, Guest, Host};
        use StatusCode as S;
        match self {
            Self::BadRequest(why) => (S::BAD_REQUEST, "bad-request", Client, why),
            Self::NotFound => (S::NOT_FOUND, "no-route", Client, "There is nothing at this address."),
            Self::MethodNotAllowed(_) => (
                S::METHOD_NOT_ALLOWED,
                "method-not-allowed",
                Client,
                "This address does not take this method.",
            ),
            Self::UriTooLong => (S::URI_TOO_LONG, "uri-too-long", Client, "The address is too long."),
            Self::HeadTooLarge => (
                S::REQUEST_HEADER_FIELDS_TOO_LARGE,
                "head-too-large",
                Client,
                "The header fields are too large.",
            ),
            Self::BodyTooLarge(_) => {
                (S::PAYLOAD_TOO_LARGE, "body-too-large", Client, "The request's body is too large.")
            }
            Self::BodyTimeout => {
                (S::REQUEST_TIMEOUT, "body-timeout", Client, "The request's body did not arrive in time.")
            }
            Self::BodyBroken(_) => (S::BAD_REQUEST, "body-broken", Client, "The request's body broke off."),
            Self::Unauthorized(_) => {
                (S::UNAUTHORIZED, "unauthorized", Client, "This needs valid credentials.")
            }
            Self::TooManyRequests(_) => {
                (S::TOO_MANY_REQUESTS, "rate-limit", Client, "Too many requests; try again later.")
            }
            Self::NoGuard(_) => {
                (S::SERVICE_UNAVAILABLE, "guard-unavailable", Host, "The service is not available.")
            }
            Self::Overloaded => (S::SERVICE_UNAVAILABLE, "overloaded", Host, "Too many requests; try again."),
            Self::Trap(_) => (S::INTERNAL_SERVER_ERROR, "guest-trap", Guest, "The service failed."),
            Self::OutOfMemory(_) => {
                (S::INTERNAL_SERVER_ERROR, "memory-limit", Guest, "The service reached its memory limit.")
            }
            Self::OutOfCpu(_) => {
                (S::SERVICE_UNAVAILABLE, "cpu-limit", Guest, "The service reached its CPU limit.")
            }
            Self::Deadline => (S::GATEWAY_TIMEOUT, "deadline", Guest, "The service did not answer in time."),
            Self::InvalidReply(_) => {
                (S::BAD_GATEWAY, "invalid-reply", Guest, "The service gave an invalid answer.")
            }
            Self::GuestError(_) => (S::INTERNAL_SERVER_ERROR, "guest-error", Guest, "The service failed."),
            Self::Host(_) => (S::INTERNAL_SERVER_ERROR, "host-error", Host, "The host failed."),
        }
    }
}
