//! A connection of the wire: who it is, how long it may be silent, and the two HTTPs.
//! Gets: a stream. Gives: requests, one after the other or at once. Ends with the connection or the drain.

mod certificates;
mod door;
mod forwarded;
mod head;
mod pulse;
mod stall;
mod unread;
mod watch;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::header::CONNECTION;
use http::{HeaderValue, Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::body::Body;
use crate::host::Host;

use super::{Failure, Peer};

pub use certificates::TlsError;
pub(crate) use certificates::{Tls, check as check_certificates};
pub(crate) use door::{Door, Visitor};
use pulse::{Held, Pulse};
use stall::{Pace, Stalling};
use unread::Outgoing;
use watch::{Quiet, Watch};

/// Field section and streams of one HTTP/2 connection: behaviour.md, and hyper's own default.
const H2_FIELDS: u32 = 32 << 10;
const H2_STREAMS: u32 = 200;
/// Streams that a client may have reset before they were looked at, until it is told to go: hyper's own default.
const H2_RESETS: usize = 20;
/// How long a client may leave a ping of HTTP/2 unanswered, and how often one is sent while requests run.
const H2_PING: Duration = Duration::from_secs(20);
/// Fields of one head on HTTP/1; hyper answers 431 above.
const H1_FIELDS: usize = 100;
/// Bytes of one head on HTTP/1: target and fields of behaviour.md, and room for `dispatch` to tell which is too long.
const H1_HEAD: usize = 64 << 10;

/// A connection as the listener gave it.
pub(crate) enum Wire {
    Tcp(TcpStream),
    Tls(TcpStream, TlsAcceptor),
    Unix(UnixStream),
}

/// Serves one connection until it ends; `drain` lets the requests under way finish.
pub(crate) async fn serve(host: Host, wire: Wire, visitor: Visitor, drain: CancellationToken) {
    let pulse = Arc::new(Pulse::default());
    let connection = Connection { address: visitor.address, trusted: visitor.trusted, pulse, drain };
    let config = host.config();
    let pace = Pace { patience: config.write_timeout, rate: config.write_rate };
    if let Wire::Tcp(stream) | Wire::Tls(stream, _) = &wire
        && stream.set_nodelay(true).is_err()
    {
        return;
    }
    match wire {
        Wire::Tcp(stream) => {
            let stream = Stalling::new(stream, pace, connection.pulse.clone());
            connection.serve(host, stream, false).await;
        }
        Wire::Unix(stream) => {
            let stream = Stalling::new(stream, pace, connection.pulse.clone());
            connection.serve(host, stream, false).await;
        }
        Wire::Tls(stream, tls) => {
            let stream = Stalling::new(stream, pace, connection.pulse.clone());
            // Boxed: most connections need no room for it.
            Box::pin(connection.secure(host, stream, tls)).await;
        }
    }
}

struct Connection {
    address: SocketAddr,
    /// Whether it may speak for others.
    trusted: bool,
    pulse: Arc<Pulse>,
    drain: CancellationToken,
}

impl Connection {
    /// Shakes hands, within a deadline, and serves what comes encrypted.
    async fn secure<S>(self, host: Host, stream: S, tls: TlsAcceptor)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let shaken = tokio::select! {
            shaken = tokio::time::timeout(host.config().head_timeout, tls.accept(stream)) => shaken,
            () = self.drain.cancelled() => return,
        };
        match shaken {
            Ok(Ok(stream)) => {
                self.pulse.renew();
                self.serve(host, stream, true).await;
            }
            Ok(Err(error)) => tracing::debug!(address = %self.address, %error, "the TLS handshake failed"),
            Err(_) => tracing::debug!(address = %self.address, "the TLS handshake took too long"),
        }
    }

    async fn serve<S>(self, host: Host, stream: S, secure: bool)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let mut watch = Watch::new(self.pulse.clone(), host.config());
        let (pulse, trusted) = (self.pulse.clone(), self.trusted);
        let peer = Peer { address: self.address, secure };
        let service = service_fn(move |request: Request<Incoming>| {
            let (running, version, host) = (pulse.begin(request.version()), request.version(), host.clone());
            async move {
                // Boxed: hyper moves what it gets, and this is large.
                let response = Box::pin(answer(&host, request, peer, trusted)).await;
                let response = response.map(|body| Held::new(body, running));
                Ok::<_, Infallible>(response.map(|body| match version {
                    Version::HTTP_2 => Outgoing::guarded(body, host.config().write_timeout),
                    _ => Outgoing::Plain(body),
                }))
            }
        });
        let builder = builder();
        let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
        let mut leaving = false;
        loop {
            let quiet = tokio::select! {
                biased;
                ended = connection.as_mut() => return log_end(self.address, ended),
                () = self.drain.cancelled(), if !leaving => Quiet::Idle,
                quiet = watch.quiet() => quiet,
            };
            // Between requests it is told that it ends, as a client of HTTP/2 needs to know what was not begun.
            if leaving || quiet != Quiet::Idle {
                return tracing::debug!(address = %self.address, ?quiet, "connection closed: nothing came");
            }
            leaving = true;
            watch.hurry();
            connection.as_mut().graceful_shutdown();
        }
    }
}

fn log_end(address: SocketAddr, ended: Result<(), Box<dyn std::error::Error + Send + Sync>>) {
    if let Err(error) = ended {
        tracing::debug!(%address, %error, "connection ended early");
    }
}

fn builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    // The deadlines of heads are `watch`'s: hyper's begin when it knows the protocol, and know no idle time.
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        .max_headers(H1_FIELDS)
        .max_buf_size(H1_HEAD);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(H2_FIELDS)
        .max_concurrent_streams(H2_STREAMS)
        .max_pending_accept_reset_streams(H2_RESETS)
        .keep_alive_interval(Some(H2_PING))
        .keep_alive_timeout(H2_PING);
    builder
}

/// Answers a request of the wire: what `dispatch` would take, and HTTP forbids, ends here.
async fn answer(host: &Host, mut request: Request<Incoming>, peer: Peer, trusted: bool) -> Response<Body> {
    let version = request.version();
    let client = head::check(&mut request).and_then(|()| match trusted {
        true => forwarded::client(request.headers(), peer, &host.config().trusted_proxies),
        false => Ok(peer),
    });
    match client {
        Ok(_) if head::is_server_wide(&request) => {
            let mut nothing = Response::new(Body::empty());
            *nothing.status_mut() = StatusCode::NO_CONTENT;
            nothing
        }
        Ok(client) => host.handle_from(request, client).await,
        Err(failure) => refused(failure, peer, version),
    }
}

/// Behind a head that is doubtful, nothing that follows on its connection can be trusted to be a request.
fn refused(failure: Failure, peer: Peer, version: Version) -> Response<Body> {
    let mut response = super::refuse(failure, peer);
    if version < Version::HTTP_2 {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
