//! Which account the server runs as, and how a program is started as that account.

use std::ffi::OsStr;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::unistd::{Gid, Uid, User};

use crate::error::{Error, IoContext};

/// The accounts that run the server when we are root, best first.
const UNPRIVILEGED: [&str; 2] = ["postgres", "nobody"];

/// The account of the server: our own, or an unprivileged one when we are root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    uid: Uid,
    gid: Gid,
    /// Whether programs must change to this account.
    dropped: bool,
}

impl Account {
    /// Our own account, or an unprivileged one when we are root.
    pub(crate) fn for_server() -> Result<Self, Error> {
        if !Uid::effective().is_root() {
            return Ok(Self { uid: Uid::effective(), gid: Gid::effective(), dropped: false });
        }
        UNPRIVILEGED
            .iter()
            .find_map(|name| User::from_name(name).ok().flatten())
            .map(|user| Self { uid: user.uid, gid: user.gid, dropped: true })
            .ok_or(Error::NoAccount)
    }

    /// A command that runs as this account, away from our terminal's signals, untouched by `PG*` variables.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            if name.as_encoded_bytes().starts_with(b"PG") {
                command.env_remove(name);
            }
        }
        command.env("LC_ALL", "C").current_dir("/").process_group(0).stdin(Stdio::null());
        if self.dropped {
            // The standard library also clears the supplementary groups when root changes its user.
            command.uid(self.uid.as_raw()).gid(self.gid.as_raw());
        }
        command
    }

    /// Makes a path this account's.
    pub(crate) fn own(&self, path: &Path) -> Result<(), Error> {
        if !self.dropped {
            return Ok(());
        }
        chown(path, Some(self.uid.as_raw()), Some(self.gid.as_raw())).context("change the owner of", path)
    }

    /// Whether the account owns the path (which is not a symbolic link).
    pub(crate) fn owns(&self, path: &Path) -> bool {
        path.symlink_metadata().is_ok_and(|meta| meta.uid() == self.uid.as_raw())
    }

    /// Whether the account can enter the folder, tried rather than computed: parents, ACLs and mounts all count.
    pub(crate) fn reaches(&self, folder: &Path) -> bool {
        !self.dropped
            || self
                .command("/bin/sh")
                .args([OsStr::new("-c"), OsStr::new(r#"cd -- "$1""#), OsStr::new("sh"), folder.as_os_str()])
                .stderr(Stdio::null())
                .status()
                .is_ok_and(|status| status.success())
    }
}
