use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use http::{Request, StatusCode};
use http_body_util::BodyExt;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};
use wharf_host::{Config, Host, Network, Resolver, Resolving};
use wharf_servers::Upstream;

use crate::support::{alone, artifact, post, serve};

/// Names and what they lead to: the answers in turn, the last one for ever.
#[derive(Debug, Default)]
struct Names {
    known: Vec<(&'static str, Vec<Vec<SocketAddr>>)>,
    asked: AtomicUsize,
}

impl Names {
    fn of(known: Vec<(&'static str, Vec<Vec<SocketAddr>>)>) -> Arc<Self> {
        Arc::new(Self { known, asked: AtomicUsize::new(0) })
    }

    /// One name that leads to one address.
    fn one(name: &'static str, address: SocketAddr) -> Arc<Self> {
        Self::of(vec![(name, vec![vec![address]])])
    }
}

impl Resolver for Names {
    fn resolve<'a>(&'a self, host: &'a str, _port: u16) -> Resolving<'a> {
        Box::pin(async move {
            let asked = self.asked.fetch_add(1, Ordering::SeqCst);
            let found = self.known.iter().find(|(name, _)| *name == host);
            let answers = found.map(|(_, answers)| answers.as_slice()).unwrap_or_default();
            let answer = answers.get(asked).or(answers.last());
            answer.cloned().ok_or_else(|| std::io::Error::other("no such name"))
        })
    }
}

/// A host whose operator permits these networks, and a service that is granted these hosts.
async fn host_of(
    change: impl FnOnce(&mut Config),
    private: &[&str],
    grants: &[String],
    cores: usize,
) -> Host {
    let mut config = Config::default();
    config.cores = cores.try_into().unwrap();
    config.http.private = private.iter().map(|network| network.parse().unwrap()).collect();
    change(&mut config);
    let host = Host::builder().config(config).build().unwrap();
    let mut guest = artifact("http-client");
    guest.manifest.grants.http = grants.to_vec();
    serve(&host, guest).await;
    host
}

async fn host(names: Arc<Names>, private: &[&str], grants: &[&str]) -> Host {
    let grants: Vec<_> = grants.iter().map(|&grant| grant.to_owned()).collect();
    host_of(|config| config.http.resolver = names, private, &grants, 1).await
}

/// A host on which `http://upstream.test` is that server.
async fn host_on(upstream: &Upstream) -> Host {
    let names = Names::one("upstream.test", upstream.address());
    host(names, &["127.0.0.0/8"], &["http://upstream.test"]).await
}

async fn get(host: &Host, url: &str) -> Value {
    post(host, "/send", json!({"url": url})).await
}

fn case(answer: &Value) -> &str {
    answer["error"]["case"].as_str().unwrap_or("none")
}

/// Waits, within bounds, until so many requests are being answered.
async fn until_open(upstream: &Upstream, expected: usize) {
    let begun = Instant::now();
    while upstream.open() != expected {
        assert!(begun.elapsed() < Duration::from_secs(5), "{} are open, not {expected}", upstream.open());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn no_spelling_of_an_inner_address_leads_inside() {
    let upstream = Upstream::start().unwrap();
    let port = upstream.address().port();
    // What a careless deployer may list; the system's resolver knows `localhost`.
    let granted = ["127.0.0.1", "[::1]", "0.0.0.0", "[::]", "localhost", "10.0.0.1", "169.254.169.254"];
    let grants: Vec<_> = granted.iter().map(|host| format!("http://{host}:{port}")).collect();
    let host = host_of(|_| {}, &[], &grants, 1).await;
    let spellings = "127.0.0.1 127.1 127.0.1 2130706433 0x7f000001 0x7F.1 0177.0.0.1 017700000001 127.0.0.1. \
        127.0.0.01 0 0.0.0.0 00.0.0.0 [::1] [0:0:0:0:0:0:0:1] [::] [::ffff:127.0.0.1] [::ffff:7f00:1] \
        [0:0:0:0:0:ffff:127.0.0.1] [::127.0.0.1] [::ffff:0:127.0.0.1] [64:ff9b::127.0.0.1] [64:ff9b::7f00:1] \
        [2002:7f00:1::] localhost localhost. LOCALHOST LocalHost. 10.0.0.1 169.254.169.254 \
        [::ffff:169.254.169.254] [::ffff:a9fe:a9fe] 2852039166 a.localhost";
    for spelling in spellings.split_whitespace() {
        let answer = get(&host, &format!("http://{spelling}:{port}/echo")).await;
        assert_eq!(case(&answer), "denied", "{spelling}: {answer}");
    }
    for none in
        ["[fe80::1%25lo]", "[::1%lo]", "127.0.0.1%00", "upstream@127.0.0.1", "[127.0.0.1]", "%31.0.0.1"]
    {
        let answer = get(&host, &format!("http://{none}:{port}/echo")).await;
        assert_eq!(case(&answer), "invalid-argument", "{none}: {answer}");
    }
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn a_name_that_leads_inside_is_denied() {
    let upstream = Upstream::start().unwrap();
    let port = upstream.address().port();
    let inner = "127.0.0.1 0.0.0.0 10.0.0.1 100.64.0.1 169.254.169.254 172.16.0.1 192.168.0.1 198.18.0.1 224.0.0.1 \
        255.255.255.255 ::1 :: ::ffff:127.0.0.1 ::127.0.0.1 64:ff9b::7f00:1 64:ff9b:1::1 2002:7f00:1:: \
        2001:0:7f00:1:: fc00::1 fe80::1 fec0::1 ff02::1 100::1 5f00::1 3fff::1";
    for address in inner.split_whitespace() {
        let names = Names::one("api.test", SocketAddr::new(address.parse().unwrap(), port));
        let host = host(names, &[], &["http://api.test"]).await;
        let answer = get(&host, "http://api.test/echo").await;
        assert_eq!(case(&answer), "denied", "{address}: {answer}");
        assert!(!answer.to_string().contains(address), "an address is none of a guest's business: {answer}");
    }
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn of_several_addresses_only_those_that_are_permitted_are_dialled() {
    let upstream = Upstream::start().unwrap();
    let inner = TcpListener::bind("127.0.0.3:0").unwrap();
    inner.set_nonblocking(true).unwrap();
    let refused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mixed = vec![vec![inner.local_addr().unwrap(), refused, upstream.address()]];
    let names = Names::of(vec![("mixed.test", mixed)]);
    let host = host(names, &["127.0.0.1"], &["http://mixed.test"]).await;
    assert_eq!(get(&host, "http://mixed.test/echo").await["status"], 200);
    assert!(inner.accept().is_err(), "nobody knocked at the inner address");
}

#[tokio::test]
async fn a_name_is_resolved_once_per_connection_and_what_was_judged_is_dialled() {
    let upstream = Upstream::start().unwrap();
    let inner = TcpListener::bind("127.0.0.3:0").unwrap();
    inner.set_nonblocking(true).unwrap();
    // A name server of the attacker's: outside when it is judged, inside when it is asked again.
    let answers = vec![vec![upstream.address()], vec![inner.local_addr().unwrap()]];
    let names = Names::of(vec![("rebind.test", answers)]);
    let host = host(names.clone(), &["127.0.0.1"], &["http://rebind.test"]).await;
    assert_eq!(get(&host, "http://rebind.test/echo").await["status"], 200);
    assert_eq!(names.asked.load(Ordering::SeqCst), 1);
    // The connection is gone, and the name is asked again: judged anew.
    assert_eq!(case(&get(&host, "http://rebind.test/die").await), "connection-lost");
    assert_eq!(case(&get(&host, "http://rebind.test/echo").await), "denied");
    assert!(inner.accept().is_err());
}

#[tokio::test]
async fn a_name_without_an_answer_is_unavailable() {
    /// Never answers.
    #[derive(Debug)]
    struct Silent;
    impl Resolver for Silent {
        fn resolve<'a>(&'a self, _: &'a str, _: u16) -> Resolving<'a> {
            Box::pin(std::future::pending())
        }
    }
    let known = host(Arc::default(), &[], &["http://gone.test"]).await;
    assert_eq!(case(&get(&known, "http://gone.test").await), "unavailable");
    let silent = |config: &mut Config| config.http.resolver = Arc::new(Silent);
    let silent = host_of(silent, &[], &["http://gone.test".to_owned()], 1).await;
    let begun = Instant::now();
    assert_eq!(case(&get(&silent, "http://gone.test").await), "unavailable");
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_hundred_requests_in_turn_take_one_connection() {
    let upstream = Upstream::start().unwrap();
    let host = host_on(&upstream).await;
    for path in ["echo", "bytes?n=70000", "stream?n=200000", "echo"] {
        let url = format!("http://upstream.test/{path}");
        let answer = post(&host, "/repeat", json!({"url": url, "times": 25})).await;
        assert_eq!(answer["done"], 25, "{answer}");
    }
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test]
async fn services_share_no_connections() {
    let upstream = Upstream::start().unwrap();
    let host = host_on(&upstream).await;
    let mut other = artifact("http-client");
    other.manifest.name = "other".to_owned();
    for route in &mut other.manifest.routes {
        route.host = Some("other.test".to_owned());
    }
    serve(&host, other).await;
    let command = json!({"url": "http://upstream.test/echo"});
    for path in ["/send", "http://other.test/send", "/send", "http://other.test/send"] {
        assert_eq!(post(&host, path, command.clone()).await["status"], 200);
    }
    assert_eq!(upstream.connections(), 2);
}

/// An authority in a file, and a server's settings with a certificate of it for `tls.test`.
fn authority(file: &std::path::Path) -> rustls::ServerConfig {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    std::fs::write(file, params.self_signed(&key).unwrap().pem()).unwrap();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["tls.test".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    builder.unwrap().with_no_client_auth().with_single_cert(vec![leaf.der().clone()], key).unwrap()
}

#[tokio::test]
async fn a_server_with_http_2_and_an_authority_of_the_operators_is_spoken_to() {
    let folder = tempfile::tempdir().unwrap();
    let roots = folder.path().join("roots.pem");
    let mut tls = authority(&roots);
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let upstream = Upstream::start_with_tls(tls).unwrap();
    let names = Names::one("tls.test", upstream.address());
    let change = |config: &mut Config| {
        config.http.resolver = names;
        config.http.roots = Some(roots.clone());
    };
    let host = host_of(change, &["127.0.0.1"], &["tls.test".to_owned()], 1).await;
    let answer = get(&host, "https://tls.test/echo").await;
    let told: Value = serde_json::from_str(answer["head"].as_str().unwrap()).unwrap();
    assert_eq!(told["version"], "HTTP/2.0");
    let many: Vec<_> = (0..12).map(|_| json!({"url": "https://tls.test/stream?n=200000"})).collect();
    let answers = post(&host, "/send-many", json!({"requests": many})).await;
    let is_whole =
        |answer: &Value| answer["bytes"] == 200_000 && answer["trailers"] == json!([["x-end", "1"]]);
    assert!(answers["answers"].as_array().unwrap().iter().all(is_whole), "{answers}");
    assert_eq!(upstream.connections(), 1, "HTTP/2 needs no more");
}

#[tokio::test]
async fn a_certificate_that_nobody_trusts_is_unavailable() {
    let folder = tempfile::tempdir().unwrap();
    let [ours, theirs] = ["ours.pem", "theirs.pem"].map(|name| folder.path().join(name));
    let upstream = Upstream::start_with_tls(authority(&theirs)).unwrap();
    authority(&ours);
    let address = vec![vec![upstream.address()]];
    for (roots, name) in [(ours, "tls.test"), (theirs, "other.test")] {
        let names = Names::of(vec![("tls.test", address.clone()), ("other.test", address.clone())]);
        let change = |config: &mut Config| {
            config.http.resolver = names;
            config.http.roots = Some(roots);
        };
        let grants = ["tls.test".to_owned(), "other.test".to_owned()];
        let host = host_of(change, &["127.0.0.1"], &grants, 1).await;
        let answer = get(&host, &format!("https://{name}/echo")).await;
        assert_eq!(case(&answer), "unavailable", "{answer}");
        assert!(answer.to_string().contains("certificate"), "{answer}");
    }
}

#[test]
fn authorities_that_cannot_be_read_are_told_at_start() {
    let mut config = Config::default();
    config.http.roots = Some("/nowhere/roots.pem".into());
    let error = wharf_host::chain(&Host::builder().config(config).build().unwrap_err());
    assert!(error.contains("/nowhere/roots.pem"), "{error}");
}

#[tokio::test]
async fn a_timeout_ends_the_exchange() {
    let upstream = Upstream::start().unwrap();
    let host = host_on(&upstream).await;
    let command = json!({"url": "http://upstream.test/never", "timeout_ms": 100});
    assert_eq!(case(&post(&host, "/send", command).await), "timeout");
    until_open(&upstream, 0).await;
}

#[tokio::test]
async fn a_client_that_leaves_ends_the_exchange() {
    let upstream = Upstream::start().unwrap();
    let host = host_on(&upstream).await;
    for path in ["never", "stall"] {
        let request = tokio::spawn({
            let (host, url) = (host.clone(), format!("http://upstream.test/{path}"));
            async move { get(&host, &url).await }
        });
        until_open(&upstream, 1).await;
        request.abort();
        until_open(&upstream, 0).await;
    }
}

#[tokio::test]
async fn a_reader_that_is_dropped_ends_the_exchange() {
    let upstream = Upstream::start().unwrap();
    let host = host_on(&upstream).await;
    let command = json!({"url": "http://upstream.test/stall", "reads": 1});
    assert_eq!(post(&host, "/send", command).await["bytes"], 5);
    until_open(&upstream, 0).await;
}

/// A server that answers whatever it is asked with these bytes, and closes.
fn raw(answer: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _asked = stream.read(&mut [0; 4096]);
            let _left = stream.write_all(answer);
        }
    });
    address
}

#[tokio::test]
async fn what_is_no_response_leaves_the_outcome_unknown() {
    for (answer, expected) in [
        (&b""[..], "connection-lost"),
        (b"HTTP/1.1 2", "connection-lost"),
        (b"SSH-2.0-OpenSSH_10.0\r\n", "connection-lost"),
        (b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n", "connection-lost"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nabc", "connection-lost"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc", "none"),
        (b"HTTP/1.1 200 OK\r\n\r\nabc", "none"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", "none"),
    ] {
        let names = Names::one("raw.test", raw(answer));
        let host = host(names, &["127.0.0.1"], &["http://raw.test"]).await;
        let told = get(&host, "http://raw.test").await;
        assert_eq!(case(&told), expected, "{}: {told}", String::from_utf8_lossy(answer));
    }
}

#[tokio::test]
async fn a_response_with_too_large_a_head_is_refused() {
    let upstream = Upstream::start().unwrap();
    let host = host_on(&upstream).await;
    assert_eq!(get(&host, "http://upstream.test/fields?n=190&size=100").await["status"], 200);
    for fields in ["n=20&size=8000", "n=300&size=1"] {
        let answer = get(&host, &format!("http://upstream.test/fields?{fields}")).await;
        assert_eq!(case(&answer), "limit-exceeded", "{fields}: {answer}");
    }
}

/// The process's largest memory so far: `/proc/self/status`, in MiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() >> 10
}

#[test]
fn a_large_response_passes_through_in_flat_memory() {
    const BYTES: usize = 256 << 20;
    alone("http_client::a_large_response_passes_through_in_flat_memory", &[], async {
        let upstream = Upstream::start().unwrap();
        let host = host_on(&upstream).await;
        let pass = |bytes: usize| {
            let request = Request::post("/pass")
                .header("x-url", format!("http://upstream.test/stream?n={bytes}"))
                .header("x-method", "GET");
            host.handle(request.body(String::new()).unwrap())
        };
        drop(pass(1).await);
        let before = peak();
        let response = pass(BYTES).await;
        assert_eq!(response.status(), StatusCode::OK);
        let (mut body, mut bytes) = (response.into_body(), 0);
        while let Some(frame) = body.frame().await {
            bytes += frame.unwrap().data_ref().map_or(0, bytes::Bytes::len);
        }
        assert_eq!(bytes, BYTES);
        let grown = peak() - before;
        assert!(grown < 32, "256 MiB took {grown} MiB");
    });
}

#[test]
fn loopback_is_what_leads_back() {
    assert_eq!(Network::LOOPBACK.map(|network| network.to_string()), ["127.0.0.0/8", "::1/128"]);
}
