//! Who asks, and under which name they found this listener.

use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, HOST};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::Response;

use super::{Api, Problem};

/// Finds out whom the token stands for.
pub(super) async fn authenticate(
    State(api): State<Api>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let unknown = || {
        let title = "this needs a token: `Authorization: Bearer wharf_...`; it may have expired";
        Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", title)
    };
    let token = bearer(request.headers()).ok_or_else(unknown)?.to_owned();
    let caller = api.control.caller(&token).await?.ok_or_else(unknown)?;
    request.extensions_mut().insert(caller);
    Ok(next.run(request).await)
}

fn bearer(fields: &HeaderMap) -> Option<&str> {
    let value = fields.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Refuses requests that were meant for another name.
pub(super) async fn check_host(
    State(api): State<Api>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let asked = request.headers().get(HOST).and_then(|host| Authority::try_from(host.as_bytes()).ok());
    let known = asked.is_some_and(|asked| {
        // Any name will do on a listener that is open to other machines: the operator chose it.
        api.hosts.is_empty() || api.hosts.iter().any(|host| host.eq_ignore_ascii_case(asked.host()))
    });
    if !known {
        let title = "this listener answers under its own address and `localhost` only";
        return Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, "wrong-host", title));
    }
    Ok(next.run(request).await)
}
