//! Runs every suite with every guest: in this process on the store in memory, and over a socket on the durable one; and the
//! suites of buckets on every other store. Needs the guests built: `make guests`. Brings its own servers.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test that cannot go on panics")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use wharf_conformance::{Absences, InProcess, Report, Socket, Stand, Suite, Target, guests, run, survey};
use wharf_host::kv::KvStorage;
use wharf_host::{Config, Host};
use wharf_servers::{Kind, Server};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn machine_code() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("machine-code")
}

fn stand() -> Stand {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(Stand::start(&machine_code())).expect("private servers start; see `make setup`")
}

/// Languages that are judged at once: most of the time goes into compiling and interpreting.
const AT_ONCE: usize = 2;

/// Runs the suites that are wanted, with the guests of each language on a target of its own: cases count what is in its
/// stores. `ground` makes it, with what has to live as long.
fn report<T: Target, Kept>(
    name: &str,
    wanted: impl Fn(&str) -> bool,
    ground: impl AsyncFn(&str) -> (T, Kept) + Sync,
) -> Report {
    let mut suites = Suite::read_all(&repository().join("conformance/cases")).unwrap();
    let mut guests = guests(&repository().join("components/contract")).unwrap();
    suites.retain(|suite| wanted(&suite.guest));
    guests.retain(|guest| suites.iter().any(|suite| suite.concerns(&guest.name)));
    let mut absences = Absences::read(&repository().join("conformance/absent.toml")).unwrap();
    if std::env::var_os("CI").is_some() {
        // There, the tools are: what was not built is missing.
        absences.may_be_unbuilt.clear();
    }
    let mut report = survey(&suites, &guests, &absences, name);
    let languages: BTreeSet<&str> = guests.iter().map(|guest| guest.language.as_str()).collect();
    let left = Mutex::new(languages.into_iter());
    let judge = || {
        let mut reports = Vec::new();
        loop {
            let Some(language) = left.lock().unwrap().next() else { return reports };
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            reports.push(runtime.block_on(async {
                let (target, _kept) = ground(language).await;
                run(&suites, &guests, |guest| guest.language == language, &absences, &target).await
            }));
        }
    };
    std::thread::scope(|scope| {
        let judges: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(judge)).collect();
        for judge in judges {
            report.cells.extend(judge.join().unwrap().into_iter().flat_map(|report| report.cells));
        }
    });
    println!("{report}");
    report
}

/// What has to do with buckets, on hosts that keep them there.
fn buckets_kept_in<Kept>(
    name: &str,
    storage: impl AsyncFn(&str) -> (KvStorage, Kept) + Sync,
    lacking: &[&str],
) -> Report {
    let wanted = ["kv", "kv-watcher", "wasi-keyvalue"];
    report(
        name,
        |suite| wanted.contains(&suite),
        async |language: &str| {
            let (storage, kept) = storage(language).await;
            let mut config = Config::default();
            config.kv = storage;
            config.compile_timeout = Duration::from_secs(120);
            config.compile_cache = Some(machine_code());
            let host = Host::builder().config(config).build().unwrap();
            let target = lacking.iter().fold(InProcess::new(host), |target, thing| target.lacking(*thing));
            (target, kept)
        },
    )
}

#[test]
fn buckets_keep_the_contract_in_postgresql() {
    let stand = stand();
    let storage = async |language: &str| {
        let name = format!("buckets-{language}");
        stand.postgres().create_database(&name).await.unwrap();
        (KvStorage::Postgres(stand.postgres().connection_url(&name)), ())
    };
    assert!(buckets_kept_in("postgresql", storage, &[]).is_clean());
}

#[test]
fn buckets_keep_the_contract_in_redis() {
    let storage = async |_language: &str| {
        let server = Server::start(Kind::VolatileRedis).unwrap();
        (KvStorage::Redis(server.url()), server)
    };
    assert!(buckets_kept_in("redis", storage, &[]).is_clean());
}

#[test]
fn buckets_keep_the_contract_in_nats() {
    let storage = async |_language: &str| {
        let server = Server::start(Kind::Nats).unwrap();
        (KvStorage::Nats(server.url()), server)
    };
    assert!(buckets_kept_in("nats", storage, &["transactions"]).is_clean());
}

#[test]
fn every_guest_keeps_the_contract_in_process() {
    let stand = stand();
    let ground = async |_language: &str| (InProcess::new(stand.host().unwrap().build().unwrap()), ());
    assert!(report("in-process", |_| true, ground).is_clean());
}

#[test]
fn every_guest_keeps_the_contract_over_a_socket() {
    let stand = stand();
    let ground = async |_language: &str| {
        let kv = tempfile::tempdir().unwrap();
        let host = stand.host().unwrap().kv_folder(kv.path()).build().unwrap();
        (Socket::new(host).unwrap(), kv)
    };
    assert!(report("socket", |_| true, ground).is_clean());
}
