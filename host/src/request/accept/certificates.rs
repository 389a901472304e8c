//! The certificates that listeners show: chosen by SNI, followed on disk by a thread of their own, swapped whole.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::client::verify_server_name;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_rustls::TlsAcceptor;

use crate::config::CertificateFiles;
use crate::error::chain;

/// How often the files are looked at.
const PERIOD: Duration = Duration::from_secs(1);
/// What a client may choose of, best first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Why certificates cannot be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// TLS without a certificate.
    #[error("an https endpoint needs a certificate, and none is configured")]
    None,
    /// A file that is not there, or holds no PEM of the kind.
    #[error("failed to read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A certificate that rustls cannot use, or a key that is another's.
    #[error("the certificate in `{}` cannot be served with its key", certificate.display())]
    Pair {
        /// The certificate's file.
        certificate: PathBuf,
        /// What is wrong with the two.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The settings of TLS itself, or the thread that follows the files.
    #[error("failed to start TLS")]
    Start(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Finds what is wrong with the files without serving them.
pub(crate) fn check(files: &[CertificateFiles]) -> Result<(), TlsError> {
    load(files, &ring::default_provider()).map(drop)
}

/// TLS for listeners; the files are followed until it is dropped.
pub(crate) struct Tls {
    acceptor: TlsAcceptor,
    _follows: mpsc::Sender<()>,
}

impl Tls {
    /// Reads the files.
    pub(crate) fn start(files: &[CertificateFiles]) -> Result<Self, TlsError> {
        if files.is_empty() {
            return Err(TlsError::None);
        }
        let provider = Arc::new(ring::default_provider());
        let stamps = stamps(files);
        let shown = Arc::new(Shown(ArcSwap::from_pointee(load(files, &provider)?)));
        let mut config = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsError::Start(error.into()))?
            .with_no_client_auth()
            .with_cert_resolver(shown.clone());
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
        let (follows, ended) = mpsc::channel();
        let mut follower = Follower { files: files.to_vec(), stamps, provider, shown };
        std::thread::Builder::new()
            .name("wharf-certs".to_owned())
            .spawn(move || {
                while ended.recv_timeout(PERIOD) == Err(RecvTimeoutError::Timeout) {
                    follower.look();
                }
            })
            .map_err(|error| TlsError::Start(error.into()))?;
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), _follows: follows })
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        self.acceptor.clone()
    }
}

/// What handshakes choose from.
#[derive(Debug)]
struct Shown(ArcSwap<Vec<Arc<CertifiedKey>>>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let shown = self.0.load();
        let name = hello.server_name().and_then(|name| ServerName::try_from(name).ok());
        let named = name.and_then(|name| shown.iter().find(|key| is_for(key, &name)));
        named.or(shown.first()).cloned()
    }
}

fn is_for(key: &CertifiedKey, name: &ServerName<'_>) -> bool {
    let parsed = key.end_entity_cert().and_then(ParsedCertificate::try_from);
    parsed.is_ok_and(|certificate| verify_server_name(&certificate, name).is_ok())
}

/// What tells that a file is another: its identity, its size and when it was written.
type Stamp = Option<(u64, u64, SystemTime)>;

struct Follower {
    files: Vec<CertificateFiles>,
    /// As they were before they were last read, so that no change is missed.
    stamps: Vec<[Stamp; 2]>,
    provider: Arc<CryptoProvider>,
    shown: Arc<Shown>,
}

impl Follower {
    /// Reads the files anew if any has changed. A pair may be half written: the next look sees the rest.
    fn look(&mut self) {
        let stamps = stamps(&self.files);
        if stamps == self.stamps {
            return;
        }
        self.stamps = stamps;
        match load(&self.files, &self.provider) {
            Ok(keys) => {
                self.shown.0.store(Arc::new(keys));
                tracing::info!("certificates read anew");
            }
            Err(error) => {
                tracing::warn!(error = chain(&error), "certificates changed, and the old ones stay in use");
            }
        }
    }
}

fn stamps(files: &[CertificateFiles]) -> Vec<[Stamp; 2]> {
    files.iter().map(|pair| [stamp(&pair.certificate), stamp(&pair.key)]).collect()
}

fn stamp(path: &Path) -> Stamp {
    let file = std::fs::metadata(path).ok()?;
    Some((file.ino(), file.len(), file.modified().ok()?))
}

fn load(files: &[CertificateFiles], provider: &CryptoProvider) -> Result<Vec<Arc<CertifiedKey>>, TlsError> {
    files.iter().map(|pair| load_pair(pair, provider).map(Arc::new)).collect()
}

fn load_pair(files: &CertificateFiles, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
    let unreadable = |path: &Path, source: Box<dyn std::error::Error + Send + Sync>| TlsError::Read {
        path: path.to_owned(),
        source,
    };
    let certificates = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unreadable(&files.certificate, error.into()))?;
    if certificates.is_empty() {
        return Err(unreadable(&files.certificate, "it has no certificate".into()));
    }
    let key =
        PrivateKeyDer::from_pem_file(&files.key).map_err(|error| unreadable(&files.key, error.into()))?;
    CertifiedKey::from_der(certificates, key, provider)
        .map_err(|error| TlsError::Pair { certificate: files.certificate.clone(), source: error.into() })
}
