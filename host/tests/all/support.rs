//! Hosts, services and requests for tests.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use wharf_control::{Project, deploy};
use wharf_host::{Artifact, Body, Host, HostBuilder, Manifest, Release};
use wharf_postgres::PrivatePostgres;

/// A folder of the repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(path)
}

/// A contract guest in Rust, as it was built by `make guests`.
pub(crate) fn artifact(guest: &str) -> Artifact {
    artifact_in(&format!("{guest}/rust"))
}

/// A contract guest by its folder.
pub(crate) fn artifact_in(guest: &str) -> Artifact {
    let project = Project::open(&repository(&format!("components/contract/{guest}"))).unwrap();
    project.artifact().unwrap_or_else(|error| panic!("{error}; or all of them with `make guests`"))
}

/// Two cores, so that what crosses cores is seen on any machine.
pub(crate) fn builder() -> HostBuilder {
    Host::builder().cores(std::num::NonZeroUsize::new(2).unwrap())
}

pub(crate) async fn serve(host: &Host, artifact: Artifact) -> Arc<Release> {
    deploy(host, artifact).await.unwrap_or_else(|error| panic!("{}", wharf_host::chain(&error))).release
}

/// A contract guest with another manifest: its name, limits and grants stay, `text` is added or replaces its routes.
pub(crate) fn with_manifest(guest: &str, text: &str) -> Artifact {
    let artifact = artifact_in(guest);
    let name = &artifact.manifest.name;
    let mut manifest = Manifest::parse(&format!("name = \"{name}\"\n{text}")).unwrap();
    manifest.limits = artifact.manifest.limits.clone();
    manifest.grants = artifact.manifest.grants.clone();
    Artifact { manifest, ..artifact }
}

/// A host that serves one contract guest.
pub(crate) async fn host(guest: &str) -> Host {
    let host = builder().build().unwrap();
    serve(&host, artifact(guest)).await;
    host
}

/// A host on a database that serves the guest `pg-client`, which has time for large results.
pub(crate) async fn host_at(url: &str) -> Host {
    host_of(&[("main", url.to_owned())]).await
}

/// As [`host_at`], with several databases, for commands with `database`.
pub(crate) async fn host_of(databases: &[(&str, String)]) -> Host {
    let mut patient = artifact("pg-client");
    let mut host = builder();
    for (name, url) in databases {
        host = host.database(name, url);
    }
    patient.manifest.grants.pg = databases.iter().map(|(name, _)| (*name).to_owned()).collect();
    let host = host.build().unwrap();
    patient.manifest.limits.cpu = Duration::from_secs(10);
    patient.manifest.limits.wall = Duration::from_secs(60);
    serve(&host, patient).await;
    host
}

/// Runs a test's body in a process of its own, for what is a process's as a whole: its memory, its environment.
/// `test` is its full name.
pub(crate) fn alone(test: &str, environment: &[(&str, &str)], body: impl Future<Output = ()>) {
    const MARK: &str = "WHARF_TEST_ALONE";
    if std::env::var_os(MARK).is_some() {
        return tokio::runtime::Runtime::new().unwrap().block_on(body);
    }
    let mut itself = std::process::Command::new(std::env::current_exe().unwrap());
    let output = itself
        .args([test, "--exact", "--nocapture"])
        .env(MARK, "1")
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    // A name that matches no test would pass, too.
    assert!(output.status.success() && said[0].contains("1 passed"), "{}", said.concat());
}

/// A response, read to its end or to where it broke off.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) code: String,
    pub(crate) text: String,
}

pub(crate) async fn read(response: Response<Body>) -> Answer {
    let (parts, mut body) = response.into_parts();
    let code = parts.headers.get("x-wharf-error").map_or("", |code| code.to_str().unwrap()).to_owned();
    let mut bytes = Vec::new();
    while let Some(Ok(frame)) = body.frame().await {
        bytes.extend(frame.into_data().unwrap_or_default());
    }
    Answer { status: parts.status, code, text: String::from_utf8_lossy(&bytes).into_owned() }
}

pub(crate) async fn get(host: &Host, path: &str) -> Answer {
    read(host.handle(Request::get(path).body(String::new()).unwrap()).await).await
}

/// Sends one command of the JSON protocol in `components/contract/README.md`.
pub(crate) async fn post(host: &Host, path: &str, command: Value) -> Value {
    let request = Request::post(path).body(command.to_string()).unwrap();
    let answer = read(host.handle(request).await).await;
    serde_json::from_str(&answer.text)
        .unwrap_or_else(|_| panic!("{path} answered {} {} `{}`", answer.status, answer.code, answer.text))
}

/// A server, and a second connection to it that sees everything.
pub(crate) struct Database {
    pub(crate) postgres: PrivatePostgres,
    pub(crate) watcher: tokio_postgres::Client,
}

impl Database {
    pub(crate) async fn start() -> Self {
        Self::of(PrivatePostgres::temporary().await.unwrap()).await
    }

    /// A database on this server.
    pub(crate) async fn of(postgres: PrivatePostgres) -> Self {
        postgres.create_database("test").await.unwrap();
        let url = postgres.connection_url("test");
        let (watcher, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        Self { postgres, watcher }
    }

    pub(crate) fn builder(&self) -> HostBuilder {
        builder().database("main", self.postgres.connection_url("test"))
    }

    /// A host on this database that serves the guest `pg-client`.
    pub(crate) async fn host(&self) -> Host {
        let host = self.builder().build().unwrap();
        serve(&host, artifact("pg-client")).await;
        host
    }

    /// As [`Self::host`], with keys behind the address such as `pool_connections=1`, and a guest with time for
    /// large results.
    pub(crate) async fn host_with(&self, keys: &str) -> Host {
        host_at(&format!("{}?{keys}", self.postgres.connection_url("test"))).await
    }

    pub(crate) async fn count(&self, sql: &str) -> i64 {
        self.watcher.query_one(sql, &[]).await.unwrap().get(0)
    }

    /// Waits, within bounds, until a count is what it should become.
    pub(crate) async fn becomes(&self, sql: &str, expected: i64, within: Duration) {
        let begun = std::time::Instant::now();
        loop {
            let count = self.count(sql).await;
            if count == expected {
                return;
            }
            assert!(begun.elapsed() < within, "`{sql}` is {count}, not {expected}, after {within:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}
