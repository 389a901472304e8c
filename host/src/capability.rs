//! What a host offers to guests: linked once, prepared per release, begun per request.

use http::Extensions;
use wasmtime::component::Linker;

use crate::manifest::Manifest;
use crate::request::RequestState;

/// One thing that guests may import. Wharf's own are in `request::provide`; an embedder adds others
/// with [`crate::HostBuilder::capability`].
///
/// An implementation binds its WIT with `wasmtime::component::bindgen!`, implements the generated
/// traits for [`RequestState`], and links them in [`Capability::link`].
pub trait Capability: Send + Sync + 'static {
    /// The interfaces that [`Capability::link`] defines, e.g. `wharf:platform/kv@0.1.0`.
    fn interfaces(&self) -> &'static [&'static str];

    /// Defines the interfaces; called once per engine: when the host is built, and again when the first component
    /// comes that uses `async` of the component model.
    ///
    /// # Errors
    /// What the linker says, e.g. about a name defined twice. Building the host fails with it.
    fn link(&self, linker: &mut Linker<RequestState>) -> wasmtime::Result<()>;

    /// Checks what a manifest asks of this capability and puts what its requests will share (pools,
    /// buckets) into `prepared`, where [`RequestState::prepared`] finds it by type. Must not wait for
    /// anything outside: whether a database answers shows when it is used.
    ///
    /// # Errors
    /// A grant that this host cannot give. The release is refused with it.
    fn prepare(&self, service: &Manifest, prepared: &mut Extensions) -> Result<(), PrepareError> {
        let _ = (service, prepared);
        Ok(())
    }

    /// Called for every request before its guest runs. State that few requests need is better made on
    /// first use, with [`RequestState::local`].
    fn begin(&self, request: &mut RequestState) {
        let _ = request;
    }
}

/// Why a capability refuses a manifest.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PrepareError {
    /// The manifest is granted a name that this host does not know.
    #[error("grant `{grant}` names nothing on this host{}", advice(.hint))]
    UnknownGrant {
        /// As in `pg.main`.
        grant: String,
        /// What to do about it; may be empty.
        hint: String,
    },
    /// The name is known, but cannot be used as it is configured.
    #[error("grant `{grant}` cannot be used")]
    Unusable {
        /// As in `pg.main`.
        grant: String,
        /// What is wrong with the configuration.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

fn advice(hint: &str) -> String {
    if hint.is_empty() { String::new() } else { format!("; {hint}") }
}
