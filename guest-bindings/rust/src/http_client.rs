//! HTTP towards others.
//!
//! ```no_run
//! use std::time::Duration;
//! use wharf_guest::{HttpClient, Result, serde_json::{Value, json}};
//!
//! # fn main() -> Result<()> {
//! let rates: Value = HttpClient::get("https://api.example.com/rates")
//!     .query("base", "EUR")
//!     .timeout(Duration::from_secs(2))
//!     .send()?
//!     .error_for_status()?
//!     .json()?;
//!
//! let order = HttpClient::post("https://shop.example.com/orders")
//!     .bearer("the token")
//!     .json(&json!({"item": 7}))
//!     .send()?;
//! assert_eq!(order.status(), 201);
//!
//! // Up to six at once, answered in their order.
//! let pages = (1..=10).map(|page| HttpClient::get(format!("https://api.example.com/pages/{page}")));
//! for page in HttpClient::send_many(pages) {
//!     println!("{}", page?.text()?);
//! }
//! # Ok(()) }
//! ```
//!
//! Each host stands in the manifest, or the call is denied:
//!
//! ```toml
//! [grants]
//! http = ["api.example.com", "*.shop.example.com", "http://partner.example.com:8080"]
//! ```
//!
//! The host keeps connections open for the next request, speaks HTTP/2 where the server does, and follows no
//! redirects. Nothing is retried: [`Error::is_unavailable`] says that nothing was sent, and
//! [`Error::is_outcome_unknown`] that the server may have done it or not. A request makes at most 32 calls.

mod request;
mod response;

pub use request::OutgoingRequest;
pub use response::HttpResponse;

use crate::{
    Error, ErrorKind, Result,
    bindings::wharf::platform::{http_client, http_types},
};

/// Where requests to others begin. It holds nothing: connections are the host's.
#[derive(Clone, Copy, Debug)]
pub struct HttpClient;

impl HttpClient {
    /// A GET of an absolute URL.
    pub fn get(url: impl Into<String>) -> OutgoingRequest {
        Self::request("GET", url)
    }

    /// A POST.
    pub fn post(url: impl Into<String>) -> OutgoingRequest {
        Self::request("POST", url)
    }

    /// A PUT.
    pub fn put(url: impl Into<String>) -> OutgoingRequest {
        Self::request("PUT", url)
    }

    /// A PATCH.
    pub fn patch(url: impl Into<String>) -> OutgoingRequest {
        Self::request("PATCH", url)
    }

    /// A DELETE.
    pub fn delete(url: impl Into<String>) -> OutgoingRequest {
        Self::request("DELETE", url)
    }

    /// Any method, in upper case.
    pub fn request(method: impl Into<String>, url: impl Into<String>) -> OutgoingRequest {
        OutgoingRequest::new(method.into(), url.into())
    }

    /// Sends many requests, six at once; the i-th answer belongs to the i-th request. All responses' heads have
    /// come when it returns, and small bodies.
    pub fn send_many(requests: impl IntoIterator<Item = OutgoingRequest>) -> Vec<Result<HttpResponse>> {
        let (mut sent, mut problems) = (Vec::new(), Vec::new());
        for request in requests {
            // What is wrong from the start is not sent, but keeps its place.
            problems.push(request.into_raw().map(|raw| sent.push(raw)).err());
        }
        let mut answers = http_client::send_many(sent).into_iter();
        let answer = |problem| match problem {
            Some(problem) => Err(problem),
            None => answers.next().map_or_else(|| Err(unanswered()), received),
        };
        problems.into_iter().map(answer).collect()
    }
}

fn received(answer: Result<http_types::Response, http_types::Error>) -> Result<HttpResponse> {
    answer.map(HttpResponse::new).map_err(|error| ErrorKind::Http(error).into())
}

fn unanswered() -> Error {
    ErrorKind::Http(http_types::Error::Other("the host gave fewer answers than requests".to_owned())).into()
}
