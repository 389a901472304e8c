//! What the tests share: folders that the server's account reaches, and a parent process that can be killed.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use std::os::unix::fs::PermissionsExt;
use tempfile::TempDir;

/// A folder in `/tmp` that an unprivileged server reaches even when we are root.
pub(crate) fn reachable_folder() -> TempDir {
    tempfile::Builder::new()
        .prefix("wharf-test-")
        .permissions(std::fs::Permissions::from_mode(0o711))
        .tempdir_in("/tmp")
        .unwrap()
}

/// Another process that holds a server: `examples/hold.rs`.
pub(crate) struct Parent {
    process: Child,
    pub(crate) url: String,
}

impl Parent {
    pub(crate) fn hold(folder: &Path) -> Self {
        let mut process = hold_command(folder).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut url = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut url).unwrap();
        assert!(!url.is_empty(), "the parent started no server");
        Self { process, url: url.trim().to_owned() }
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Lets the parent end on its own.
    pub(crate) fn finish(mut self) {
        drop(self.process.stdin.take());
        assert!(self.process.wait().unwrap().success());
    }
}

/// The example, which cargo builds beside the tests.
pub(crate) fn hold_command(folder: &Path) -> Command {
    let mut program: PathBuf = std::env::current_exe().unwrap();
    program.pop();
    program.pop();
    let mut command = Command::new(program.join("examples/hold"));
    command.arg(folder);
    command
}

/// Waits for something that happens elsewhere.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < deadline, "it never happened that {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The first line of a cluster's `postmaster.pid`.
pub(crate) fn server_id(folder: &Path) -> Option<u32> {
    let text = std::fs::read_to_string(folder.join("data/postmaster.pid")).ok()?;
    text.lines().next()?.parse().ok()
}

/// Whether the process exists, zombies aside.
pub(crate) fn lives(id: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{id}/stat"))
        .is_ok_and(|stat| stat.rsplit(')').next().is_some_and(|rest| !rest.trim_start().starts_with('Z')))
}

/// One value from a server.
pub(crate) async fn ask(url: &str, sql: &str) -> Result<String, tokio_postgres::Error> {
    let (client, driver) = tokio_postgres::connect(url, tokio_postgres::NoTls).await?;
    tokio::spawn(driver);
    Ok(client.query_one(sql, &[]).await?.get(0))
}
