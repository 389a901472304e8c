//! Why a call failed, finely enough for every interface that guests know. No text names an address.

use std::error::Error;
use std::io;
use std::sync::Arc;

use super::calls::MOST_CALLS;

/// Why there is no response.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OutboundError {
    /// A method, URL or field that can never work. Nothing was sent.
    #[error("{0}")]
    Invalid(String),
    /// Not in `grants.http`. Nothing was sent.
    #[error("`{0}` is not in this service's `grants.http`")]
    NotGranted(String),
    /// The request has used up its calls. Nothing was sent.
    #[error("a request may make {MOST_CALLS} outbound calls")]
    TooManyCalls,
    /// No connection. Nothing was sent.
    #[error("failed to connect to `{host}`")]
    Connect {
        /// Scheme, host and port.
        host: String,
        #[source]
        why: ConnectError,
    },
    /// The request's body could not be read. The server may have seen a part of it.
    #[error("the body to be sent broke off")]
    RequestBody(#[source] hyper_util::client::legacy::Error),
    /// The connection ended before the head had come: OUTCOME UNKNOWN.
    #[error("the connection ended before the response had come")]
    Lost(#[source] hyper_util::client::legacy::Error),
    /// What came is no response of HTTP: OUTCOME UNKNOWN.
    #[error("the server does not answer as HTTP says: {0}")]
    Protocol(String),
    /// The response's head is larger than 64 KiB or has more than 200 fields: OUTCOME UNKNOWN.
    #[error("the response's header section is larger than 64 KiB or 200 fields")]
    HeadTooLarge,
    /// No head in time: OUTCOME UNKNOWN.
    #[error("the response did not come in time")]
    Timeout,
}

/// Why there is no connection.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    /// Every address is one that guests may not reach.
    #[error("it has no address that services may reach")]
    Prohibited,
    #[error("its name was not resolved")]
    Dns(#[source] Arc<io::Error>),
    #[error("its name was not resolved in time")]
    DnsTimeout,
    #[error("it refused the connection")]
    Refused,
    /// No route, no network.
    #[error("it cannot be reached")]
    Unreachable(#[source] Arc<io::Error>),
    /// TCP and TLS together took too long.
    #[error("it did not take the connection in time")]
    Timeout,
    /// The server's certificate is not valid for its name, or nobody trusts its authority.
    #[error("its certificate is not trusted")]
    Certificate(#[source] Arc<rustls::Error>),
    #[error("TLS failed")]
    Tls(#[source] Arc<dyn Error + Send + Sync>),
}

impl ConnectError {
    pub(super) fn from_dial(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::Refused,
            io::ErrorKind::TimedOut => Self::Timeout,
            _ => Self::Unreachable(Arc::new(error)),
        }
    }

    /// What the connector that adds TLS says: our own error, or one of TLS.
    pub(super) fn from_tls(error: Box<dyn Error + Send + Sync>) -> Self {
        let error = match error.downcast::<Self>() {
            Ok(own) => return *own,
            Err(error) => error,
        };
        match find::<rustls::Error>(&*error) {
            Some(certificate @ rustls::Error::InvalidCertificate(_)) => {
                Self::Certificate(Arc::new(certificate.clone()))
            }
            _ => Self::Tls(Arc::from(error)),
        }
    }
}

impl OutboundError {
    /// What the pool says of a request to `host`.
    pub(super) fn from_pool(host: String, error: hyper_util::client::legacy::Error) -> Self {
        if let Some(why) = find::<ConnectError>(&error) {
            return Self::Connect { host, why: why.clone() };
        }
        if error.is_connect() {
            // The pool's own: a connection that it waited for was given up.
            return Self::Connect { host, why: ConnectError::Unreachable(Arc::new(io::Error::other(error))) };
        }
        match find::<hyper::Error>(&error) {
            Some(hyper) if hyper.is_parse_too_large() => Self::HeadTooLarge,
            Some(hyper) if hyper.is_user() => Self::RequestBody(error),
            Some(hyper) if hyper.is_parse() => Self::Protocol(hyper.to_string()),
            _ => Self::Lost(error),
        }
    }
}

/// The first error of this type in a chain. `io::Error` hides what it wraps from its source.
fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = match inner {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}
