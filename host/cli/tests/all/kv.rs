//! `wharf kv`, and what is left of buckets when the host is killed.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Output, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::support::{Server, folder, guest, repository, try_post, wharf, words};

fn start(kv: &Path) -> Server {
    guest("contract/kv/rust", "contract-kv");
    let mut command = wharf(&repository().join("components/contract/kv"));
    command.args(["serve", "rust", "--listen", "127.0.0.1:0", "--kv"]).arg(kv);
    Server::start(command, Duration::from_secs(60))
}

/// What one writer was told.
#[derive(Default)]
struct Told {
    sum: i64,
    stored: BTreeSet<String>,
}

/// Writes until the host is gone.
fn write(server: &str, writer: usize, told: &Mutex<Told>) {
    let command = |rest: &str| format!(r#"{{"bucket":"durable",{rest}}}"#);
    while let Some((200, body)) = try_post(server, "/increment", &command(&format!(r#""key":"sum{writer}""#)))
    {
        let sum = body.strip_prefix("{\"sum\":").and_then(|rest| rest.strip_suffix('}')).unwrap();
        told.lock().unwrap().sum = sum.parse().unwrap();
        let key = format!("w{writer}/{sum}");
        let put = command(&format!(r#""key":"{key}","value":"x""#));
        match try_post(server, "/put", &put) {
            Some((200, body)) if body.contains("version") => told.lock().unwrap().stored.insert(key),
            _ => return,
        };
    }
}

/// Every write that was answered is there after `kill -9`, whatever was under way; and the host starts again.
#[test]
fn no_answered_write_is_lost_when_the_host_is_killed() {
    let project = folder();
    let store = project.path().join(".wharf/kv");
    let writers: Vec<Mutex<Told>> = (0..4).map(|_| Mutex::default()).collect();
    for round in 0..8_u64 {
        let server = start(&store);
        std::thread::scope(|scope| {
            for (writer, told) in writers.iter().enumerate() {
                let server = server.address.as_str();
                scope.spawn(move || write(server, writer, told));
            }
            std::thread::sleep(Duration::from_millis(100 + 37 * round));
            server.signal(Signal::SIGKILL);
        });
        drop(server);
        for (writer, known) in writers.iter().enumerate() {
            let known = known.lock().unwrap();
            let sum: i64 =
                told(project.path(), &["get", "durable", &format!("sum{writer}")], "").parse().unwrap();
            // One more may have been stored whose answer did not come through.
            assert!((known.sum..=known.sum + 1).contains(&sum), "round {round}: {sum}, {} told", known.sum);
            let keys = told(project.path(), &["ls", "durable", &format!("w{writer}/")], "");
            let there: BTreeSet<&str> = keys.lines().collect();
            let lost = known.stored.iter().find(|key| !there.contains(key.as_str()));
            assert_eq!(lost, None, "round {round}");
        }
    }
    let stored: usize = writers.iter().map(|told| told.lock().unwrap().stored.len()).sum();
    assert!(stored > 100, "it hardly wrote: {stored}");
}

fn run(folder: &Path, arguments: &[&str], input: &str) -> Output {
    use std::io::Write;
    let mut command = wharf(folder);
    command.arg("kv").args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().unwrap();
    process.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    process.wait_with_output().unwrap()
}

/// What it says when it succeeds.
fn told(folder: &Path, arguments: &[&str], input: &str) -> String {
    let (said, error, ok) = words(&run(folder, arguments, input));
    assert!(ok, "{arguments:?}: {error}");
    said
}

#[test]
fn an_operator_reads_and_changes_buckets_beside_a_running_host_and_without_one() {
    let project = folder();
    let store = project.path().join(".wharf/kv");
    let (_, error, ok) = words(&run(project.path(), &["ls"], ""));
    assert!(!ok && error.contains("`--kv`"), "{error}");

    let mut server = Some(start(&store));
    server.as_ref().unwrap().post("/put", r#"{"key":"user/1","value":"Ada"}"#);
    server.as_ref().unwrap().post("/put", r#"{"key":"user/2","hex":"00ff"}"#);
    for running in [true, false] {
        if !running {
            assert_eq!(server.take().unwrap().end(), Some(0));
        }
        let run = |arguments: &[&str]| told(project.path(), arguments, "");
        assert_eq!(run(&["ls", "cache", "user/"]), "user/1\nuser/2\n");
        assert_eq!(run(&["ls", "cache", "--limit", "1"]), "user/1\n");
        assert!(run(&["ls"]).contains("cache"));
        assert!(run(&["ls", "--json"]).contains("\"entries\": 2"));
        assert_eq!(run(&["get", "cache", "user/1"]), "Ada");
        assert!(run(&["get", "cache", "user/2", "--json"]).contains("\"value\": \"AP8=\""));
        run(&["put", "cache", "later", "x", "--ttl", "1h"]);
        assert!(run(&["get", "cache", "later", "--json"]).contains("expires_at"));
        told(project.path(), &["put", "cache", "piped"], "from input");
        assert_eq!(run(&["get", "cache", "piped"]), "from input");
        let (_, error, ok) =
            words(&self::run(project.path(), &["put", "cache", "piped", "y", "--if-absent"], ""));
        assert!(!ok && error.contains("`piped` is there"), "{error}");
        let lines = run(&["export", "cache"]);
        assert_eq!(lines.lines().count(), 4, "{lines}");
        told(project.path(), &["import", "copy"], &lines);
        assert_eq!(run(&["ls", "copy"]), run(&["ls", "cache"]));
        assert_eq!(run(&["get", "copy", "user/1"]), "Ada");
        assert!(
            run(&["delete", "copy", "later", "piped", "user/1", "user/2", "none", "--json"]).contains('4')
        );
        run(&["delete", "cache", "later", "piped"]);
        let (_, error, ok) = words(&self::run(project.path(), &["get", "cache", "gone"], ""));
        assert!(!ok && error.contains("no key `gone`"), "{error}");
        let (_, error, ok) = words(&self::run(project.path(), &["import", "cache"], "{}\nno json"));
        assert!(!ok && error.contains("line 1"), "{error}");
    }
    assert!(!store.join("kv.sock").exists(), "the socket goes with its host");
}
