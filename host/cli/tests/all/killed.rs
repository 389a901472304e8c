//! kill -9 at every step of a deploy and at any moment: what was acknowledged is there, nothing is half there, and it
//! serves again at once.

use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use wharf_postgres::PrivatePostgres;

use crate::hosted::Hosted;
use crate::support::{guest, words};

/// Steps of a deploy at which a process can end, and whether the deploy holds then.
const STEPS: [(&str, bool); 17] = [
    ("blob-written", false),
    ("blob-named", false),
    ("check", false),
    ("begins-verify", false),
    ("begins-compile", false),
    ("begins-start", false),
    ("begins-migrate", false),
    ("migrate", false),
    ("begins-checksql", false),
    ("checksql", false),
    ("probe", false),
    ("commit", false),
    ("record", true),
    ("publish", true),
    ("done", true),
    ("compile", false),
    ("start", false),
];
/// How soon a host serves again after its end, from issue 6. A development build on a busy machine gets more.
const AGAIN: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn a_deploy_that_is_killed_at_any_step_is_whole_or_not_there() {
    let postgres = PrivatePostgres::temporary().await.unwrap();
    postgres.create_database("killed").await.unwrap();
    let mut host = Hosted::start_with(postgres.connection_url("killed"));
    versioned(&host, "0");
    let mut holds = "0".to_owned();
    host.json(&["deploy", "a"]);
    for (round, (step, recorded)) in (1..).zip(STEPS) {
        host.restart_to_die(step);
        assert_eq!(host.version(), holds, "before {step}");
        let version = round.to_string();
        versioned(&host, &version);
        let (_, error, acknowledged) = words(&host.command(&["deploy", "a"]).output().unwrap());
        assert_eq!(host.server.died_of(), Some(9), "{step} was never reached: {error}");
        // Only what follows `done` is an answer; the process may end before it is sent.
        assert!(!acknowledged || step == "done", "{step} was acknowledged");
        let begun = Instant::now();
        host.restart(Signal::SIGKILL);
        assert!(begun.elapsed() < AGAIN, "{step}: {:?}", begun.elapsed());
        if recorded {
            holds = version;
        }
        assert_eq!(host.version(), holds, "after {step}");
        let history = host.json(&["history", "a"]);
        let numbers: Vec<_> =
            history.as_array().unwrap().iter().map(|d| d["number"].as_u64().unwrap()).collect();
        let whole: Vec<_> = (1..=numbers.len() as u64).rev().collect();
        assert_eq!(numbers, whole, "after {step}");
    }
    versioned(&host, "last");
    host.json(&["deploy", "a"]);
    assert_eq!(host.version(), "last");
}

/// A version whose blobs are all new, with a migration and a health path.
fn versioned(host: &Hosted, version: &str) {
    let manifest = format!(
        "name = \"a\"\nhealth = \"/config?key=v\"\n[[routes]]\npath = \"/{{*rest}}\"\n\
         [grants]\npg = [\"main\"]\n[config]\nv = \"{version}\"\n"
    );
    let mut component = std::fs::read(guest("contract/config-log/rust", "contract-config-log")).unwrap();
    // A custom section makes it another component.
    component.extend([0, u8::try_from(version.len()).unwrap() + 2, 1, b'v']);
    component.extend(version.as_bytes());
    let file = host.root.path().join("component.wasm");
    std::fs::write(&file, component).unwrap();
    host.put("a", &manifest, &file);
    let migration = host.root.path().join(format!("a/migrations/{version:0>4}.sql"));
    crate::support::write(&migration, &format!("create table v{version} (id int);"));
}

#[test]
fn what_was_acknowledged_before_a_kill_at_any_moment_is_there() {
    let mut host = Hosted::start();
    let first = Instant::now();
    host.deploy("a", "0");
    let longest = u64::try_from(first.elapsed().as_millis()).unwrap() * 4 + 1;
    let mut acknowledged = 0_u64;
    let mut tried = 0_u64;
    for _ in 0..12 {
        let kill = Duration::from_millis(fastrand::u64(1..longest));
        let begun = Instant::now();
        let mut under_way = None;
        while begun.elapsed() < kill {
            tried += 1;
            let folder = host.service("a", &tried.to_string());
            let mut deploy = host.command(&["deploy", &folder]);
            let mut deploy = deploy.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            let status = loop {
                match deploy.try_wait().unwrap() {
                    None if begun.elapsed() < kill => std::thread::sleep(Duration::from_millis(1)),
                    done => break done,
                }
            };
            match status {
                Some(status) if status.success() => acknowledged = tried,
                Some(status) => panic!("deploy {tried}: {status}"),
                None => under_way = Some(deploy),
            }
        }
        host.server.finish(Signal::SIGKILL);
        if let Some(mut deploy) = under_way
            && deploy.wait().unwrap().success()
        {
            acknowledged = tried;
        }
        let again = Instant::now();
        host.restart(Signal::SIGKILL);
        assert!(again.elapsed() < AGAIN, "{:?}", again.elapsed());
        let serves: u64 = host.version().parse().unwrap();
        assert!(serves == acknowledged || serves == tried, "{serves}, but {acknowledged} was acknowledged");
        acknowledged = serves;
    }
    assert!(acknowledged > 0, "nothing was ever acknowledged");
}
