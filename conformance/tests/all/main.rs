//! Runs every suite with every guest: in this process on the store in memory, and over a socket on the durable one. Needs the guests built:
//! `make guests`. Brings its own PostgreSQL.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test that cannot go on panics")]

use std::path::{Path, PathBuf};

use wharf_conformance::{InProcess, Report, Socket, Suite, Target, guests, run};
use wharf_host::{Host, HostBuilder};
use wharf_postgres::PrivatePostgres;

/// A server, a host on it, and what to run.
struct World {
    postgres: PrivatePostgres,
    kv: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        let postgres =
            PrivatePostgres::temporary().await.expect("a private PostgreSQL starts; see `make setup`");
        Self { postgres, kv: tempfile::tempdir().unwrap() }
    }

    async fn host(&self) -> HostBuilder {
        self.postgres.create_database("conformance").await.unwrap();
        Host::builder().database("main", self.postgres.connection_url("conformance"))
    }
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

async fn report(target: &impl Target) -> Report {
    let suites = Suite::read_all(&repository().join("conformance/cases")).unwrap();
    let guests = guests(&repository().join("components/contract")).unwrap();
    let report = run(&suites, &guests, target).await;
    println!("{report}");
    report
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
