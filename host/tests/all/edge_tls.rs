use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rcgen::SanType;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use wharf_host::{CertificateFiles, Config, Endpoint, Host, Serving};

use crate::pg_tls::Authority;
use crate::support::{artifact, serve};
use crate::wire::{ANY, PATIENCE, SOON, connect, exchange, expect, host_with, sent, statuses, until_closed};

const GET: &[u8] = b"GET /echo HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";

fn files(authority: &Authority, name: &str) -> CertificateFiles {
    CertificateFiles {
        certificate: authority.file(&format!("{name}.pem")).into(),
        key: authority.file(&format!("{name}.key")).into(),
    }
}

/// An authority, and a host with its certificates for `one.test` (and 127.0.0.1) and `*.two.test`.
async fn start(folder: &Path) -> (Authority, Serving) {
    let authority = Authority::new(folder, "authority");
    authority.sign("one.test", |params| params.subject_alt_names.push(SanType::IpAddress(ANY.ip())));
    authority.sign("*.two.test", |_| {});
    let config = |config: &mut Config| {
        config.tls = vec![files(&authority, "one.test"), files(&authority, "*.two.test")];
        config.head_timeout = SOON;
    };
    let host = host_with(artifact("http"), config).await;
    let serving = host.listen_at(&[Endpoint::Https(ANY)]).unwrap();
    (authority, serving)
}

struct Client {
    address: SocketAddr,
    tls: ClientConfig,
}

impl Client {
    fn new(authority: &Authority, serving: &Serving) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(authority.file("root.pem")).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls =
            ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let mut tls = tls.with_root_certificates(roots).with_no_client_auth();
        // Each connection is to show a certificate.
        tls.resumption = rustls::client::Resumption::disabled();
        Self { address: serving.local_addr(), tls }
    }

    fn speaks(mut self, protocols: &[&[u8]]) -> Self {
        self.tls.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        self
    }

    async fn connect(&self, name: &str) -> std::io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(name.to_owned()).unwrap();
        TlsConnector::from(Arc::new(self.tls.clone())).connect(name, connect(self.address).await).await
    }

    /// The certificate that is shown for a name.
    async fn shown(&self, name: &str) -> Vec<u8> {
        let stream = self.connect(name).await.unwrap();
        stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
    }
}

fn certificate(authority: &Authority, name: &str) -> Vec<u8> {
    CertificateDer::from_pem_file(authority.file(&format!("{name}.pem"))).unwrap().to_vec()
}

#[tokio::test]
async fn a_name_chooses_its_certificate_and_the_first_serves_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let (authority, serving) = start(folder.path()).await;
    assert_eq!(serving.endpoints(), [Endpoint::Https(serving.local_addr())]);
    let client = Client::new(&authority, &serving);
    for (name, certified) in
        [("one.test", "one.test"), ("www.two.test", "*.two.test"), ("127.0.0.1", "one.test")]
    {
        assert_eq!(client.shown(name).await, certificate(&authority, certified), "{name}");
    }
    let refused = client.connect("three.test").await.unwrap_err().to_string();
    assert!(refused.contains("one.test"), "the first one was not shown: {refused}");
    let mut stream = client.connect("one.test").await.unwrap();
    stream.write_all(GET).await.unwrap();
    let said = String::from_utf8(until_closed(&mut stream).await).unwrap();
    assert!(statuses(&said) == [200] && said.contains(r#""scheme":"https""#), "{said}");
}

#[tokio::test]
async fn the_protocol_is_what_both_speak() {
    let folder = tempfile::tempdir().unwrap();
    let (authority, serving) = start(folder.path()).await;
    let chosen = |stream: &TlsStream<TcpStream>| stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
    let both = Client::new(&authority, &serving).speaks(&[b"http/1.1", b"h2"]);
    let stream = both.connect("one.test").await.unwrap();
    assert_eq!(chosen(&stream).unwrap(), b"h2");
    let (mut requests, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let request = http::Request::get("https://one.test/text").body(()).unwrap();
    let response = requests.send_request(request, true).unwrap().0.await.unwrap();
    assert_eq!((response.status().as_u16(), response.version()), (200, http::Version::HTTP_2));

    let old = Client::new(&authority, &serving).speaks(&[b"http/1.1"]);
    let mut stream = old.connect("one.test").await.unwrap();
    assert_eq!(chosen(&stream).unwrap(), b"http/1.1");
    stream.write_all(GET).await.unwrap();
    expect(&mut stream, "HTTP/1.1 200").await;
    Client::new(&authority, &serving).speaks(&[b"gopher"]).connect("one.test").await.unwrap_err();
}

#[tokio::test]
async fn a_handshake_that_stands_still_keeps_nobody_waiting_and_ends() {
    let folder = tempfile::tempdir().unwrap();
    let (authority, serving) = start(folder.path()).await;
    let client = Client::new(&authority, &serving);
    let mut stalled = Vec::new();
    for _ in 0..20 {
        stalled.push(connect(serving.local_addr()).await);
        // The head of a record, and the first bytes of a hello.
        stalled.push(sent(serving.local_addr(), &[22, 3, 1, 2, 0, 1, 0]).await);
    }
    let begun = Instant::now();
    let mut silent = client.connect("one.test").await.unwrap();
    assert!(begun.elapsed() < PATIENCE);
    for stream in &mut stalled {
        until_closed(stream).await;
    }
    // One that is through, and then says nothing, ends as any other.
    until_closed(&mut silent).await;
    let said = exchange(serving.local_addr(), GET).await;
    assert!(!said.contains("HTTP/1.1 200"), "served in the clear: {said}");
}

#[tokio::test]
async fn new_files_are_shown_and_broken_ones_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let (authority, serving) = start(folder.path()).await;
    let client = Client::new(&authority, &serving);
    let mut old = client.connect("one.test").await.unwrap();
    let first = certificate(&authority, "one.test");
    authority.sign("one.test", |_| {});
    let second = certificate(&authority, "one.test");
    assert_ne!(first, second);
    becomes(&client, &second).await;

    std::fs::write(authority.file("one.test.pem"), "nothing").unwrap();
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(1_500) {
        assert_eq!(client.shown("one.test").await, second);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // A key of another certificate is as good as none; then the right one comes.
    authority.sign("one.test", |_| {});
    let third = certificate(&authority, "one.test");
    becomes(&client, &third).await;
    drop(old.write_all(GET).await);
}

async fn becomes(client: &Client, certificate: &[u8]) {
    let begun = Instant::now();
    while client.shown("one.test").await != certificate {
        assert!(begun.elapsed() < PATIENCE, "the old certificate is still shown");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn certificates_that_cannot_be_served_are_found_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path(), "authority");
    authority.sign("one.test", |_| {});
    authority.sign("two.test", |_| {});
    let missing = CertificateFiles { certificate: "/nowhere.pem".into(), key: "/nowhere.key".into() };
    let mut mixed = files(&authority, "one.test");
    mixed.key = files(&authority, "two.test").key;
    for (pair, expected) in [(missing, "/nowhere.pem"), (mixed, "cannot be served with its key")] {
        let mut config = Config::default();
        config.tls = vec![pair];
        let error = Host::builder().config(config).build().unwrap_err();
        assert!(wharf_host::chain(&error).contains(expected), "{}", wharf_host::chain(&error));
    }
    let host = Host::builder().build().unwrap();
    serve(&host, artifact("http")).await;
    let error = host.listen_at(&[Endpoint::Https(ANY)]).unwrap_err();
    assert!(error.to_string().contains("needs a certificate"), "{error}");
}
