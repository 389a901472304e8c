//! The client behind proxies: whom a trusted peer names in `Forwarded` (RFC 7239), or in `X-Forwarded-For` and
//! `X-Forwarded-Proto`.
//!
//! Each proxy adds its client at the right, so the fields are read from there: as long as an address is a trusted
//! proxy's, the one before it is believed. What stands further left is the client's own invention. A proxy knows one
//! of the two kinds and passes the other on as it came, so where both are there and say different things, one may be
//! forged, and nothing tells which: such a request is refused, as it is worse to take a client for the proxy itself.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use http::HeaderMap;
use http::header::FORWARDED;
use ipnet::IpNet;

use super::super::{Failure, Peer};
use super::door::trusts;

const FOR: &str = "x-forwarded-for";
const PROTO: &str = "x-forwarded-proto";

/// One proxy's word on who came to it. What is not an address or a scheme says nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Hop {
    address: Option<SocketAddr>,
    secure: Option<bool>,
}

/// Who sent a request that came from the trusted `peer`.
pub(super) fn client(headers: &HeaderMap, peer: Peer, trusted: &[IpNet]) -> Result<Peer, Failure> {
    let standard = believed(&standard_hops(headers).unwrap_or_default(), trusted);
    let common = believed(&common_hops(headers), trusted);
    let ip = |hop: Hop| hop.address.map(|address| address.ip());
    if differ(ip(standard), ip(common)) || differ(standard.secure, common.secure) {
        return Err(Failure::BadRequest("the forwarding fields contradict each other"));
    }
    Ok(Peer {
        address: standard.address.or(common.address).unwrap_or(peer.address),
        secure: standard.secure.or(common.secure).unwrap_or(peer.secure),
    })
}

fn differ<T: PartialEq>(one: Option<T>, other: Option<T>) -> bool {
    one.zip(other).is_some_and(|(one, other)| one != other)
}

/// The right-most client that is no proxy of ours, and how it came.
fn believed(hops: &[Hop], trusted: &[IpNet]) -> Hop {
    let mut client = Hop::default();
    for hop in hops.iter().rev() {
        client.secure = hop.secure.or(client.secure);
        let Some(address) = hop.address else { break };
        client.address = Some(address);
        if !trusts(trusted, address.ip()) {
            break;
        }
    }
    client
}

fn common_hops(headers: &HeaderMap) -> Vec<Hop> {
    let mut hops: Vec<Hop> =
        elements(headers, FOR).map(|text| Hop { address: address(text), secure: None }).collect();
    let protos: Vec<Option<bool>> = elements(headers, PROTO).map(secure).collect();
    match *protos {
        // The first proxy sets it, and the others pass it on.
        [proto] if hops.is_empty() => hops.push(Hop { address: None, secure: proto }),
        [proto] => hops.iter_mut().for_each(|hop| hop.secure = proto),
        _ if protos.len() == hops.len() => {
            hops.iter_mut().zip(protos).for_each(|(hop, proto)| hop.secure = proto);
        }
        _ => {}
    }
    hops
}

/// The elements of all fields of a name, in their order.
fn elements<'a>(headers: &'a HeaderMap, name: &'static str) -> impl Iterator<Item = &'a str> {
    let fields = headers.get_all(name).into_iter().map(|value| value.to_str().unwrap_or_default());
    fields.flat_map(|field| field.split(',').map(str::trim))
}

/// None when a quotation does not end, or a value is no text: then no comma is what it seems.
fn standard_hops(headers: &HeaderMap) -> Option<Vec<Hop>> {
    let mut hops = Vec::new();
    for field in headers.get_all(FORWARDED) {
        for element in split(field.to_str().ok()?, ',')? {
            hops.push(standard_hop(element)?);
        }
    }
    Some(hops)
}

fn standard_hop(element: &str) -> Option<Hop> {
    let mut hop = Hop::default();
    for pair in split(element, ';')? {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let quoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        let value = quoted.unwrap_or(value);
        if name.eq_ignore_ascii_case("for") {
            hop.address = address(value);
        } else if name.eq_ignore_ascii_case("proto") {
            hop.secure = secure(value);
        }
    }
    Some(hop)
}

/// Parts between separators that no quotation holds; none when one does not end.
fn split(text: &str, separator: char) -> Option<Vec<&str>> {
    let (mut quoted, mut escaped) = (false, false);
    let parts = text.split(|letter: char| {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = quoted,
            '"' => quoted = !quoted,
            _ => return letter == separator && !quoted,
        }
        false
    });
    let parts = parts.map(str::trim).collect();
    (!quoted).then_some(parts)
}

fn secure(scheme: &str) -> Option<bool> {
    let is = |known: &str| scheme.eq_ignore_ascii_case(known);
    if is("https") { Some(true) } else { is("http").then_some(false) }
}

/// An address with or without a port; 0 stands for none.
fn address(text: &str) -> Option<SocketAddr> {
    let bare = || text.parse::<IpAddr>().ok();
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse::<Ipv6Addr>().ok().map(IpAddr::V6);
    let found = text.parse().ok().or_else(|| Some(SocketAddr::new(bare().or_else(bracketed)?, 0)))?;
    Some(SocketAddr::new(found.ip().to_canonical(), found.port()))
}

#[cfg(test)]
mod tests {
    use super::{FOR, PROTO, Peer, client};
    use http::{HeaderMap, HeaderName, HeaderValue};

    /// The client as `address scheme`, or why there is none.
    fn found(fields: &[(&'static str, &'static str)]) -> String {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let peer = Peer { address: ([10, 0, 0, 9], 99).into(), secure: false };
        let trusted = ["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
        match client(&headers, peer, &trusted) {
            Ok(Peer { address, secure }) => format!("{address} {}", if secure { "https" } else { "http" }),
            Err(failure) => failure.to_string(),
        }
    }

    #[test]
    fn the_right_most_address_that_is_no_proxys_is_the_client() {
        const BOTH: &str = "the forwarding fields contradict each other";
        for (fields, expected) in [
            (&[][..], "10.0.0.9:99 http"),
            (&[(FOR, "1.2.3.4")], "1.2.3.4:0 http"),
            (&[(FOR, "6.6.6.6, 1.2.3.4, 10.0.0.1")], "1.2.3.4:0 http"),
            (&[(FOR, "6.6.6.6"), (FOR, "1.2.3.4:567")], "1.2.3.4:567 http"),
            (&[(FOR, "1.2.3.4, 10.0.0.1"), (PROTO, "https")], "1.2.3.4:0 https"),
            (&[(FOR, "1.2.3.4, 5.6.7.8"), (PROTO, "http, https")], "5.6.7.8:0 https"),
            (&[(FOR, "1.2.3.4"), (PROTO, "http, https, https")], "1.2.3.4:0 http"),
            (&[(PROTO, "https")], "10.0.0.9:99 https"),
            (&[(FOR, "1.2.3.4, unknown")], "10.0.0.9:99 http"),
            (&[(FOR, "1.2.3.4, , 10.0.0.1")], "10.0.0.1:0 http"),
            (&[(FOR, "2001:db8::1"), (PROTO, "gopher")], "[2001:db8::1]:0 http"),
            (&[(FOR, "::ffff:1.2.3.4")], "1.2.3.4:0 http"),
            (&[("forwarded", "for=1.2.3.4;proto=https")], "1.2.3.4:0 https"),
            (
                &[("forwarded", "For=\"[2001:db8::1]:47\" ; Proto=HTTPS, for=10.0.0.2")],
                "[2001:db8::1]:47 https",
            ),
            (&[("forwarded", "for=6.6.6.6, for=_hidden;by=x, for=10.0.0.2")], "10.0.0.2:0 http"),
            (&[("forwarded", "for=\"1.2.3.4, for=5.6.7.8")], "10.0.0.9:99 http"),
            (&[("forwarded", "by=\"a,b;for=6.6.6.6\\\"\";for=1.2.3.4")], "1.2.3.4:0 http"),
            (&[("forwarded", "for=1.2.3.4"), (FOR, "1.2.3.4"), (PROTO, "https")], "1.2.3.4:0 https"),
            (&[("forwarded", "for=6.6.6.6"), (FOR, "1.2.3.4")], BOTH),
            (&[("forwarded", "for=1.2.3.4;proto=https"), (FOR, "1.2.3.4"), (PROTO, "http")], BOTH),
        ] {
            assert_eq!(found(fields), expected, "{fields:?}");
        }
    }
}
