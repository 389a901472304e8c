//! The listener of the control plane: few connections, none of them idle for long.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::logs::Logs;
use crate::rollout::Control;

use super::{Api, UPLOADS, router};

/// Connections open at once; others wait until one closes.
const CONNECTIONS: usize = 128;
/// How long a connection may take for a request's head, or stay without a request.
const HEAD: Duration = Duration::from_secs(10);
/// How long accepting rests when it failed.
const BREATH: Duration = Duration::from_millis(50);

/// A control plane that listens. Dropping it stops without waiting.
#[derive(Debug)]
pub struct ApiServer {
    address: SocketAddr,
    control: Control,
    stop: CancellationToken,
    leaving: CancellationToken,
    connections: TaskTracker,
}

/// Listens at `address` on the current runtime. Port 0 takes a free one.
///
/// # Errors
/// An address that is in use or may not be bound.
pub async fn serve(control: Control, logs: Logs, address: SocketAddr) -> io::Result<ApiServer> {
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    let (stop, connections) = (CancellationToken::new(), TaskTracker::new());
    let leaving = CancellationToken::new();
    let api = Api {
        control: control.clone(),
        logs,
        uploads: Arc::new(Semaphore::new(UPLOADS)),
        stop: stop.clone(),
        leaving: leaving.clone(),
        hosts: hosts(address.ip()).into(),
    };
    connections.spawn(accept(listener, router(api), connections.clone(), stop.clone()));
    Ok(ApiServer { address, control, stop, leaving, connections })
}

/// What a client may call this listener; empty for any name.
fn hosts(address: IpAddr) -> Vec<String> {
    if !address.is_loopback() {
        return Vec::new();
    }
    ["localhost", "127.0.0.1", "[::1]"].map(str::to_owned).into_iter().chain([address.to_string()]).collect()
}

async fn accept(listener: TcpListener, router: Router, connections: TaskTracker, stop: CancellationToken) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        match accepted {
            Ok((stream, _)) => {
                let connection = answer(stream, router.clone(), place, stop.clone());
                connections.spawn(connection);
            }
            Err(error) => {
                tracing::warn!(%error, "the control plane failed to accept a connection");
                tokio::time::sleep(BREATH).await;
            }
        }
    }
}

async fn answer(stream: TcpStream, router: Router, place: OwnedSemaphorePermit, stop: CancellationToken) {
    let _small_answers = stream.set_nodelay(true);
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD);
    let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection to the control plane broke");
    }
    drop(place);
}

impl ApiServer {
    /// Where it listens, with the port that was chosen.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `/readyz` answers 503 from now on.
    pub fn unready(&self) {
        self.leaving.cancel();
    }

    /// Stops accepting, and waits at most `grace` for requests and rollouts under way.
    pub async fn shutdown(self, grace: Duration) {
        self.stop.cancel();
        self.control.hurry();
        self.connections.close();
        let ended = async {
            self.connections.wait().await;
            self.control.finish().await;
        };
        let _late = tokio::time::timeout(grace, ended).await;
    }
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
