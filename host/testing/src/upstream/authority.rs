//! The certificates of the upstream: an authority that only the tests' hosts believe, and a certificate for each name that
//! somebody asks for.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::error::Error;

/// Signs for any name.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    /// Of all names: only the tests' hosts believe it.
    key: KeyPair,
    file: PathBuf,
    signed: Mutex<HashMap<String, Arc<CertifiedKey>>>,
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").field("file", &self.file).finish_non_exhaustive()
    }
}

impl Authority {
    /// A new one, whose certificate is written to the folder for hosts to believe.
    pub(crate) fn new(folder: &Path) -> Result<Self, Error> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        // Each stand has one, as has each process that tests at once; those of processes that were killed are cleared away.
        static NEXT: AtomicU32 = AtomicU32::new(0);
        clear(folder);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let file = folder.join(format!("{PREFIX}{}-{number}.pem", std::process::id()));
        std::fs::write(&file, issuer.pem()).map_err(|source| Error::Io {
            what: "write",
            path: file.clone(),
            source,
        })?;
        Ok(Self { issuer, key: KeyPair::generate()?, file, signed: Mutex::default() })
    }

    /// Where its certificate is.
    pub(crate) fn file(&self) -> &Path {
        &self.file
    }

    /// Settings of a server that is whoever it is taken for.
    pub(super) fn server(self: Arc<Self>) -> Arc<ServerConfig> {
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring has the default versions");
        let mut config = builder.with_no_client_auth().with_cert_resolver(Arc::new(ByName(self)));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Arc::new(config)
    }

    fn certificate(&self, name: &str) -> Option<Arc<CertifiedKey>> {
        let mut signed = self.signed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = signed.get(name) {
            return Some(known.clone());
        }
        let params = CertificateParams::new(vec![name.to_owned()]).ok()?;
        let certificate = params.signed_by(&self.key, &self.issuer).ok()?;
        let key = PrivateKeyDer::try_from(self.key.serialize_der()).ok()?;
        let key = ring::sign::any_supported_type(&key).ok()?;
        let made = Arc::new(CertifiedKey::new(vec![certificate.der().clone()], key));
        signed.insert(name.to_owned(), made.clone());
        Some(made)
    }
}

/// How the files are called that hosts read.
const PREFIX: &str = "authority-";
/// How long one may still be read.
const STALE: Duration = Duration::from_secs(24 * 3_600);

fn clear(folder: &Path) {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    for file in files.filter(|file| file.file_name().to_string_lossy().starts_with(PREFIX)) {
        let age = file.metadata().and_then(|meta| meta.modified()).map(|at| at.elapsed().unwrap_or_default());
        if age.is_ok_and(|age| age > STALE) {
            let _gone = std::fs::remove_file(file.path());
        }
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        let _gone = std::fs::remove_file(&self.file);
    }
}

/// Certificates by the name that a client asks for.
#[derive(Debug)]
struct ByName(Arc<Authority>);

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.certificate(hello.server_name()?)
    }
}
