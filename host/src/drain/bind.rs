//! Sockets to listen on: one for each core, whether by SO_REUSEPORT or as copies of one.

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

/// Connections that the kernel keeps until they are accepted.
const BACKLOG: i32 = 1_024;
/// Whoever may use a unix socket: its owner and its group, such as that of a proxy.
const MODE: u32 = 0o660;

/// Binds `address` once for each core, and says which port was chosen.
pub(super) fn tcp(address: SocketAddr, cores: NonZeroUsize) -> io::Result<(SocketAddr, Vec<Socket>)> {
    // The first bind is exclusive, so that a port in use is an error and not a share of its traffic.
    drop(bind(address, false)?);
    let first = bind(address, true)?;
    let address = first.local_addr()?.as_socket().ok_or(io::ErrorKind::AddrNotAvailable)?;
    let mut sockets = vec![first];
    for _ in 1..cores.get() {
        sockets.push(bind(address, true)?);
    }
    Ok((address, sockets))
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

/// Binds a path once; every core accepts on a copy of the one socket.
pub(super) fn unix(path: &Path, cores: NonZeroUsize) -> io::Result<(SocketFile, Vec<Socket>)> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    let address = SockAddr::unix(path)?;
    match socket.bind(&address) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_abandoned(path) => {
            std::fs::remove_file(path)?;
            socket.bind(&address)?;
        }
        bound => bound?,
    }
    let file = SocketFile::of(path)?;
    // Before it listens, so that nobody connects by the mode that the umask left it.
    std::fs::set_permissions(path, PermissionsExt::from_mode(MODE))?;
    socket.listen(BACKLOG)?;
    Ok((file, copies(socket, cores)?))
}

/// The socket and copies of it, one for each core.
pub(super) fn copies(socket: Socket, cores: NonZeroUsize) -> io::Result<Vec<Socket>> {
    let copies = (1..cores.get()).map(|_| socket.try_clone()).collect::<io::Result<Vec<_>>>()?;
    Ok(std::iter::once(socket).chain(copies).collect())
}

/// Whether this is a socket that nobody listens on.
fn is_abandoned(path: &Path) -> bool {
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
    let refused = |error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    is_socket && UnixStream::connect(path).err().is_some_and(refused)
}

/// The file of a unix socket, removed when dropped unless another has taken its place.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl SocketFile {
    fn of(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), identity: identity(path)? })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|found| found == self.identity) {
            let _gone = std::fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    std::fs::symlink_metadata(path).map(|file| (file.dev(), file.ino()))
}
