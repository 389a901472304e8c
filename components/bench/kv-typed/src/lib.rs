//! Operations on buckets: `/typed/kv/get/memory/100` gets a key a hundred times.

use wharf_guest::{ErrorKind, Kv, Request, Response, Result, kv::PutItem};

/// Entries under the prefix that is scanned.
const SCANNED: usize = 100;

#[wharf_guest::service]
fn handle(request: Request) -> Result<Response> {
    let part = |name| request.path_param(name).unwrap_or_default();
    let times: u32 =
        part("times").parse().map_err(|_| ErrorKind::Value("the count is no number".to_owned()))?;
    let kv = Kv::open(part("bucket"))?;
    match part("what") {
        "fill" => {
            let item = |n| PutItem { key: format!("scan/{n:03}"), value: vec![b'x'; 100], ttl_ms: None };
            kv.put_many(&(0..SCANNED).map(item).collect::<Vec<_>>())?;
        }
        "get" => {
            for _ in 0..times {
                kv.get("scan/050")?;
            }
        }
        "put" => {
            for _ in 0..times {
                kv.put("put", [b'x'; 100])?;
            }
        }
        "scan" => {
            for _ in 0..times {
                let found = kv.scan("scan/").count();
                if found != SCANNED {
                    return Err(ErrorKind::Value(format!("found {found} entries")).into());
                }
            }
        }
        _ => return Ok(Response::text("no such operation").status(404)),
    }
    Ok(Response::text("done"))
}
