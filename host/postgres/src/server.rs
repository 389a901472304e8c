//! The server's process: created, started, watched and stopped.
//!
//! # How it ends with its parent
//! Between us and the server stands a three-line shell script that holds the reading end of a pipe from us.
//! When the pipe closes, the script sends the server SIGINT (fast shutdown), and SIGQUIT (immediate) ten
//! seconds later. The pipe closes when we drop our end *and* when we die of anything, `kill -9` included, so
//! an orderly stop and a crash take the same, constantly tested way.
//!
//! Rejected: `PR_SET_PDEATHSIG`. It fires when the *thread* that started the child ends, is cleared by
//! changing the user, exists on Linux only and needs `unsafe`. A pid file alone leaves orphans.
//!
//! The script and the server form a process group of their own: Ctrl-C in a terminal reaches us only, and
//! the server is there until the last request has been drained.

use std::ffi::OsString;
use std::fs::{self, File, Permissions};
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};

use crate::account::Account;
use crate::binaries::Binaries;
use crate::error::{Error, IoContext};
use crate::folder::{Folder, server_process};
use crate::{Durability, Options, Tcp};

/// The name of the cluster's superuser, which is who connects.
pub(crate) const SUPERUSER: &str = "wharf";

/// The port that names the socket when there is no TCP.
const SOCKET_PORT: u16 = 5432;

/// Runs the server (the arguments) until it ends or standard input closes.
const WATCHDOG: &str = r#"
exec 3<&0 </dev/null
"$@" 3<&- &
server=$!
{
  read -r _ <&3
  kill -INT $server
  tenths=0
  while kill -0 $server && [ $tenths -lt 100 ]; do sleep 0.1; tenths=$((tenths + 1)); done
  kill -QUIT $server
} 2>/dev/null &
guard=$!
wait $server
code=$?
kill $guard 2>/dev/null
exit $code
"#;

/// How long a fast shutdown may take before the immediate one.
const FAST: Duration = Duration::from_secs(10);

/// How long the end of a server is waited for in all.
const PATIENCE: Duration = Duration::from_secs(15);

/// How often we look whether something has happened: no event tells.
pub(crate) const POLL: Duration = Duration::from_millis(10);

/// A server's process, seen through its watchdog.
#[derive(Debug)]
pub(crate) struct Server {
    watchdog: Child,
    /// Our end of the pipe: the server stops when it closes.
    lifeline: Option<ChildStdin>,
    data: PathBuf,
    tcp_port: Option<u16>,
    options: Options,
}

impl Server {
    /// Creates the cluster when there is none, stops an orphan that serves it, and starts the server. Does not
    /// wait until the server accepts connections.
    pub(crate) fn start(
        binaries: &Binaries,
        account: &Account,
        folder: &Folder,
        options: Options,
    ) -> Result<Self, Error> {
        let data = folder.data();
        stop_orphan(folder)?;
        if !data.join("PG_VERSION").exists() {
            create_cluster(binaries, account, folder, options)?;
        }
        check_version(binaries, folder)?;
        write_hba(&folder.hba(), options.tcp)?;
        let tcp_port = match options.tcp {
            Tcp::Off => None,
            Tcp::Loopback => Some(free_port().context("find a free port for", &data)?),
            Tcp::Port(port) => Some(port),
        };
        let log = File::create(folder.log()).context("create", folder.log())?;
        let errors = log.try_clone().context("open", folder.log())?;
        let mut watchdog = account
            .command("/bin/sh")
            .args(["-c", WATCHDOG, "wharf-postgres"])
            .arg(binaries.program("postgres"))
            .args(arguments(folder, options, tcp_port))
            .current_dir(&data)
            .stdin(Stdio::piped())
            .stdout(log)
            .stderr(errors)
            .spawn()
            .context("start the server in", &data)?;
        let lifeline = watchdog.stdin.take();
        Ok(Self { watchdog, lifeline, data, tcp_port, options })
    }

    /// The options that start it again at the same address.
    pub(crate) fn same_again(&self) -> Options {
        Options { tcp: self.tcp_port.map_or(Tcp::Off, Tcp::Port), ..self.options }
    }

    pub(crate) fn tcp_port(&self) -> Option<u16> {
        self.tcp_port
    }

    /// The port that names the socket.
    pub(crate) fn port(&self) -> u16 {
        self.tcp_port.unwrap_or(SOCKET_PORT)
    }

    /// Whether the server has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.watchdog.try_wait(), Ok(None))
    }

    /// Stops the server and waits for its end.
    pub(crate) fn stop(&mut self, folder: &Folder) -> Result<(), Error> {
        self.lifeline = None;
        if wait_until(PATIENCE, || self.has_ended()) && server_process(&self.data).is_none() {
            return Ok(());
        }
        // Somebody killed the watchdog, or it cannot signal: signal the server ourselves.
        stop_orphan(folder)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.lifeline = None;
        wait_until(PATIENCE, || self.has_ended());
    }
}

/// Stops a server that nobody owns (we hold the lock): its parent died, and its watchdog too or not yet done.
fn stop_orphan(folder: &Folder) -> Result<(), Error> {
    let data = folder.data();
    for (signal, patience) in [(Signal::SIGINT, FAST), (Signal::SIGQUIT, PATIENCE)] {
        let Some(process) = server_process(&data) else {
            return Ok(());
        };
        tracing::warn!(%process, folder = %folder.path().display(), "stopping a PostgreSQL that lost its owner");
        let _ = kill(process, signal);
        wait_until(patience, || server_process(&data).is_none());
    }
    match folder.server_process() {
        None => Ok(()),
        Some(process) => Err(Error::NotStopped { folder: folder.path().to_path_buf(), process }),
    }
}

/// Makes the cluster aside and moves it into place, so that a half-made one is never taken for a whole.
fn create_cluster(
    binaries: &Binaries,
    account: &Account,
    folder: &Folder,
    options: Options,
) -> Result<(), Error> {
    let fresh = folder.path().join("data.new");
    let mut output = String::new();
    for locale in ["C.UTF-8", "C"] {
        remove(&fresh)?;
        fs::create_dir(&fresh).context("create", &fresh)?;
        fs::set_permissions(&fresh, Permissions::from_mode(0o700))
            .context("set the permissions of", &fresh)?;
        account.own(&fresh)?;
        let mut initdb = account.command(binaries.program("initdb"));
        initdb.arg("--pgdata").arg(&fresh).arg(format!("--locale={locale}"));
        initdb.args(["--encoding=UTF8", "--auth=trust", "--username", SUPERUSER]);
        if options.durability == Durability::Throwaway {
            initdb.arg("--no-sync");
        }
        let done = initdb.output().context("run", binaries.program("initdb"))?;
        if done.status.success() {
            return fs::rename(&fresh, folder.data()).context("move the new cluster to", folder.data());
        }
        output = String::from_utf8_lossy(&done.stderr).trim().to_owned();
    }
    remove(&fresh)?;
    Err(Error::Initdb { folder: folder.path().to_path_buf(), output })
}

/// Removes a folder, if it is there.
fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error).context("remove", path),
        _ => Ok(()),
    }
}

/// A cluster belongs to one major version.
fn check_version(binaries: &Binaries, folder: &Folder) -> Result<(), Error> {
    let path = folder.data().join("PG_VERSION");
    let cluster = fs::read_to_string(&path).context("read", &path)?.trim().to_owned();
    if cluster == binaries.major() {
        return Ok(());
    }
    let server = binaries.major().to_owned();
    Err(Error::OtherVersion { folder: folder.path().to_path_buf(), cluster, server })
}

/// Who may connect: whoever reaches the socket, and local users when TCP was asked for.
fn write_hba(path: &Path, tcp: Tcp) -> Result<(), Error> {
    let mut rules = String::from("# Written by wharf at each start.\nlocal all all trust\n");
    if tcp != Tcp::Off {
        rules.push_str("host all all 127.0.0.1/32 trust\n");
    }
    fs::write(path, rules).context("write", path)?;
    fs::set_permissions(path, Permissions::from_mode(0o644)).context("set the permissions of", path)
}

/// A port that is free now.
fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// The server's command line: it outranks whatever stands in the cluster's files.
fn arguments(folder: &Folder, options: Options, tcp_port: Option<u16>) -> Vec<OsString> {
    let mut arguments = vec![OsString::from("-D"), folder.data().into_os_string()];
    let mut set = |setting: &str, value: &std::ffi::OsStr| {
        let mut argument = OsString::from(setting);
        argument.push("=");
        argument.push(value);
        arguments.extend([OsString::from("-c"), argument]);
    };
    let port = tcp_port.unwrap_or(SOCKET_PORT).to_string();
    set("port", port.as_ref());
    set("listen_addresses", if tcp_port.is_some() { "127.0.0.1" } else { "" }.as_ref());
    set("unix_socket_directories", &quoted(folder.socket()));
    set("unix_socket_permissions", "0700".as_ref());
    set("hba_file", folder.hba().as_os_str());
    set("logging_collector", "off".as_ref());
    set("log_destination", "stderr".as_ref());
    set("max_connections", "200".as_ref());
    set("timezone", "UTC".as_ref());
    if options.durability == Durability::Throwaway {
        for setting in ["fsync", "synchronous_commit", "full_page_writes"] {
            set(setting, "off".as_ref());
        }
    }
    arguments
}

/// One element of a list-valued setting.
fn quoted(path: &Path) -> OsString {
    format!("\"{}\"", path.to_string_lossy().replace('"', "\"\"")).into()
}

/// Waits until something holds, and says whether it did in time.
fn wait_until(patience: Duration, mut holds: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + patience;
    while !holds() {
        if Instant::now() >= deadline {
            return false;
        }
        thread::sleep(POLL);
    }
    true
}
