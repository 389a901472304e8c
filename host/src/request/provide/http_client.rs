//! `wharf:platform/http-client`, which this version of the host links but does not serve: components
//! that import it run, and every call is `denied`.

use wasmtime::component::{HasSelf, Linker};

use crate::bindings::wharf::platform::http_client::{self, OutgoingRequest};
use crate::bindings::wharf::platform::http_types::{Error, Response};
use crate::capability::{Capability, PrepareError};
use crate::manifest::Manifest;
use crate::request::RequestState;

pub(super) struct HttpClient;

impl Capability for HttpClient {
    fn interfaces(&self) -> &'static [&'static str] {
        &["wharf:platform/http-client@0.1.0"]
    }

    fn link(&self, linker: &mut Linker<RequestState>) -> wasmtime::Result<()> {
        http_client::add_to_linker::<_, HasSelf<_>>(linker, |state| state)
    }

    fn prepare(&self, service: &Manifest, _: &mut http::Extensions) -> Result<(), PrepareError> {
        let Some(name) = service.grants.http.first() else { return Ok(()) };
        Err(PrepareError::UnknownGrant {
            grant: format!("http \"{name}\""),
            hint: "outbound HTTP is not available on this host".to_owned(),
        })
    }
}

impl http_client::Host for RequestState {
    async fn send(&mut self, _: OutgoingRequest) -> wasmtime::Result<Result<Response, Error>> {
        Ok(Err(denied()))
    }

    async fn send_many(
        &mut self,
        requests: Vec<OutgoingRequest>,
    ) -> wasmtime::Result<Vec<Result<Response, Error>>> {
        Ok(requests.iter().map(|_| Err(denied())).collect())
    }
}

fn denied() -> Error {
    Error::Denied("outbound HTTP is not available on this host".to_owned())
}
