//! Listening and letting go: one thread and one listener per core; a stop that finishes what it began.

mod bind;
mod listener;

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::join_all;
use socket2::Socket;
use tokio::sync::Barrier;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::endpoint::Endpoint;
use crate::host::{Host, set_core};
use crate::request::accept::{self, Tls, Wire};

use bind::SocketFile;
use listener::Bound;
pub(crate) use listener::Listener;

/// How long rollbacks and cancellations of the last requests may take.
const CLEANUP: Duration = Duration::from_secs(2);
/// How long accepting rests when the process has no file descriptor left.
const BREATH: Duration = Duration::from_millis(50);

/// A host that listens. Dropping it stops without waiting.
pub struct Serving {
    endpoints: Vec<Endpoint>,
    /// Stop accepting; finish what is under way.
    stop: CancellationToken,
    /// Let go of what is under way.
    abandon: CancellationToken,
    threads: Vec<JoinHandle<()>>,
    files: Vec<SocketFile>,
    /// Follows the certificates' files while it is here.
    tls: Option<Tls>,
}

impl fmt::Debug for Serving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serving").field("endpoints", &self.endpoints).finish_non_exhaustive()
    }
}

impl Serving {
    pub(crate) fn start(
        host: &Host,
        endpoints: &[Endpoint],
        inherited: Vec<TcpListener>,
        cores: NonZeroUsize,
    ) -> io::Result<Self> {
        let mut serving = Self {
            endpoints: vec![],
            stop: CancellationToken::new(),
            abandon: CancellationToken::new(),
            threads: vec![],
            files: vec![],
            tls: None,
        };
        let shows_certificates = !inherited.is_empty() && !host.config().tls.is_empty();
        if shows_certificates || endpoints.iter().any(|endpoint| matches!(endpoint, Endpoint::Https(_))) {
            serving.tls = Some(Tls::start(&host.config().tls).map_err(io::Error::other)?);
        }
        let mut shares: Vec<Vec<Bound>> = (0..cores.get()).map(|_| vec![]).collect();
        for endpoint in endpoints {
            let sockets = serving.bind(endpoint, cores)?;
            shares.iter_mut().zip(sockets).for_each(|(share, socket)| share.push(socket));
        }
        for listener in inherited {
            let sockets = serving.inherit(listener, shows_certificates, cores)?;
            shares.iter_mut().zip(sockets).for_each(|(share, socket)| share.push(socket));
        }
        let drained = Arc::new(Barrier::new(cores.get()));
        for (core, share) in shares.into_iter().enumerate() {
            serving.threads.push(serving.thread(host.clone(), core, share, drained.clone())?);
        }
        Ok(serving)
    }

    /// A socket for each core.
    fn bind(&mut self, endpoint: &Endpoint, cores: NonZeroUsize) -> io::Result<Vec<Bound>> {
        if let Endpoint::Unix(path) = endpoint {
            let (file, sockets) = bind::unix(path, cores)?;
            self.files.push(file);
            self.endpoints.push(endpoint.clone());
            return Ok(sockets.into_iter().map(Bound::Unix).collect());
        }
        let address = endpoint.address().ok_or(io::ErrorKind::Unsupported)?;
        let (address, sockets) = bind::tcp(address, cores)?;
        Ok(self.bound(address, sockets, matches!(endpoint, Endpoint::Https(_))))
    }

    /// A copy for each core of a socket that somebody else has bound.
    fn inherit(
        &mut self,
        listener: TcpListener,
        secure: bool,
        cores: NonZeroUsize,
    ) -> io::Result<Vec<Bound>> {
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let sockets = bind::copies(listener.into(), cores)?;
        Ok(self.bound(address, sockets, secure))
    }

    fn bound(&mut self, address: SocketAddr, sockets: Vec<Socket>, secure: bool) -> Vec<Bound> {
        let tls = self.tls.as_ref().filter(|_| secure);
        self.endpoints.push(if tls.is_some() { Endpoint::Https(address) } else { Endpoint::Http(address) });
        let bound = |socket| match tls {
            Some(tls) => Bound::Tls(socket, tls.acceptor()),
            None => Bound::Tcp(socket),
        };
        sockets.into_iter().map(bound).collect()
    }

    fn thread(
        &self,
        host: Host,
        core: usize,
        share: Vec<Bound>,
        drained: Arc<Barrier>,
    ) -> io::Result<JoinHandle<()>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, abandon) = (self.stop.clone(), self.abandon.clone());
        std::thread::Builder::new().name(format!("wharf-core-{core}")).spawn(move || {
            set_core(core);
            runtime.block_on(async {
                let listeners = match share.into_iter().map(Bound::listen).collect::<io::Result<Vec<_>>>() {
                    Ok(listeners) => listeners,
                    Err(error) => return tracing::error!(%error, core, "failed to register a listener"),
                };
                let accepting = listeners.into_iter().map(|it| accept(host.clone(), it, stop.clone()));
                tokio::select! {
                    _ = join_all(accepting) => {}
                    () = abandon.cancelled() => {}
                }
                // Cores lend each other connections, which live on the runtime that made them.
                drained.wait().await;
                let _late = tokio::time::timeout(CLEANUP, host.cleaned_up()).await;
            });
        })
    }

    /// Where it listens, with the ports that were chosen, in the order in which they were asked for.
    #[must_use]
    pub fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    /// The first TCP address, with the port that was chosen; 0.0.0.0:0 where there are only unix sockets.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        let first = self.endpoints.iter().find_map(Endpoint::address);
        first.unwrap_or(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)))
    }

    /// Stops accepting, waits at most `grace` for the requests under way, and then lets go of the rest.
    /// Returns whether all of them were answered.
    pub async fn shutdown(mut self, grace: Duration) -> bool {
        self.stop.cancel();
        self.files.clear();
        let threads = std::mem::take(&mut self.threads);
        let mut joined = tokio::task::spawn_blocking(move || {
            threads.into_iter().for_each(|thread| drop(thread.join()));
        });
        if tokio::time::timeout(grace, &mut joined).await.is_ok() {
            return true;
        }
        self.abandon.cancel();
        let _ = joined.await;
        false
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.stop.cancel();
        self.abandon.cancel();
    }
}

/// Accepts until `stop`, then waits for the connections that are left.
pub(crate) async fn accept(host: Host, listener: Listener, stop: CancellationToken) {
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        match accepted {
            Ok((wire, address)) => admit(&host, &connections, wire, address, &stop),
            Err(error) => {
                tracing::warn!(%error, "failed to accept a connection");
                tokio::time::sleep(BREATH).await;
            }
        }
    }
    // What the kernel has accepted by now would be reset with the listener.
    while let Some(Ok((wire, address))) = listener.accept().now_or_never() {
        admit(&host, &connections, wire, address, &stop);
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

/// Gives a connection a task of its own, or closes it.
fn admit(host: &Host, connections: &TaskTracker, wire: Wire, address: SocketAddr, stop: &CancellationToken) {
    let Some(visitor) = host.door().enter(&wire, address) else {
        return tracing::debug!(%address, "connection closed: too many are open");
    };
    // A token of its own, as every poll of it takes the token's lock, on every core.
    connections.spawn(accept::serve(host.clone(), wire, visitor, stop.child_token()));
}
