//! A server to send requests to. What it answers is told by the path:
//!
//! | path | answer |
//! |---|---|
//! | `/echo` | the request as JSON: method, target, version, headers, and how long its body was |
//! | `/status/{code}` | that status |
//! | `/redirect` | 302 to `/echo` |
//! | `/bytes?n=0` | `n` bytes `x` of known length |
//! | `/stream?n=0` | the same, of unknown length, with the trailer `x-end: 1` |
//! | `/slow?ms=0` | `slow`, after so long |
//! | `/never` | nothing |
//! | `/stall` | a head, five bytes, and then nothing |
//! | `/crowd?name=` | after 100 ms, the most requests of that name that were there at once |
//! | `/die` | the connection ends before the head |
//! | `/die/body` | it ends after five bytes of a hundred thousand |
//! | `/fields?n=1&size=1` | so many fields of so many bytes |

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::{CancellationToken, DropGuard};

type Body = UnsyncBoxBody<Bytes, io::Error>;

/// Bytes of one piece of a stream.
const PIECE: usize = 64 << 10;

/// A running server, on a thread of its own. Dropping it ends it and its connections.
#[derive(Debug)]
pub struct Upstream {
    address: SocketAddr,
    counts: Arc<Counts>,
    _stop: DropGuard,
}

#[derive(Debug, Default)]
struct Counts {
    connections: AtomicUsize,
    /// Requests that are being answered.
    open: AtomicUsize,
    /// Requests that were there at once, now and at most, by name.
    crowds: Mutex<HashMap<String, (usize, usize)>>,
}

/// Counts a request for as long as it is being answered.
struct Open(Arc<Counts>);

impl Open {
    fn new(counts: &Arc<Counts>) -> Self {
        counts.open.fetch_add(1, Ordering::SeqCst);
        Self(counts.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Upstream {
    /// Starts a server that speaks HTTP/1.1, on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// No port, or no thread.
    pub fn start() -> io::Result<Self> {
        Self::run(None)
    }

    /// The same over TLS, with HTTP/2 where `tls` offers it.
    ///
    /// # Errors
    /// No port, or no thread.
    pub fn start_with_tls(tls: rustls::ServerConfig) -> io::Result<Self> {
        Self::run(Some(TlsAcceptor::from(Arc::new(tls))))
    }

    fn run(tls: Option<TlsAcceptor>) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
        listener.set_nonblocking(true)?;
        let (address, counts) = (listener.local_addr()?, Arc::new(Counts::default()));
        let (stop, stopped) = (CancellationToken::new(), counts.clone());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let ended = stop.clone();
        std::thread::Builder::new().name("upstream".to_owned()).spawn(move || {
            runtime.block_on(ended.run_until_cancelled(accept(listener, tls, stopped)));
        })?;
        Ok(Self { address, counts, _stop: stop.drop_guard() })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connections that were ever opened.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.counts.connections.load(Ordering::SeqCst)
    }

    /// Requests that are being answered now.
    #[must_use]
    pub fn open(&self) -> usize {
        self.counts.open.load(Ordering::SeqCst)
    }
}

async fn accept(listener: std::net::TcpListener, tls: Option<TlsAcceptor>, counts: Arc<Counts>) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    while let Ok((stream, _)) = listener.accept().await {
        counts.connections.fetch_add(1, Ordering::SeqCst);
        let (tls, counts) = (tls.clone(), counts.clone());
        tokio::spawn(async move {
            match tls {
                None => serve(stream, counts).await,
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        serve(stream, counts).await;
                    }
                }
            }
        });
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static, counts: Arc<Counts>) {
    let service = hyper::service::service_fn(move |request| answer(request, counts.clone()));
    // A connection that ends in an error is what some paths are for.
    let _ended =
        auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(request: Request<Incoming>, counts: Arc<Counts>) -> io::Result<Response<Body>> {
    let open = Open::new(&counts);
    let path = request.uri().path().to_owned();
    let n = number(&request, "n");
    Ok(match path.as_str() {
        "/echo" => echo(request).await?,
        "/redirect" => with_field(status(302), "location", "/echo"),
        "/bytes" => Response::new(whole(vec![b'x'; n])),
        "/stream" => Response::new(stream(n, open)),
        "/slow" => {
            tokio::time::sleep(Duration::from_millis(number(&request, "ms") as u64)).await;
            Response::new(whole("slow"))
        }
        "/never" => std::future::pending().await,
        "/stall" => Response::new(stall(open)),
        "/crowd" => Response::new(whole(crowd(&request, &counts).await)),
        "/die" => return Err(io::Error::other("asked to die")),
        "/die/body" => with_field(Response::new(die()), "content-length", "100000"),
        "/fields" => fields(n, number(&request, "size")),
        _ => status(path.trim_start_matches("/status/").parse().unwrap_or(404)),
    })
}

fn parameter<'a>(request: &'a Request<Incoming>, name: &str) -> Option<&'a str> {
    let pairs = request.uri().query()?.split('&').filter_map(|pair| pair.split_once('='));
    pairs.filter(|(key, _)| *key == name).map(|(_, value)| value).next()
}

fn number(request: &Request<Incoming>, name: &str) -> usize {
    parameter(request, name).and_then(|value| value.parse().ok()).unwrap_or(0)
}

fn whole(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never: Infallible| match never {}).boxed_unsync()
}

fn status(code: u16) -> Response<Body> {
    let mut response = Response::new(whole(format!("status {code}")));
    *response.status_mut() = code.try_into().unwrap_or(http::StatusCode::NOT_FOUND);
    response
}

fn with_field(mut response: Response<Body>, name: &'static str, value: &'static str) -> Response<Body> {
    response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    response
}

async fn echo(request: Request<Incoming>) -> io::Result<Response<Body>> {
    let (parts, mut body) = request.into_parts();
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        length += frame.map_err(io::Error::other)?.data_ref().map_or(0, Bytes::len);
    }
    let field = |(name, value): (&HeaderName, &HeaderValue)| {
        json!([name.as_str(), String::from_utf8_lossy(value.as_bytes())])
    };
    let told = json!({
        "method": parts.method.as_str(),
        "target": parts.uri.path_and_query().map(http::uri::PathAndQuery::as_str),
        "version": format!("{:?}", parts.version),
        "headers": parts.headers.iter().map(field).collect::<Vec<_>>(),
        "bytes": length,
    });
    let response = Response::new(whole(told.to_string()));
    Ok(with_field(response, "x-upstream", "yes"))
}

fn stream(n: usize, open: Open) -> Body {
    let piece = Bytes::from(vec![b'x'; PIECE]);
    let pieces = (0..n.div_ceil(PIECE)).map(move |index| {
        let _open = &open;
        Ok(Frame::data(piece.slice(..PIECE.min(n - index * PIECE))))
    });
    let mut trailers = HeaderMap::new();
    trailers.insert("x-end", HeaderValue::from_static("1"));
    let frames = pieces.chain(std::iter::once(Ok(Frame::trailers(trailers))));
    StreamBody::new(futures_util::stream::iter(frames)).boxed_unsync()
}

fn stall(open: Open) -> Body {
    let frames = futures_util::stream::unfold((open, false), |(open, begun)| async move {
        if begun {
            std::future::pending::<()>().await;
        }
        Some((Ok(Frame::data(Bytes::from_static(b"begun"))), (open, true)))
    });
    StreamBody::new(frames).boxed_unsync()
}

fn die() -> Body {
    let frames = futures_util::stream::unfold(0, |step| async move {
        match step {
            0 => Some((Ok(Frame::data(Bytes::from_static(b"begun"))), 1)),
            _ => {
                // The connection is cut: let it first send what was begun.
                tokio::time::sleep(Duration::from_millis(20)).await;
                Some((Err(io::Error::other("asked to die")), 2))
            }
        }
    });
    StreamBody::new(frames).boxed_unsync()
}

async fn crowd(request: &Request<Incoming>, counts: &Counts) -> String {
    let name = parameter(request, "name").unwrap_or_default();
    let change = |by: isize| {
        let mut crowds = counts.crowds.lock().unwrap_or_else(PoisonError::into_inner);
        let (now, most) = crowds.entry(name.to_owned()).or_default();
        *now = now.saturating_add_signed(by);
        *most = (*most).max(*now);
        *most
    };
    change(1);
    tokio::time::sleep(Duration::from_millis(100)).await;
    change(-1).to_string()
}

fn fields(n: usize, size: usize) -> Response<Body> {
    let mut response = Response::new(whole("fields"));
    for index in 0..n {
        let name = HeaderName::from_bytes(format!("x-{index}").as_bytes());
        let value = HeaderValue::from_bytes(&vec![b'x'; size]);
        if let (Ok(name), Ok(value)) = (name, value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
