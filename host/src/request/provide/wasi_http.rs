//! `wasi:http` towards others, for guests of either version: the same hosts, limits and connections as `http-client`.

use std::time::Duration;

use http_body_util::BodyExt;
use wasmtime::component::ResourceTable;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks};

use crate::body::BodyError;
use crate::error::chain;
use crate::outbound::{Calls, Client, ConnectError, OutboundBody, OutboundError, Silent, Times};

type Io = Box<dyn Future<Output = Result<(), Error>> + Send>;
type Answer = (http::Response<WasiBody>, Io);
type Sent = Box<dyn Future<Output = Result<Answer, Error>> + Send>;

/// What `wasi:http` keeps for one request, and how it sends.
pub(crate) struct Outgoing {
    context: WasiHttpCtx,
    hooks: Hooks,
}

struct Hooks {
    /// None for a service that was granted nothing.
    client: Option<Client>,
    calls: Calls,
    /// How long a head may take unless the guest asks for less.
    wall: Duration,
}

impl Outgoing {
    pub(crate) fn new(client: Option<Client>, calls: Calls, wall: Duration) -> Box<Self> {
        Box::new(Self { context: WasiHttpCtx::new(), hooks: Hooks { client, calls, wall } })
    }

    pub(crate) fn view<'a>(&'a mut self, table: &'a mut ResourceTable) -> WasiHttpCtxView<'a> {
        WasiHttpCtxView { hooks: &mut self.hooks, table, ctx: &mut self.context }
    }
}

impl WasiHttpHooks for Hooks {
    /// Its third argument tells what became of a response's body, which nobody here waits for.
    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _received: Io,
    ) -> Sent {
        let Some(client) = self.client.clone() else {
            return Box::new(async { Err(Error::HttpRequestDenied) });
        };
        let (calls, times) = (self.calls.clone(), times(options.unwrap_or_default(), self.wall));
        Box::new(async move {
            let _turn = calls.begin().await.map_err(told)?;
            let request = request.map(|body| OutboundBody::new(body.map_err(BodyError::from)));
            // Boxed: it is large, and moved with all that waits for it.
            let response = Box::pin(client.send(request, times)).await.map_err(told)?;
            let response = response.map(|body| body.map_err(broken).boxed_unsync());
            Ok((response, Box::new(std::future::ready(Ok(()))) as Io))
        })
    }
}

/// Connecting has a bound of its own, so that a guest's is part of the head's.
fn times(options: RequestOptions, wall: Duration) -> Times {
    let head = options
        .first_byte_timeout
        .map_or(wall, |first| first.saturating_add(options.connect_timeout.unwrap_or_default()).min(wall));
    Times { head, idle: options.between_bytes_timeout.unwrap_or(Times::IDLE).min(Times::IDLE) }
}

#[expect(clippy::needless_pass_by_value, reason = "what `map_err` hands over")]
fn broken(error: BodyError) -> Error {
    if error.is::<Silent>() { Error::ConnectionReadTimeout } else { Error::HttpResponseIncomplete }
}

/// The error in the words of `wasi:http`.
#[expect(clippy::needless_pass_by_value, reason = "what `map_err` hands over")]
fn told(error: OutboundError) -> Error {
    use ConnectError as C;
    use OutboundError as E;
    match error {
        E::Invalid(_) => Error::HttpRequestUriInvalid,
        E::NotGranted(_) => Error::HttpRequestDenied,
        E::TooManyCalls => Error::ConnectionLimitReached,
        E::Connect { why: C::Prohibited, .. } => Error::DestinationIpProhibited,
        E::Connect { why: C::Dns(_), .. } => Error::DnsError { rcode: None, info_code: None },
        E::Connect { why: C::DnsTimeout, .. } => Error::DnsTimeout,
        E::Connect { why: C::Refused, .. } => Error::ConnectionRefused,
        E::Connect { why: C::Unreachable(_), .. } => Error::DestinationUnavailable,
        E::Connect { why: C::Timeout, .. } => Error::ConnectionTimeout,
        E::Connect { why: C::Certificate(_), .. } => Error::TlsCertificateError,
        E::Connect { why: C::Tls(_), .. } => Error::TlsProtocolError,
        E::RequestBody(_) => Error::InternalError(Some(chain(&error))),
        E::Lost(_) => Error::ConnectionTerminated,
        E::Protocol(_) => Error::HttpProtocolError,
        E::HeadTooLarge => Error::HttpResponseHeaderSectionSize(None),
        E::Timeout => Error::HttpResponseTimeout,
    }
}
