//! What stands for the hosts that a service asks by HTTP: a real server on this machine, over HTTP/1.1, HTTP/2 and TLS. It
//! answers what the test expects, and remembers everything it was asked.

mod authority;
mod serve;

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use serde::Serialize;
use tokio_util::sync::{CancellationToken, DropGuard};
use wharf_host::{Resolver, Resolving};

use crate::error::Error;
use crate::stand::Stand;

pub(crate) use authority::Authority;

/// The fake upstream of one service.
#[derive(Debug)]
pub struct Upstream {
    known: Arc<Known>,
    address: Option<SocketAddr>,
    _stop: DropGuard,
}

/// What is expected, and what came.
#[derive(Debug, Default)]
struct Known {
    expected: Mutex<Vec<Expected>>,
    received: Mutex<Vec<Received>>,
}

#[derive(Clone, Debug)]
struct Expected {
    method: Method,
    url: Uri,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Option<Wanted>,
    reply: Reply,
    times: u64,
    met: u64,
}

#[derive(Clone, Debug)]
enum Wanted {
    Bytes(Bytes),
    Json(serde_json::Value),
}

/// A request that came.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Received {
    /// Its method.
    pub method: Method,
    /// The whole URL, as the service wrote it but for the port that is usual.
    pub url: Uri,
    /// Its header fields.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
    /// Whether it was expected.
    pub expected: bool,
}

impl fmt::Display for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.url)?;
        if self.body.is_empty() {
            Ok(())
        } else {
            write!(f, " with `{}`", String::from_utf8_lossy(&self.body))
        }
    }
}

/// What the upstream answers.
#[derive(Clone, Debug)]
pub struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    delay: Duration,
    hangs_up: bool,
}

impl Reply {
    /// This status, and nothing more.
    ///
    /// # Panics
    /// When there is no such status.
    #[must_use]
    #[track_caller]
    pub fn status(code: u16) -> Self {
        let status = valid(StatusCode::from_u16(code), &format!("`{code}` is no status"));
        Self { status, headers: HeaderMap::new(), body: Bytes::new(), delay: Duration::ZERO, hangs_up: false }
    }

    /// 200, and a body.
    #[must_use]
    pub fn body(bytes: impl Into<Bytes>) -> Self {
        Self { body: bytes.into(), ..Self::status(200) }
    }

    /// 200, and this as JSON.
    ///
    /// # Panics
    /// When it cannot be written as JSON.
    #[must_use]
    #[track_caller]
    pub fn json(value: &impl Serialize) -> Self {
        let text = valid(serde_json::to_vec(value), "the reply cannot be written as JSON");
        Self::body(text).header("content-type", "application/json")
    }

    /// No answer: the connection ends.
    #[must_use]
    pub fn hang_up() -> Self {
        Self { hangs_up: true, ..Self::status(200) }
    }

    /// The same with another status.
    ///
    /// # Panics
    /// When there is no such status.
    #[must_use]
    #[track_caller]
    pub fn with_status(self, code: u16) -> Self {
        valid(self.try_with_status(code), "the reply has no such status")
    }

    /// The same for a status that may be none.
    ///
    /// # Errors
    /// A status that there is not.
    pub fn try_with_status(self, code: u16) -> Result<Self, String> {
        let status = StatusCode::from_u16(code)
            .map_err(|_none| format!("is answered `{code}`, which is no status"))?;
        Ok(Self { status, ..self })
    }

    /// One more header field; another `content-type` instead of the one that there is.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    #[track_caller]
    pub fn header(self, name: &str, value: &str) -> Self {
        valid(self.try_header(name, value), "the reply has no such field")
    }

    /// The same for a field that may be none.
    ///
    /// # Errors
    /// A field that is none.
    pub fn try_header(mut self, name: &str, value: &str) -> Result<Self, String> {
        let (name, value) = field(name, value)?;
        if name == http::header::CONTENT_TYPE {
            self.headers.insert(name, value);
        } else {
            self.headers.append(name, value);
        }
        Ok(self)
    }

    /// The same after so long, by the machine's clock.
    #[must_use]
    pub fn after(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }
}

/// A request that a test expects, being described. Without anything more it is to come once, and is answered 200.
#[derive(Debug)]
pub struct Expectation<'a> {
    known: &'a Known,
    expected: Expected,
}

impl Expectation<'_> {
    /// It must have this header field, among others.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    #[track_caller]
    pub fn header(self, name: &str, value: &str) -> Self {
        valid(self.try_header(name, value), "no request has such a field")
    }

    /// The same for a field that may be none.
    ///
    /// # Errors
    /// A field that is none.
    pub fn try_header(mut self, name: &str, value: &str) -> Result<Self, String> {
        self.expected.headers.push(field(name, value)?);
        Ok(self)
    }

    /// It must have this body.
    #[must_use]
    pub fn body(mut self, bytes: impl Into<Bytes>) -> Self {
        self.expected.body = Some(Wanted::Bytes(bytes.into()));
        self
    }

    /// Its body must be this as JSON, however it is written.
    ///
    /// # Panics
    /// When it cannot be written as JSON.
    #[must_use]
    #[track_caller]
    pub fn json(mut self, value: &impl Serialize) -> Self {
        let value = valid(serde_json::to_value(value), "the body cannot be written as JSON");
        self.expected.body = Some(Wanted::Json(value));
        self
    }

    /// How often it must come: once, if this is not said. Zero forbids it.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.expected.times = times;
        self
    }

    /// What it is answered.
    pub fn reply(mut self, reply: Reply) {
        self.expected.reply = reply;
    }
}

impl Drop for Expectation<'_> {
    /// From now on it is expected.
    fn drop(&mut self) {
        self.known.expected().push(self.expected.clone());
    }
}

impl Known {
    fn expected(&self) -> MutexGuard<'_, Vec<Expected>> {
        self.expected.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn received(&self) -> MutexGuard<'_, Vec<Received>> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers a request, and says what it is answered.
    fn take(&self, mut received: Received) -> Option<Reply> {
        let mut expected = self.expected();
        // The first that fits and is not met yet: the same request may be answered differently each time.
        let found =
            expected.iter_mut().find(|expected| expected.met < expected.times && expected.fits(&received));
        let reply = found.map(|expected| {
            expected.met += 1;
            expected.reply.clone()
        });
        received.expected = reply.is_some();
        self.received().push(received);
        reply
    }
}

impl Expected {
    fn fits(&self, received: &Received) -> bool {
        let has = |(name, value): &(HeaderName, HeaderValue)| {
            received.headers.get_all(name).iter().any(|found| found == value)
        };
        let body = match &self.body {
            None => true,
            Some(Wanted::Bytes(bytes)) => *bytes == received.body,
            Some(Wanted::Json(wanted)) => serde_json::from_slice::<serde_json::Value>(&received.body)
                .is_ok_and(|found| found == *wanted),
        };
        self.method == received.method && self.url == received.url && self.headers.iter().all(has) && body
    }
}

impl Upstream {
    /// Starts the server where the service is granted any host; else there is nothing to ask.
    pub(crate) async fn start(stand: &Stand, is_needed: bool) -> Result<Self, Error> {
        let (known, stop) = (Arc::new(Known::default()), CancellationToken::new());
        let address = if is_needed {
            let authority = stand.authority().await?.clone();
            let started = serve::start(known.clone(), authority, stop.clone());
            let bound = stand.run(started).await;
            Some(bound.map_err(|source| Error::Io { what: "listen on", path: "127.0.0.1".into(), source })?)
        } else {
            None
        };
        Ok(Self { known, address, _stop: stop.drop_guard() })
    }

    /// Who tells the host's HTTP client that every name leads here.
    pub(crate) fn resolver(&self) -> Arc<dyn Resolver> {
        Arc::new(Here(self.address))
    }

    /// Expects a request, as in `GET https://api.example.com/rates?base=EUR`. Requests are compared with what is expected
    /// in this order; one that nothing fits is answered 501, and fails the test.
    ///
    /// # Panics
    /// When this is no method and URL.
    #[track_caller]
    #[must_use = "what is expected can be described further, and answered with `reply`"]
    pub fn expect(&self, request: &str) -> Expectation<'_> {
        valid(self.try_expect(request), &format!("`{request}`"))
    }

    /// The same for what may be no method and URL.
    ///
    /// # Errors
    /// Something else.
    pub fn try_expect(&self, request: &str) -> Result<Expectation<'_>, String> {
        let (method, url) = request.split_once(' ').unwrap_or(("", request));
        let url = url.parse::<Uri>().ok().as_ref().and_then(usual);
        let (Ok(method), Some(url)) = (method.parse::<Method>(), url) else {
            return Err("is no method and URL, as in `GET https://api.example.com/`".to_owned());
        };
        let (headers, reply) = (Vec::new(), Reply::status(200));
        let expected = Expected { method, url, headers, body: None, reply, times: 1, met: 0 };
        Ok(Expectation { known: &self.known, expected })
    }

    /// Everything that was asked so far.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        self.known.received().clone()
    }

    /// Whether everything that was expected came, and nothing else.
    ///
    /// # Errors
    /// What did not come, and what else did, in a line each.
    pub fn verify(&self) -> Result<(), String> {
        let expected = self.known.expected();
        let unmet = expected.iter().filter(|expected| expected.met < expected.times).map(|expected| {
            let Expected { method, url, times, met, .. } = expected;
            format!("upstream: `{method} {url}` was expected {times} times and came {met} times")
        });
        let received = self.known.received();
        let others = received.iter().filter(|received| !received.expected);
        let others = others.map(|received| format!("upstream: `{received}` came and was not expected"));
        let wrong: Vec<String> = unmet.chain(others).collect();
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
    }
}

/// Every name is this machine's.
#[derive(Debug)]
struct Here(Option<SocketAddr>);

impl Resolver for Here {
    fn resolve<'a>(&'a self, host: &'a str, _port: u16) -> Resolving<'a> {
        let found = self.0.map(|address| vec![address]);
        Box::pin(std::future::ready(found.ok_or_else(|| {
            std::io::Error::other(format!("`{host}` is not granted, so that the test has no upstream for it"))
        })))
    }
}

/// A URL without the port that is usual for its scheme, in lower case up to the path.
fn usual(url: &Uri) -> Option<Uri> {
    let (scheme, authority) = (url.scheme_str()?, url.authority()?);
    let host = authority.host().to_ascii_lowercase();
    let port = match (scheme, authority.port_u16()) {
        (_, None) | ("http", Some(80)) | ("https", Some(443)) => String::new(),
        (_, Some(port)) => format!(":{port}"),
    };
    let path = url.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    format!("{scheme}://{host}{port}{path}").parse().ok()
}

fn field(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), String> {
    match (name.parse(), value.parse()) {
        (Ok(name), Ok(value)) => Ok((name, value)),
        _ => Err(format!("`{name}: {value}` is no header field")),
    }
}

#[track_caller]
#[expect(clippy::panic, reason = "a test that expects what cannot be fails")]
fn valid<T, E: fmt::Display>(result: Result<T, E>, what: &str) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("{what}: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upstream() -> Upstream {
        Upstream { known: Arc::default(), address: None, _stop: CancellationToken::new().drop_guard() }
    }

    fn received(method: &str, url: &str, body: &'static str) -> Received {
        Received {
            method: method.parse().unwrap(),
            url: url.parse().unwrap(),
            headers: HeaderMap::from_iter([(http::header::ACCEPT, HeaderValue::from_static("text/plain"))]),
            body: Bytes::from_static(body.as_bytes()),
            expected: false,
        }
    }

    #[test]
    fn the_same_request_may_be_answered_differently_each_time() {
        let upstream = upstream();
        upstream.expect("GET http://A.example:80/x").reply(Reply::status(503));
        upstream.expect("GET http://a.example/x").times(2).reply(Reply::body("well"));
        let ask = || {
            upstream.known.take(received("GET", "http://a.example/x", "")).map(|reply| reply.status.as_u16())
        };
        assert_eq!([ask(), ask(), ask(), ask()], [Some(503), Some(200), Some(200), None]);
        let why = upstream.verify().unwrap_err();
        assert_eq!(why, "upstream: `GET http://a.example/x` came and was not expected");
    }

    #[test]
    fn what_is_expected_and_does_not_come_is_named() {
        let upstream = upstream();
        drop(upstream.expect("POST https://b.example/y?z=1").times(3));
        let why = upstream.verify().unwrap_err();
        assert_eq!(why, "upstream: `POST https://b.example/y?z=1` was expected 3 times and came 0 times");
    }

    #[test]
    fn fields_and_bodies_are_compared() {
        let upstream = upstream();
        drop(upstream.expect("PUT http://a.example/").header("accept", "text/html"));
        drop(upstream.expect("PUT http://a.example/").json(&serde_json::json!({"a": [1]})));
        let put = |body| upstream.known.take(received("PUT", "http://a.example/", body)).is_some();
        assert!(!put(r#"{"a": [2]}"#));
        assert!(put(r#"{ "a" : [ 1 ] }"#));
        assert!(upstream.verify().unwrap_err().contains("with `{\"a\": [2]}`"));
    }

    #[test]
    #[should_panic(expected = "`/rates`: is no method and URL")]
    fn a_path_alone_is_no_expectation() {
        drop(upstream().expect("/rates"));
    }
}
