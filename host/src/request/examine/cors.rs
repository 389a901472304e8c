//! Which pages of other origins may call: tower-http decides; its answer to a request without a handler behind it is
//! what the response gets.

use std::convert::Infallible;

use futures_util::FutureExt;
use http::header::ACCESS_CONTROL_REQUEST_METHOD;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use tower::{Layer, ServiceExt, service_fn};
use tower_http::cors::{AllowHeaders, AllowMethods, AllowOrigin, CorsLayer, ExposeHeaders};

use crate::body::Body;
use crate::manifest::CorsGuard;
use crate::request::respond::Reply;

use super::{Pass, Seen};

/// The rules of one guard.
pub(crate) struct Cors(CorsLayer);

impl Cors {
    pub(super) fn new(guard: &CorsGuard) -> Result<Self, String> {
        let origins: Vec<HeaderValue> = parsed(&guard.origins)?;
        let origins = if guard.origins.iter().any(|origin| origin == "*") {
            AllowOrigin::any()
        } else {
            AllowOrigin::list(origins)
        };
        let methods: Vec<Method> = parsed(&guard.methods)?;
        let methods =
            if methods.is_empty() { AllowMethods::mirror_request() } else { AllowMethods::list(methods) };
        let headers: Vec<HeaderName> = parsed(&guard.headers)?;
        let headers =
            if headers.is_empty() { AllowHeaders::mirror_request() } else { AllowHeaders::list(headers) };
        let layer = CorsLayer::new()
            .allow_origin(origins)
            .allow_methods(methods)
            .allow_headers(headers)
            .expose_headers(ExposeHeaders::list(parsed::<HeaderName>(&guard.expose)?))
            .allow_credentials(guard.credentials)
            .max_age(guard.max_age);
        Ok(Self(layer))
    }

    /// Answers a preflight; for every other request says what its response gets.
    pub(super) fn ask(&self, seen: &Seen<'_>, fields: &mut HeaderMap) -> Pass {
        let mut request = Request::new(());
        *request.method_mut() = seen.parts.method.clone();
        *request.headers_mut() = seen.parts.headers.clone();
        let behind = service_fn(async |_| Ok::<_, Infallible>(Response::new(())));
        let answered = self.0.layer(behind).oneshot(request).now_or_never();
        let Some(Ok(answer)) = answered else { return Pass::As(Vec::new()) };
        let headers = answer.into_parts().0.headers;
        if is_preflight(&seen.parts.method, &seen.parts.headers) {
            return Pass::Answer(Reply { status: StatusCode::NO_CONTENT, headers, body: Body::empty() });
        }
        let mut last = None;
        for (name, value) in headers {
            last = name.or(last);
            if let Some(name) = &last {
                fields.append(name, value);
            }
        }
        Pass::As(Vec::new())
    }
}

/// Whether a browser asks what it may do, and does nothing yet.
pub(crate) fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    *method == Method::OPTIONS && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

fn parsed<T: std::str::FromStr>(texts: &[String]) -> Result<Vec<T>, String> {
    let parse = |text: &String| text.parse().map_err(|_told| format!("`{text}` is not valid there"));
    texts.iter().map(parse).collect()
}
