//! Abuse of time, memory, stack and host calls.

use crate::number;
use std::{hint::black_box, time::Duration};
use wharf_guest::{
    Request, Response,
    bindings::wharf::platform::{
        config,
        kv::Bucket,
        log::{Level, log},
    },
    random,
    time::Instant,
};

/// Burns CPU without end.
pub(crate) fn spin_for_ever() -> Response {
    let mut rounds = 0_u64;
    loop {
        rounds = black_box(rounds.wrapping_add(1));
    }
}

/// Burns so many milliseconds, and answers.
pub(crate) fn spin(millis: usize) -> Response {
    let start = Instant::now();
    let span = Duration::from_millis(millis as u64);
    while start.elapsed() < span {
        for round in 0..10_000 {
            black_box(round);
        }
    }
    Response::text("spun")
}

/// An `unreachable` instruction, without a word.
pub(crate) fn trap() -> Response {
    #[cfg(target_family = "wasm")]
    core::arch::wasm32::unreachable();
    #[cfg(not(target_family = "wasm"))]
    std::process::abort();
}

#[expect(clippy::panic, reason = "that is what this route is for")]
pub(crate) fn explode() -> Response {
    panic!("asked to panic here")
}

/// Takes memory, and touches it, until there is none.
pub(crate) fn grow() -> Response {
    let mut blocks = Vec::new();
    loop {
        blocks.push(black_box(vec![1_u8; 1 << 20]));
    }
}

/// Fills the same block again and again: each fill is a single instruction.
pub(crate) fn fill(mebibytes: usize) -> Response {
    let mut block = vec![0_u8; mebibytes << 20];
    let mut byte = 0_u8;
    loop {
        byte = byte.wrapping_add(1);
        black_box(&mut block).fill(byte);
    }
}

/// Calls itself until the stack ends.
#[expect(unconditional_recursion, reason = "that is what this route is for")]
pub(crate) fn recurse() -> Response {
    let frame = black_box([0_u8; 256]);
    let response = recurse();
    black_box(frame);
    response
}

/// `/hostcalls?kind=config|log|kv|random&n=...`: calls the host without end, or `n` times.
pub(crate) fn host_calls(request: &Request) -> Response {
    let kind = request.query_param("kind").unwrap_or_default();
    let bucket = Bucket::open("cache").ok();
    for _ in 0..number(request, "n", usize::MAX) {
        match (kind.as_str(), &bucket) {
            ("kv", Some(bucket)) => drop(black_box(bucket.get("key"))),
            ("log", _) => log(Level::Debug, "a storm", &[]),
            ("random", _) => drop(black_box(random::number())),
            _ => drop(black_box(config::get("key"))),
        }
    }
    Response::text("called")
}

/// Opens handles and never drops them.
#[expect(clippy::mem_forget, reason = "that is what this route is for")]
pub(crate) fn leak(handles: usize) -> Response {
    for _ in 0..handles {
        std::mem::forget(Bucket::open("cache"));
    }
    Response::text("leaked")
}
