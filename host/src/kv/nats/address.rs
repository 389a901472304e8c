//! Where the servers are and who we are to them, from one line of text. What comes out shows no password.

use async_nats::ServerAddr;
use percent_encoding::percent_decode_str;

use super::KvError;

/// `nats://user:password@host:4222,other:4222`, checked.
pub(super) struct Address {
    /// Without user and password: the client logs these.
    pub(super) servers: Vec<ServerAddr>,
    pub(super) identity: Identity,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Identity {
    Nobody,
    Token(String),
    User { name: String, password: String },
}

#[derive(Debug, thiserror::Error)]
enum AddressError {
    #[error("it names no host")]
    NoHost,
    #[error("`{0}://` is not spoken: use nats:// or tls://")]
    Scheme(String),
    #[error("it takes no path and no options")]
    Rest,
    #[error("its user or password is not UTF-8")]
    NotText,
    #[error("it is no address of a NATS server")]
    Malformed,
}

impl Address {
    pub(super) fn parse(text: &str) -> Result<Self, KvError> {
        Self::read(text).map_err(|source| KvError::Address { store: "in NATS", source: source.into() })
    }

    fn read(text: &str) -> Result<Self, AddressError> {
        let (scheme, hosts) = text.split_once("://").unwrap_or(("nats", text));
        if !matches!(scheme, "nats" | "tls") {
            return Err(AddressError::Scheme(scheme.to_owned()));
        }
        let (mut servers, mut identity) = (Vec::new(), Identity::Nobody);
        for host in hosts.split(',') {
            let host = match host.split_once("://") {
                Some((same, host)) if same == scheme => host,
                Some((other, _)) => return Err(AddressError::Scheme(other.to_owned())),
                None => host,
            };
            // The parser's own words may repeat the text.
            let server: ServerAddr =
                format!("{scheme}://{host}").parse().map_err(|_shows_it| AddressError::Malformed)?;
            if identity == Identity::Nobody {
                identity = Identity::of(&server)?;
            }
            servers.push(plain(server)?);
        }
        Ok(Self { servers, identity })
    }
}

impl Identity {
    /// A user without a password is a token.
    fn of(server: &ServerAddr) -> Result<Self, AddressError> {
        let text = |text: &str| {
            let decoded =
                percent_decode_str(text).decode_utf8().map_err(|_shows_it| AddressError::NotText)?;
            Ok::<_, AddressError>(decoded.into_owned())
        };
        Ok(match (server.username(), server.password()) {
            (None, None) => Self::Nobody,
            (Some(token), None) => Self::Token(text(token)?),
            (name, Some(password)) => {
                Self::User { name: text(name.unwrap_or_default())?, password: text(password)? }
            }
        })
    }
}

fn plain(server: ServerAddr) -> Result<ServerAddr, AddressError> {
    let mut url = server.into_inner();
    if url.host_str().is_none_or(str::is_empty) {
        return Err(AddressError::NoHost);
    }
    if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        return Err(AddressError::Rest);
    }
    url.set_username("").and_then(|()| url.set_password(None)).map_err(|()| AddressError::NoHost)?;
    ServerAddr::from_url(url).map_err(|_shows_it| AddressError::Malformed)
}

#[cfg(test)]
mod tests {
    use super::{Address, Identity};
    use crate::error::chain;

    #[test]
    fn an_address_has_hosts_and_somebody_and_shows_no_password() {
        let address = Address::parse("nats://u%40x:p%2Fw@one:4222,two,[::1]:5").ok().unwrap();
        assert_eq!(address.identity, Identity::User { name: "u@x".into(), password: "p/w".into() });
        let servers: Vec<_> = address.servers.iter().map(|server| (server.host(), server.port())).collect();
        assert_eq!(servers, [("one", 4222), ("two", 4222), ("::1", 5)]);
        assert!(!format!("{:?}", address.servers).contains("p%2Fw"));
        let address = Address::parse("tls://t0ken@h").ok().unwrap();
        assert_eq!(address.identity, Identity::Token("t0ken".into()));
        assert!(address.servers[0].tls_required());
        assert_eq!(Address::parse("nats://h").ok().unwrap().identity, Identity::Nobody);
    }

    #[test]
    fn what_is_no_address_is_refused_without_being_shown() {
        for text in [
            "nats://",
            "nats://u:secret@",
            "nats://u:secret@h:port",
            "nats://u:secret@h,http://other",
            "http://u:secret@h",
            "nats://u:secret@h/path",
            "nats://u:secret@h?tls=1",
            "nats://u:secret@h,",
        ] {
            let error = Address::parse(text).err().unwrap_or_else(|| panic!("{text} is taken"));
            let error = chain(&error);
            assert!(error.contains("in NATS") && !error.contains("secret"), "{error}");
        }
    }
}
