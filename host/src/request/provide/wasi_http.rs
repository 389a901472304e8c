//! `wasi:http` towards others, for guests of either version.

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use wasmtime::component::ResourceTable;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks};

use crate::release::Release;

type Io = Box<dyn Future<Output = Result<(), Error>> + Send>;
type Sent = Box<dyn Future<Output = Result<(http::Response<WasiBody>, Io), Error>> + Send>;

/// What `wasi:http` keeps for one request, and how it sends.
pub(crate) struct Outgoing {
    context: WasiHttpCtx,
    hooks: Hooks,
}

struct Hooks;

impl Outgoing {
    pub(crate) fn new(_release: &Release) -> Box<Self> {
        Box::new(Self { context: WasiHttpCtx::new(), hooks: Hooks })
    }

    pub(crate) fn view<'a>(&'a mut self, table: &'a mut ResourceTable) -> WasiHttpCtxView<'a> {
        WasiHttpCtxView { hooks: &mut self.hooks, table, ctx: &mut self.context }
    }
}

impl WasiHttpHooks for Hooks {
    fn send_request(
        &mut self,
        _request: http::Request<UnsyncBoxBody<Bytes, Error>>,
        _options: Option<RequestOptions>,
        _sent: Io,
    ) -> Sent {
        Box::new(async { Err(Error::HttpRequestDenied) })
    }
}
