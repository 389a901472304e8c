//! The smallest service of `wasi:http` 0.3: runs on any host of it.

use wasip3::http::types::{ErrorCode, Fields, Request, Response};
use wasip3::{wit_bindgen, wit_future, wit_stream};
use wharf_guest as _;

wasip3::http::service::export!(Handler);

struct Handler;

impl wasip3::exports::http::handler::Guest for Handler {
    async fn handle(_request: Request) -> Result<Response, ErrorCode> {
        let (mut body, reader) = wit_stream::new();
        let (ended, end) = wit_future::new(|| Ok(None));
        drop(ended);
        let (response, _sent) = Response::new(Fields::new(), Some(reader), end);
        wit_bindgen::spawn_local(async move {
            body.write_all(b"Hello, World!".to_vec()).await;
        });
        Ok(response)
    }
}
