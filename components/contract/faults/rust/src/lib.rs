//! Contract guest that misbehaves on demand; `../../README.md` lists how.

mod abuse;
mod replies;

use std::sync::atomic::{AtomicU32, Ordering};

use wharf_guest::{Request, Response};

/// Requests that this instance has answered.
static COUNT: AtomicU32 = AtomicU32::new(0);

#[wharf_guest::service]
fn handle(request: Request) -> Response {
    match request.path() {
        "/fine" => Response::text("fine"),
        "/count" => Response::text(COUNT.fetch_add(1, Ordering::Relaxed).to_string()),
        "/loop" => abuse::spin_for_ever(),
        "/spin" => abuse::spin(number(&request, "ms", 50)),
        "/trap" => abuse::trap(),
        "/panic" => abuse::explode(),
        "/grow" => abuse::grow(),
        "/fill" => abuse::fill(number(&request, "mib", 16)),
        "/recurse" => abuse::recurse(),
        "/hostcalls" => abuse::host_calls(&request),
        "/leak" => abuse::leak(number(&request, "n", 1000)),
        "/bad-header" => replies::bad_header(&request),
        "/bad-status" => replies::bad_status(number(&request, "code", 99)),
        "/hop-header" => replies::hop_headers(),
        "/wrong-length" => replies::wrong_length(number(&request, "length", 5)),
        "/many-headers" => replies::many_headers(number(&request, "n", 1000)),
        "/huge-header" => replies::huge_header(number(&request, "n", 1_000_000)),
        "/huge-reply" => replies::huge_reply(number(&request, "mib", 16)),
        "/slow-stream" => replies::slow_stream(&request),
        "/stream-trap" => replies::stream_trap(number(&request, "after", 2)),
        "/stream-loop" => replies::stream_loop(number(&request, "after", 2)),
        "/stream-empty" => replies::stream_empty(),
        _ => Response::text("no such route in the contract guest").status(404),
    }
}

/// A number from the query, or what stands for it.
pub(crate) fn number(request: &Request, name: &str, default: usize) -> usize {
    request.query_param(name).and_then(|text| text.parse().ok()).unwrap_or(default)
}
