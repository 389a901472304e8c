//! Contract guest for the guards of routes: its handler tells what they found out; `../../README.md` lists its routes.

use wharf_guest::{Request, Response, Result, serde_json::json};

#[wharf_guest::service]
fn handle(mut request: Request) -> Result<Response> {
    let mut bytes = 0;
    while let Some(piece) = request.body().next_piece()? {
        bytes += piece.len();
    }
    let (head, _) = request.into_parts();
    Ok(Response::json(&json!({
        "method": head.method,
        "path": head.path,
        "path_params": head.path_params,
        "annotations": head.annotations,
        "body_bytes": bytes,
    })))
}
