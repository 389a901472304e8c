//! Opens connections: one server after the other, within one time.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio::time::{Instant, timeout_at};
use tokio_postgres::config::{Host, LoadBalanceHosts, TargetSessionAttrs};
use tokio_postgres::{CancelToken, Client, NoTls, SimpleQueryMessage};
use tokio_rustls::client::TlsStream;

use super::address::{Encryption, Target};
use super::bounded::Bounded;
use super::{Address, Driver};

/// How long a connection rests before the kernel asks whether its server is still there.
const KEEPALIVE: Duration = Duration::from_secs(10);

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error("the database did not answer in time")]
    Timeout,
    #[error("the password of the database cannot be read")]
    Password(#[source] io::Error),
    #[error("the database cannot be reached")]
    Unreachable(#[source] io::Error),
    #[error("the encrypted connection to the database failed")]
    Tls(#[source] io::Error),
    #[error("the database refused the connection")]
    Driver(#[source] tokio_postgres::Error),
    #[error("the server is {0}, which `target_session_attrs` does not allow")]
    Attributes(&'static str),
}

/// An open connection, whose driver nobody runs yet.
pub(crate) struct Opened {
    pub(crate) client: Client,
    pub(crate) driver: Driver,
    pub(crate) place: Place,
    /// Set once the server sent a message over the limit.
    pub(crate) exceeded: Arc<AtomicBool>,
}

/// Where exactly a connection goes, for cancelling on it.
#[derive(Clone)]
pub(crate) struct Place {
    socket: SocketPlace,
    name: Option<String>,
    encryption: Encryption,
}

#[derive(Clone)]
enum SocketPlace {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl Address {
    /// Connects to the first server that takes it, in the order of the address or in any if it says so. Each
    /// gets an equal part of the time that is left. Cancel safe.
    pub(crate) async fn connect(&self) -> Result<Opened, ConnectError> {
        let config = self.with_password().map_err(ConnectError::Password)?;
        let deadline = Instant::now() + self.settings.connect;
        let mut targets: Vec<&Target> = self.targets.iter().collect();
        if self.driver.get_load_balance_hosts() == LoadBalanceHosts::Random {
            fastrand::shuffle(&mut targets);
        }
        let mut failed = ConnectError::Timeout;
        for (index, target) in targets.iter().enumerate() {
            let left = deadline.saturating_duration_since(Instant::now());
            let share = left / u32::try_from(targets.len() - index).unwrap_or(u32::MAX);
            match connect_to(target, &config, Instant::now() + share).await {
                Ok(opened) => return Ok(opened),
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }
}

async fn connect_to(
    target: &Target,
    config: &tokio_postgres::Config,
    deadline: Instant,
) -> Result<Opened, ConnectError> {
    let Target { host, name, port, encryption } = target;
    let (name, encryption) = (name.clone(), encryption.clone());
    let sockets = match host {
        Host::Unix(folder) => vec![SocketPlace::Unix(folder.join(format!(".s.PGSQL.{port}")))],
        Host::Tcp(host) => {
            let resolve = timeout_at(deadline, lookup_host((host.as_str(), *port)));
            let found =
                resolve.await.map_err(|_late| ConnectError::Timeout)?.map_err(ConnectError::Unreachable)?;
            found.map(SocketPlace::Tcp).collect()
        }
    };
    let mut failed = ConnectError::Unreachable(io::ErrorKind::NotFound.into());
    for (index, socket) in sockets.iter().enumerate() {
        let place = Place { socket: socket.clone(), name: name.clone(), encryption: encryption.clone() };
        let left = deadline.saturating_duration_since(Instant::now());
        let share = left / u32::try_from(sockets.len() - index).unwrap_or(u32::MAX);
        match tokio::time::timeout(share, open(place, config)).await {
            Ok(Ok(opened)) => return Ok(opened),
            Ok(Err(error)) => failed = error,
            Err(_late) => failed = ConnectError::Timeout,
        }
    }
    Err(failed)
}

async fn open(place: Place, config: &tokio_postgres::Config) -> Result<Opened, ConnectError> {
    let stream = Bounded::new(place.stream(config.get_tcp_user_timeout().copied()).await?);
    let exceeded = stream.exceeded();
    let (client, mut driver) = config.connect_raw(stream, NoTls).await.map_err(ConnectError::Driver)?;
    match config.get_target_session_attrs() {
        TargetSessionAttrs::ReadWrite => check(&client, &mut driver, false).await?,
        TargetSessionAttrs::ReadOnly => check(&client, &mut driver, true).await?,
        _ => {}
    }
    Ok(Opened { client, driver, place, exceeded })
}

/// Asks a server whether it takes writes.
async fn check(client: &Client, driver: &mut Driver, read_only: bool) -> Result<(), ConnectError> {
    let answers = tokio::select! {
        answers = client.simple_query("show transaction_read_only") => answers.map_err(ConnectError::Driver)?,
        ended = driver => {
            let closed = || ConnectError::Unreachable(io::ErrorKind::UnexpectedEof.into());
            return Err(ended.err().map_or_else(closed, ConnectError::Driver));
        }
    };
    let is_read_only = answers.iter().any(|answer| match answer {
        SimpleQueryMessage::Row(row) => row.get(0) == Some("on"),
        _ => false,
    });
    match (is_read_only, read_only) {
        (true, false) => Err(ConnectError::Attributes("read only")),
        (false, true) => Err(ConnectError::Attributes("not read only")),
        _ => Ok(()),
    }
}

impl Place {
    async fn stream(&self, user_timeout: Option<Duration>) -> Result<Stream, ConnectError> {
        let tcp = match &self.socket {
            SocketPlace::Unix(path) => {
                return UnixStream::connect(path).await.map(Stream::Unix).map_err(ConnectError::Unreachable);
            }
            SocketPlace::Tcp(address) => {
                TcpStream::connect(address).await.map_err(ConnectError::Unreachable)?
            }
        };
        prepare(&tcp, user_timeout).map_err(ConnectError::Unreachable)?;
        match &self.encryption {
            Encryption::None => Ok(Stream::Tcp(tcp)),
            Encryption::Tls(connector) => {
                let name = self.name.as_deref().unwrap_or_default();
                let tls = connector.connect(tcp, name).await.map_err(ConnectError::Tls)?;
                Ok(Stream::Tls(Box::new(tls)))
            }
        }
    }
}

fn prepare(stream: &TcpStream, user_timeout: Option<Duration>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE))?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(user_timeout)?;
    #[cfg(not(target_os = "linux"))]
    let _ = user_timeout;
    Ok(())
}

/// Asks the server to cancel what runs on a connection. That it was asked says nothing of what came of it.
pub(crate) async fn cancel(token: &CancelToken, place: &Place) -> Result<(), ConnectError> {
    let stream = place.stream(None).await?;
    token.cancel_query_raw(stream, NoTls).await.map_err(ConnectError::Driver)
}

/// A socket to a server.
pub(crate) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Unix(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Unix(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(context),
            Self::Unix(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
