//! A host that takes deploys, services whose releases can be told apart, and the commands against it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Server, folder, guest, request, wharf, words, write};

/// How long anything may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// `wharf serve --data` on free ports.
pub(crate) struct Hosted {
    pub(crate) root: TempDir,
    pub(crate) server: Server,
    /// Host and port of the control plane.
    pub(crate) control: String,
    /// Address of the database `main`, where there is one.
    main: Option<String>,
}

impl Hosted {
    pub(crate) fn start() -> Self {
        Self::start_in(folder())
    }

    pub(crate) fn start_in(root: TempDir) -> Self {
        let (server, control) = Self::serve(root.path(), &[], None, None);
        Self { root, server, control, main: None }
    }

    /// One that has a database.
    pub(crate) fn start_with(main: String) -> Self {
        let root = folder();
        let (server, control) = Self::serve(root.path(), &[], Some(&main), None);
        Self { root, server, control, main: Some(main) }
    }

    fn serve(root: &Path, services: &[&str], main: Option<&str>, kill_at: Option<&str>) -> (Server, String) {
        let mut command = wharf(root);
        command.args(["serve", "--data", ".wharf/data", "--control", "127.0.0.1:0"]).args(services);
        command.args(["--listen", "127.0.0.1:0", "--cores", "1"]).env_remove("WHARF_DATABASE_MAIN");
        command.envs(main.map(|address| ("WHARF_DATABASE_MAIN", address))).env("WHARF_LOG", "error");
        command.envs(kill_at.map(|point| ("WHARF_KILL_AT", point)));
        let server = Server::start(command, PATIENCE);
        let line = server.said.iter().find(|line| line.contains("taking deploys on http://")).unwrap();
        let control = line.rsplit('/').next().unwrap().to_owned();
        (server, control)
    }

    /// Ends the process, and starts another on the same folder.
    pub(crate) fn restart(&mut self, signal: Signal) {
        self.restart_with(signal, &[]);
    }

    pub(crate) fn restart_with(&mut self, signal: Signal, services: &[&str]) {
        self.server.finish(signal);
        (self.server, self.control) = Self::serve(self.root.path(), services, self.main.as_deref(), None);
    }

    /// Starts another process on the same folder, which ends itself with SIGKILL at a point of a rollout.
    pub(crate) fn restart_to_die(&mut self, point: &str) {
        self.server.finish(Signal::SIGTERM);
        (self.server, self.control) = Self::serve(self.root.path(), &[], self.main.as_deref(), Some(point));
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.root.path().join(".wharf/data")
    }

    pub(crate) fn token(&self) -> String {
        std::fs::read_to_string(self.data().join("token")).unwrap()
    }

    /// A command against this host, with its first token.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = wharf(self.root.path());
        command.args(arguments).env_remove("WHARF_SERVER").env_remove("WHARF_TOKEN").env_remove("WHARF_DATA");
        command
    }

    /// Standard output of a command that must succeed.
    pub(crate) fn run(&self, arguments: &[&str]) -> String {
        let (said, error, ok) = words(&self.command(arguments).output().unwrap());
        assert!(ok, "wharf {arguments:?}: {error}");
        said
    }

    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let said = self.run(&[arguments, &["--json"]].concat());
        serde_json::from_str(&said).unwrap()
    }

    /// Exit code and standard error of a command that must fail.
    pub(crate) fn refused(&self, arguments: &[&str]) -> (i32, String) {
        failed(&self.command(arguments).output().unwrap())
    }

    /// A service that answers on every path under `/<name>` (`/<name>/config?key=v` gives `version`), and its folder.
    pub(crate) fn service(&self, name: &str, version: &str) -> String {
        self.service_at(name, version, "/{*rest}")
    }

    pub(crate) fn service_at(&self, name: &str, version: &str, path: &str) -> String {
        let manifest =
            format!("name = \"{name}\"\n[[routes]]\npath = \"{path}\"\n[config]\nv = \"{version}\"\n");
        self.put(name, &manifest, &guest("contract/config-log/rust", "contract-config-log"));
        name.to_owned()
    }

    pub(crate) fn put(&self, name: &str, manifest: &str, component: &Path) {
        let folder = self.root.path().join(name);
        write(&folder.join("wharf.toml"), manifest);
        write(&folder.join(".wharf/build/.keep"), "");
        std::fs::copy(component, folder.join(format!(".wharf/build/{name}.wasm"))).unwrap();
    }

    /// Makes and deploys a version.
    pub(crate) fn deploy(&self, name: &str, version: &str) -> Value {
        let folder = self.service(name, version);
        self.json(&["deploy", &folder])
    }

    /// The version that answers, with these header lines.
    pub(crate) fn version_for(&self, fields: &str) -> String {
        version_at(&self.server.address, fields)
    }

    pub(crate) fn version(&self) -> String {
        self.version_for("")
    }

    /// Status and body of a request to the control plane, with these header lines.
    pub(crate) fn ask(&self, line: &str, fields: &str, body: &str) -> (u16, String) {
        let head =
            format!("{line} HTTP/1.1\r\nconnection: close\r\n{fields}content-length: {}\r\n\r\n", body.len());
        request(&self.control, &(head + body))
    }

    /// The lines that show the first token under the right name.
    pub(crate) fn credentials(&self) -> String {
        format!("host: localhost\r\nauthorization: Bearer {}\r\n", self.token())
    }
}

/// The version that answers at an address.
pub(crate) fn version_at(address: &str, fields: &str) -> String {
    let head = format!("GET /config?key=v HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{fields}\r\n");
    let (status, body) = request(address, &head);
    if status != 200 {
        return status.to_string();
    }
    let value: Value = serde_json::from_str(&body).unwrap();
    value["value"].as_str().unwrap().to_owned()
}

pub(crate) fn failed(output: &Output) -> (i32, String) {
    let (_, error, ok) = words(output);
    assert!(!ok, "it succeeded");
    (output.status.code().unwrap(), error)
}

/// Asks again and again until it is so.
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::yield_now();
    }
}
