//! Head of a request to the release that answers it.
//! Gets: the head. Gives: one release, pinned for the whole request. Fails with: 400, 404, 405, 414, 431.

use std::borrow::Cow;
use std::sync::Arc;

use http::header::ACCESS_CONTROL_REQUEST_METHOD;
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderValue, Method};
use percent_encoding::percent_decode_str;

use crate::release::{Found, RouteTable, Target};

use super::Failure;
use super::examine::is_preflight;

/// Limits on heads, from behaviour.md.
const LONGEST_TARGET: usize = 8 << 10;
const LARGEST_FIELDS: usize = 32 << 10;
const MOST_FIELDS: usize = 100;

/// A request's head and what its route captured.
pub(crate) struct Head {
    pub(crate) parts: Parts,
    /// Captures of the pattern, percent-decoded.
    pub(crate) params: Vec<(String, String)>,
    /// What the route's guards found out.
    pub(crate) annotations: Vec<(String, String)>,
}

impl Head {
    /// Host and port as the client wrote them; empty for a caller in this process that gave none.
    pub(crate) fn authority(&self) -> &str {
        authority(&self.parts)
    }
}

pub(crate) fn dispatch(routes: &RouteTable, parts: Parts) -> Result<(Arc<Target>, Head), Failure> {
    check(&parts)?;
    let host = host_name(authority(&parts));
    let find = |method: &Method| routes.find(&host, parts.uri.path(), method, &parts.headers);
    let mut found = find(&parts.method);
    if let (Found::OtherMethods(_), Some(method)) = (&found, preflight(&parts)) {
        // The guards of the route that is asked about know what to answer.
        found = match find(&method) {
            Found::Target(target, captures) if target.answers_preflights() => Found::Target(target, captures),
            _ => found,
        };
    }
    match found {
        Found::Target(target, captures) => {
            let params = captures.into_iter().map(decode).collect::<Result<_, _>>()?;
            Ok((target, Head { parts, params, annotations: Vec::new() }))
        }
        Found::OtherMethods(methods) => Err(Failure::MethodNotAllowed(methods)),
        Found::Nothing => Err(Failure::NotFound),
    }
}

/// The method that a browser asks about before it uses it.
fn preflight(parts: &Parts) -> Option<Method> {
    if !is_preflight(&parts.method, &parts.headers) {
        return None;
    }
    let asked = parts.headers.get(ACCESS_CONTROL_REQUEST_METHOD)?;
    Method::from_bytes(asked.as_bytes()).ok()
}

/// Whether guests may read a path as another one than the routes: `.` and `..`, also as `%2e`, and backslashes.
fn is_ambiguous(path: &str) -> bool {
    // Most paths have neither.
    if !path.bytes().any(|byte| matches!(byte, b'.' | b'%' | b'\\')) {
        return false;
    }
    let is_dots = |segment: &str| {
        let plain = segment.replace("%2e", ".").replace("%2E", ".");
        plain == "." || plain == ".."
    };
    path.contains('\\') || path.split('/').any(is_dots)
}

fn check(parts: &Parts) -> Result<(), Failure> {
    if is_ambiguous(parts.uri.path()) {
        return Err(Failure::BadRequest("the request's path has a segment of dots, or a backslash"));
    }
    if parts.uri.path_and_query().is_some_and(|target| target.as_str().len() > LONGEST_TARGET) {
        return Err(Failure::UriTooLong);
    }
    let bytes: usize = parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if parts.headers.len() > MOST_FIELDS || bytes > LARGEST_FIELDS {
        return Err(Failure::HeadTooLarge);
    }
    let mut hosts = parts.headers.get_all(http::header::HOST).iter();
    if !hosts.next().is_none_or(is_host) {
        return Err(Failure::BadRequest("the request's Host field is no host"));
    }
    if hosts.next().is_some() {
        return Err(Failure::BadRequest("the request has more than one Host field"));
    }
    Ok(())
}

/// Empty where the target has no authority: RFC 9112, 3.2.
fn is_host(value: &HeaderValue) -> bool {
    value.is_empty() || Authority::try_from(value.as_bytes()).is_ok_and(|host| !host.as_str().contains('@'))
}

fn authority(parts: &Parts) -> &str {
    match parts.uri.authority() {
        Some(authority) => authority.as_str(),
        None => parts.headers.get(http::header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default(),
    }
}

/// `Example.com:8080` to `example.com`, `[::1]:80` to `[::1]`; a lower-case name is not copied.
fn host_name(authority: &str) -> Cow<'_, str> {
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => authority,
    };
    if host.bytes().any(|b| b.is_ascii_uppercase()) {
        Cow::Owned(host.to_ascii_lowercase())
    } else {
        Cow::Borrowed(host)
    }
}

fn decode((key, value): (String, String)) -> Result<(String, String), Failure> {
    let decoded = percent_decode_str(&value).decode_utf8();
    let not_text = |_| Failure::BadRequest("a part of the path is not UTF-8 when decoded");
    decoded.map(Cow::into_owned).map_err(not_text).map(|value| (key, value))
}

#[cfg(test)]
mod tests {
    use super::{host_name, is_ambiguous};

    #[test]
    fn paths_that_guests_may_read_otherwise_are_refused() {
        for path in ["/..", "/a/../b", "/a/%2e%2E/b", "/a/.%2e", "/./a", "/a\\b", "/%2e"] {
            assert!(is_ambiguous(path), "{path}");
        }
        for path in ["/", "/a.b/c..d", "/...", "/%2eenv", "/a%20b//c", "/.well-known/x"] {
            assert!(!is_ambiguous(path), "{path}");
        }
    }

    #[test]
    fn a_host_name_loses_its_port_and_its_capitals() {
        for (authority, host) in
            [("a.b", "a.b"), ("A.b:80", "a.b"), ("[::1]:8080", "[::1]"), ("[::1]", "[::1]"), ("", "")]
        {
            assert_eq!(host_name(authority), host);
        }
    }
}
