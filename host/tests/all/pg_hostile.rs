use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Once};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{Database, host_of, post};

const SECOND: Duration = Duration::from_secs(1);

/// What a server says: after the start-up message, then after each batch of the host's, and at the end.
#[derive(Clone)]
struct Script {
    greeting: Vec<u8>,
    answers: Vec<Vec<u8>>,
    end: End,
}

#[derive(Clone)]
enum End {
    Close,
    Stay,
    /// The same, for as long as it is taken.
    Flood(Vec<u8>),
    /// SCRAM with so many rounds.
    Scram(u32),
}

fn frame(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
    [&[tag][..], &length, body].concat()
}

/// A frame that promises another length than it has.
fn lying(tag: u8, length: u32, body: &[u8]) -> Vec<u8> {
    [&[tag][..], &length.to_be_bytes(), body].concat()
}

fn ready() -> Vec<u8> {
    frame(b'Z', b"I")
}

/// Authentication is over, and the server is ready.
fn welcome() -> Vec<u8> {
    [frame(b'R', &0_u32.to_be_bytes()), ready()].concat()
}

/// A statement without parameters and with one column of a type.
fn prepared(oid: u32) -> Vec<u8> {
    let column = [&b"n\0"[..], &[0; 6], &oid.to_be_bytes(), &[0, 4, 0xff, 0xff, 0xff, 0xff, 0, 0]].concat();
    let columns = frame(b'T', &[&[0, 1][..], &column].concat());
    [frame(b'1', b""), frame(b't', &[0, 0]), columns, ready()].concat()
}

fn row(count: u16, length: u32, value: &[u8]) -> Vec<u8> {
    frame(b'D', &[&count.to_be_bytes()[..], &length.to_be_bytes(), value].concat())
}

fn error(fields: &[u8]) -> Vec<u8> {
    frame(b'E', fields)
}

const INT4: u32 = 23;

fn play(script: &Script, mut host: TcpStream) -> std::io::Result<()> {
    let mut buffer = [0; 4_096];
    let _startup = host.read(&mut buffer)?;
    host.write_all(&script.greeting)?;
    for answer in &script.answers {
        if host.read(&mut buffer)? == 0 {
            return Ok(());
        }
        host.write_all(answer)?;
    }
    match &script.end {
        End::Close => {}
        // Until the host has had enough.
        End::Stay => while host.read(&mut buffer)? > 0 {},
        End::Flood(bytes) => loop {
            host.write_all(bytes)?;
        },
        End::Scram(rounds) => {
            host.write_all(&frame(b'R', &[&10_u32.to_be_bytes()[..], b"SCRAM-SHA-256\0\0"].concat()))?;
            let length = host.read(&mut buffer)?;
            let sent = String::from_utf8_lossy(&buffer[..length]).into_owned();
            let (_, nonce) = sent.split_once("r=").unwrap_or_default();
            let ask = format!("r={nonce}more,s=c2FsdHNhbHRzYWx0,i={rounds}");
            host.write_all(&frame(b'R', &[&11_u32.to_be_bytes()[..], ask.as_bytes()].concat()))?;
            while host.read(&mut buffer)? > 0 {}
        }
    }
    Ok(())
}

/// Plays a script to everybody, on threads of its own, as long as the process lives.
fn serve(script: Script) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let script = Arc::new(script);
    std::thread::spawn(move || {
        for host in listener.incoming().flatten() {
            let script = script.clone();
            // It fails when the host hangs up, which is what it should do.
            std::thread::spawn(move || drop(play(&script, host)));
        }
    });
    port
}

/// How often something panicked that is not a test.
fn panics() -> usize {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !panic.location().is_some_and(|location| location.file().contains("tests/all")) {
                COUNT.fetch_add(1, Ordering::SeqCst);
            }
            before(panic);
        }));
    });
    COUNT.load(Ordering::SeqCst)
}

/// Runs one command against each script, all at once, while an honest database goes on answering. Nobody may
/// take longer than this, and every answer must be one of these cases.
async fn face(scripts: Vec<(&str, Script)>, bound: Duration, cases: &[&str]) {
    let before = panics();
    let honest = Database::start().await;
    let mut databases = vec![("main", honest.postgres.connection_url("test"))];
    for (name, script) in &scripts {
        let port = serve(script.clone());
        databases.push((*name, format!("postgres://wharf:secret@127.0.0.1:{port}/test?connect_timeout=1")));
    }
    let host = host_of(&databases).await;
    let meeting = async |name: &str, path: &str| {
        let begun = Instant::now();
        let command = json!({"database": name, "sql": "select 1", "timeout_ms": 2_000});
        let answer = post(&host, path, command).await;
        assert!(begun.elapsed() < bound, "{name}: {path} took {:?}: {answer}", begun.elapsed());
        let case = answer["error"]["case"].as_str().unwrap_or("none");
        assert!(cases.contains(&case), "{name}: {path} answered {answer}");
    };
    let hostile = async {
        for path in ["/query", "/execute", "/query-raw"] {
            let all = scripts.iter().map(|(name, _)| meeting(name, path));
            futures_util::future::join_all(all).await;
        }
    };
    let mut hostile = std::pin::pin!(hostile);
    let mut met = false;
    while !met {
        tokio::select! {
            () = &mut hostile => met = true,
            () = tokio::time::sleep(Duration::from_millis(20)) => {}
        }
        let begun = Instant::now();
        let answer = post(&host, "/query", json!({"sql": "select 1::int4"}));
        let mut answer = std::pin::pin!(answer);
        let answer = tokio::select! {
            () = &mut hostile, if !met => { met = true; answer.await }
            answer = &mut answer => answer,
        };
        assert_eq!(answer["rows"][0][0]["value"], 1, "{answer}");
        assert!(begun.elapsed() < SECOND, "an honest database took {:?}", begun.elapsed());
    }
    assert_eq!(panics(), before, "the host panicked");
}

fn greeting(bytes: impl Into<Vec<u8>>, end: End) -> Script {
    Script { greeting: bytes.into(), answers: Vec::new(), end }
}

#[tokio::test]
async fn what_greets_as_no_server_does_is_unavailable() {
    let notice = frame(b'N', b"SNOTICE\0C00000\0Mhello\0\0");
    let parameter = frame(b'S', b"name\0value\0");
    let scripts = vec![
        ("closes", greeting("", End::Close)),
        ("silent", greeting("", End::Stay)),
        ("http", greeting("HTTP/1.1 400 Bad Request\r\n\r\n", End::Stay)),
        ("zeros", greeting([0; 64], End::Stay)),
        ("ones", greeting([0xff; 64], End::Stay)),
        ("truncated", greeting(lying(b'R', 8, &[0]), End::Close)),
        ("half", greeting(lying(b'R', 8, &[0]), End::Stay)),
        ("huge", greeting(lying(b'R', 0x7fff_ffff, &[0]), End::Flood(vec![0; 1 << 16]))),
        ("hugeparameter", greeting(lying(b'S', 0x7fff_ffff, b"a"), End::Flood(vec![b'a'; 1 << 16]))),
        ("empty", greeting(lying(b'R', 0, &[]), End::Stay)),
        ("negative", greeting(lying(b'R', 0xffff_ffff, &[]), End::Stay)),
        ("bodiless", greeting(frame(b'R', b""), End::Stay)),
        ("unknown", greeting(frame(b'R', &99_u32.to_be_bytes()), End::Stay)),
        ("kerberos", greeting(frame(b'R', &7_u32.to_be_bytes()), End::Stay)),
        ("notices", greeting("", End::Flood(notice.repeat(100)))),
        ("parameters", greeting(welcome()[..9].to_vec(), End::Flood(parameter.repeat(100)))),
        ("badparameter", greeting([&welcome()[..9], &frame(b'S', b"name")[..]].concat(), End::Stay)),
        ("notready", greeting(welcome()[..9].to_vec(), End::Stay)),
        ("rounds", greeting("", End::Scram(u32::MAX))),
        ("manyrounds", greeting("", End::Scram(1_000_001))),
        ("mechanisms", greeting(frame(b'R', &[&10_u32.to_be_bytes()[..], b"MAGIC\0\0"].concat()), End::Stay)),
        ("error", greeting(error(b"SFATAL\0C28000\0Mgo away\0\0"), End::Close)),
        ("noerror", greeting(error(b""), End::Stay)),
        ("badtext", greeting(error(b"S\xff\xfe\0C\xff\0M\xff\0\0"), End::Stay)),
    ];
    Box::pin(face(scripts, 3 * SECOND, &["unavailable"])).await;
}

#[tokio::test]
async fn what_answers_as_no_server_does_is_a_typed_error_and_hurts_nobody() {
    let answers = |answers: &[Vec<u8>], end| Script { greeting: welcome(), answers: answers.to_vec(), end };
    let prepare = |bytes: Vec<u8>| answers(&[bytes], End::Stay);
    let bind = |bytes: Vec<u8>| answers(&[prepared(INT4), [frame(b'2', b""), bytes].concat()], End::Stay);
    let scripts = vec![
        ("garbage", prepare(vec![0x41; 200])),
        ("closes", answers(&[Vec::new()], End::Close)),
        ("early", prepare([ready(), ready()].concat())),
        ("othermessage", prepare([frame(b'C', b"SELECT 1\0"), ready()].concat())),
        (
            "columns",
            prepare([frame(b'1', b""), frame(b't', &[0, 0]), frame(b'T', &[0xff, 0xff, 0])].concat()),
        ),
        ("parameters", prepare([frame(b'1', b""), frame(b't', &[0xff, 0xff])].concat())),
        ("nocolumns", prepare([frame(b'1', b""), frame(b't', b""), frame(b'T', b""), ready()].concat())),
        ("rowshort", bind(lying(b'D', 3, &[0, 1]))),
        ("morecolumns", bind(row(7, 4, &[0; 4]))),
        ("nocolumn", bind([row(0, 4, &[0; 4]), frame(b'C', b"SELECT 1\0"), ready()].concat())),
        ("fieldlength", bind([row(1, 0x7fff_ffff, &[0; 4]), frame(b'C', b"SELECT 1\0"), ready()].concat())),
        ("fieldnegative", bind([row(1, 0xffff_fffe, &[0; 4]), frame(b'C', b"SELECT 1\0"), ready()].concat())),
        ("copyin", bind(frame(b'G', &[0, 0, 0]))),
        ("copyout", bind([frame(b'H', &[0, 0, 0]), frame(b'd', b"x"), frame(b'c', b"")].concat())),
        ("copyboth", bind(frame(b'W', &[0, 0, 0]))),
        ("errorempty", bind([error(b""), ready()].concat())),
        ("errorcut", bind([error(b"SERROR"), ready()].concat())),
        ("errorbinary", bind([error(b"S\xff\0C\xff\0M\xff\0\0"), ready()].concat())),
        ("tagcut", bind([row(1, 4, &[0; 4]), frame(b'C', b"SELECT"), ready()].concat())),
        ("silent", bind(Vec::new())),
        (
            "notices",
            answers(&[prepared(INT4)], End::Flood(frame(b'N', b"SNOTICE\0C00000\0Mhello\0\0").repeat(100))),
        ),
        (
            "notifications",
            answers(&[prepared(INT4)], End::Flood(frame(b'A', b"\0\0\0\x01a\0b\0").repeat(100))),
        ),
        ("statuses", answers(&[prepared(INT4)], End::Flood(frame(b'S', b"a\0b\0").repeat(100)))),
        (
            "emptyerrors",
            answers(&[prepared(INT4)], End::Flood(error(b"SERROR\0CXX000\0Mno\0\0").repeat(100))),
        ),
        ("unknowntype", prepare(prepared(99_999))),
    ];
    // While a statement is prepared nothing runs, so that a broken connection is `unavailable`.
    let cases = ["unavailable", "connection-lost", "limit-exceeded", "timeout", "other", "db"];
    Box::pin(face(scripts, 4 * SECOND, &cases)).await;
}

#[tokio::test]
async fn a_message_is_refused_by_the_length_that_it_promises() {
    let row = |length: u32| Script {
        greeting: welcome(),
        answers: vec![prepared(INT4), [frame(b'2', b""), lying(b'D', length, &[0, 1])].concat()],
        end: End::Stay,
    };
    let scripts = vec![("gigabytes", row(0x7fff_ffff)), ("onemore", row((16 << 20) + 5))];
    Box::pin(face(scripts, SECOND, &["limit-exceeded"])).await;
    Box::pin(face(vec![("less", row(3))], SECOND, &["connection-lost"])).await;
}

#[tokio::test]
async fn rows_without_end_are_cut_off() {
    let rows = |size: usize, many: usize| {
        let length = u32::try_from(size).unwrap();
        let rows = row(1, length, &vec![0; size]).repeat(many);
        Script { greeting: welcome(), answers: vec![prepared(17), frame(b'2', b"")], end: End::Flood(rows) }
    };
    let scripts = vec![("small", rows(4, 1_000)), ("empty", rows(0, 1_000)), ("large", rows(1 << 20, 1))];
    // What drops its rows ends with its time.
    Box::pin(face(scripts, 4 * SECOND, &["limit-exceeded", "timeout"])).await;
}
