//! Runs every suite with every guest: in this process on the store in memory, and over a socket on the durable one; and the
//! suites of buckets on every other store. Needs the guests built: `make guests`. Brings its own servers.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test that cannot go on panics")]

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use wharf_conformance::{InProcess, Report, Socket, Suite, Target, guests, run};
use wharf_host::kv::KvStorage;
use wharf_host::{Config, Host, HostBuilder, Resolver, Resolving};
use wharf_postgres::PrivatePostgres;
use wharf_servers::{Kind, Server, Upstream};

/// The names that the suite `http-client` knows.
#[derive(Debug)]
struct Names {
    upstream: SocketAddr,
    /// Where nobody listens.
    refused: SocketAddr,
}

impl Names {
    fn of(upstream: &Upstream) -> Self {
        let refused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        Self { upstream: upstream.address(), refused }
    }
}

impl Resolver for Names {
    fn resolve<'a>(&'a self, host: &'a str, _port: u16) -> Resolving<'a> {
        let found = match host {
            "upstream.test" | "a.upstream.test" | "tls.test" => Ok(vec![self.upstream]),
            "refused.test" => Ok(vec![self.refused]),
            "private.test" => Ok(vec![SocketAddr::from(([10, 0, 0, 1], 80))]),
            _ => Err(std::io::Error::other("no such name")),
        };
        Box::pin(std::future::ready(found))
    }
}

/// Servers, a host on them, and what to run.
struct World {
    postgres: PrivatePostgres,
    upstream: Upstream,
    kv: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        let postgres =
            PrivatePostgres::temporary().await.expect("a private PostgreSQL starts; see `make setup`");
        Self { postgres, upstream: Upstream::start().unwrap(), kv: tempfile::tempdir().unwrap() }
    }

    async fn host(&self) -> HostBuilder {
        self.postgres.create_database("conformance").await.unwrap();
        let mut config = Config::default();
        config.http.resolver = Arc::new(Names::of(&self.upstream));
        config.http.private = vec!["127.0.0.1".parse().unwrap()];
        Host::builder().config(config).database("main", self.postgres.connection_url("conformance"))
    }
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
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
    let report = run(&suites, &guests, target).await;
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
    let world = World::new().await;
    world.postgres.create_database("buckets").await.unwrap();
    buckets_kept_in(KvStorage::Postgres(world.postgres.connection_url("buckets")), &[]).await;
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
    let world = World::new().await;
    assert!(report(&InProcess::new(world.host().await.build().unwrap())).await.is_clean());
}

#[tokio::test]
async fn every_guest_keeps_the_contract_over_a_socket() {
    let world = World::new().await;
    assert!(
        report(&Socket::new(world.host().await.kv_folder(world.kv.path()).build().unwrap()).unwrap())
            .await
            .is_clean()
    );
}
