use std::time::Duration;

use http::Request;
use http_body_util::BodyExt;
use wharf_host::Host;

use crate::support::{builder, get, host, read, serve, with_manifest};

/// The guest `faults`, whose instances answer so many requests.
async fn reusing(text: &str) -> Host {
    let host = builder().build().unwrap();
    serve(&host, with_manifest("faults/rust", &format!("{text}\n[[routes]]\npath = \"/{{*rest}}\"\n"))).await;
    host
}

async fn counts(host: &Host, times: usize) -> Vec<String> {
    let mut counts = Vec::new();
    for _ in 0..times {
        counts.push(get(host, "/count").await.text);
    }
    counts
}

#[tokio::test]
async fn an_instance_answers_once_unless_its_service_says_otherwise() {
    assert_eq!(counts(&host("faults").await, 3).await, ["0", "0", "0"]);
    let host = reusing("reuse = { requests = 3 }").await;
    assert_eq!(counts(&host, 7).await, ["0", "1", "2", "0", "1", "2", "0"]);
}

#[tokio::test]
async fn an_instance_that_failed_answers_nobody_else() {
    let host = reusing("reuse = { requests = 100 }").await;
    assert_eq!(counts(&host, 2).await, ["0", "1"]);
    assert_eq!(get(&host, "/trap").await.code, "guest-trap");
    assert_eq!(counts(&host, 2).await, ["0", "1"]);
    assert_eq!(get(&host, "/loop").await.code, "cpu-limit");
    assert_eq!(counts(&host, 2).await, ["0", "1"]);
}

#[tokio::test]
async fn an_instance_waits_only_so_long() {
    let host = reusing("reuse = { requests = 100, idle = \"1s\" }").await;
    assert_eq!(counts(&host, 2).await, ["0", "1"]);
    tokio::time::sleep(Duration::from_millis(1_300)).await;
    assert_eq!(counts(&host, 2).await, ["0", "1"]);
}

#[tokio::test]
async fn a_swap_leaves_no_instance_of_the_old_release() {
    let host = reusing("reuse = { requests = 100 }").await;
    assert_eq!(counts(&host, 2).await, ["0", "1"]);
    let old = host.releases().remove(0);
    let mut next =
        with_manifest("faults/rust", "reuse = { requests = 100 }\n[[routes]]\npath = \"/{*rest}\"\n");
    next.manifest.config.insert("version".to_owned(), "2".to_owned());
    serve(&host, next).await;
    assert_eq!(counts(&host, 2).await, ["0", "1"]);
    let weak = std::sync::Arc::downgrade(&old);
    drop(old);
    assert!(weak.upgrade().is_none(), "an instance of the old release still waits");
}

#[tokio::test]
async fn a_dropped_host_leaves_no_instance() {
    let host = reusing("reuse = { requests = 100 }").await;
    counts(&host, 2).await;
    let weak = std::sync::Arc::downgrade(&host.releases().remove(0));
    drop(host);
    assert!(weak.upgrade().is_none(), "an instance outlived its host");
}

#[tokio::test]
async fn limits_are_each_requests_own() {
    let host = reusing("reuse = { requests = 100 }").await;
    // Each takes most of the 100 ms that a request has.
    for _ in 0..4 {
        assert_eq!(get(&host, "/spin?ms=60").await.code, "");
    }
    assert_eq!(counts(&host, 1).await, ["0"], "counted only here");
    assert_eq!(counts(&host, 1).await, ["1"], "and all of it in one instance");
}

#[tokio::test]
async fn streams_and_handlers_of_wasi_are_reused_when_they_are_done() {
    for guest in ["wasi-http/rust-02", "wasi-http/rust-03", "http/rust"] {
        let text = "reuse = { requests = 10 }\n[[routes]]\npath = \"/{*rest}\"\n";
        let host = builder().build().unwrap();
        serve(&host, with_manifest(guest, text)).await;
        for round in 0..25 {
            let text = get(&host, "/stream?n=3&size=4").await.text;
            assert_eq!(text, "aaaabbbbcccc", "{guest} in round {round}");
            let request = Request::post("/body/echo").body(format!("round {round}")).unwrap();
            if guest == "http/rust" {
                assert_eq!(read(host.handle(request).await).await.text, format!("round {round}"));
            }
        }
        // A client that leaves in the middle takes its instance along.
        let request = Request::get("/stream?n=1000&size=1000").body(String::new()).unwrap();
        let mut body = host.handle(request).await.into_body();
        assert!(body.frame().await.is_some());
        drop(body);
        assert_eq!(get(&host, "/text").await.text, "Hello, World!");
    }
}

const SEVERAL: &str = "reuse = { requests = 100, concurrency = 8 }\n[[routes]]\npath = \"/{*rest}\"\n";

async fn sharing() -> Host {
    let host = builder().build().unwrap();
    let mut artifact = with_manifest("wasi-http/rust-03", SEVERAL);
    artifact.manifest.limits.concurrency = 16;
    artifact.manifest.limits.cpu = Duration::from_millis(500);
    serve(&host, artifact).await;
    host
}

#[tokio::test]
async fn an_instance_of_wasi_03_answers_several_requests_at_once() {
    let host = sharing().await;
    // Streams that nobody reads yet, and others that end meanwhile.
    let mut open = Vec::new();
    for _ in 0..6 {
        let request = Request::get("/stream?n=50&size=10000").body(String::new()).unwrap();
        let mut body = host.handle(request).await.into_body();
        let first = body.frame().await.unwrap().unwrap().into_data().unwrap().len();
        open.push((body, first));
    }
    for _ in 0..10 {
        assert_eq!(get(&host, "/text").await.text, "Hello, World!");
    }
    for (body, first) in open {
        let rest = body.collect().await.unwrap().to_bytes();
        assert_eq!(first + rest.len(), 50 * 10_000);
    }
    assert_eq!(get(&host, "/error").await.code, "guest-error");
    assert_eq!(get(&host, "/spin").await.code, "cpu-limit");
    assert_eq!(get(&host, "/trap").await.code, "guest-trap");
    assert_eq!(get(&host, "/text").await.text, "Hello, World!", "on another instance");
}

#[tokio::test]
async fn a_shared_stream_may_be_longer_than_any_deadline() {
    let host = sharing().await;
    let request = Request::get("/stream?n=3&size=10000").body(String::new()).unwrap();
    let mut body = host.handle(request).await.into_body();
    let mut size = 0;
    while let Some(frame) = body.frame().await {
        size += frame.unwrap().into_data().unwrap().len();
        // The wall clock of the guest is 5 s: waiting for the client is free.
        tokio::time::sleep(Duration::from_secs(3)).await;
    }
    assert_eq!(size, 30_000);
}

#[tokio::test]
async fn clients_that_leave_give_their_places_back() {
    let host = sharing().await;
    for _ in 0..40 {
        let request = Request::get("/stream?n=1000&size=10000").body(String::new()).unwrap();
        let mut body = host.handle(request).await.into_body();
        assert!(body.frame().await.unwrap().is_ok());
    }
    assert_eq!(get(&host, "/text").await.text, "Hello, World!");
}

#[tokio::test]
async fn a_response_whose_instance_failed_is_cut_not_completed() {
    let host = sharing().await;
    let open = async |path: &str| {
        let request = Request::get(path).body(String::new()).unwrap();
        let mut body = host.handle(request).await.into_body();
        assert!(body.frame().await.unwrap().is_ok());
        body
    };
    let bystander = open("/stream?n=1000&size=10000").await;
    drop(open("/stream-on").await);
    let error = bystander.collect().await.unwrap_err();
    assert!(error.to_string().contains("failed while it streamed"), "{error}");
    assert_eq!(get(&host, "/text").await.text, "Hello, World!", "on another instance");
}

#[tokio::test]
async fn a_swap_ends_shared_instances_with_their_requests() {
    let host = sharing().await;
    assert_eq!(get(&host, "/text").await.text, "Hello, World!");
    let old = std::sync::Arc::downgrade(&host.releases().remove(0));
    let mut next = with_manifest("wasi-http/rust-03", SEVERAL);
    next.manifest.config.insert("version".to_owned(), "2".to_owned());
    serve(&host, next).await;
    let begun = std::time::Instant::now();
    while old.upgrade().is_some() {
        assert!(begun.elapsed() < Duration::from_secs(5), "an instance of the old release still waits");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn only_wasi_03_answers_several_requests_at_once() {
    let host = builder().build().unwrap();
    let text = "reuse = { concurrency = 2 }\n[[routes]]\npath = \"/\"\n";
    let error = host.load(with_manifest("faults/rust", text)).await.unwrap_err();
    assert!(wharf_host::chain(&error).contains("`reuse.concurrency` is more than 1"));
}
