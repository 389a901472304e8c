//! The folder in which a host keeps its deployments: what is where, and how the other commands find the host.

use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};
use wharf_control::{Control, Embedded, Folder};
use wharf_host::Host;

/// Where commands look when nobody says where.
pub(crate) const DEFAULT: &str = ".wharf/data";

/// A host's folder.
#[derive(Debug, Clone)]
pub(crate) struct Data(PathBuf);

/// What a running host leaves for the other commands.
#[derive(Debug, Serialize, Deserialize)]
struct Running {
    url: String,
    /// The process that serves it.
    pid: u32,
}

impl Data {
    pub(crate) fn at(folder: &Path) -> Self {
        Self(folder.to_owned())
    }

    /// The first token's file.
    pub(crate) fn token(&self) -> PathBuf {
        self.0.join("token")
    }

    /// Where buckets are kept unless the command line says otherwise.
    pub(crate) fn kv(&self) -> PathBuf {
        self.0.join("kv")
    }

    /// Where machine code is kept: it may be deleted at any time.
    pub(crate) fn cache(&self) -> PathBuf {
        self.0.join("cache")
    }

    fn running(&self) -> PathBuf {
        self.0.join("control.json")
    }

    /// Makes the folder where it is missing; only this user may look.
    pub(crate) fn create(&self) -> Result<()> {
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.0);
        made.with_context(|| format!("failed to create `{}`", self.0.display()))
    }

    /// Opens what is there.
    pub(crate) fn open(&self, host: Host) -> Result<Control> {
        let folder = &self.0;
        let records = Embedded::open(&folder.join("control.redb"))
            .context("the deployments cannot be opened: does another `wharf serve` use this folder?")?;
        let blobs = Folder::open(&folder.join("blobs"))?;
        Ok(Control::new(host, Arc::new(records), Arc::new(blobs)))
    }

    /// Says where the control plane listens.
    pub(crate) fn announce(&self, address: SocketAddr) -> Result<()> {
        let running =
            serde_json::to_vec(&Running { url: format!("http://{address}"), pid: std::process::id() })?;
        let path = self.running();
        std::fs::write(&path, running).with_context(|| format!("failed to write `{}`", path.display()))
    }

    /// Takes that back.
    pub(crate) fn withdraw(&self) {
        let _never_said = std::fs::remove_file(self.running());
    }

    /// Where the control plane of this folder's host listens, while that runs.
    pub(crate) fn server(&self) -> Option<String> {
        let text = std::fs::read(self.running()).ok()?;
        let running: Running = serde_json::from_slice(&text).ok()?;
        let pid = i32::try_from(running.pid).ok()?;
        // Another may listen there by now.
        (kill(Pid::from_raw(pid), None) != Err(Errno::ESRCH)).then_some(running.url)
    }
}
