//! Where a host listens: an address in the clear, an address with TLS, or a unix socket.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

/// One place to listen at. HTTP/1.1 and HTTP/2 are served on all of them.
///
/// As text: `127.0.0.1:3000` or `http://127.0.0.1:3000`, `https://0.0.0.0:443`, `unix:/run/wharf.sock`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Endpoint {
    /// TCP in the clear; port 0 takes a free one.
    Http(SocketAddr),
    /// TCP with TLS and the certificates of [`crate::Config::tls`]; port 0 takes a free one.
    Https(SocketAddr),
    /// A unix socket of mode 0660. A file that is left of a server that ended is replaced.
    Unix(PathBuf),
}

impl Endpoint {
    /// The TCP address; none of a unix socket.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Http(address) | Self::Https(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(address) => write!(f, "http://{address}"),
            Self::Https(address) => write!(f, "https://{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Why a text names no endpoint.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is no `ADDRESS:PORT`, `http://ADDRESS:PORT`, `https://ADDRESS:PORT` or `unix:PATH`")]
pub struct EndpointError(String);

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let unknown = || EndpointError(text.to_owned());
        let address = |text: &str| text.trim_end_matches('/').parse().map_err(|_not_one| unknown());
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.is_empty() { Err(unknown()) } else { Ok(Self::Unix(PathBuf::from(path))) };
        }
        match text.strip_prefix("https://") {
            Some(rest) => address(rest).map(Self::Https),
            None => address(text.strip_prefix("http://").unwrap_or(text)).map(Self::Http),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Endpoint;

    #[test]
    fn an_endpoint_reads_as_it_is_shown() {
        for (text, shown) in [
            ("127.0.0.1:3000", "http://127.0.0.1:3000"),
            ("http://[::1]:80/", "http://[::1]:80"),
            ("https://0.0.0.0:443", "https://0.0.0.0:443"),
            ("unix:/run/wharf.sock", "unix:/run/wharf.sock"),
        ] {
            let endpoint: Endpoint = text.parse().unwrap();
            assert_eq!(endpoint.to_string(), shown);
            assert_eq!(shown.parse::<Endpoint>().unwrap(), endpoint);
        }
        for text in ["", "unix:", "localhost", "127.0.0.1", "ftp://127.0.0.1:1", "https://"] {
            assert!(text.parse::<Endpoint>().is_err(), "{text}");
        }
    }
}
