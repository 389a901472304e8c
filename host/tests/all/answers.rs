use http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use wharf_host::{Config, Faults, Host};

use crate::support::{artifact, builder, host, read, serve, with_manifest};

const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

async fn ask(host: &Host, path: &str, accept: &str) -> (StatusCode, String, String) {
    let request = Request::get(path).header(header::ACCEPT, accept).body(String::new()).unwrap();
    let response = host.handle(request).await;
    let kind = response.headers()[header::CONTENT_TYPE].to_str().unwrap().to_owned();
    (response.status(), kind, read(response).await.text)
}

#[tokio::test]
async fn a_browser_gets_a_page_and_a_program_a_problem() {
    let host = host("faults").await;
    let (status, kind, page) = ask(&host, "/trap", BROWSER).await;
    assert_eq!((status.as_u16(), kind.as_str()), (500, "text/html; charset=utf-8"));
    assert!(page.contains("<h1>500 Internal Server Error</h1>") && page.contains("guest-trap"), "{page}");
    assert!(!page.contains("Cause") && !page.contains("unreachable"), "{page}");
    let (_, kind, problem) = ask(&host, "/trap", "*/*").await;
    let problem: serde_json::Value = serde_json::from_str(&problem).unwrap();
    assert_eq!(kind, "application/problem+json");
    assert_eq!((&problem["code"], &problem["status"]), (&"guest-trap".into(), &500.into()));
    assert_eq!(problem["request-id"].as_str().unwrap().len(), 26);
    assert_eq!(problem.get("cause"), None);
}

#[tokio::test]
async fn whoever_develops_sees_the_trap_and_what_the_guest_logged() {
    let mut config = Config::default();
    config.faults = Faults::Shown;
    let host = builder().config(config).build().unwrap();
    serve(&host, artifact("faults")).await;
    let (_, _, page) = ask(&host, "/panic", BROWSER).await;
    assert!(page.contains("wasm backtrace") && page.contains("panicked"), "{page}");
    let (_, _, problem) = ask(&host, "/panic", "*/*").await;
    let problem: serde_json::Value = serde_json::from_str(&problem).unwrap();
    assert!(problem["cause"].as_str().unwrap().contains("unreachable"), "{problem}");
    assert!(problem["log"].as_array().unwrap().iter().any(|line| line.to_string().contains("panicked")));
}

#[tokio::test]
async fn a_route_compresses_for_those_who_take_it() {
    let text = "[[routes]]\npath = \"/{*rest}\"\ncompress = true\n";
    let host = builder().build().unwrap();
    serve(&host, with_manifest("http/rust", text)).await;
    let ask = async |path: &str, encodings: &str| {
        let request = Request::get(path).header(header::ACCEPT_ENCODING, encodings).body(String::new());
        host.handle(request.unwrap()).await
    };
    for (encodings, expected, magic) in [
        ("gzip", "gzip", &[0x1f, 0x8b][..]),
        ("gzip;q=0.5, zstd", "zstd", &[0x28, 0xb5, 0x2f, 0xfd]),
        ("br", "br", &[]),
    ] {
        let answer = ask("/stream?n=10&size=10000", encodings).await;
        assert_eq!(answer.headers()[header::CONTENT_ENCODING], expected);
        assert!(!answer.headers().contains_key(header::CONTENT_LENGTH));
        let bytes = answer.into_body().collect().await.unwrap().to_bytes();
        assert!(bytes.len() < 10_000 && bytes.starts_with(magic), "{} bytes", bytes.len());
    }
    for (path, encodings) in
        [("/stream?n=1&size=100", "identity"), ("/events?n=2", "gzip"), ("/empty", "gzip")]
    {
        let answer = ask(path, encodings).await;
        assert!(!answer.headers().contains_key(header::CONTENT_ENCODING), "{path}");
    }
}

#[tokio::test]
async fn a_compressed_stream_that_fails_is_cut() {
    let text = "[[routes]]\npath = \"/{*rest}\"\ncompress = true\n";
    let host = builder().build().unwrap();
    serve(&host, with_manifest("http/rust", text)).await;
    let request = Request::get("/stream?n=5&size=100&fail=2").header(header::ACCEPT_ENCODING, "gzip");
    let answer = host.handle(request.body(String::new()).unwrap()).await;
    assert_eq!(answer.headers()[header::CONTENT_ENCODING], "gzip");
    assert!(answer.into_body().collect().await.is_err(), "an end would say that it is whole");
}
