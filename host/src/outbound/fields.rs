//! Header fields that belong to a connection, and those that the host writes.

use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, HOST, TE, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

/// RFC 9110, 7.6.1.
const CONNECTION_FIELDS: [HeaderName; 6] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Removes what belongs to one connection, by its name or because `connection` lists it.
pub(crate) fn strip_connection_fields(headers: &mut HeaderMap) {
    let listed: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in CONNECTION_FIELDS.iter().chain(&listed) {
        headers.remove(name);
    }
}

/// Makes a guest's fields fit its request: the URL says who the host is, and the body how long it is.
///
/// A `content-length` stays only where the host does not know better: then the connection ends if it is wrong.
///
/// # Errors
/// A `host` that is not the URL's: it would lead to another host than the one that is granted.
pub(super) fn prepare(
    headers: &mut HeaderMap,
    method: &Method,
    authorities: [&str; 2],
    known: Option<u64>,
) -> Result<(), String> {
    strip_connection_fields(headers);
    let is_own = |host: &HeaderValue| {
        authorities.iter().any(|own| host.as_bytes().eq_ignore_ascii_case(own.as_bytes()))
    };
    if !headers.get_all(HOST).iter().all(is_own) {
        return Err("the field `host` is not the URL's host: leave it out".to_owned());
    }
    headers.remove(HOST);
    // Nobody waits for 100 (Continue).
    headers.remove(EXPECT);
    match known {
        // Servers may insist on a length where a body is usual (RFC 9110, 8.6).
        Some(0) if matches!(*method, Method::POST | Method::PUT | Method::PATCH) => {
            headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        Some(_) => {
            headers.remove(CONTENT_LENGTH);
        }
        None if !has_plain_length(headers) => {
            headers.remove(CONTENT_LENGTH);
            // hyper leaves a body of unknown length out where none is usual, unless it is told.
            if matches!(*method, Method::GET | Method::HEAD) {
                headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
            }
        }
        None => {}
    }
    Ok(())
}

/// Whether there is one length, and it is one number.
fn has_plain_length(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(CONTENT_LENGTH).iter().map(HeaderValue::as_bytes);
    let is_number = |value: &[u8]| !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    values.next().is_some_and(is_number) && values.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::{prepare, strip_connection_fields};
    use http::{HeaderMap, HeaderName, HeaderValue, Method};

    fn map(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let field = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        fields.iter().map(field).collect()
    }

    fn prepared(method: &Method, fields: &[(&'static str, &'static str)], known: Option<u64>) -> HeaderMap {
        let mut headers = map(fields);
        prepare(&mut headers, method, ["a.test", "A.test:80"], known).unwrap();
        headers
    }

    #[test]
    fn what_connection_lists_goes_with_it() {
        let mut headers = map(&[
            ("connection", "close, X-Secret"),
            ("x-secret", "1"),
            ("keep-alive", "1"),
            ("te", "trailers"),
            ("upgrade", "h2c"),
            ("x", "1"),
        ]);
        strip_connection_fields(&mut headers);
        assert_eq!(headers, map(&[("x", "1")]));
    }

    #[test]
    fn another_host_is_refused_and_the_own_is_the_hosts_to_write() {
        assert!(prepared(&Method::GET, &[("host", "a.test:80")], Some(0)).is_empty());
        let mut headers = map(&[("host", "b.test")]);
        assert!(prepare(&mut headers, &Method::GET, ["a.test", "a.test:80"], Some(0)).is_err());
    }

    #[test]
    fn the_length_is_the_bodys_where_it_is_known() {
        assert!(prepared(&Method::PUT, &[("content-length", "7")], Some(3)).is_empty());
        assert_eq!(prepared(&Method::POST, &[], Some(0)), map(&[("content-length", "0")]));
        let sized = [("content-length", "7")];
        assert_eq!(prepared(&Method::PUT, &sized, None), map(&sized));
        assert!(prepared(&Method::PUT, &[("content-length", "+7")], None).is_empty());
        assert!(prepared(&Method::PUT, &[("content-length", "7"), ("content-length", "8")], None).is_empty());
        assert_eq!(prepared(&Method::GET, &[], None), map(&[("transfer-encoding", "chunked")]));
    }
}
