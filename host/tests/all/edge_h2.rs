use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;
use h2::client::SendRequest;
use http::{Method, Request, StatusCode};
use tokio::io::AsyncWriteExt;
use tokio::task::JoinHandle;

use crate::support::artifact;
use crate::wire::{
    ANY, PATIENCE, SOON, ask_until, connect, host_with, listen_with, one_at_a_time, sent, statuses,
    until_closed,
};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
/// Flags of HEADERS: the request has no body, and its fields end here.
const WHOLE: u8 = 5;
const NO_ERROR: u8 = 0;
const ENHANCE_YOUR_CALM: u8 = 11;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, flags];
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// The fields of a request, in HPACK without its tables: method (an index, or spelt out), scheme, path, authority.
fn fields(method: &[u8], path: &str) -> Vec<u8> {
    let text =
        |index: u8, text: &str| [&[index, u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    [method, &[0x86], &text(4, path), &text(1, "a")].concat()
}

const GET: &[u8] = &[0x82];

/// What a client begins with.
fn opening() -> Vec<u8> {
    [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()
}

/// Kind and payload of every frame in it.
fn frames(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut found = Vec::new();
    while bytes.len() >= 9 {
        let length = u32::from_be_bytes([0, bytes[0], bytes[1], bytes[2]]) as usize;
        let end = (9 + length).min(bytes.len());
        found.push((bytes[3], bytes[9..end].to_vec()));
        bytes = &bytes[end..];
    }
    found
}

/// The reasons of all GOAWAYs.
fn farewells(bytes: &[u8]) -> Vec<u8> {
    frames(bytes).iter().filter(|(kind, _)| *kind == GOAWAY).map(|(_, payload)| payload[7]).collect()
}

/// A client of HTTP/2 in the clear, by prior knowledge.
async fn client(address: SocketAddr) -> (SendRequest<Bytes>, JoinHandle<Result<(), h2::Error>>) {
    let (requests, connection) = h2::client::handshake(connect(address).await).await.unwrap();
    (requests, tokio::spawn(connection))
}

async fn ask(requests: &mut SendRequest<Bytes>, request: Request<()>) -> Result<StatusCode, h2::Error> {
    let (response, _) = requests.send_request(request, true)?;
    let response = tokio::time::timeout(PATIENCE, response).await.expect("an answer");
    response.map(|response| response.status())
}

fn get(uri: &str) -> Request<()> {
    Request::get(uri).body(()).unwrap()
}

#[tokio::test]
async fn requests_in_the_clear_are_answered_at_once_and_together() {
    let serving = listen_with("http", |_| {}).await;
    let (mut requests, _connection) = client(serving.local_addr()).await;
    let mut pending = Vec::new();
    for code in [200, 404, 418, 503] {
        pending.push((code, requests.send_request(get(&format!("http://a/status/{code}")), true).unwrap().0));
    }
    for (code, response) in pending {
        assert_eq!(response.await.unwrap().status(), code);
    }
}

#[tokio::test]
async fn a_request_names_one_host_here_too() {
    let serving = listen_with("http", |_| {}).await;
    let (mut requests, _connection) = client(serving.local_addr()).await;
    let with = |uri: &str, host: &str| Request::get(uri).header("host", host).body(()).unwrap();
    for (request, expected) in [
        (with("http://a.example/text", "A.EXAMPLE"), 200),
        (with("http://a/text", "b"), 400),
        (with("http://a/text", "a:80"), 400),
        (get("http://u@a/text"), 400),
        (get("http://a:1x/text".replace("1x", "99999").as_str()), 400),
    ] {
        let shown = format!("{request:?}");
        assert_eq!(ask(&mut requests, request).await.unwrap(), expected, "{shown}");
    }
    let connect = Request::builder().method(Method::CONNECT).uri("a:443").body(()).unwrap();
    assert_eq!(ask(&mut requests, connect).await.unwrap(), 405);
}

/// The first byte of the first response's fields: an index that stands for its status.
async fn status(address: SocketAddr, fields: &[u8]) -> Option<u8> {
    let mut stream = sent(address, &[opening(), frame(HEADERS, WHOLE, 1, fields)].concat()).await;
    let said = until_closed(&mut stream).await;
    frames(&said).iter().find(|(kind, _)| *kind == HEADERS).map(|(_, fields)| fields[0])
}

#[tokio::test]
async fn heads_that_no_client_makes_are_refused() {
    let serving =
        listen_with("http", |config| (config.head_timeout, config.idle_timeout) = (SOON, SOON)).await;
    const OK: Option<u8> = Some(0x88);
    const NO_CONTENT: Option<u8> = Some(0x89);
    const BAD_REQUEST: Option<u8> = Some(0x8c);
    let options = [&[2, 7][..], b"OPTIONS"].concat();
    let unnamed = [GET, &[0x86, 4, 5], b"/text"].concat();
    let coded = [&fields(GET, "/text")[..], &[0, 17], b"transfer-encoding", &[7], b"chunked"].concat();
    for (name, fields, expected) in [
        ("as it should be", fields(GET, "/text"), OK),
        ("the server as a whole", fields(&options, "*"), NO_CONTENT),
        ("nobody's", unnamed, BAD_REQUEST),
        ("a transfer coding", coded, None),
        ("a path without a slash", fields(GET, "text"), BAD_REQUEST),
    ] {
        let found = status(serving.local_addr(), &fields).await;
        let refused = expected == BAD_REQUEST && found.is_none();
        assert!(found == expected || refused, "{name}: {found:?}");
    }
}

#[tokio::test]
async fn a_reset_stream_stops_its_guest() {
    let serving = host_with(one_at_a_time(), |_| {}).await.listen(ANY).unwrap();
    let (mut requests, _connection) = client(serving.local_addr()).await;
    for _ in 0..3 {
        let (response, mut stream) = requests.send_request(get("http://a/loop"), true).unwrap();
        ask_until(serving.local_addr(), "/fine", |answer| statuses(answer) == [503]).await;
        stream.send_reset(h2::Reason::CANCEL);
        ask_until(serving.local_addr(), "/fine", |answer| statuses(answer) == [200]).await;
        drop(response);
    }
    // The connection lives on.
    assert_eq!(ask(&mut requests, get("http://a/fine")).await.unwrap(), 200);
}

#[tokio::test]
async fn a_lost_connection_stops_all_its_guests() {
    let serving = host_with(one_at_a_time(), |_| {}).await.listen(ANY).unwrap();
    let (mut requests, connection) = client(serving.local_addr()).await;
    let _response = requests.send_request(get("http://a/loop"), true).unwrap();
    ask_until(serving.local_addr(), "/fine", |answer| statuses(answer) == [503]).await;
    connection.abort();
    ask_until(serving.local_addr(), "/fine", |answer| statuses(answer) == [200]).await;
}

#[tokio::test]
async fn streams_that_are_reset_as_they_come_end_the_connection_and_cost_no_guest() {
    let serving = host_with(one_at_a_time(), |_| {}).await.listen(ANY).unwrap();
    let mut flood = opening();
    for stream in (1..4_000).step_by(2) {
        flood.extend(frame(HEADERS, WHOLE, stream, &fields(GET, "/loop")));
        flood.extend(frame(RST_STREAM, 0, stream, &[0, 0, 0, 8]));
    }
    let mut stream = sent(serving.local_addr(), &flood).await;
    let said = until_closed(&mut stream).await;
    assert_eq!(farewells(&said), [ENHANCE_YOUR_CALM]);
    ask_until(serving.local_addr(), "/fine", |answer| statuses(answer) == [200]).await;
}

/// Sends the same bytes over and over, reads nothing, and returns when the host has closed.
async fn flood(address: SocketAddr, start: &[u8], bytes: &[u8]) {
    let mut stream = sent(address, start).await;
    let writes = async { while stream.write_all(bytes).await.is_ok() {} };
    assert!(tokio::time::timeout(PATIENCE, writes).await.is_ok(), "the flood goes on");
}

#[tokio::test]
async fn floods_of_frames_end_their_connection_and_its_guest() {
    let serving = host_with(one_at_a_time(), |config| config.write_timeout = SOON).await.listen(ANY).unwrap();
    // A request that runs, so that the connection is no idle one.
    let start = [opening(), frame(HEADERS, WHOLE, 1, &fields(GET, "/loop"))].concat();
    for answered in [frame(PING, 0, 0, &[0; 8]), frame(SETTINGS, 0, 0, &[])] {
        flood(serving.local_addr(), &start, &answered.repeat(1_000)).await;
        ask_until(serving.local_addr(), "/fine", |answer| statuses(answer) == [200]).await;
    }
}

#[tokio::test]
async fn a_head_without_end_is_not_kept() {
    let serving = listen_with("http", |_| {}).await;
    let start = [opening(), frame(HEADERS, 1, 1, &fields(GET, "/text"))].concat();
    let piece = [&[0, 1, b'x', 127, 0xff, 0x3e][..], &[b'x'; 8_000]].concat();
    let begun = Instant::now();
    for more in [frame(CONTINUATION, 0, 1, &piece), frame(CONTINUATION, 0, 1, &[])] {
        flood(serving.local_addr(), &start, &more.repeat(100)).await;
    }
    assert!(begun.elapsed() < PATIENCE, "only the deadline ended it");
    let (mut requests, _connection) = client(serving.local_addr()).await;
    let large = Request::get("http://a/text").header("x-a", "x".repeat(40 << 10)).body(()).unwrap();
    assert!(ask(&mut requests, large).await.is_ok_and(|status| status == 431));
    assert_eq!(ask(&mut requests, get("http://a/text")).await.unwrap(), 200);
}

#[tokio::test]
async fn more_streams_than_are_allowed_are_refused_and_the_others_answered() {
    let serving = host_with(one_at_a_time(), |_| {}).await.listen(ANY).unwrap();
    let mut start = opening();
    for stream in (1..600).step_by(2) {
        start.extend(frame(HEADERS, WHOLE, stream, &fields(GET, "/loop")));
    }
    let mut stream = sent(serving.local_addr(), &start).await;
    crate::wire::expect(&mut stream, "Too many requests").await;
    drop(stream);
    ask_until(serving.local_addr(), "/fine", |answer| statuses(answer) == [200]).await;
}

#[tokio::test]
async fn a_connection_without_requests_is_told_to_go() {
    let serving =
        listen_with("http", |config| (config.head_timeout, config.idle_timeout) = (SOON, SOON)).await;
    let mut stream =
        sent(serving.local_addr(), &[opening(), frame(HEADERS, WHOLE, 1, &fields(GET, "/text"))].concat())
            .await;
    let said = until_closed(&mut stream).await;
    assert!(
        !farewells(&said).is_empty() && farewells(&said).iter().all(|reason| *reason == NO_ERROR),
        "{said:?}"
    );
    // Pings are no requests.
    let mut stream =
        sent(serving.local_addr(), &[opening(), frame(HEADERS, WHOLE, 1, &fields(GET, "/text"))].concat())
            .await;
    let (mut reads, mut writes) = stream.split();
    let pings = async {
        while writes.write_all(&frame(PING, 0, 0, &[0; 8])).await.is_ok() {
            tokio::time::sleep(SOON / 10).await;
        }
    };
    tokio::join!(until_closed(&mut reads), pings);
}

#[tokio::test]
async fn a_body_that_drips_costs_its_stream_and_not_the_connection() {
    let host = host_with(artifact("http"), |config| {
        config.body_idle_timeout = SOON;
        config.body_rate = 1_000;
    });
    let serving = host.await.listen(ANY).unwrap();
    let (mut requests, _connection) = client(serving.local_addr()).await;
    let post = Request::post("http://a/body").header("content-length", 1_000).body(()).unwrap();
    let (response, mut body) = requests.send_request(post, false).unwrap();
    let drips = async {
        while body.send_data(Bytes::from_static(b"x"), false).is_ok() {
            tokio::time::sleep(SOON / 10).await;
        }
    };
    let answered = tokio::select! {
        response = response => response.unwrap().status(),
        () = drips => panic!("reset without an answer"),
    };
    assert_eq!(answered, 408);
    assert_eq!(ask(&mut requests, get("http://a/text")).await.unwrap(), 200);
}

#[tokio::test]
async fn a_response_that_nobody_takes_lets_go_of_its_guest() {
    let mut http = artifact("http");
    http.manifest.limits.concurrency = 1;
    let serving = host_with(http, |config| config.write_timeout = SOON).await.listen(ANY).unwrap();
    // A client that gives no window: the host may write nothing, and so nothing is late in being read.
    let no_window = frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]);
    let request = frame(HEADERS, WHOLE, 1, &fields(GET, "/stream/endless"));
    let stream = sent(serving.local_addr(), &[PREFACE, &no_window, &request].concat()).await;
    ask_until(serving.local_addr(), "/text", |answer| statuses(answer) == [503]).await;
    ask_until(serving.local_addr(), "/text", |answer| statuses(answer) == [200]).await;
    drop(stream);
}

#[tokio::test]
async fn a_response_that_is_taken_slowly_is_no_rest() {
    let short = |config: &mut wharf_host::Config| (config.head_timeout, config.idle_timeout) = (SOON, SOON);
    let serving = listen_with("http", short).await;
    let (mut requests, _connection) = client(serving.local_addr()).await;
    let (response, _) = requests.send_request(get("http://a/big?n=3000000"), true).unwrap();
    let mut body = response.await.unwrap().into_body();
    let (begun, mut bytes) = (Instant::now(), 0);
    while let Some(data) = body.data().await {
        bytes += data.unwrap().len();
        // As much room as was taken, and not before a pause.
        let taken = body.flow_control().used_capacity();
        if taken > 60_000 {
            tokio::time::sleep(SOON / 6).await;
            body.flow_control().release_capacity(taken).unwrap();
        }
    }
    assert!(begun.elapsed() > 3 * SOON, "it was not slow");
    assert_eq!(bytes, 3_000_000);
}
