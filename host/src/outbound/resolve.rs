//! From a name to addresses. What becomes of them is not decided here.

use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::Semaphore;

/// What [`Resolver::resolve`] returns.
pub type Resolving<'a> = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'a>>;

/// Finds the addresses of names for outbound HTTP. An embedder's own may know names that no DNS knows.
pub trait Resolver: fmt::Debug + Send + Sync + 'static {
    /// The addresses of `host` (lower case, without a dot at its end; never an address itself), the preferred
    /// one first. They are filtered like any other. `port` is the URL's; an answer may name another.
    ///
    /// Asked once for each connection, and dropped after 3 s.
    ///
    /// # Errors
    /// A name that has none, or that nobody could be asked about.
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> Resolving<'a>;
}

/// Lookups at once: a name server that is gone holds a thread for each.
const MOST_LOOKUPS: usize = 64;

/// The system's resolver (`getaddrinfo`).
#[derive(Debug)]
pub struct SystemResolver(Arc<Semaphore>);

impl Default for SystemResolver {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MOST_LOOKUPS)))
    }
}

impl Resolver for SystemResolver {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> Resolving<'a> {
        let (lookups, host) = (self.0.clone(), host.to_owned());
        Box::pin(async move {
            let permit = lookups.acquire_owned().await.map_err(io::Error::other)?;
            let lookup = tokio::task::spawn_blocking(move || {
                // Held for as long as the thread is, which may be longer than anybody waits for it.
                let _permit = permit;
                (host.as_str(), port).to_socket_addrs().map(Iterator::collect)
            });
            lookup.await.map_err(io::Error::other)?
        })
    }
}
