//! Runs every suite with every guest: in this process on the store in memory, and over a socket on the durable one; and the
//! suites of buckets on every other store. Needs the guests built: `make guests`. Brings its own servers.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test that cannot go on panics")]

use std::path::{Path, PathBuf};

use wharf_conformance::{Absences, InProcess, Report, Socket, Stand, Suite, Target, guests, run};
use wharf_host::kv::KvStorage;
use wharf_host::{Config, Host};
use wharf_servers::{Kind, Server};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

async fn stand() -> Stand {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("machine-code");
    Stand::start(&cache).await.expect("private servers start; see `make setup`")
}

async fn report(target: &impl Target) -> Report {
    report_of(|_| true, target).await
}

/// Only the suites and guests of these names.
async fn report_of(wanted: impl Fn(&str) -> bool, target: &impl Target) -> Report {
    let mut suites = Suite::read_all(&repository().join("conformance/cases")).unwrap();
    let mut guests = guests(&repository().join("components/contract")).unwrap();
    suites.retain(|suite| wanted(&suite.guest));
    guests.retain(|guest| wanted(&guest.name));
    let absences = Absences::read(&repository().join("conformance/absent.toml")).unwrap();
    let report = run(&suites, &guests, &absences, target).await;
    println!("{report}");
    report
}

/// What has to do with buckets, on a host that keeps them there.
async fn buckets_kept_in(storage: KvStorage, lacking: &[&str]) {
    let mut config = Config::default();
    config.kv = storage;
    let host = Host::builder().config(config).build().unwrap();
    let target = lacking.iter().fold(InProcess::new(host), |target, thing| target.lacking(*thing));
    let wanted = ["kv", "kv-watcher", "wasi-keyvalue"];
    assert!(report_of(|name| wanted.contains(&name), &target).await.is_clean());
}

#[tokio::test]
async fn buckets_keep_the_contract_in_postgresql() {
    let stand = stand().await;
    stand.postgres().create_database("buckets").await.unwrap();
    buckets_kept_in(KvStorage::Postgres(stand.postgres().connection_url("buckets")), &[]).await;
}

#[tokio::test]
async fn buckets_keep_the_contract_in_redis() {
    let server = Server::start(Kind::VolatileRedis).unwrap();
    buckets_kept_in(KvStorage::Redis(server.url()), &[]).await;
}

#[tokio::test]
async fn buckets_keep_the_contract_in_nats() {
    let server = Server::start(Kind::Nats).unwrap();
    buckets_kept_in(KvStorage::Nats(server.url()), &["transactions"]).await;
}

#[tokio::test]
async fn every_guest_keeps_the_contract_in_process() {
    let stand = stand().await;
    assert!(report(&InProcess::new(stand.host().unwrap().build().unwrap())).await.is_clean());
}

#[tokio::test]
async fn every_guest_keeps_the_contract_over_a_socket() {
    let (stand, kv) = (stand().await, tempfile::tempdir().unwrap());
    let host = stand.host().unwrap().kv_folder(kv.path()).build().unwrap();
    assert!(report(&Socket::new(host).unwrap()).await.is_clean());
}
