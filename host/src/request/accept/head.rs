//! What HTTP forbids in a head and hyper lets through: hosts, targets, transfer codings.
//!
//! hyper refuses lengths that are no plain number or contradict each other, and reads a body with both a length and
//! `chunked` as chunked, for the last time on its connection (RFC 9112, 6.3). A bare line feed ends a line (2.2).

use std::net::Ipv6Addr;

use http::header::{HOST, TRANSFER_ENCODING};
use http::{HeaderValue, Method, Request, Version};

use super::super::Failure;

/// Refuses what is ambiguous, and settles which host is meant.
pub(super) fn check<B>(request: &mut Request<B>) -> Result<(), Failure> {
    if request.method() == Method::CONNECT {
        // Not even with an `Allow`: it is of no use to name a path here.
        return Err(Failure::MethodNotAllowed(Vec::new()));
    }
    if !request.uri().path().starts_with('/') && !is_server_wide(request) {
        return Err(Failure::BadRequest("the request's target is no path"));
    }
    if !is_plainly_chunked(request) {
        return Err(Failure::BadRequest("the request's Transfer-Encoding is not `chunked`"));
    }
    check_hosts(request)?;
    let target = request.uri().authority().filter(|_| request.version() < Version::HTTP_2);
    if let Some(Ok(host)) = target.map(|authority| HeaderValue::from_str(authority.as_str())) {
        // RFC 9112, 3.2.2: the target stands above the field, for whoever reads it next, too.
        request.headers_mut().insert(HOST, host);
    }
    Ok(())
}

/// `OPTIONS *`: asks about the server as a whole.
pub(super) fn is_server_wide<B>(request: &Request<B>) -> bool {
    request.method() == Method::OPTIONS && request.uri().path() == "*"
}

/// Whether there is no coding but one `chunked`. Others would reach the guest undone and unannounced.
fn is_plainly_chunked<B>(request: &Request<B>) -> bool {
    let mut codings = request.headers().get_all(TRANSFER_ENCODING).iter();
    let first = codings.next();
    codings.next().is_none() && first.is_none_or(|coding| coding.as_bytes().eq_ignore_ascii_case(b"chunked"))
}

fn check_hosts<B>(request: &Request<B>) -> Result<(), Failure> {
    let mut hosts = request.headers().get_all(HOST).iter();
    let (host, more) = (hosts.next(), hosts.next());
    if more.is_some() {
        return Err(Failure::BadRequest("the request has more than one Host field"));
    }
    let authority = request.uri().authority();
    let named = host.is_some() || (authority.is_some() && request.version() == Version::HTTP_2);
    if !named && request.version() >= Version::HTTP_11 {
        return Err(Failure::BadRequest("the request has no Host field"));
    }
    if !host.is_none_or(|host| host.is_empty() || is_host(host.as_bytes())) {
        return Err(Failure::BadRequest("the request's Host field is no host"));
    }
    let Some(authority) = authority.map(http::uri::Authority::as_str) else { return Ok(()) };
    if !is_host(authority.as_bytes()) {
        return Err(Failure::BadRequest("the host in the request's target is no host"));
    }
    let same = host.is_none_or(|host| host.as_bytes().eq_ignore_ascii_case(authority.as_bytes()));
    if request.version() == Version::HTTP_2 && !same {
        return Err(Failure::BadRequest("the request's `:authority` and Host field differ"));
    }
    Ok(())
}

/// A name, an IPv4 address or an IPv6 address in brackets; then a port, perhaps. Narrower than RFC 3986, which takes
/// any `!$&'()*+,;=` and what is percent-encoded for a part of a name.
fn is_host(text: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(text) else { return false };
    if let Some(rest) = text.strip_prefix('[') {
        let Some((address, port)) = rest.split_once(']') else { return false };
        return address.parse::<Ipv6Addr>().is_ok() && (port.is_empty() || is_port(port.strip_prefix(':')));
    }
    let (name, port) = text.split_once(':').map_or((text, None), |(name, port)| (name, Some(port)));
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    !name.is_empty() && name.bytes().all(plain) && (port.is_none() || is_port(port))
}

/// RFC 3986 allows a colon and no port behind it.
fn is_port(text: Option<&str>) -> bool {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    text.is_some_and(|text| text.is_empty() || (digits(text) && text.parse::<u16>().is_ok()))
}

#[cfg(test)]
mod tests {
    use super::is_host;

    #[test]
    fn a_host_is_a_name_or_an_address() {
        for host in
            ["a", "A.example:80", "127.0.0.1:65535", "[::1]", "[2001:db8::1]:443", "a_b.c", "a:", "x."]
        {
            assert!(is_host(host.as_bytes()), "{host}");
        }
        for none in [
            "", ":80", "u@a", "a b", "a,b", "a:b", "a:1:2", "a:65536", "a:+1", "a/b", "a?b", "a#b", "a\\b",
            "[::1", "[]", "[a]", "[::1]x", "[::1]:x", "::1", "%61", "ü",
        ] {
            assert!(!is_host(none.as_bytes()), "{none}");
        }
    }
}
