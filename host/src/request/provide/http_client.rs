//! `wharf:platform/http-client`: calls to the hosts that a service is granted. How they are made is in
//! `crate::outbound`.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::join_all;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri};
use http_body::Body as _;
use http_body_util::{BodyExt, Full};
use wasmtime::component::{HasSelf, Linker};

use crate::bindings::wharf::platform::http_client::{self, OutgoingRequest};
use crate::bindings::wharf::platform::http_types::{Body, Error, Headers, Response as GuestResponse};
use crate::body::BodyError;
use crate::capability::{Capability, PrepareError};
use crate::error::chain;
use crate::manifest::Manifest;
use crate::outbound::{
    Calls, Client, ConnectError, Grant, Outbound, OutboundBody, OutboundError, Silent, Times,
};
use crate::request::RequestState;

use super::http_types::BodyReader;

/// Bodies up to this size, of known length, come by value: `wit/http-types.wit`.
const BY_VALUE: u64 = 64 << 10;
/// What one section of fields of a guest's may have: as much as a reply's.
const MOST_FIELDS: usize = 200;
const MOST_FIELD_BYTES: usize = 64 << 10;

/// The capability.
pub(super) struct HttpClient {
    outbound: Outbound,
}

impl HttpClient {
    pub(super) fn new(outbound: Outbound) -> Self {
        Self { outbound }
    }
}

impl Capability for HttpClient {
    fn interfaces(&self) -> &'static [&'static str] {
        &["wharf:platform/http-client@0.1.0"]
    }

    fn link(&self, linker: &mut Linker<RequestState>) -> wasmtime::Result<()> {
        http_client::add_to_linker::<_, HasSelf<_>>(linker, |state| state)
    }

    fn prepare(&self, service: &Manifest, prepared: &mut http::Extensions) -> Result<(), PrepareError> {
        let entries = &service.grants.http;
        let Some(first) = entries.first() else { return Ok(()) };
        let unusable = |entry: &str, source: Box<dyn std::error::Error + Send + Sync>| {
            PrepareError::Unusable { grant: format!("http \"{entry}\""), source }
        };
        let parse = |entry: &String| Grant::parse(entry).map_err(|why| unusable(entry, why.into()));
        let grants = entries.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
        let client = self.outbound.client(grants).map_err(|error| unusable(first, error.into()))?;
        prepared.insert(client);
        Ok(())
    }
}

impl http_client::Host for RequestState {
    async fn send(&mut self, request: OutgoingRequest) -> wasmtime::Result<Result<GuestResponse, Error>> {
        let answer = match self.call(request)? {
            Ok(call) => call.make().await,
            Err(error) => Err(error),
        };
        self.give(answer)
    }

    async fn send_many(
        &mut self,
        requests: Vec<OutgoingRequest>,
    ) -> wasmtime::Result<Vec<Result<GuestResponse, Error>>> {
        let calls = requests.into_iter().map(|request| self.call(request)).collect::<Result<Vec<_>, _>>()?;
        let answers = join_all(calls.into_iter().map(|call| async move { call?.make().await })).await;
        answers.into_iter().map(|answer| self.give(answer)).collect()
    }
}

impl RequestState {
    /// Takes a request out of the guest's hands: its body is no longer the guest's, whatever is wrong with it.
    fn call(&mut self, request: OutgoingRequest) -> wasmtime::Result<Result<Call, Error>> {
        let OutgoingRequest { method, url, headers, body, timeout_ms } = request;
        let body = match body {
            Body::Bytes(bytes) => {
                OutboundBody::new(Full::new(Bytes::from(bytes)).map_err(|never| match never {}))
            }
            Body::Streamed(reader) => OutboundBody::new(self.table.delete(reader)?.into_sized_body()),
        };
        let request = match assemble(&method, &url, headers, body) {
            Ok(request) => request,
            Err(why) => return Ok(Err(Error::InvalidArgument(why))),
        };
        let Some(client) = self.prepared::<Client>().cloned() else {
            return Ok(Err(Error::Denied("this service has no `grants.http`".to_owned())));
        };
        let left = self.deadline().saturating_duration_since(Instant::now());
        let wanted = timeout_ms.map_or(left, |ms| Duration::from_millis(ms.into()));
        let times = Times { head: wanted.min(left), idle: Times::IDLE };
        Ok(Ok(Call { client, calls: self.local::<Calls>().clone(), request, times }))
    }

    fn give(&mut self, answer: Result<Answer, Error>) -> wasmtime::Result<Result<GuestResponse, Error>> {
        let Answer { status, headers, body } = match answer {
            Ok(answer) => answer,
            Err(error) => return Ok(Err(error)),
        };
        let body = match body {
            AnswerBody::Bytes(bytes) => Body::Bytes(bytes.into()),
            AnswerBody::Streamed(body) => Body::Streamed(self.table.push(BodyReader::of_response(body))?),
        };
        Ok(Ok(GuestResponse { status, headers, body }))
    }
}

/// A call that is ready to be made.
struct Call {
    client: Client,
    calls: Calls,
    request: Request<OutboundBody>,
    times: Times,
}

struct Answer {
    status: u16,
    headers: Headers,
    body: AnswerBody,
}

enum AnswerBody {
    Bytes(Bytes),
    Streamed(OutboundBody),
}

impl Call {
    /// Cancel safe: what is under way ends with the future.
    async fn make(self) -> Result<Answer, Error> {
        let Self { client, calls, request, times } = self;
        let turn = calls.begin().await.map_err(told)?;
        // Boxed: it is large, and moved with all that waits for it.
        let response = Box::pin(client.send(request, times)).await.map_err(told)?;
        let (parts, body) = Response::into_parts(response);
        let body = match body.size_hint().exact() {
            Some(length) if length <= BY_VALUE => AnswerBody::Bytes(collect(body).await?),
            _ => AnswerBody::Streamed(body),
        };
        drop(turn);
        let field =
            |(name, value): (&HeaderName, &HeaderValue)| (name.to_string(), value.as_bytes().to_vec());
        let headers = parts.headers.iter().map(field).collect();
        Ok(Answer { status: parts.status.as_u16(), headers, body })
    }
}

async fn collect(body: OutboundBody) -> Result<Bytes, Error> {
    body.collect().await.map(http_body_util::Collected::to_bytes).map_err(|error| broken(&error))
}

fn broken(error: &BodyError) -> Error {
    if error.is::<Silent>() { Error::Timeout } else { Error::ConnectionLost(error.to_string()) }
}

/// The error in the contract's words, which say what is known of the outcome.
fn told(error: OutboundError) -> Error {
    use OutboundError as E;
    let text = chain(&error);
    match error {
        E::Invalid(why) => Error::InvalidArgument(why),
        E::NotGranted(_) | E::Connect { why: ConnectError::Prohibited, .. } => Error::Denied(text),
        E::Connect { .. } => Error::Unavailable(text),
        E::TooManyCalls | E::HeadTooLarge => Error::LimitExceeded(text),
        E::RequestBody(_) | E::Lost(_) | E::Protocol(_) => Error::ConnectionLost(text),
        E::Timeout => Error::Timeout,
    }
}

fn assemble(
    method: &str,
    url: &str,
    headers: Headers,
    body: OutboundBody,
) -> Result<Request<OutboundBody>, String> {
    let mut request = Request::new(body);
    *request.method_mut() = parse_method(method)?;
    *request.uri_mut() = url.parse::<Uri>().map_err(|error| format!("the URL is not valid: {error}"))?;
    *request.headers_mut() = parse_fields(headers)?;
    Ok(request)
}

fn parse_method(method: &str) -> Result<Method, String> {
    let invalid = || format!("`{}` is no method: write it like \"GET\"", shown(method));
    if method.bytes().any(|b| b.is_ascii_lowercase()) {
        return Err(invalid());
    }
    Method::from_bytes(method.as_bytes()).map_err(|_told| invalid())
}

fn parse_fields(fields: Headers) -> Result<HeaderMap, String> {
    let bytes: usize = fields.iter().map(|(name, value)| name.len() + value.len()).sum();
    if fields.len() > MOST_FIELDS || bytes > MOST_FIELD_BYTES {
        let found = fields.len();
        return Err(format!("{found} fields of {bytes} bytes; at most {MOST_FIELDS} of {MOST_FIELD_BYTES}"));
    }
    let mut map = HeaderMap::with_capacity(fields.len() + 2);
    for (name, value) in fields {
        let key = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_told| format!("`{}` is no header name", shown(&name)))?;
        let value = HeaderValue::from_maybe_shared(Bytes::from(value))
            .map_err(|_told| format!("the value of header `{key}` has a byte that none may have"))?;
        map.append(key, value);
    }
    Ok(map)
}

/// A guest's text in a message.
fn shown(text: &str) -> String {
    text.chars().take(100).flat_map(char::escape_debug).collect()
}
