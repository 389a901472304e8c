//! A listener of one core: what it accepts, and with or without TLS.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use socket2::Socket;
use tokio::net::{TcpListener, UnixListener};
use tokio_rustls::TlsAcceptor;

use crate::request::accept::Wire;

/// Who a peer on a unix socket is: a process of this machine.
const LOCAL: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// A socket that is bound and not yet of a runtime.
pub(super) enum Bound {
    Tcp(Socket),
    Tls(Socket, TlsAcceptor),
    Unix(Socket),
}

impl Bound {
    /// Makes it one of the current runtime.
    pub(super) fn listen(self) -> io::Result<Listener> {
        Ok(match self {
            Self::Tcp(socket) => Listener::Tcp(TcpListener::from_std(socket.into())?),
            Self::Tls(socket, tls) => Listener::Tls(TcpListener::from_std(socket.into())?, tls),
            Self::Unix(socket) => Listener::Unix(UnixListener::from_std(socket.into())?),
        })
    }
}

/// A socket that accepts.
pub(crate) enum Listener {
    Tcp(TcpListener),
    Tls(TcpListener, TlsAcceptor),
    Unix(UnixListener),
}

impl Listener {
    /// The next connection; nothing was read from it yet. Cancel safe.
    pub(super) async fn accept(&self) -> io::Result<(Wire, SocketAddr)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                Ok((Wire::Tcp(stream), address))
            }
            Self::Tls(listener, tls) => {
                let (stream, address) = listener.accept().await?;
                Ok((Wire::Tls(stream, tls.clone()), address))
            }
            Self::Unix(listener) => {
                let (stream, _unnamed) = listener.accept().await?;
                Ok((Wire::Unix(stream), LOCAL))
            }
        }
    }
}
