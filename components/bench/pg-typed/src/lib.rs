//! One indexed query per request: what a service costs that does what most services do.

use wharf_guest::{PgClient, Request, Response, Result};

/// Rows in the table `world`.
const ROWS: u32 = 10_000;

#[wharf_guest::service]
fn handle(request: Request) -> Result<Response> {
    let id = row_of(request.request_id());
    let mut row =
        PgClient::open("main")?.query_one("SELECT id, randomnumber FROM world WHERE id = $1", &[&id])?;
    let (id, number): (i32, i32) = (row.take(0)?, row.take(1)?);
    Ok(Response::json_text(format!("{{\"id\":{id},\"randomNumber\":{number}}}")))
}

/// A row that differs from request to request, without asking the host for a random number: FNV-1a of the
/// request's id.
fn row_of(request_id: &str) -> i32 {
    let hash = request_id
        .bytes()
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    // At most 10,000.
    i32::try_from(hash % ROWS).unwrap_or(0) + 1
}
