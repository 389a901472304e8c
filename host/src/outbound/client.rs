//! Sends requests over connections that are kept for the next one.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::uri::{Authority, PathAndQuery};
use http::{Method, Request, Response, Uri, Version};
use http_body::Body;
use hyper::body::Incoming;
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::timeout;

use super::body::Watched;
use super::connect::Connector;
use super::grant::Target;
use super::{Grant, OutboundBody, OutboundError, fields, strip_connection_fields};
use crate::host::core;

/// How long a connection is kept without a request.
const IDLE_CONNECTION: Duration = Duration::from_secs(30);
/// Connections that are kept for one host, per core and release.
const MOST_IDLE: usize = 8;
/// A response's head: bytes and fields.
const MOST_HEAD_BYTES: u32 = 64 << 10;
const MOST_FIELDS: usize = 200;
/// How often, and for how long, an HTTP/2 connection is asked whether it is still there.
const PING_EVERY: Duration = Duration::from_secs(10);
const PING_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest URL, as for requests that come in.
const MOST_URL_BYTES: usize = 8 << 10;

/// How long a call may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    /// From the call to the response's head, connecting (at most 5 s) and the request's body included.
    pub(crate) head: Duration,
    /// How long the server may leave somebody waiting who reads the response's body.
    pub(crate) idle: Duration,
}

impl Times {
    /// The longest silence within a body unless the guest says otherwise.
    pub(crate) const IDLE: Duration = Duration::from_secs(30);
}

type Pool = legacy::Client<Connector, OutboundBody>;

/// The client of one release: cheap to clone. Its idle connections end with it.
#[derive(Clone)]
pub(crate) struct Client(Arc<Inner>);

struct Inner {
    grants: Vec<Grant>,
    /// One a core: a connection's driver then lives on the thread that uses it, and never waits for another.
    cores: Vec<Pool>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("grants", &self.0.grants).finish_non_exhaustive()
    }
}

impl Client {
    pub(super) fn new(grants: Vec<Grant>, connector: &Connector, cores: usize) -> Self {
        let cores = (0..cores.max(1)).map(|_| pool(connector.clone())).collect();
        Self(Arc::new(Inner { grants, cores }))
    }

    /// Whether requests to this URL may be sent.
    pub(crate) fn covers(&self, url: &Uri) -> bool {
        Target::of(url).is_ok_and(|target| self.0.grants.iter().any(|grant| grant.covers(&target)))
    }

    /// Sends a request with an absolute URL to a host that is granted, and waits for the response's head. Nothing
    /// is followed, and nothing is sent twice. Cancel safe: the exchange ends with the future, or with the body.
    ///
    /// The version is the connection's (HTTP/2 where TLS agrees on it). Fields of the connection are dropped in
    /// both directions; `host`, `content-length` and `transfer-encoding` are written here.
    ///
    /// # Errors
    /// See [`OutboundError`], which says of each case whether anything was sent.
    pub(crate) async fn send(
        &self,
        mut request: Request<OutboundBody>,
        times: Times,
    ) -> Result<Response<OutboundBody>, OutboundError> {
        let target = prepare(&mut request).map_err(OutboundError::Invalid)?;
        if !self.0.grants.iter().any(|grant| grant.covers(&target)) {
            return Err(OutboundError::NotGranted(target.to_string()));
        }
        if times.head.is_zero() {
            return Err(OutboundError::Timeout);
        }
        let cores = &self.0.cores;
        let pool = cores.get(core() % cores.len()).expect("there is at least one");
        let response = match timeout(times.head, pool.request(request)).await {
            Err(_) => return Err(OutboundError::Timeout),
            Ok(sent) => sent.map_err(|error| OutboundError::from_pool(target.to_string(), error))?,
        };
        receive(response, times)
    }
}

fn pool(connector: Connector) -> Pool {
    legacy::Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_CONNECTION)
        .pool_max_idle_per_host(MOST_IDLE)
        .http1_max_buf_size(MOST_HEAD_BYTES as usize)
        .http1_max_headers(MOST_FIELDS)
        .http2_max_header_list_size(MOST_HEAD_BYTES)
        .http2_keep_alive_interval(PING_EVERY)
        .http2_keep_alive_timeout(PING_TIMEOUT)
        .build(connector)
}

/// Brings a request into the one form that is sent.
fn prepare(request: &mut Request<OutboundBody>) -> Result<Target, String> {
    if request.method() == Method::CONNECT {
        return Err("the method `CONNECT` makes tunnels, which are not available".to_owned());
    }
    let target = Target::of(request.uri())?;
    let given = request.uri().authority().map(Authority::as_str).unwrap_or_default().to_owned();
    let authority = target.authority();
    *request.uri_mut() = url(&target, &authority, request.uri())?;
    *request.version_mut() = Version::HTTP_11;
    let known = request.body().size_hint().exact();
    let method = request.method().clone();
    fields::prepare(request.headers_mut(), &method, [&given, &authority], known)?;
    Ok(target)
}

fn url(target: &Target, authority: &str, given: &Uri) -> Result<Uri, String> {
    let path = given.path_and_query().map_or("/", PathAndQuery::as_str);
    if path.len() > MOST_URL_BYTES {
        return Err(format!("the URL's path is longer than {} KiB", MOST_URL_BYTES >> 10));
    }
    if !path.is_ascii() {
        return Err("the URL has other characters than ASCII: percent-encode them".to_owned());
    }
    let slash = if path.starts_with('/') { "" } else { "/" };
    let path = format!("{slash}{path}");
    let url = Uri::builder().scheme(target.scheme()).authority(authority).path_and_query(path).build();
    url.map_err(|error| format!("the URL is not valid: {error}"))
}

fn receive(response: Response<Incoming>, times: Times) -> Result<Response<OutboundBody>, OutboundError> {
    let status = response.status();
    if !(200..600).contains(&status.as_u16()) {
        return Err(OutboundError::Protocol(format!("status {}", status.as_u16())));
    }
    if response.headers().len() > MOST_FIELDS {
        return Err(OutboundError::HeadTooLarge);
    }
    let mut response = response.map(|body| OutboundBody::new(Watched::new(body, times.idle)));
    strip_connection_fields(response.headers_mut());
    Ok(response)
}
