//! Opens connections: resolve, drop what guests may not reach, dial, encrypt.

use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use std::{fmt, io};

use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use http::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tower::Service;

use super::address::{self, Network};
use super::grant::{Host, Target};
use super::{ConnectError, Resolver};

/// From the name to the end of the TLS handshake.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Of that, for the name.
const DNS_TIMEOUT: Duration = Duration::from_secs(3);
/// How long an address may take before the next is tried beside it: RFC 8305, 5.
const STAGGER: Duration = Duration::from_millis(250);
/// Addresses of one name that are tried.
const MOST_ADDRESSES: usize = 8;

/// Dials only addresses that guests may reach.
#[derive(Clone)]
pub(crate) struct Vetted {
    resolver: Arc<dyn Resolver>,
    private: Arc<[Network]>,
}

impl fmt::Debug for Vetted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vetted").field("private", &self.private).finish_non_exhaustive()
    }
}

impl Vetted {
    pub(super) fn new(resolver: Arc<dyn Resolver>, private: Vec<Network>) -> Self {
        Self { resolver, private: private.into() }
    }

    async fn open(&self, url: &Uri) -> Result<TcpStream, ConnectError> {
        let target =
            Target::of(url).map_err(|why| ConnectError::Unreachable(Arc::new(io::Error::other(why))))?;
        let mut addresses = self.vet(self.resolve(&target).await?);
        addresses.truncate(MOST_ADDRESSES);
        if addresses.is_empty() {
            return Err(ConnectError::Prohibited);
        }
        dial(addresses).await.map_err(ConnectError::from_dial)
    }

    async fn resolve(&self, target: &Target) -> Result<Vec<SocketAddr>, ConnectError> {
        let name = match &target.host {
            Host::Address(address) => return Ok(vec![SocketAddr::new(*address, target.port)]),
            Host::Name(name) => name,
        };
        let failed = |error| ConnectError::Dns(Arc::new(error));
        match timeout(DNS_TIMEOUT, self.resolver.resolve(name, target.port)).await {
            Err(_) => Err(ConnectError::DnsTimeout),
            Ok(Ok(found)) if found.is_empty() => Err(failed(io::Error::other("it has no address"))),
            Ok(found) => found.map_err(failed),
        }
    }

    fn vet(&self, found: Vec<SocketAddr>) -> Vec<SocketAddr> {
        // Made anew from what was judged: a scope of IPv6, which leads to one interface, is not kept.
        let permit = |found: SocketAddr| {
            address::permit(found.ip(), &self.private).map(|address| SocketAddr::new(address, found.port()))
        };
        found.into_iter().filter_map(permit).collect()
    }
}

/// The first connection that stands, of addresses in their order of preference. Cancel safe: the others are closed.
async fn dial(addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    let mut left = addresses.into_iter();
    let mut attempts = FuturesUnordered::new();
    let mut last = io::Error::other("no address");
    loop {
        attempts.extend(left.next().map(TcpStream::connect));
        let more = left.len() > 0;
        tokio::select! {
            attempt = attempts.next() => match attempt {
                Some(Ok(stream)) => {
                    stream.set_nodelay(true)?;
                    return Ok(stream);
                }
                Some(Err(error)) => last = error,
                None => return Err(last),
            },
            () = tokio::time::sleep(STAGGER), if more => {}
        }
    }
}

impl Service<Uri> for Vetted {
    type Response = TokioIo<TcpStream>;
    type Error = ConnectError;
    type Future = BoxFuture<'static, Result<Self::Response, ConnectError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, url: Uri) -> Self::Future {
        let vetted = self.clone();
        Box::pin(async move { vetted.open(&url).await.map(TokioIo::new) })
    }
}

/// The same with TLS where the URL asks for it, in bounded time.
#[derive(Clone)]
pub(super) struct Connector(HttpsConnector<Vetted>);

impl Connector {
    pub(super) fn new(vetted: Vetted, tls: &Arc<ClientConfig>) -> Self {
        let builder = HttpsConnectorBuilder::new().with_tls_config(ClientConfig::clone(tls));
        Self(builder.https_or_http().enable_all_versions().wrap_connector(vetted))
    }
}

impl Service<Uri> for Connector {
    type Response = MaybeHttpsStream<TokioIo<TcpStream>>;
    type Error = ConnectError;
    type Future = BoxFuture<'static, Result<Self::Response, ConnectError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, url: Uri) -> Self::Future {
        let connecting = self.0.call(url);
        Box::pin(async move {
            match timeout(CONNECT_TIMEOUT, connecting).await {
                Err(_) => Err(ConnectError::Timeout),
                Ok(connected) => connected.map_err(ConnectError::from_tls),
            }
        })
    }
}
