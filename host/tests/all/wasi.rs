use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, StreamBody};
use wharf_host::{ByteSize, Config, Host};

use crate::support::{alone, artifact_in, builder, get, read, serve};

const BOTH: [&str; 2] = ["wasi-http/rust-02", "wasi-http/rust-03"];

async fn host(guest: &str) -> Host {
    let host = builder().build().unwrap();
    serve(&host, artifact_in(guest)).await;
    host
}

#[tokio::test]
async fn a_client_that_leaves_takes_its_guest_along() {
    for guest in BOTH {
        let host = host(guest).await;
        // Two run at once: were one of these still there, the next would wait in vain.
        for _ in 0..6 {
            let request = Request::get("/stream?n=100000&size=10000").body(String::new()).unwrap();
            let mut body = host.handle(request).await.into_body();
            assert!(body.frame().await.unwrap().is_ok());
        }
        assert_eq!(get(&host, "/text").await.status, StatusCode::OK, "{guest}");
    }
}

#[tokio::test]
async fn a_guest_that_gives_no_response_is_told_of() {
    let host = host(BOTH[0]).await;
    let answer = get(&host, "/nothing").await;
    assert_eq!((answer.status.as_u16(), answer.code.as_str()), (502, "invalid-reply"));
}

#[tokio::test]
async fn a_slow_client_holds_its_guest_up() {
    for guest in BOTH {
        let host = host(guest).await;
        let request = Request::get("/stream?n=1000&size=65536").body(String::new()).unwrap();
        let mut body = host.handle(request).await.into_body();
        let mut size = 0;
        // Longer between two pieces than the guest may take for one: waiting for the client is free.
        while let Some(frame) = body.frame().await {
            size += frame.unwrap().into_data().map_or(0, |data| data.len());
            if size == 65_536 {
                tokio::time::sleep(Duration::from_secs(6)).await;
            }
        }
        assert_eq!(size, 1000 * 65_536, "{guest}");
    }
}

/// Peak resident memory of this process in KiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

const GIB: u64 = 1 << 30;

/// Sends a gibibyte through `path` and back.
async fn pass_through(host: &Host, path: &str) {
    let piece = Bytes::from(vec![7; 64 << 10]);
    let pieces =
        (0..GIB / 65_536).map(move |_| Ok::<_, std::io::Error>(http_body::Frame::data(piece.clone())));
    let body = StreamBody::new(futures_util::stream::iter(pieces));
    let response = host.handle(Request::post(path).body(body).unwrap()).await;
    assert_eq!(response.status(), StatusCode::OK);
    let (mut body, mut size) = (response.into_body(), 0);
    while let Some(frame) = body.frame().await {
        size += frame.unwrap().into_data().map_or(0, |data| data.len() as u64);
    }
    assert_eq!(size, GIB);
}

async fn roomy(guest: &str) -> Host {
    let mut config = Config::default();
    config.ceiling.body = ByteSize::mib(2048);
    let host = builder().config(config).build().unwrap();
    let mut artifact = artifact_in(guest);
    artifact.manifest.limits.body = ByteSize::mib(2048);
    serve(&host, artifact).await;
    host
}

#[test]
fn a_gibibyte_passes_through_in_flat_memory() {
    alone("wasi::a_gibibyte_passes_through_in_flat_memory", &[], async {
        for (guest, path) in [(BOTH[0], "/body"), (BOTH[1], "/body"), ("http/rust", "/body/hand-on")] {
            let host = roomy(guest).await;
            assert_eq!(get(&host, "/text").await.text, "Hello, World!");
            let before = peak();
            pass_through(&host, path).await;
            let grown = peak() - before;
            assert!(grown < 32 << 10, "{guest} took {grown} KiB more");
        }
    });
}

#[tokio::test]
async fn a_guest_writes_what_it_prints_into_the_log() {
    for guest in BOTH {
        let mut config = Config::default();
        config.faults = wharf_host::Faults::Shown;
        let host = builder().config(config).build().unwrap();
        serve(&host, artifact_in(guest)).await;
        assert_eq!(get(&host, "/print").await.text, "printed");
        let answer = read(host.handle(Request::get("/error").body(String::new()).unwrap()).await).await;
        assert!(answer.text.contains("on purpose"), "{}", answer.text);
    }
}
