use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use wharf_host::{Config, Serving};

use crate::support::artifact;
use crate::wire::{
    ANY, PATIENCE, SOON, ask_until, connect, expect, host_with, listen_with, sent, statuses, until_closed,
};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// SETTINGS without any.
const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
const GET: &[u8] = b"GET /text HTTP/1.1\r\nhost: a\r\n\r\n";
/// A pause between two bytes of a slow client.
const PAUSE: Duration = Duration::from_millis(30);

/// Short deadlines; `LONG` ones where another is tested.
fn short(config: &mut Config) {
    config.head_timeout = SOON;
    config.idle_timeout = 2 * SOON;
    config.body_idle_timeout = SOON;
    config.write_timeout = SOON;
}

async fn listen() -> Serving {
    listen_with("http", short).await
}

/// Sends byte after byte for as long as the host takes them, and returns what it said.
async fn drip(stream: TcpStream, bytes: &[u8], pause: Duration) -> String {
    let (mut reads, mut writes) = stream.into_split();
    let writing = async {
        for byte in bytes.iter().cycle() {
            if writes.write_all(&[*byte]).await.is_err() {
                break;
            }
            tokio::time::sleep(pause).await;
        }
        std::future::pending::<()>().await;
    };
    let said = tokio::select! {
        said = until_closed(&mut reads) => said,
        () = writing => Vec::new(),
    };
    String::from_utf8_lossy(&said).into_owned()
}

#[tokio::test]
async fn whoever_begins_no_request_is_let_go() {
    // Room for as many as there are: a connection that stayed would keep the last request out.
    let starts: [&[u8]; 8] = [
        b"",
        b"G",
        b"GET / HTTP/1.1\r\nhost: a\r\n",
        b"\r\n\r\n",
        b"PRI * HT",
        PREFACE,
        &[PREFACE, SETTINGS].concat(),
        // HEADERS of a stream, whose block goes on in a CONTINUATION that never comes.
        &[PREFACE, SETTINGS, &[0, 0, 1, 1, 1, 0, 0, 0, 1, 0x82]].concat(),
    ];
    let serving = listen_with("http", |config| {
        short(config);
        config.connections = 8;
    })
    .await;
    let mut streams = Vec::new();
    for start in starts {
        streams.push(sent(serving.local_addr(), start).await);
    }
    ask_until(serving.local_addr(), "/text", str::is_empty).await;
    for mut stream in streams {
        until_closed(&mut stream).await;
    }
    ask_until(serving.local_addr(), "/text", |answer| statuses(answer) == [200]).await;
}

#[tokio::test]
async fn a_head_that_drips_is_not_waited_for() {
    let serving = listen().await;
    let said = drip(connect(serving.local_addr()).await, b"GET /text HTTP/1.1\r\nhost: a\r\nx-", PAUSE).await;
    assert_eq!(said, "");
    // Nor is a later one, though a connection may rest for longer.
    let mut stream = sent(serving.local_addr(), GET).await;
    expect(&mut stream, "Hello, World!").await;
    tokio::time::sleep(SOON).await;
    let begun = Instant::now();
    let said = drip(stream, b"GET /text HTTP/1.1\r\nx-y: z", PAUSE).await;
    assert_eq!(said, "");
    assert!(begun.elapsed() >= SOON, "it had {:?}", begun.elapsed());
}

#[tokio::test]
async fn a_connection_rests_between_requests_but_not_for_ever() {
    let serving = listen().await;
    let mut stream = sent(serving.local_addr(), GET).await;
    expect(&mut stream, "Hello, World!").await;
    // Longer than a head may take.
    tokio::time::sleep(SOON + SOON / 3).await;
    stream.write_all(GET).await.unwrap();
    expect(&mut stream, "Hello, World!").await;
    assert!(until_closed(&mut stream).await.is_empty());
}

/// What comes of a request with this head whose body has these bytes, over and over.
async fn body(address: SocketAddr, lines: &str, bytes: &[u8], pause: Duration) -> String {
    let head = format!("POST /body HTTP/1.1\r\nhost: a\r\n{lines}\r\n\r\n");
    drip(sent(address, head.as_bytes()).await, bytes, pause).await
}

#[tokio::test]
async fn a_body_that_never_comes_is_not_waited_for() {
    let serving = listen().await;
    let said = body(serving.local_addr(), "content-length: 10", b"", PAUSE).await;
    assert!(statuses(&said) == [408] && said.contains("x-wharf-error: body-timeout"), "{said}");
    // Where the guest reads, it is the guest that is told.
    for length in ["content-length: 100000", "transfer-encoding: chunked"] {
        let said = body(serving.local_addr(), length, b"", PAUSE).await;
        assert!(statuses(&said) == [200] && said.contains(r#""error":"timeout""#), "{length}: {said}");
    }
}

#[tokio::test]
async fn a_body_that_drips_is_cut_where_it_is_slower_than_the_rate() {
    let serving = listen_with("http", |config| {
        short(config);
        config.body_rate = 1_000;
    })
    .await;
    let begun = Instant::now();
    let said = body(serving.local_addr(), "content-length: 1000", b"x", PAUSE).await;
    assert!(statuses(&said) == [408], "{said}");
    let said = body(serving.local_addr(), "transfer-encoding: chunked", b"1\r\nx\r\n", PAUSE).await;
    assert!(said.contains(r#""error":"timeout""#), "{said}");
    assert!(begun.elapsed() >= 2 * SOON, "they had {:?}", begun.elapsed());
}

#[tokio::test]
async fn a_body_that_is_slow_but_fast_enough_is_read_to_its_end() {
    let serving = listen_with("http", |config| {
        short(config);
        config.body_rate = 5;
    })
    .await;
    let head = "POST /body HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 30\r\n\r\n";
    let mut stream = sent(serving.local_addr(), head.as_bytes()).await;
    let begun = Instant::now();
    for _ in 0..30 {
        tokio::time::sleep(PAUSE).await;
        stream.write_all(b"x").await.unwrap();
    }
    assert!(begun.elapsed() > SOON, "it was not slow");
    let said = String::from_utf8(until_closed(&mut stream).await).unwrap();
    assert!(statuses(&said) == [200] && said.contains(r#""bytes":30"#), "{said}");
}

#[tokio::test]
async fn a_client_that_reads_nothing_lets_go_of_its_guest() {
    let mut http = artifact("http");
    http.manifest.limits.concurrency = 1;
    let serving = host_with(http, short).await.listen(ANY).unwrap();
    let stream =
        sent(serving.local_addr(), b"GET /stream/endless?size=60000 HTTP/1.1\r\nhost: a\r\n\r\n").await;
    // Its only place is taken, and then free again though the client is still there.
    ask_until(serving.local_addr(), "/text", |answer| statuses(answer) == [503]).await;
    ask_until(serving.local_addr(), "/text", |answer| statuses(answer) == [200]).await;
    drop(stream);
}

#[tokio::test]
async fn a_client_that_reads_slowly_is_served_beyond_every_deadline() {
    let serving = listen_with("http", |config| {
        short(config);
        // TCP tells of room in its buffers by the megabyte.
        config.write_timeout = PATIENCE;
    })
    .await;
    let request = b"GET /big?n=8000000 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let mut stream = sent(serving.local_addr(), request).await;
    let begun = Instant::now();
    let mut bytes = Vec::with_capacity(9_000_000);
    while begun.elapsed() < 4 * SOON {
        tokio::time::sleep(PAUSE).await;
        let mut some = tokio::io::AsyncReadExt::take(&mut stream, 50_000);
        tokio::io::AsyncReadExt::read_to_end(&mut some, &mut bytes).await.unwrap();
    }
    bytes.extend(until_closed(&mut stream).await);
    let body = bytes.windows(4).position(|end| end == b"\r\n\r\n").unwrap() + 4;
    assert_eq!(bytes.len() - body, 8_000_000, "the response was cut");
    assert!(begun.elapsed() < 3 * PATIENCE);
}

#[tokio::test]
async fn a_drain_does_not_wait_for_silent_connections() {
    let serving = listen_with("http", |_| {}).await;
    let silent = connect(serving.local_addr()).await;
    let begun = sent(serving.local_addr(), b"GE").await;
    let mut rested = sent(serving.local_addr(), GET).await;
    expect(&mut rested, "Hello, World!").await;
    assert!(serving.shutdown(PATIENCE).await, "the drain was cut off");
    drop((silent, begun, rested));
}
