use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use wharf_host::{Config, Host};

use crate::support::{artifact, host, serve};

const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);
const GRACE: Duration = Duration::from_secs(5);

/// Sends bytes as they are and reads until the host closes.
async fn exchange(address: SocketAddr, bytes: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    tokio::time::timeout(GRACE, stream.read_to_end(&mut answer)).await.expect("the host closes").unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_request_over_a_socket_is_answered() {
    let serving = host("http").await.listen(ANY).unwrap();
    let answer =
        exchange(serving.local_addr(), "GET /text HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("Hello, World!"), "{answer}");
    for field in ["content-length: 13", "date: ", "x-request-id: "] {
        assert!(answer.contains(field), "{field} is missing: {answer}");
    }
    assert!(serving.shutdown(GRACE).await);
}

#[tokio::test]
async fn malformed_heads_are_refused_with_their_status() {
    let serving = host("http").await.listen(ANY).unwrap();
    let long = "x".repeat(9_000);
    let many: String = (0..120).map(|n| format!("x-{n}: 1\r\n")).collect();
    for (head, status) in [
        ("GET /text HTTP/1.1\r\n\r\n".to_owned(), "400"),
        ("GET /text HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n".to_owned(), "400"),
        ("GET /text HTTP/1.1\r\nhost: a\r\nbad header\r\n\r\n".to_owned(), "400"),
        (format!("GET /{long} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"), "414"),
        (format!("GET /text HTTP/1.1\r\nhost: a\r\n{many}\r\n"), "431"),
        ("GET /params/%ff/x HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n".to_owned(), "400"),
    ] {
        let head = head.replacen("\r\n\r\n", "\r\nconnection: close\r\n\r\n", 1);
        let answer = exchange(serving.local_addr(), &head).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{status} expected: {answer}");
    }
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_before_the_guest_runs() {
    let host = Host::builder().build().unwrap();
    let mut http = artifact("http");
    http.manifest.limits.body = wharf_host::ByteSize::bytes(1_000);
    serve(&host, http).await;
    let serving = host.listen(ANY).unwrap();
    let head = "POST /body HTTP/1.1\r\nhost: a\r\nconnection: close\r\n";
    let answer = exchange(serving.local_addr(), &format!("{head}content-length: 1001\r\n\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 413 ") && answer.contains("body-too-large"), "{answer}");
    let chunk = format!("400\r\n{}\r\n0\r\n\r\n", "x".repeat(1_024));
    let answer =
        exchange(serving.local_addr(), &format!("{head}transfer-encoding: chunked\r\n\r\n{chunk}")).await;
    assert!(answer.contains("limit-exceeded"), "the guest is told when the length is not known: {answer}");
}

#[tokio::test]
async fn a_client_that_says_nothing_is_let_go() {
    let mut config = Config::default();
    config.head_timeout = Duration::from_millis(200);
    let serving = Host::builder().config(config).build().unwrap().listen(ANY).unwrap();
    for sent in ["", "G", "GET / HTTP/1.1\r\nhost: a\r\n", "PRI * HT"] {
        exchange(serving.local_addr(), sent).await;
    }
}

#[tokio::test]
async fn a_port_in_use_is_an_error_and_not_a_share_of_its_traffic() {
    let host = host("http").await;
    let serving = host.listen(ANY).unwrap();
    let error = host.listen(serving.local_addr()).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
}

#[tokio::test]
async fn shutting_down_finishes_what_is_under_way_and_takes_nothing_new() {
    let host = Host::builder().build().unwrap();
    let mut faults = artifact("faults");
    faults.manifest.limits.cpu = Duration::from_secs(5);
    serve(&host, faults).await;
    let serving = host.listen(ANY).unwrap();
    let address = serving.local_addr();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /slow-stream?n=10&ms=30 HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let mut first = [0; 12];
    stream.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    let mut rest = String::new();
    let (drained, read) = tokio::join!(serving.shutdown(GRACE), stream.read_to_string(&mut rest));
    read.unwrap();
    assert!(drained, "the stream was let go");
    assert!(rest.contains("piece 9"), "the stream was cut: {rest}");
    assert!(TcpStream::connect(address).await.is_err(), "something still listens");
}

#[tokio::test]
async fn a_shutdown_does_not_wait_longer_than_its_grace() {
    let serving = host("http").await.listen(ANY).unwrap();
    let mut stream = TcpStream::connect(serving.local_addr()).await.unwrap();
    stream.write_all(b"GET /stream/endless HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let mut first = [0; 12];
    stream.read_exact(&mut first).await.unwrap();
    let begun = std::time::Instant::now();
    assert!(!serving.shutdown(Duration::from_millis(200)).await);
    assert!(begun.elapsed() < GRACE);
}

#[tokio::test]
async fn a_client_that_leaves_frees_its_guest() {
    let host = Host::builder().build().unwrap();
    let mut faults = artifact("faults");
    faults.manifest.limits.concurrency = 1;
    faults.manifest.limits.cpu = Duration::from_secs(10);
    faults.manifest.limits.wall = Duration::from_secs(10);
    serve(&host, faults).await;
    let serving = host.listen(ANY).unwrap();
    let mut stream = TcpStream::connect(serving.local_addr()).await.unwrap();
    stream.write_all(b"GET /loop HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let fine = "GET /fine HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    // Its only place is taken once another request is shed: the guest runs.
    let begun = std::time::Instant::now();
    while !exchange(serving.local_addr(), fine).await.contains("overloaded") {
        assert!(begun.elapsed() < GRACE, "the loop did not begin");
    }
    drop(stream);
    let mut answer = exchange(serving.local_addr(), fine).await;
    // Well before the loop's own limits of 10 s would free the place.
    for _ in 0..10 {
        if answer.ends_with("fine") {
            break;
        }
        answer = exchange(serving.local_addr(), fine).await;
    }
    assert!(answer.ends_with("fine"), "{answer}");
}
