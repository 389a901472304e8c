//! `wharf:platform/config`: the manifest's `[config]`.

use wasmtime::component::{HasSelf, Linker};

use crate::bindings::wharf::platform::config;
use crate::capability::Capability;
use crate::request::RequestState;

pub(super) struct Settings;

impl Capability for Settings {
    fn interfaces(&self) -> &'static [&'static str] {
        &["wharf:platform/config@0.1.0"]
    }

    fn link(&self, linker: &mut Linker<RequestState>) -> wasmtime::Result<()> {
        config::add_to_linker::<_, HasSelf<_>>(linker, |state| state)
    }
}

impl config::Host for RequestState {
    fn get(&mut self, key: String) -> wasmtime::Result<Option<String>> {
        Ok(self.release().manifest.config.get(&key).cloned())
    }
}
