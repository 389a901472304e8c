//! TLS towards others: which authorities are believed.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore, crypto::ring};

/// Why there are no authorities to believe.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum RootsError {
    /// The operator's own.
    #[error("`{path}` has no authorities that can be used: {why}")]
    File {
        /// Which file.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// The machine's.
    #[error("this machine trusts no authority: install its CA certificates, or name a file of them")]
    None,
}

/// The settings of TLS for all clients of a host.
pub(crate) struct Tls {
    /// The system's authorities are some hundred files: read when the first service needs them.
    config: OnceLock<Result<Arc<ClientConfig>, RootsError>>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

impl Tls {
    pub(super) fn new(roots: Option<&Path>) -> Result<Self, RootsError> {
        let config = OnceLock::new();
        if let Some(path) = roots {
            let _first = config.set(Ok(client(from_file(path)?)));
        }
        Ok(Self { config })
    }

    pub(super) fn config(&self) -> Result<Arc<ClientConfig>, RootsError> {
        self.config.get_or_init(|| from_system().map(client)).clone()
    }

    /// For clients that are granted nothing over TLS: believes nobody.
    pub(super) fn none() -> Arc<ClientConfig> {
        client(RootCertStore::empty())
    }
}

fn client(roots: RootCertStore) -> Arc<ClientConfig> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring has the default versions");
    Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
}

fn from_file(path: &Path) -> Result<RootCertStore, RootsError> {
    let failed = |why: String| RootsError::File { path: path.display().to_string(), why };
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| failed(error.to_string()))? {
        let certificate = certificate.map_err(|error| failed(error.to_string()))?;
        store.add(certificate).map_err(|error| failed(error.to_string()))?;
    }
    if store.is_empty() { Err(failed("no certificate in it".to_owned())) } else { Ok(store) }
}

fn from_system() -> Result<RootCertStore, RootsError> {
    let mut store = RootCertStore::empty();
    let _unusable = store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if store.is_empty() { Err(RootsError::None) } else { Ok(store) }
}

#[cfg(test)]
mod tests {
    use super::Tls;

    #[test]
    fn a_file_without_authorities_is_a_clear_error() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("roots.pem");
        assert!(Tls::new(Some(&file)).unwrap_err().to_string().contains("roots.pem"));
        std::fs::write(&file, "no PEM").unwrap();
        assert!(Tls::new(Some(&file)).unwrap_err().to_string().contains("no certificate in it"));
    }
}
