//! HTTP towards others, for guests and for the host itself: nothing here knows of WebAssembly.
//!
//! The way of a request, each step in a file of `outbound/`: [`grant`] compares it with the allow-list;
//! [`resolve`] finds the addresses of its host; [`address`] drops those that guests may not reach; [`connect`]
//! opens a connection to exactly what is left, encrypted by [`tls`]; [`client`] sends it, on a connection of
//! its release that is idle or a new one.
//!
//! What makes it safe against the network behind the host (server-side request forgery):
//! * A service lists hosts in its manifest; a deployer may be wrong, so that the list never opens a private
//!   network: only the operator does ([`HttpConfig::private`]).
//! * Addresses are judged, not names: a name of the outside that leads inside is of no use. A name is resolved
//!   once per connection and the address that was judged is the one that is dialled, so that a second answer of
//!   its name server changes nothing (DNS rebinding).
//! * An address in a URL is compared with the list as an address, in every spelling that URLs have; what is not
//!   spelled as RFC 3986 says (`127.1`, `0x7f000001`, `0177.0.0.1`) is a name, which no list can hold.
//! * No redirects are followed, and proxies in the environment are not looked at.
//!
//! Connections live on the thread that opened them, like those to databases: a pool per core and release.

mod address;
mod body;
mod calls;
mod client;
mod connect;
mod error;
mod fields;
mod grant;
mod resolve;
mod tls;

use std::path::PathBuf;
use std::sync::Arc;

pub use address::{Network, NetworkError};
pub(crate) use body::{OutboundBody, Silent};
pub(crate) use calls::Calls;
pub(crate) use client::{Client, Times};
pub(crate) use error::{ConnectError, OutboundError};
pub(crate) use fields::strip_connection_fields;
pub(crate) use grant::Grant;
pub use resolve::{Resolver, Resolving, SystemResolver};
pub(crate) use tls::{RootsError, Tls};

use crate::config::Config;

/// What an operator decides about HTTP towards others.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct HttpConfig {
    /// Networks that services may reach, when they are granted a host there, although the Internet does not:
    /// private ones, loopback, link-local. Default: none.
    pub private: Vec<Network>,
    /// A PEM file with the authorities that servers' certificates are checked against. None: the system's.
    pub roots: Option<PathBuf>,
    /// Who finds the addresses of names. Default: the system's resolver.
    pub resolver: Arc<dyn Resolver>,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self { private: Vec::new(), roots: None, resolver: Arc::new(SystemResolver::default()) }
    }
}

/// What the clients of one host share: cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Outbound {
    vetted: connect::Vetted,
    tls: Arc<Tls>,
    cores: usize,
}

impl Outbound {
    /// Reads the operator's own authorities; the system's are read when they are first needed.
    ///
    /// # Errors
    /// A file of authorities that cannot be read, or has none.
    pub(crate) fn new(config: &Config) -> Result<Self, RootsError> {
        let HttpConfig { private, roots, resolver } = &config.http;
        let vetted = connect::Vetted::new(resolver.clone(), private.clone());
        let tls = Arc::new(Tls::new(roots.as_deref())?);
        Ok(Self { vetted, tls, cores: config.cores.get() })
    }

    /// A client that reaches what these entries of `grants.http` name, with connections of its own.
    ///
    /// # Errors
    /// A machine that trusts no authority, when something is granted over TLS.
    pub(crate) fn client(&self, grants: Vec<Grant>) -> Result<Client, RootsError> {
        let tls = if grants.iter().any(Grant::is_secure) { self.tls.config()? } else { Tls::none() };
        Ok(Client::new(grants, &connect::Connector::new(self.vetted.clone(), &tls), self.cores))
    }
}
