//! What `grants.http` means, and where a URL leads.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::Uri;

/// An entry of `grants.http`: hosts of one scheme and port.
///
/// `api.example.com` is `https://api.example.com:443`; `http://` and another port are written out;
/// `*.example.com` stands for all names below `example.com`, however deep, and not for itself. Addresses are
/// granted one by one (`http://192.0.2.7:8080`, `https://[2001:db8::7]`), never by a name that leads to them;
/// whether they may be reached is the operator's business all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Grant {
    scheme: Scheme,
    host: Pattern,
    port: u16,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Pattern {
    One(Host),
    /// All below this name, which has a dot before it.
    Below(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    Http,
    Https,
}

impl Scheme {
    fn parse(text: &str) -> Option<Self> {
        match text {
            _ if text.eq_ignore_ascii_case("https") => Some(Self::Https),
            _ if text.eq_ignore_ascii_case("http") => Some(Self::Http),
            _ => None,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    const fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// A name in lower case without a dot at its end, or an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Host {
    Name(String),
    Address(IpAddr),
}

impl Host {
    /// A host as URLs write it. Numbers that are no dotted quad (`127.1`, `0x7f.1`, `0177.0.0.1`) stay names here.
    fn parse(text: &str) -> Option<Self> {
        if let Some(inner) = text.strip_prefix('[') {
            let address: Ipv6Addr = inner.strip_suffix(']')?.parse().ok()?;
            return Some(Self::Address(IpAddr::V6(address).to_canonical()));
        }
        if let Ok(address) = text.parse::<Ipv4Addr>() {
            return Some(Self::Address(address.into()));
        }
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        is_name(&name).then_some(Self::Name(name))
    }
}

/// RFC 1123, and the underscore that some names have all the same.
fn is_name(name: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    name.len() <= 253 && name.split('.').all(is_label)
}

/// Whether resolvers may take a name for an address: its last label is a number (WHATWG, "ends in a number").
fn is_number(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or_default();
    let hexadecimal = last.strip_prefix("0x").is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_hexdigit()));
    hexadecimal || last.bytes().all(|b| b.is_ascii_digit())
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(IpAddr::V4(address)) => address.fmt(f),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

impl Grant {
    /// # Errors
    /// What is wrong with the entry, to stand behind it.
    pub(crate) fn parse(entry: &str) -> Result<Self, String> {
        let (scheme, rest) = match entry.split_once("://") {
            Some((scheme, rest)) => {
                (Scheme::parse(scheme).ok_or_else(|| format!("`{scheme}` is not http or https"))?, rest)
            }
            None => (Scheme::Https, entry),
        };
        if rest.contains(['/', '?', '#', '@', ' ']) {
            return Err("write scheme, host and port and nothing else".to_owned());
        }
        let (host, port) = split_port(rest);
        let port = match port {
            None => scheme.port(),
            Some(port) => parse_port(port).ok_or_else(|| format!("`{port}` is no port"))?,
        };
        Ok(Self { scheme, host: pattern(host)?, port })
    }

    pub(crate) fn is_secure(&self) -> bool {
        self.scheme == Scheme::Https
    }

    pub(super) fn covers(&self, target: &Target) -> bool {
        let host = match (&self.host, &target.host) {
            (Pattern::One(granted), host) => granted == host,
            (Pattern::Below(suffix), Host::Name(name)) => name.ends_with(suffix.as_str()),
            (Pattern::Below(_), Host::Address(_)) => false,
        };
        host && (self.scheme, self.port) == (target.scheme, target.port)
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.scheme.name();
        match &self.host {
            Pattern::One(host) => write!(f, "{scheme}://{host}")?,
            Pattern::Below(suffix) => write!(f, "{scheme}://*{suffix}")?,
        }
        if self.port == self.scheme.port() { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

fn pattern(host: &str) -> Result<Pattern, String> {
    let (name, is_wild) = host.strip_prefix("*.").map_or((host, false), |name| (name, true));
    match Host::parse(name) {
        None => Err(format!(
            "`{host}` is no host: write a name in ASCII (`xn--` for others), `*.` before one, or an address"
        )),
        Some(Host::Name(name)) if is_number(&name) => {
            Err(format!("`{host}` is no host name: write an address as four decimal numbers"))
        }
        Some(Host::Name(name)) if is_wild && name.contains('.') => Ok(Pattern::Below(format!(".{name}"))),
        Some(_) if is_wild => Err(format!("`{host}` is too wide: name a domain as in `*.example.com`")),
        Some(host) => Ok(Pattern::One(host)),
    }
}

/// Parts a host from its port; colons of an IPv6 address are within brackets.
fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    }
}

fn parse_port(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|port| digits && *port != 0)
}

/// Where a URL leads: its scheme, host and port in the one form that is compared, resolved and pooled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) scheme: Scheme,
    pub(super) host: Host,
    pub(super) port: u16,
}

impl Target {
    /// # Errors
    /// What is wrong with the URL.
    pub(super) fn of(url: &Uri) -> Result<Self, String> {
        let (Some(scheme), Some(authority)) = (url.scheme_str(), url.authority()) else {
            return Err("the URL is not absolute: begin it with `https://`".to_owned());
        };
        let scheme = Scheme::parse(scheme)
            .ok_or_else(|| format!("the URL's scheme `{scheme}` is not http or https"))?;
        if authority.as_str().contains('@') {
            return Err("the URL has user information: send a field `authorization` instead".to_owned());
        }
        let (host, port) = split_port(authority.as_str());
        let host = Host::parse(host).ok_or_else(|| format!("the URL's host `{host}` is none"))?;
        let port = match port {
            None | Some("") => scheme.port(),
            Some(port) => parse_port(port).ok_or_else(|| format!("the URL's port `{port}` is none"))?,
        };
        Ok(Self { scheme, host, port })
    }

    /// Host and, when it is not the default, port.
    pub(super) fn authority(&self) -> String {
        if self.port == self.scheme.port() {
            return self.host.to_string();
        }
        format!("{}:{}", self.host, self.port)
    }

    pub(super) fn scheme(&self) -> http::uri::Scheme {
        match self.scheme {
            Scheme::Http => http::uri::Scheme::HTTP,
            Scheme::Https => http::uri::Scheme::HTTPS,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.name(), self.authority())
    }
}

#[cfg(test)]
mod tests {
    use super::{Grant, Target};

    fn covers(grant: &str, url: &str) -> bool {
        let target = Target::of(&url.parse().unwrap()).unwrap();
        Grant::parse(grant).unwrap().covers(&target)
    }

    #[test]
    fn a_grant_is_a_scheme_a_host_and_a_port() {
        assert!(covers("api.example.com", "https://api.example.com/a?b"));
        assert!(covers("API.Example.com.", "https://api.EXAMPLE.com.:443"));
        assert!(covers("https://api.example.com:8443", "https://api.example.com:8443/"));
        assert!(covers("http://api.example.com", "http://api.example.com:80/"));
        for url in [
            "http://api.example.com",
            "https://api.example.com:444",
            "https://example.com",
            "https://a.api.example.com",
            "https://api.example.com.evil.test",
            "https://xapi.example.com",
        ] {
            assert!(!covers("api.example.com", url), "{url}");
        }
    }

    #[test]
    fn a_wildcard_is_all_below_and_not_itself() {
        assert!(covers("*.example.com", "https://a.example.com"));
        assert!(covers("https://*.example.com", "https://a.b.example.com"));
        for url in ["https://example.com", "https://xexample.com", "http://a.example.com", "https://1.2.3.4"]
        {
            assert!(!covers("*.example.com", url), "{url}");
        }
    }

    #[test]
    fn an_address_is_compared_as_an_address() {
        assert!(covers("http://127.0.0.1:8080", "http://[::ffff:127.0.0.1]:8080"));
        assert!(covers("http://127.0.0.1:8080", "http://[::ffff:7f00:1]:8080"));
        assert!(covers("https://[2001:db8::7]", "https://[2001:DB8:0:0::7]/"));
        for host in ["127.1", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "127.0.0.01", "localhost"] {
            assert!(!covers("http://127.0.0.1:8080", &format!("http://{host}:8080")), "{host}");
        }
    }

    #[test]
    fn what_can_never_be_meant_is_refused() {
        for (entry, why) in [
            ("", "is no host"),
            ("ftp://a.test", "`ftp` is not http or https"),
            ("a.test/v1", "and nothing else"),
            ("user@a.test", "and nothing else"),
            ("a.test:0", "`0` is no port"),
            ("a.test:+1", "`+1` is no port"),
            ("a.test:65536", "is no port"),
            ("*", "is no host"),
            ("*.com", "too wide"),
            ("*.1.2.3.4", "too wide"),
            ("a.*.com", "is no host"),
            ("*a.com", "is no host"),
            ("bücher.test", "in ASCII"),
            ("a..test", "is no host"),
            ("2130706433", "four decimal"),
            ("0x7f.1", "four decimal"),
            ("0177.0.0.1", "four decimal"),
            ("a.0x", "four decimal"),
            ("http://::1", "is no host"),
            ("http://[fe80::1%25eth0]", "is no host"),
        ] {
            let told = Grant::parse(entry).unwrap_err();
            assert!(told.contains(why), "{entry}: {told}");
        }
    }

    #[test]
    fn a_url_without_a_host_or_with_too_much_is_refused() {
        for url in
            ["/a", "ftp://a.test", "http://u:p@a.test", "http://a.test:0", "http://a..b", "http://[::1%25lo]"]
        {
            let parsed = url.parse().map(|url| Target::of(&url));
            assert!(!matches!(parsed, Ok(Ok(_))), "{url}");
        }
        let target = Target::of(&"HTTP://A.Test.:80".parse().unwrap()).unwrap();
        assert_eq!(target.to_string(), "http://a.test");
    }

    #[test]
    fn a_grant_shows_what_it_means() {
        let shown = |entry| Grant::parse(entry).unwrap().to_string();
        assert_eq!(shown("A.test"), "https://a.test");
        assert_eq!(shown("http://*.b.test:81"), "http://*.b.test:81");
    }
}
