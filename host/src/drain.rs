//! Listening and letting go: one thread and one listener per core; a stop that finishes what it began.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use futures_util::FutureExt;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;
use tokio::sync::Barrier;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::host::{Host, set_core};
use crate::request::accept;

/// Connections that the kernel keeps until they are accepted.
const BACKLOG: i32 = 1_024;
/// How long rollbacks and cancellations of the last requests may take.
const CLEANUP: Duration = Duration::from_secs(2);
/// How long accepting rests when the process has no file descriptor left.
const BREATH: Duration = Duration::from_millis(50);

/// A host that listens. Dropping it stops without waiting.
pub struct Serving {
    address: SocketAddr,
    /// Stop accepting; finish what is under way.
    stop: CancellationToken,
    /// Let go of what is under way.
    abandon: CancellationToken,
    threads: Vec<JoinHandle<()>>,
}

impl fmt::Debug for Serving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serving").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Serving {
    pub(crate) fn start(host: &Host, address: SocketAddr, cores: NonZeroUsize) -> io::Result<Self> {
        // The first bind is exclusive, so that a port in use is an error and not a share of its traffic.
        drop(bind(address, false)?);
        let first = bind(address, true)?;
        let address = first.local_addr()?.as_socket().ok_or(io::ErrorKind::AddrNotAvailable)?;
        let mut serving = Self {
            address,
            stop: CancellationToken::new(),
            abandon: CancellationToken::new(),
            threads: vec![],
        };
        let drained = Arc::new(Barrier::new(cores.get()));
        let mut listeners = vec![first];
        for _ in 1..cores.get() {
            listeners.push(bind(address, true)?);
        }
        for (core, listener) in listeners.into_iter().enumerate() {
            serving.threads.push(serving.thread(host.clone(), core, listener, drained.clone())?);
        }
        Ok(serving)
    }

    fn thread(
        &self,
        host: Host,
        core: usize,
        listener: Socket,
        drained: Arc<Barrier>,
    ) -> io::Result<JoinHandle<()>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, abandon) = (self.stop.clone(), self.abandon.clone());
        std::thread::Builder::new().name(format!("wharf-core-{core}")).spawn(move || {
            set_core(core);
            runtime.block_on(async {
                let listener = match TcpListener::from_std(listener.into()) {
                    Ok(listener) => listener,
                    Err(error) => return tracing::error!(%error, core, "failed to register a listener"),
                };
                tokio::select! {
                    () = accept(host.clone(), listener, stop) => {}
                    () = abandon.cancelled() => {}
                }
                // Cores lend each other connections, which live on the runtime that made them.
                drained.wait().await;
                let _late = tokio::time::timeout(CLEANUP, host.cleaned_up()).await;
            });
        })
    }

    /// Where it listens, with the port that was chosen.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Stops accepting, waits at most `grace` for the requests under way, and then lets go of the rest.
    /// Returns whether all of them were answered.
    pub async fn shutdown(mut self, grace: Duration) -> bool {
        self.stop.cancel();
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

fn bind(address: SocketAddr, shared: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket)
}

/// Accepts until `stop`, then waits for the connections that are left.
pub(crate) async fn accept(host: Host, listener: TcpListener, stop: CancellationToken) {
    let connections = TaskTracker::new();
    // Every connection gets a token of its own, as every poll of it takes the token's lock, on every core.
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        match accepted {
            Ok((stream, address)) => {
                connections.spawn(accept::serve(host.clone(), stream, address, stop.child_token()));
            }
            Err(error) => {
                tracing::warn!(%error, "failed to accept a connection");
                tokio::time::sleep(BREATH).await;
            }
        }
    }
    // What the kernel has accepted by now would be reset with the listener.
    while let Some(Ok((stream, address))) = listener.accept().now_or_never() {
        connections.spawn(accept::serve(host.clone(), stream, address, stop.child_token()));
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}
