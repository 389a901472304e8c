//! Where cases run: a host in this process, the same behind its socket, or whatever answers at a URL.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use wharf_control::{Project, deploy};
use wharf_host::{Host, Serving};

use crate::case::Upstream;

/// Rows of a database as text, none for null.
pub type Rows = Vec<Vec<Option<String>>>;

/// A request's body on its way to a target.
pub type Outgoing = UnsyncBoxBody<Bytes, std::convert::Infallible>;

/// What a target needs for a step that deploys the same component again,
pub(crate) const SWAP: &str = "swap";
/// for one that moves the clock,
pub(crate) const CLOCK: &str = "clock";
/// for one that runs statements,
pub(crate) const SQL: &str = "sql";
/// and for a case that answers what the service asks others.
pub(crate) const UPSTREAM: &str = "upstream";

/// What the names of the suite `http-client` need: a host that takes them for servers of the run's own.
pub(crate) const NAMES: &str = "names";

/// What only a target for tests can do.
pub(crate) const OF_TESTS: [&str; 3] = [CLOCK, SQL, UPSTREAM];

/// Bytes of one piece of a body that is sent in chunks.
const PIECE: usize = 16 << 10;

/// Why a target did not do its part. An answer of any status is no error.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TargetError {
    /// The guest's folder, its component or its deploy.
    #[error("{0}")]
    Deploy(String),
    /// No answer came.
    #[error("no answer: {0}")]
    Send(String),
    /// A step's statements.
    #[error("{0}")]
    Sql(String),
    /// What the service asked others, or did not.
    #[error("{0}")]
    Upstream(String),
    /// The target cannot do this, and said nothing of it.
    #[error("the target has no {0}")]
    Lacking(&'static str),
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Header fields.
    pub headers: HeaderMap,
    /// All bytes up to the end, or to where it broke off.
    pub body: Bytes,
    /// Trailer fields.
    pub trailers: HeaderMap,
    /// Whether the body broke off.
    pub broken: bool,
}

impl Answer {
    /// Reads a response to its end, or to where it breaks off.
    pub async fn read<B>(response: Response<B>) -> Self
    where
        B: http_body::Body<Data = Bytes> + Unpin,
    {
        let (parts, mut body) = response.into_parts();
        let mut answer = Self {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: Bytes::new(),
            trailers: HeaderMap::new(),
            broken: false,
        };
        let mut bytes = Vec::new();
        while let Some(frame) = body.frame().await {
            match frame.map(http_body::Frame::into_data) {
                Ok(Ok(data)) => bytes.extend_from_slice(&data),
                Ok(Err(frame)) => answer.trailers = frame.into_trailers().unwrap_or_default(),
                Err(_broken) => {
                    answer.broken = true;
                    break;
                }
            }
        }
        answer.body = bytes.into();
        answer
    }
}

/// Something that serves guests and answers requests.
pub trait Target {
    /// Stands in the report.
    fn name(&self) -> &str;

    /// Whether it cannot do what a case may need, e.g. `transactions`.
    fn lacks(&self, need: &str) -> bool {
        OF_TESTS.contains(&need)
    }

    /// Whether it serves what it is given; one that does not serves the guest already.
    fn deploys(&self) -> bool {
        true
    }

    /// Serves these guests and no others, or serves them anew: the one whose cases run comes last, those that it refers
    /// to before it.
    fn deploy(&self, services: &[Project]) -> impl Future<Output = Result<(), TargetError>>;

    /// Lets so much time pass at once.
    fn advance(&self, _by: Duration) -> Result<(), TargetError> {
        Err(TargetError::Lacking(CLOCK))
    }

    /// Runs statements in a database of the service's, the first if none is named, and gives their rows as text.
    fn sql(&self, _database: Option<&str>, _sql: &str) -> impl Future<Output = Result<Rows, TargetError>> {
        std::future::ready(Err(TargetError::Lacking(SQL)))
    }

    /// Answers these requests of the service's from now on, and no others.
    fn expect(&self, _upstreams: &[Upstream]) -> Result<(), TargetError> {
        Err(TargetError::Lacking(UPSTREAM))
    }

    /// Whether what it was to answer came; asked at the end of every case that passed so far.
    fn finish(&self) -> impl Future<Output = Result<(), TargetError>> {
        std::future::ready(Ok(()))
    }

    /// Sends one request and reads its answer to the end.
    fn send(&self, request: Request<Outgoing>) -> impl Future<Output = Result<Answer, TargetError>>;
}

/// A host in this process, without a socket.
#[derive(Debug)]
pub struct InProcess {
    host: Host,
    lacking: Vec<String>,
}

impl InProcess {
    /// Runs cases on `host`, which serves nothing else meanwhile.
    #[must_use]
    pub fn new(host: Host) -> Self {
        Self { host, lacking: Vec::new() }
    }

    /// Skips the cases that need this: the host's stores cannot do it.
    #[must_use]
    pub fn lacking(mut self, need: impl Into<String>) -> Self {
        self.lacking.push(need.into());
        self
    }
}

impl Target for InProcess {
    fn name(&self) -> &'static str {
        "in-process"
    }

    fn lacks(&self, need: &str) -> bool {
        OF_TESTS.contains(&need) || self.lacking.iter().any(|lacking| lacking == need)
    }

    async fn deploy(&self, services: &[Project]) -> Result<(), TargetError> {
        replace(&self.host, services).await
    }

    async fn send(&self, request: Request<Outgoing>) -> Result<Answer, TargetError> {
        Ok(Answer::read(self.host.handle(request).await).await)
    }
}

/// A host in this process, behind a socket.
#[derive(Debug)]
pub struct Socket {
    host: Host,
    lacking: Vec<String>,
    serving: Arc<Serving>,
    client: Web,
}

impl Socket {
    /// Lets `host` listen on a free port of the loopback interface.
    ///
    /// # Errors
    /// When no port can be bound.
    pub fn new(host: Host) -> std::io::Result<Self> {
        let serving = Arc::new(host.listen(std::net::SocketAddr::from(([127, 0, 0, 1], 0)))?);
        Ok(Self { host, lacking: Vec::new(), serving, client: web() })
    }

    /// Skips the cases that need this: the host's stores cannot do it.
    #[must_use]
    pub fn lacking(mut self, need: impl Into<String>) -> Self {
        self.lacking.push(need.into());
        self
    }
}

impl Target for Socket {
    fn name(&self) -> &'static str {
        "socket"
    }

    fn lacks(&self, need: &str) -> bool {
        OF_TESTS.contains(&need) || self.lacking.iter().any(|lacking| lacking == need)
    }

    async fn deploy(&self, services: &[Project]) -> Result<(), TargetError> {
        replace(&self.host, services).await
    }

    async fn send(&self, request: Request<Outgoing>) -> Result<Answer, TargetError> {
        send(&self.client, &format!("http://{}", self.serving.local_addr()), request).await
    }
}

/// Whatever answers at a URL: it serves the guest already, and nobody here can deploy to it.
#[derive(Debug)]
pub struct Url {
    base: http::Uri,
    client: Web,
}

impl Url {
    /// Cases are sent to `base`, e.g. `http://127.0.0.1:8080`; a path in it is put before theirs.
    #[must_use]
    pub fn new(base: http::Uri) -> Self {
        Self { base, client: web() }
    }
}

impl Target for Url {
    fn name(&self) -> &'static str {
        "url"
    }

    fn deploys(&self) -> bool {
        false
    }

    fn lacks(&self, need: &str) -> bool {
        [SWAP, NAMES].contains(&need) || OF_TESTS.contains(&need)
    }

    async fn deploy(&self, _services: &[Project]) -> Result<(), TargetError> {
        Ok(())
    }

    async fn send(&self, request: Request<Outgoing>) -> Result<Answer, TargetError> {
        let base = self.base.to_string();
        send(&self.client, base.trim_end_matches('/'), request).await
    }
}

/// What sends requests to servers.
pub(crate) type Web = Client<HttpConnector, Outgoing>;

/// A connection for each request: one whose body the guest did not read is closed by the host.
pub(crate) fn web() -> Web {
    Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build_http()
}

/// Sends a request's target to a server.
pub(crate) async fn send(
    client: &Web,
    base: &str,
    request: Request<Outgoing>,
) -> Result<Answer, TargetError> {
    let (mut parts, body) = request.into_parts();
    let target = parts.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    parts.uri = format!("{base}{target}").parse().map_err(|error| TargetError::Send(format!("{error}")))?;
    let answer = client.request(Request::from_parts(parts, body)).await;
    Ok(Answer::read(answer.map_err(|error| TargetError::Send(wharf_host::chain(&error)))?).await)
}

/// Serves one suite's guests at a time: guests share paths.
async fn replace(host: &Host, services: &[Project]) -> Result<(), TargetError> {
    let failed = |error: &(dyn std::error::Error + 'static)| TargetError::Deploy(wharf_host::chain(error));
    let is_served = |name: &str| services.iter().any(|project| project.manifest().name == name);
    let mut artifacts = Vec::with_capacity(services.len());
    for project in services {
        artifacts.push(project.artifact().map_err(|error| failed(&error))?);
    }
    for release in host.releases() {
        if !is_served(release.service()) {
            host.remove(release.service());
        }
    }
    for artifact in artifacts {
        deploy(host, artifact).await.map_err(|error| failed(&error))?;
    }
    Ok(())
}

/// A body of known length.
pub(crate) fn known(bytes: impl Into<Bytes>) -> Outgoing {
    UnsyncBoxBody::new(Full::new(bytes.into()))
}

/// A body of `total` bytes whose length is not told beforehand.
pub(crate) fn chunked(total: usize) -> Outgoing {
    let sizes = (0..total.div_ceil(PIECE)).map(move |index| PIECE.min(total - index * PIECE));
    let frames = sizes.map(|size| Ok(http_body::Frame::data(Bytes::from(vec![b'x'; size]))));
    UnsyncBoxBody::new(StreamBody::new(futures_util::stream::iter(frames)))
}
