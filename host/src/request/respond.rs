//! Outcome to HTTP: what a guest may answer, and the one table of statuses.
//! Gets: a reply or a failure. Gives: a response. Cannot fail.

mod failure;
mod finish;
mod page;

use std::sync::Arc;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};

use crate::body::Body;
use crate::error::{Blame, chain};
use crate::release::Release;

use super::Arrival;

pub(crate) use failure::Failure;
pub(crate) use finish::Finish;
use page::Page;
pub(crate) use page::{Cause, Notes};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const ERROR_CODE: HeaderName = HeaderName::from_static("x-wharf-error");

/// What of a request decides how a response looks.
#[derive(Default)]
pub(crate) struct Asked {
    pub(crate) head_only: bool,
    /// Which media types the client takes.
    pub(crate) accept: Option<HeaderValue>,
}

/// What a guest answered, checked.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Body,
}

pub(crate) fn respond(
    outcome: Result<Reply, (Failure, Option<Arc<Release>>)>,
    arrival: &Arrival,
    asked: &Asked,
) -> Response<Body> {
    let mut response = match outcome {
        Ok(reply) => accept(reply, asked.head_only),
        Err((failure, release)) => refuse(&failure, release.as_deref(), arrival, asked),
    };
    if let Ok(id) = HeaderValue::from_bytes(arrival.id.as_str().as_bytes()) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

fn accept(reply: Reply, head_only: bool) -> Response<Body> {
    let Reply { status, mut headers, body } = reply;
    let length = http_body::Body::size_hint(&body).exact();
    if head_only {
        if let Some(length) = length.filter(|length| *length > 0) {
            headers.insert(CONTENT_LENGTH, length.into());
        }
    } else if length.is_some() || !has_plain_length(&headers) {
        headers.remove(CONTENT_LENGTH);
    }
    let body = if head_only || !may_have_body(status) { Body::empty() } else { body };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// Whether the length that a guest promises of its stream is one number. The stream is cut if it is wrong.
fn has_plain_length(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(CONTENT_LENGTH).iter();
    let first = values.next().and_then(|value| value.to_str().ok());
    values.next().is_none() && first.is_some_and(|length| length.bytes().all(|b| b.is_ascii_digit()))
}

/// RFC 9110, 6.4.1.
fn may_have_body(status: StatusCode) -> bool {
    !matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}

fn refuse(failure: &Failure, release: Option<&Release>, arrival: &Arrival, asked: &Asked) -> Response<Body> {
    let (status, code, blame, sentence) = failure.row();
    record(failure, code, blame, release, arrival);
    let page = Page { status, code, sentence, request: arrival.id, cause: arrival.cause(failure) };
    let (kind, text) = page.render(asked.accept.as_ref());
    let reply = Reply { status, headers: HeaderMap::new(), body: Body::from(Bytes::from(text)) };
    let mut response = accept(reply, asked.head_only);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(ERROR_CODE, HeaderValue::from_static(code));
    match failure {
        Failure::Overloaded => {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        Failure::TooManyRequests(seconds) => {
            headers.insert(RETRY_AFTER, (*seconds).into());
        }
        Failure::Unauthorized(challenge) => {
            if let Ok(challenge) = challenge.parse() {
                headers.insert(WWW_AUTHENTICATE, challenge);
            }
        }
        Failure::MethodNotAllowed(methods) => {
            let names: Vec<&str> = methods.iter().map(Method::as_str).collect();
            if let Ok(allow) = names.join(", ").parse() {
                headers.insert(ALLOW, allow);
            }
        }
        _ => {}
    }
    response
}

fn record(failure: &Failure, code: &str, blame: Blame, release: Option<&Release>, arrival: &Arrival) {
    let service = release.map(Release::service).unwrap_or_default();
    let (request, error) = (arrival.id, chain(failure));
    match blame {
        // Under load there are as many of these as requests.
        _ if matches!(failure, Failure::Overloaded) => {
            tracing::debug!(service, %request, code, "request shed");
        }
        Blame::Client => tracing::debug!(service, %request, code, %error, "request refused"),
        Blame::Guest => tracing::warn!(service, %request, code, %error, "guest failed"),
        Blame::Host => tracing::error!(service, %request, code, %error, "host failed"),
    }
}

/// Status and fields of a guest's reply; both may be anything.
pub(crate) fn check(
    status: u16,
    headers: Vec<(String, Vec<u8>)>,
) -> Result<(StatusCode, HeaderMap), Failure> {
    Ok((check_status(status)?, fields(headers)?))
}

/// 200 to 599: others are no final answers, or none at all.
pub(crate) fn check_status(status: u16) -> Result<StatusCode, Failure> {
    let valid = StatusCode::from_u16(status).ok().filter(|_| (200..600).contains(&status));
    valid.ok_or_else(|| Failure::InvalidReply(format!("status {status} is not 200 to 599")))
}

/// Fields that belong to the connection, the host or both: a guest's are dropped.
const HOST_FIELDS: [HeaderName; 8] = [
    http::header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    http::header::TE,
    http::header::TRANSFER_ENCODING,
    http::header::UPGRADE,
    REQUEST_ID,
    ERROR_CODE,
];

/// What one section of fields of a guest's may have: as much as a request's, twice.
const MOST_FIELDS: usize = 200;
const MOST_FIELD_BYTES: usize = 64 << 10;

pub(crate) fn fields(fields: Vec<(String, Vec<u8>)>) -> Result<HeaderMap, Failure> {
    let bytes: usize = fields.iter().map(|(name, value)| name.len() + value.len()).sum();
    if fields.len() > MOST_FIELDS || bytes > MOST_FIELD_BYTES {
        return Err(too_many(fields.len(), bytes));
    }
    let mut map = HeaderMap::with_capacity(fields.len() + 2);
    for (name, value) in fields {
        let Ok(key) = HeaderName::from_bytes(name.as_bytes()) else {
            let shown: String = name.chars().take(100).flat_map(char::escape_debug).collect();
            return Err(Failure::InvalidReply(format!("`{shown}` is no header name")));
        };
        let Ok(value) = HeaderValue::from_maybe_shared(Bytes::from(value)) else {
            return Err(Failure::InvalidReply(format!(
                "the value of header `{key}` has a byte that none may have"
            )));
        };
        if !HOST_FIELDS.contains(&key) {
            map.append(key, value);
        }
    }
    Ok(map)
}

/// The fields of a guest's that are a map already, without those that are the host's.
pub(crate) fn without_host_fields(mut map: HeaderMap) -> Result<HeaderMap, Failure> {
    let bytes: usize = map.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if map.len() > MOST_FIELDS || bytes > MOST_FIELD_BYTES {
        return Err(too_many(map.len(), bytes));
    }
    for name in &HOST_FIELDS {
        map.remove(name);
    }
    Ok(map)
}

fn too_many(fields: usize, bytes: usize) -> Failure {
    Failure::InvalidReply(format!(
        "{fields} fields of {bytes} bytes; at most {MOST_FIELDS} of {MOST_FIELD_BYTES}"
    ))
}

#[cfg(test)]
mod tests {
    use super::{Failure, check};

    fn field(name: &str, value: &str) -> Vec<(String, Vec<u8>)> {
        vec![(name.to_owned(), value.as_bytes().to_vec())]
    }

    #[test]
    fn a_reply_outside_of_http_is_refused() {
        for (status, headers) in [
            (199, vec![]),
            (600, vec![]),
            (200, field("", "x")),
            (200, field("a b", "x")),
            (200, field("x", "a\r\nset-cookie: b")),
        ] {
            assert!(matches!(check(status, headers), Err(Failure::InvalidReply(_))));
        }
    }

    #[test]
    fn fields_of_the_connection_are_the_hosts_business() {
        let (_, headers) = check(200, field("Transfer-Encoding", "chunked")).unwrap();
        assert!(headers.is_empty());
        assert!(check(200, vec![("x".to_owned(), Vec::new()); 30_000]).is_err(), "more than a map holds");
        let (_, headers) = check(200, [field("x", "1"), field("x", "2")].concat()).unwrap();
        assert_eq!(headers.get_all("x").iter().count(), 2);
    }
}
