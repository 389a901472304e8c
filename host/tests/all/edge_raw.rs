use std::net::SocketAddr;

use tokio::io::AsyncWriteExt;

use crate::wire::{exchange, expect, listen_with, sent, statuses, until_closed};

const CLOSE: &str = "connection: close\r\n";
/// Behind a body: answered only where it is a request of its own.
const NEXT: &str = "GET /text HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";

/// Sends each, and holds the statuses of all that comes back against those expected.
async fn check(address: SocketAddr, cases: &[(&str, String, &[u16])]) {
    for (name, bytes, expected) in cases {
        let said = exchange(address, bytes).await.replace("HTTP/1.0 ", "HTTP/1.1 ");
        assert_eq!(statuses(&said), *expected, "{name}: {said}");
    }
}

/// A request with these lines behind the first, and what follows its head.
fn post(lines: &str, rest: &str) -> String {
    format!("POST /body/ignore HTTP/1.1\r\n{lines}\r\n{rest}")
}

fn get(target: &str, lines: &str) -> String {
    format!("GET {target} HTTP/1.1\r\n{lines}{CLOSE}\r\n")
}

#[tokio::test]
async fn a_request_names_one_host() {
    let serving = listen_with("http", |_| {}).await;
    let cases: &[(&str, String, &[u16])] = &[
        ("one", get("/text", "host: a.example:80\r\n"), &[200]),
        ("an address", get("/text", "host: [::1]:3000\r\n"), &[200]),
        ("none", get("/text", ""), &[400]),
        ("none but in the target", get("http://a/text", ""), &[400]),
        ("two", get("/text", "host: a\r\nhost: b\r\n"), &[400]),
        ("the same twice", get("/text", "host: a\r\nHost: a\r\n"), &[400]),
        ("a list", get("/text", "host: a, b\r\n"), &[400]),
        ("a user", get("/text", "host: u:p@a\r\n"), &[400]),
        ("a path", get("/text", "host: a/b\r\n"), &[400]),
        ("a space", get("/text", "host: a b\r\n"), &[400]),
        ("two ports", get("/text", "host: a:1:2\r\n"), &[400]),
        ("no port", get("/text", "host: a:66000\r\n"), &[400]),
        ("half an address", get("/text", "host: [::1\r\n"), &[400]),
        ("other letters", get("/text", "host: \u{fc}\r\n"), &[400]),
        ("a space before the colon", get("/text", "host : a\r\n"), &[400]),
        ("a user in the target", get("http://u@a/text", "host: a\r\n"), &[400]),
        ("garbage in the target", get("http://a:x/text", "host: a\r\n"), &[400]),
        ("the old version needs none", format!("GET /text HTTP/1.0\r\n{CLOSE}\r\n"), &[200]),
        ("the old version with two", "GET /text HTTP/1.0\r\nhost: a\r\nhost: b\r\n\r\n".to_owned(), &[400]),
    ];
    check(serving.local_addr(), cases).await;
}

#[tokio::test]
async fn the_target_stands_above_the_host_field() {
    let serving = listen_with("http", |_| {}).await;
    let said = exchange(serving.local_addr(), get("http://b.example:81/echo", "host: a\r\n")).await;
    assert!(said.contains(r#""authority":"b.example:81""#), "{said}");
    assert!(said.contains(r#"["host","b.example:81"]"#), "the guest is told another host: {said}");
}

#[tokio::test]
async fn targets_that_are_no_path_have_an_answer() {
    let serving = listen_with("http", |_| {}).await;
    let of = |line: &str| format!("{line} HTTP/1.1\r\nhost: a\r\n{CLOSE}\r\n");
    check(
        serving.local_addr(),
        &[
            ("the server as a whole", of("OPTIONS *"), &[204]),
            ("nothing else is asked of it", of("GET *"), &[400]),
            ("a tunnel", of("CONNECT a:443"), &[405]),
            ("a tunnel to nowhere", of("CONNECT /text"), &[405]),
            ("a host alone", of("GET a:80"), &[400]),
            ("no slash", of("GET text"), &[400]),
            ("a fragment is no part of it", of("GET /text#x"), &[200]),
            ("two spaces", of("GET /text x"), &[400]),
            ("another protocol", "GET /text HTTQ/1.1\r\nhost: a\r\n\r\n".to_owned(), &[400]),
            ("another version", "GET /text HTTP/1.2\r\nhost: a\r\n\r\n".to_owned(), &[400]),
            ("the first version", "GET /text\r\n\r\n".to_owned(), &[400]),
            (
                "a version that is spoken otherwise",
                "GET /text HTTP/2.0\r\nhost: a\r\n\r\n".to_owned(),
                &[400],
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_length_is_one_number() {
    let serving = listen_with("http", |_| {}).await;
    let of = |length: &str| post(&format!("host: a\r\ncontent-length:{length}\r\n"), &format!("12345{NEXT}"));
    check(
        serving.local_addr(),
        &[
            ("a number", of(" 5"), &[200, 200]),
            ("the same number twice", of(" 5\r\ncontent-length: 5"), &[200, 200]),
            ("two numbers", of(" 5\r\ncontent-length: 6"), &[400]),
            ("a list", of(" 5, 5"), &[400]),
            ("a sign", of(" +5"), &[400]),
            ("less than nothing", of(" -5"), &[400]),
            ("a space within", of(" 5 5"), &[400]),
            ("hexadecimal", of(" 0x5"), &[400]),
            ("a fraction", of(" 5.0"), &[400]),
            ("nothing", of(""), &[400]),
            ("more than any", of(" 99999999999999999999"), &[400]),
            ("as much as a number holds", of(" 18446744073709551615"), &[431]),
            ("almost as much", of(" 18446744073709551600"), &[413]),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_transfer_coding_is_chunked_or_refused() {
    let serving = listen_with("http", |_| {}).await;
    let chunks = format!("5\r\n12345\r\n0\r\n\r\n{NEXT}");
    let of = |lines: &str| post(&format!("host: a\r\n{lines}\r\n"), &chunks);
    check(
        serving.local_addr(),
        &[
            ("chunked", of("transfer-encoding: chunked"), &[200, 200]),
            ("in other letters", of("Transfer-Encoding:\tCHUNKED "), &[200, 200]),
            // Read as chunked, and for the last time: what follows is no request of anybody's.
            ("and a length", of("content-length: 5\r\ntransfer-encoding: chunked"), &[200]),
            ("before a length", of("transfer-encoding: chunked\r\ncontent-length: 6"), &[200]),
            ("another name", of("transfer-encoding: xchunked"), &[400]),
            ("with a dot", of("transfer-encoding: chunked."), &[400]),
            ("in quotes", of("transfer-encoding: \"chunked\""), &[400]),
            ("with a vertical tab", of("transfer-encoding: \u{b}chunked"), &[400]),
            ("with a parameter", of("transfer-encoding: chunked;q=1"), &[400]),
            ("twice", of("transfer-encoding: chunked, chunked"), &[400]),
            ("in two fields", of("transfer-encoding: chunked\r\ntransfer-encoding: chunked"), &[400]),
            ("behind another", of("transfer-encoding: gzip, chunked"), &[400]),
            ("behind another field", of("transfer-encoding: identity\r\ntransfer-encoding: chunked"), &[400]),
            ("before another", of("transfer-encoding: chunked, identity"), &[400]),
            ("identity", of("transfer-encoding: identity"), &[400]),
            ("nothing", of("transfer-encoding:"), &[400]),
            ("a space before the colon", of("transfer-encoding : chunked"), &[400]),
            ("a space before the name", of(" transfer-encoding: chunked"), &[400]),
            (
                "in the old version",
                of("transfer-encoding: chunked").replace("/1.1\r\nhost", "/1.0\r\nhost"),
                &[400],
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn lines_and_fields_are_what_they_seem() {
    let serving = listen_with("http", |_| {}).await;
    let of = |lines: &str| get("/text", &format!("host: a\r\n{lines}\r\n"));
    check(
        serving.local_addr(),
        &[
            ("a fold", of("x-a: 1\r\n 2"), &[400]),
            ("a fold with a tab", of("x-a: 1\r\n\ttransfer-encoding: chunked"), &[400]),
            ("a carriage return within", of("x-a: 1\rx-b: 2"), &[400]),
            ("a zero in a value", of("x-a: 1\0"), &[400]),
            ("a zero in a name", of("x\0a: 1"), &[400]),
            ("a control character", of("x-a: \u{7f}"), &[400]),
            ("no colon", of("x-a"), &[400]),
            ("no name", of(": x"), &[400]),
            ("a space in a name", of("x a: 1"), &[400]),
            ("brackets in a name", of("x(a): 1"), &[400]),
            ("an empty value", of("x-a:"), &[200]),
            ("a zero in the target", get("/te\0xt", "host: a\r\n"), &[400]),
            (
                "a letter beyond ASCII in the method",
                get("/text", "host: a\r\n").replace("GET", "G\u{c9}T"),
                &[400],
            ),
            ("a space before the method", format!(" {}", get("/text", "host: a\r\n")), &[400]),
            ("an empty line before it", format!("\r\n{}", get("/text", "host: a\r\n")), &[200]),
        ],
    )
    .await;
    // RFC 9112, 2.2 lets a bare line feed end a line; then it has to do so everywhere.
    let said =
        exchange(serving.local_addr(), format!("GET /echo HTTP/1.1\nhost: a\nx-a: 1\nx-b: 2\n{CLOSE}\n"))
            .await;
    assert_eq!(statuses(&said), [200], "{said}");
    assert!(said.contains(r#"["x-a","1"]"#) && said.contains(r#"["x-b","2"]"#), "{said}");
}

#[tokio::test]
async fn a_broken_chunk_ends_its_connection() {
    let serving = listen_with("http", |_| {}).await;
    let long = "x".repeat(20_000);
    for (name, chunks) in [
        ("no size", "\r\n12345\r\n0\r\n\r\n".to_owned()),
        ("no number", "g\r\n12345\r\n0\r\n\r\n".to_owned()),
        ("a sign", "+5\r\n12345\r\n0\r\n\r\n".to_owned()),
        ("less than nothing", "-5\r\n12345\r\n0\r\n\r\n".to_owned()),
        ("a prefix", "0x5\r\n12345\r\n0\r\n\r\n".to_owned()),
        ("a space before", " 5\r\n12345\r\n0\r\n\r\n".to_owned()),
        ("more than any", "fffffffffffffffff\r\n12345\r\n0\r\n\r\n".to_owned()),
        ("a line feed behind the size", "5\n12345\r\n0\r\n\r\n".to_owned()),
        ("too much", "5\r\n123456\r\n0\r\n\r\n".to_owned()),
        ("too little", "5\r\n1234\r\n0\r\n\r\n".to_owned()),
        ("a line feed behind the data", "5\r\n12345\n0\r\n\r\n".to_owned()),
        ("a line feed in an extension", "5;a\nb\r\n12345\r\n0\r\n\r\n".to_owned()),
        ("a huge extension", format!("5;{long}\r\n12345\r\n0\r\n\r\n")),
        ("huge trailers", format!("5\r\n12345\r\n0\r\nx-a: {long}\r\n\r\n")),
    ] {
        let head = "POST /body HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
        let said = exchange(serving.local_addr(), format!("{head}{chunks}{NEXT}")).await;
        let broken = said.contains(r#""error":"connection-lost""#) || statuses(&said) == [400];
        assert!(broken && statuses(&said).len() == 1, "{name}: {said}");
    }
}

#[tokio::test]
async fn what_follows_a_body_is_the_next_request() {
    let serving = listen_with("http", |_| {}).await;
    let whole = "POST /body HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\n12345";
    let inner = "GET /status/418 HTTP/1.1\r\nhost: a\r\n\r\n";
    let hidden =
        format!("POST /body HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n{inner}{NEXT}", inner.len());
    let chunked = format!(
        "POST /body HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n{:x}; x=y\r\n{inner}\r\n0\r\nx-t: 1\r\n\r\n{NEXT}",
        inner.len()
    );
    check(
        serving.local_addr(),
        &[
            ("a second request", format!("{whole}{NEXT}"), &[200, 200]),
            ("garbage", format!("{whole}garbage\r\n\r\n"), &[200, 400]),
            ("a request within a body is none", hidden, &[200, 200]),
            ("nor within a chunk", chunked, &[200, 200]),
            ("behind an end", format!("{NEXT}{NEXT}"), &[200]),
            ("many", format!("{}{NEXT}", whole.repeat(20)), &[200; 21]),
        ],
    )
    .await;
    // A body that nobody reads is still no request.
    let ignored = format!("POST /body/ignore HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n", inner.len());
    let said = exchange(serving.local_addr(), format!("{ignored}{inner}{NEXT}")).await;
    assert!(!said.contains("418"), "{said}");
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused_and_not_kept() {
    let serving = listen_with("http", |_| {}).await;
    let field = format!("x-a: {}\r\n", "x".repeat(33 << 10));
    let endless = format!("x-a: {}", "x".repeat(200 << 10));
    check(
        serving.local_addr(),
        &[
            ("fields", get("/text", &format!("host: a\r\n{field}")), &[431]),
            ("many fields", get("/text", &format!("host: a\r\n{}", "x: 1\r\n".repeat(101))), &[431]),
            ("a target", get(&format!("/{}", "x".repeat(9 << 10)), "host: a\r\n"), &[414]),
            ("no end", format!("GET /text HTTP/1.1\r\nhost: a\r\n{endless}"), &[431]),
            ("no end of the target", format!("GET /{}", "x".repeat(200 << 10)), &[431]),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_client_that_waits_to_be_asked_for_its_body_is_asked_once_it_is_wanted() {
    let serving = listen_with("http", |_| {}).await;
    let head = |path: &str, length: u32| {
        format!(
            "POST {path} HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: {length}\r\n{CLOSE}\r\n"
        )
    };
    let mut stream = sent(serving.local_addr(), head("/body/echo", 5).as_bytes()).await;
    let said = expect(&mut stream, "\r\n\r\n").await;
    assert_eq!(statuses(&said), [100], "{said}");
    stream.write_all(b"hello").await.unwrap();
    let said = String::from_utf8(until_closed(&mut stream).await).unwrap();
    assert!(statuses(&said) == [200] && said.ends_with("hello"), "{said}");

    // What will not be taken is not asked for.
    for (path, length, status) in [("/body/echo", 33 << 20, 413), ("/body/echo/../x", 5, 400)] {
        let said = exchange(serving.local_addr(), head(path, length)).await;
        assert_eq!(statuses(&said), [status], "{said}");
    }
}
