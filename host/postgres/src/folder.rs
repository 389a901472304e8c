//! The folder of a private server: where it lies, who may use it, what is in it.
//!
//! ```text
//! <folder>/lock          held by the process that owns the server, with that process's id
//!          data/         the cluster (0700, the server's account)
//!          socket/       the unix socket (0700, the server's account); in /tmp when the path is too long
//!          server.log    what the server said since its last start
//!          pg_hba.conf   who may connect, written at each start
//! ```

use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::unistd::{Pid, Uid};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::account::Account;
use crate::error::{Error, IoContext};

/// The longest folder whose socket path fits everywhere: 104 bytes (macOS; Linux has 108) less the
/// terminating zero and `/.s.PGSQL.65535`.
const SOCKET_FOLDER_MAX: usize = 104 - 1 - 15;

/// How temporary folders begin.
const TEMPORARY: &str = "wharf-pg-";

/// How long an unlocked temporary folder may be one that is being made right now.
const YOUNG: Duration = Duration::from_secs(600);

/// A folder that this process has locked.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    moved_from: Option<PathBuf>,
    socket: PathBuf,
    _lock: File,
}

impl Folder {
    /// Makes the folder where it is missing, locks it, and prepares the socket's place.
    pub(crate) fn open(asked: &Path, account: &Account) -> Result<Self, Error> {
        let asked = std::path::absolute(asked).context("resolve", asked)?;
        fs::create_dir_all(&asked).context("create", &asked)?;
        let (path, moved_from) = if account.reaches(&asked) {
            (asked, None)
        } else {
            (reachable_instead(&asked, account)?, Some(asked))
        };
        let lock = lock(&path)?;
        let socket = socket_folder(&path, account)?;
        Ok(Self { path, moved_from, socket, _lock: lock })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn moved_from(&self) -> Option<&Path> {
        self.moved_from.as_deref()
    }

    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.path.join("data")
    }

    pub(crate) fn hba(&self) -> PathBuf {
        self.path.join("pg_hba.conf")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.path.join("server.log")
    }

    /// The process that serves the cluster of this folder.
    pub(crate) fn server_process(&self) -> Option<u32> {
        server_process(&self.data()).and_then(|pid| u32::try_from(pid.as_raw()).ok())
    }

    /// The last lines of the server's log.
    pub(crate) fn log_tail(&self) -> String {
        let bytes = fs::read(self.log()).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.lines().collect();
        lines.get(lines.len().saturating_sub(20)..).unwrap_or_default().join("\n")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.socket.starts_with(&self.path) {
            // Empty, as the server has ended; if not, the next start takes it over.
            let _ = fs::remove_dir(&self.socket);
        }
    }
}

/// The live process that serves a cluster, from its `postmaster.pid`. A stale file, or one whose process id
/// another program has got meanwhile, gives none.
pub(crate) fn server_process(data: &Path) -> Option<Pid> {
    let text = fs::read_to_string(data.join("postmaster.pid")).ok()?;
    let id: i32 = text.lines().next()?.trim().parse().ok()?;
    (id > 0 && works_in(id, data)).then(|| Pid::from_raw(id))
}

/// Whether the process works in this folder, as every PostgreSQL server does in its cluster's.
#[cfg(target_os = "linux")]
fn works_in(id: i32, data: &Path) -> bool {
    fs::read_link(format!("/proc/{id}/cwd")).is_ok_and(|cwd| Some(cwd) == data.canonicalize().ok())
}

/// Whether the process was started for this folder, as its arguments tell.
#[cfg(not(target_os = "linux"))]
fn works_in(id: i32, data: &Path) -> bool {
    let id = id.to_string();
    std::process::Command::new("ps").args(["-o", "args=", "-p", &id]).output().is_ok_and(|output| {
        let arguments = String::from_utf8_lossy(&output.stdout).into_owned();
        arguments.contains(&*data.to_string_lossy())
    })
}

/// A fresh folder for tests that the server's account can reach.
pub(crate) fn temporary() -> Result<TempDir, Error> {
    let account = Account::for_server()?;
    let mut last = std::env::temp_dir();
    for base in [std::env::temp_dir(), PathBuf::from("/tmp"), PathBuf::from("/var/tmp")] {
        sweep(&base);
        let folder = tempfile::Builder::new()
            .prefix(TEMPORARY)
            .permissions(Permissions::from_mode(0o711))
            .tempdir_in(&base)
            .context("create a temporary folder in", &base)?;
        if account.reaches(folder.path()) {
            return Ok(folder);
        }
        last = base;
    }
    Err(Error::Foreign(last))
}

/// Removes temporary folders whose owner was killed before it could.
fn sweep(base: &Path) {
    let Ok(entries) = fs::read_dir(base) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let ours = entry.file_name().as_bytes().starts_with(TEMPORARY.as_bytes());
        let old = entry
            .metadata()
            .and_then(|meta| meta.modified())
            .is_ok_and(|at| at.elapsed().is_ok_and(|age| age > YOUNG));
        if ours && old && server_process(&path.join("data")).is_none() && lock(&path).is_ok() {
            tracing::debug!(path = %path.display(), "removing a temporary PostgreSQL whose owner was killed");
            let _ = fs::remove_dir_all(&path);
        }
    }
}

/// A folder of the same project that the server's account can reach.
fn reachable_instead(asked: &Path, account: &Account) -> Result<PathBuf, Error> {
    let path = PathBuf::from(format!("/var/tmp/wharf-{}-{}", Uid::effective(), short_hash(asked)));
    own_folder(&path, 0o711, |path| path.symlink_metadata().is_ok_and(|meta| is_mine(&meta)))?;
    if !account.reaches(&path) {
        return Err(Error::Foreign(path));
    }
    tracing::warn!(asked = %asked.display(), used = %path.display(), "the server's account cannot reach the folder");
    Ok(path)
}

/// Whether we own what this is about.
fn is_mine(meta: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    meta.uid() == Uid::effective().as_raw()
}

/// Takes the lock that says who owns the server, for as long as the file stays open.
fn lock(folder: &Path) -> Result<File, Error> {
    let path = folder.join("lock");
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(&path)
        .context("open", &path)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _ = file.read_to_string(&mut holder);
            return Err(Error::InUse { folder: folder.to_path_buf(), holder: holder.trim().parse().ok() });
        }
        Err(TryLockError::Error(source)) => return Err(source).context("lock", path),
    }
    file.set_len(0).context("write", &path)?;
    writeln!(file, "{}", std::process::id()).context("write", &path)?;
    Ok(file)
}

/// The socket's folder: beside the cluster, or in `/tmp` when that path is too long for a socket.
fn socket_folder(folder: &Path, account: &Account) -> Result<PathBuf, Error> {
    let beside = folder.join("socket");
    let path = if beside.as_os_str().len() <= SOCKET_FOLDER_MAX {
        beside
    } else {
        PathBuf::from(format!("/tmp/wharf-{}-{}", Uid::effective(), short_hash(folder)))
    };
    if path.as_os_str().len() > SOCKET_FOLDER_MAX {
        return Err(Error::SocketPath(path));
    }
    let ours = |path: &Path| account.owns(path) || path.symlink_metadata().is_ok_and(|meta| is_mine(&meta));
    own_folder(&path, 0o700, ours)?;
    account.own(&path)?;
    Ok(path)
}

/// Makes a folder of this mode, or takes it over when it is a real folder and `ours` says so.
fn own_folder(path: &Path, mode: u32, ours: impl Fn(&Path) -> bool) -> Result<(), Error> {
    match fs::create_dir(path) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            let real = path.symlink_metadata().is_ok_and(|meta| meta.is_dir());
            if !real || !ours(path) {
                return Err(Error::Foreign(path.to_path_buf()));
            }
        }
        Err(source) => return Err(source).context("create", path),
    }
    fs::set_permissions(path, Permissions::from_mode(mode)).context("set the permissions of", path)
}

/// Twelve hexadecimal digits that stand for a path.
fn short_hash(path: &Path) -> String {
    let digest = Sha256::digest(path.as_os_str().as_bytes());
    digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_path_gets_its_socket_in_tmp() {
        let account = Account::for_server().unwrap();
        let root = tempfile::tempdir().unwrap();
        let long = root.path().join("x".repeat(100));
        fs::create_dir(&long).unwrap();
        let socket = socket_folder(&long, &account).unwrap();
        assert!(socket.starts_with("/tmp") && socket.as_os_str().len() <= SOCKET_FOLDER_MAX, "{socket:?}");
        assert_eq!(socket.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        fs::remove_dir(socket).unwrap();
    }

    #[test]
    fn a_link_where_the_socket_folder_should_be_is_refused() {
        let account = Account::for_server().unwrap();
        let root = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/tmp", root.path().join("socket")).unwrap();
        assert!(matches!(socket_folder(root.path(), &account), Err(Error::Foreign(_))));
    }

    #[test]
    fn a_folder_is_locked_by_one_owner_at_a_time() {
        let root = tempfile::tempdir().unwrap();
        let first = lock(root.path()).unwrap();
        let error = lock(root.path()).unwrap_err();
        assert!(
            matches!(error, Error::InUse { holder: Some(id), .. } if id == std::process::id()),
            "{error}"
        );
        drop(first);
        lock(root.path()).unwrap();
    }

    #[test]
    fn a_stale_process_file_names_no_server() {
        let root = tempfile::tempdir().unwrap();
        let pid = root.path().join("postmaster.pid");
        for text in ["", "garbage\n", "-1\n", "1\n", &format!("{}\n", std::process::id())] {
            fs::write(&pid, text).unwrap();
            assert_eq!(server_process(root.path()), None, "{text:?}");
        }
    }
}
