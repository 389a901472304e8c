//! TLS to a database, with rustls.

use std::io;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// How far a server is believed; the names are libpq's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verify {
    /// `require`: whoever answers.
    Nothing,
    /// `verify-ca`: whoever has a certificate of a trusted authority.
    Authority,
    /// `verify-full`: only the server of that name.
    Full,
}

/// What an address names.
pub(super) struct Files<'a> {
    /// PEM, or `system` for the machine's own authorities, which is the default.
    pub(super) root: Option<&'a str>,
    /// PEM: this host's certificate, and those that lead to its authority.
    pub(super) certificate: Option<&'a str>,
    pub(super) key: Option<&'a str>,
}

/// Makes encrypted streams.
#[derive(Clone)]
pub(super) struct Connector {
    tls: TlsConnector,
    /// Begins with TLS, without asking first: PostgreSQL 17 and later.
    direct: bool,
}

/// `SSLRequest` of the protocol: a length of 8, and a version that is none.
const REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];
/// What PostgreSQL is called where TLS chooses a protocol.
const ALPN: &[u8] = b"postgresql";

impl Connector {
    pub(super) fn new(verify: Verify, files: &Files<'_>, direct: bool) -> Result<Self, BoxError> {
        let provider = Arc::new(ring::default_provider());
        let builder =
            ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions()?;
        // As in libpq: who names authorities wants them to be asked.
        let verify =
            if verify == Verify::Nothing && files.root.is_some() { Verify::Authority } else { verify };
        let builder = match verify {
            Verify::Full => builder.with_root_certificates(roots(files.root)?),
            Verify::Authority | Verify::Nothing => {
                let chain = match verify {
                    Verify::Nothing => None,
                    _ => Some(
                        WebPkiServerVerifier::builder_with_provider(
                            Arc::new(roots(files.root)?),
                            provider.clone(),
                        )
                        .build()?,
                    ),
                };
                builder.dangerous().with_custom_certificate_verifier(Arc::new(Lenient { chain, provider }))
            }
        };
        let mut config = match (files.certificate, files.key) {
            (None, None) => builder.with_no_client_auth(),
            (Some(certificate), Some(key)) => {
                let key = PrivateKeyDer::from_pem_file(key).map_err(|error| unreadable(key, &error))?;
                builder.with_client_auth_cert(certificates(certificate)?, key)?
            }
            _ => return Err("`sslcert` and `sslkey` belong together".into()),
        };
        config.alpn_protocols = vec![ALPN.to_vec()];
        Ok(Self { tls: TlsConnector::from(Arc::new(config)), direct })
    }

    /// Encrypts a connection that was just opened.
    pub(super) async fn connect(
        &self,
        mut stream: TcpStream,
        name: &str,
    ) -> io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
        if !self.direct {
            stream.write_all(&REQUEST).await?;
            // One byte and no more: what came with it in the clear would be taken for encrypted.
            match stream.read_u8().await? {
                b'S' => {}
                b'N' => return Err(io::Error::other("the server does not offer TLS")),
                _ => return Err(io::Error::other("the server does not speak PostgreSQL's protocol")),
            }
        }
        self.tls.connect(name, stream).await
    }
}

fn roots(file: Option<&str>) -> Result<RootCertStore, BoxError> {
    let mut store = RootCertStore::empty();
    match file {
        Some(path) if path != "system" => {
            for certificate in certificates(path)? {
                store.add(certificate)?;
            }
        }
        _ => {
            let _unusable = store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    if store.is_empty() {
        return Err(
            "this machine trusts no authority: install its CA certificates, or name one with `sslrootcert`"
                .into(),
        );
    }
    Ok(store)
}

fn certificates(path: &str) -> Result<Vec<CertificateDer<'static>>, BoxError> {
    let found = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unreadable(path, &error))?;
    if found.is_empty() { Err(format!("`{path}` has no certificate").into()) } else { Ok(found) }
}

fn unreadable(path: &str, error: &dyn std::fmt::Display) -> BoxError {
    format!("`{path}` cannot be read: {error}").into()
}

/// Believes more than the name, or everything, as it was told to.
#[derive(Debug)]
struct Lenient {
    /// None believes any certificate.
    chain: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Lenient {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(chain) = &self.chain else { return Ok(ServerCertVerified::assertion()) };
        match chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            // The name is looked at last, when all the rest is in order.
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
