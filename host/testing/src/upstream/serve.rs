//! The upstream's socket: one port for the clear and for TLS, told apart by the first byte.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use http::uri::{Authority as Host, PathAndQuery};
use http::{Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::{Authority, Known, Received, usual};

/// The first byte of TLS: a handshake record.
const HANDSHAKE: u8 = 0x16;

/// Listens on a free port of this machine until `stop`.
pub(super) async fn start(
    known: Arc<Known>,
    authority: Arc<Authority>,
    stop: CancellationToken,
) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    let tls = TlsAcceptor::from(authority.server());
    tokio::spawn(async move {
        while let Some(Ok((stream, _peer))) = stop.run_until_cancelled(listener.accept()).await {
            let (known, tls, stop) = (known.clone(), tls.clone(), stop.clone());
            tokio::spawn(async move { stop.run_until_cancelled(connection(stream, &tls, known)).await });
        }
    });
    Ok(address)
}

async fn connection(stream: TcpStream, tls: &TlsAcceptor, known: Arc<Known>) {
    let mut first = [0];
    match stream.peek(&mut first).await {
        Ok(1) if first == [HANDSHAKE] => {
            if let Ok(stream) = tls.accept(stream).await {
                serve(stream, "https", known).await;
            }
        }
        Ok(1) => serve(stream, "http", known).await,
        _ => {}
    }
}

async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    scheme: &'static str,
    known: Arc<Known>,
) {
    let service = hyper::service::service_fn(move |request| answer(request, scheme, known.clone()));
    // Hanging up is what some replies are.
    let _ended =
        auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(
    request: Request<Incoming>,
    scheme: &'static str,
    known: Arc<Known>,
) -> Result<Response<Full<Bytes>>, HungUp> {
    let (parts, body) = request.into_parts();
    let url = url(scheme, &parts).ok_or(HungUp)?;
    let body = body.collect().await.map_err(|_gone| HungUp)?.to_bytes();
    let (method, headers) = (parts.method, parts.headers);
    let received = Received { method, url, headers, body, expected: false };
    let Some(reply) = known.take(received) else {
        let mut response = Response::new(Full::from("the test did not expect this request"));
        *response.status_mut() = StatusCode::NOT_IMPLEMENTED;
        return Ok(response);
    };
    tokio::time::sleep(reply.delay).await;
    if reply.hangs_up {
        return Err(HungUp);
    }
    let mut response = Response::new(Full::new(reply.body));
    *response.status_mut() = reply.status;
    *response.headers_mut() = reply.headers;
    Ok(response)
}

/// What was asked for, put together again.
fn url(scheme: &str, parts: &http::request::Parts) -> Option<Uri> {
    let field = parts.headers.get(http::header::HOST).and_then(|host| host.to_str().ok());
    let host = parts.uri.authority().map(Host::as_str).or(field)?;
    let path = parts.uri.path_and_query().map_or("/", PathAndQuery::as_str);
    usual(&format!("{scheme}://{host}{path}").parse().ok()?)
}

/// Ends the connection.
#[derive(Debug, thiserror::Error)]
#[error("the upstream hangs up")]
struct HungUp;

impl From<Infallible> for HungUp {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}
