//! A connection of the wire: who it is, how long it may be silent, and the two HTTPs.
//! Gets: a stream. Gives: requests, one after the other or at once. Ends with the connection or the drain.

mod stall;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::{Request, Version};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use crate::host::Host;

use super::{Failure, Peer};
use stall::Stalling;

/// Field section and streams of one HTTP/2 connection: behaviour.md, and hyper's own default.
const H2_FIELDS: u32 = 32 << 10;
const H2_STREAMS: u32 = 200;
/// Fields of one head on HTTP/1; hyper answers 431 above.
const H1_FIELDS: usize = 100;

/// Serves one connection until it ends; `drain` lets the requests under way finish.
pub(crate) async fn serve(host: Host, stream: TcpStream, address: SocketAddr, drain: CancellationToken) {
    let (head_timeout, write_timeout) = (host.config().head_timeout, host.config().write_timeout);
    if stream.set_nodelay(true).is_err() || first_byte(&stream, head_timeout, &drain).await.is_err() {
        return;
    }
    let peer = Peer { address, secure: false };
    let heard = Arc::new(AtomicBool::new(false));
    let service = service_fn({
        let heard = heard.clone();
        move |request| {
            heard.store(true, Ordering::Relaxed);
            let host = host.clone();
            // Boxed: hyper moves what it gets, and this is large.
            async move { Ok::<_, Infallible>(Box::pin(answer(&host, request, peer)).await) }
        }
    });
    let builder = builder(head_timeout);
    let mut connection =
        pin!(builder.serve_connection(TokioIo::new(Stalling::new(stream, write_timeout)), service));
    // hyper's own deadline begins once it knows the protocol, and ends with the first head.
    tokio::select! {
        ended = connection.as_mut() => return log_end(address, ended),
        () = drain.cancelled() => {}
        () = tokio::time::sleep(head_timeout) => {
            if !heard.load(Ordering::Relaxed) {
                return;
            }
        }
    }
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = drain.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    log_end(address, ended);
}

fn log_end(address: SocketAddr, ended: Result<(), Box<dyn std::error::Error + Send + Sync>>) {
    if let Err(error) = ended {
        tracing::debug!(%address, %error, "connection ended early");
    }
}

fn builder(head_timeout: Duration) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(head_timeout).max_headers(H1_FIELDS);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(H2_FIELDS)
        .max_concurrent_streams(H2_STREAMS)
        .keep_alive_interval(Some(Duration::from_secs(20)));
    builder
}

/// Waits for the client to speak: the protocol is chosen by what it says first, without a deadline of its own.
async fn first_byte(stream: &TcpStream, within: Duration, drain: &CancellationToken) -> Result<(), ()> {
    let mut byte = [0];
    tokio::select! {
        biased;
        peeked = tokio::time::timeout(within, stream.peek(&mut byte)) => match peeked {
            Ok(Ok(1)) => Ok(()),
            _ => Err(()),
        },
        () = drain.cancelled() => Err(()),
    }
}

async fn answer(host: &Host, request: Request<Incoming>, peer: Peer) -> http::Response<crate::Body> {
    let hosts = request.headers().get_all(http::header::HOST).iter().count();
    if request.version() == Version::HTTP_11 && hosts == 0 && request.uri().authority().is_none() {
        return super::refuse(Failure::BadRequest("the request has no Host field"), peer);
    }
    host.handle_from(request, peer).await
}
