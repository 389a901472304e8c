//! A hundred deploys under a load that does not wait for answers: no answer fails, none is stale, and what streams
//! is whole although its release was replaced.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::hosted::{Hosted, version_at};
use crate::support::guest;

const SWAPS: u64 = 100;
/// Requests are sent at these times, whether or not those before are answered.
const EVERY: Duration = Duration::from_millis(10);
/// Bytes of a stream: more than sockets and the host hold, so that it is under way while its client does not read.
const PIECE: usize = 64 << 10;
const PIECES: usize = 160;

#[test]
fn a_hundred_swaps_drop_nothing() {
    let host = Hosted::start();
    host.deploy("a", "0");
    let (begun, acknowledged) = (AtomicU64::new(0), AtomicU64::new(0));
    // Odd while it is going back.
    let going_back = AtomicU64::new(0);
    let over = AtomicBool::new(false);
    let address = host.server.address.as_str();
    let answers = std::thread::scope(|scope| {
        let load = scope.spawn(|| open_loop(address, &begun, &acknowledged, &going_back, &over));
        let _over = Over(&over);
        let mut stream = None;
        for swap in 1..=SWAPS {
            if swap % 10 == 1 {
                streaming(&host, swap);
                stream = Some(open_stream(&host));
            }
            if swap % 10 == 3 {
                streaming(&host, swap);
                finish_stream(stream.take().unwrap());
            }
            begun.store(swap, Ordering::SeqCst);
            let done = if swap % 7 == 0 {
                // Back to the one before, and on again: releases that are at hand.
                going_back.fetch_add(1, Ordering::SeqCst);
                host.run(&["rollback", "a"]);
                host.run(&["rollback", "a"]);
                going_back.fetch_add(1, Ordering::SeqCst);
                host.deploy("a", &swap.to_string())
            } else {
                host.deploy("a", &swap.to_string())
            };
            assert!(done["deployment"]["number"].as_u64().is_some());
            acknowledged.store(swap, Ordering::SeqCst);
        }
        over.store(true, Ordering::SeqCst);
        load.join().unwrap()
    });
    assert!(answers > SWAPS, "{answers} answers say little");
}

/// Ends the load, also when a deploy fails.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Sends requests until it is over; returns how many were answered.
fn open_loop(
    address: &str,
    begun: &AtomicU64,
    acknowledged: &AtomicU64,
    going_back: &AtomicU64,
    over: &AtomicBool,
) -> u64 {
    let start = Instant::now();
    std::thread::scope(|scope| {
        let mut requests = Vec::new();
        for turn in 0_u32.. {
            let at = start + EVERY * turn;
            std::thread::sleep(at.saturating_duration_since(Instant::now()));
            if over.load(Ordering::SeqCst) {
                break;
            }
            requests.push(scope.spawn(|| {
                let before = going_back.load(Ordering::SeqCst);
                let oldest = acknowledged.load(Ordering::SeqCst);
                let version = version_at(address, "");
                let newest = begun.load(Ordering::SeqCst);
                let version: u64 = version.parse().expect("a failed answer");
                let after = going_back.load(Ordering::SeqCst);
                // On the way to the next it may go back to the one before.
                let back = u64::from(before % 2 == 1 || before != after);
                assert!(version + back >= oldest && version <= newest, "{oldest} <= {version} <= {newest}");
            }));
        }
        let count = requests.len();
        requests.into_iter().for_each(|request| request.join().unwrap());
        u64::try_from(count).unwrap()
    })
}

/// Deploys the service that streams anew.
fn streaming(host: &Hosted, version: u64) {
    let manifest = format!("name = \"s\"\n[[routes]]\npath = \"/stream\"\n[config]\nv = \"{version}\"\n");
    host.put("s", &manifest, &guest("contract/http/rust", "contract-http"));
    host.run(&["deploy", "s"]);
}

/// A stream of which only the first bytes were read.
fn open_stream(host: &Hosted) -> TcpStream {
    let mut stream = TcpStream::connect(&host.server.address).unwrap();
    stream.set_read_timeout(Some(crate::hosted::PATIENCE)).unwrap();
    let path = format!("/stream?n={PIECES}&size={PIECE}&trailers=1");
    write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
    let mut first = [0; 12];
    stream.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    stream
}

fn finish_stream(mut stream: TcpStream) {
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    assert!(rest.len() > PIECES * PIECE, "a stream was cut after {} bytes", rest.len());
    let end = String::from_utf8_lossy(&rest[rest.len() - 40..]);
    assert!(end.ends_with("0\r\n\r\n") || end.contains("x-chunks"), "a stream without an end: {end:?}");
}
