//! A host in a process of its own, `wharf serve`, that is deployed to as anybody does: through its control plane.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Mutex;
use std::time::Duration;

use http::{Method, Request};
use serde::Serialize;
use serde::de::IgnoredAny;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use wharf_control::Project;
use wharf_control::api::DeployRequest;
use wharf_control::client::{Client as Control, ClientError};

use crate::target::{Answer, NAMES, OF_TESTS, Outgoing, Target, TargetError, Web, send, web};

/// How long it may take to say where it listens.
const PATIENCE: Duration = Duration::from_secs(60);

/// A spawned host. It ends when this is dropped.
#[derive(Debug)]
pub struct Spawned {
    _process: Child,
    /// Its output: closed, it would end.
    _lines: Lines<BufReader<ChildStdout>>,
    base: String,
    control: Control,
    client: Web,
    served: Mutex<Vec<String>>,
}

/// Why a host did not come up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpawnError {
    /// The program did not start.
    #[error("failed to start `{}`", program.display())]
    Start {
        /// Which.
        program: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It ended before it listened.
    #[error("`{}` ended before it listened: it says why above", .0.display())]
    Ended(PathBuf),
    /// What it says of its control plane cannot be used.
    #[error("failed to reach the control plane of the spawned host")]
    Control(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Spawned {
    /// Starts `program`, a `wharf`, with its data in `folder` and buckets in memory; `database` is granted to guests as
    /// `main`.
    ///
    /// # Errors
    /// A program that does not start, or does not serve.
    pub async fn start(program: &Path, folder: &Path, database: &str) -> Result<Self, SpawnError> {
        let failed = |source| SpawnError::Start { program: program.to_owned(), source };
        let data = folder.join("data");
        let mut process = Command::new(program)
            .args(["serve", "--listen", "127.0.0.1:0", "--control", "127.0.0.1:0", "--kv", "memory"])
            .args(["--compile-timeout", "120"])
            .arg("--data")
            .arg(&data)
            .env("WHARF_DATABASE_MAIN", database)
            .env("WHARF_LOG", "off")
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        let output = process.stdout.take().ok_or_else(|| SpawnError::Ended(program.to_owned()))?;
        let mut lines = BufReader::new(output).lines();
        let (mut base, mut control) = (None, None);
        while base.is_none() || control.is_none() {
            let late = |_| failed(std::io::ErrorKind::TimedOut.into());
            let line = tokio::time::timeout(PATIENCE, lines.next_line()).await;
            let line = line.map_err(late)?.map_err(failed)?;
            let line = line.ok_or_else(|| SpawnError::Ended(program.to_owned()))?;
            let address = |start: &str| line.split_once(start).map(|(_, rest)| first_word(rest));
            base = base.or_else(|| address("listening on "));
            control = control.or_else(|| address("taking deploys on "));
        }
        let unusable = |error: Box<dyn std::error::Error + Send + Sync>| SpawnError::Control(error);
        let token = std::fs::read_to_string(data.join("token")).map_err(|error| unusable(error.into()))?;
        let control =
            Control::new(&control.unwrap_or_default(), &token).map_err(|error| unusable(error.into()))?;
        let (base, served) = (base.unwrap_or_default(), Mutex::default());
        Ok(Self { _process: process, _lines: lines, base, control, client: web(), served })
    }

    /// What is served and is not among these.
    fn others(&self, services: &[Project]) -> Vec<String> {
        let wanted = |name: &str| services.iter().any(|project| project.manifest().name == name);
        let mut served = self.served.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let others = served.iter().filter(|name| !wanted(name)).cloned().collect();
        *served = services.iter().map(|project| project.manifest().name.clone()).collect();
        others
    }
}

/// A command that says nothing more.
#[derive(Serialize)]
struct Nothing {}

/// An address ends where a comma or a space does.
fn first_word(text: &str) -> String {
    text.split([',', ' ']).next().unwrap_or_default().to_owned()
}

impl Target for Spawned {
    fn name(&self) -> &'static str {
        "spawned"
    }

    fn lacks(&self, need: &str) -> bool {
        // It asks the machine's own name servers.
        need == NAMES || OF_TESTS.contains(&need)
    }

    async fn deploy(&self, services: &[Project]) -> Result<(), TargetError> {
        let refused = |error: ClientError| TargetError::Deploy(wharf_host::chain(&error));
        // The last first: it may be what the others are there for.
        for name in self.others(services).iter().rev() {
            let path = format!("/v1/services/{name}");
            self.control
                .command::<_, IgnoredAny>(Method::DELETE, &path, &Nothing {}, None)
                .await
                .map_err(refused)?;
        }
        for project in services {
            let blobs = project.blobs().map_err(|error| TargetError::Deploy(wharf_host::chain(&error)))?;
            self.control.upload(&blobs).await.map_err(refused)?;
            let blobs = blobs.into_iter().map(|blob| blob.piece).collect();
            let command = DeployRequest { blobs, message: String::new(), stage: false, watch: None };
            let deployed = self.control.deploy(&project.manifest().name, &command, None, |_step| {});
            deployed.await.map_err(refused)?;
        }
        Ok(())
    }

    async fn send(&self, request: Request<Outgoing>) -> Result<Answer, TargetError> {
        send(&self.client, &self.base, request).await
    }
}
