//! Private Redis and NATS servers for tests and benches: on a free port of this machine, in a folder of their own,
//! ended with the process that started them, however that ends. And an HTTP server to send requests to: [`Upstream`].

mod upstream;

pub use upstream::Upstream;

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

/// How long a server may take to answer after it was started.
const PATIENCE: Duration = Duration::from_secs(10);

/// The configuration file in a server's folder; the command line wins over it.
const CONFIGURATION: &str = "server.conf";

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `redis-server`, or `valkey-server` where there is no other; every write is synced to disk.
    Redis,
    /// The same without a file: nothing survives.
    VolatileRedis,
    /// `nats-server` with JetStream.
    Nats,
}

/// A running server. Dropping it ends it and removes its folder.
#[derive(Debug)]
pub struct Server {
    kind: Kind,
    address: SocketAddr,
    folder: TempDir,
    /// The shell that ends the server when this process is gone.
    guard: Child,
    pid: Pid,
}

impl Server {
    /// Starts a server and waits until it answers.
    ///
    /// # Errors
    /// No program (`make setup` installs it), no port, or a server that does not come up within 10 s.
    pub fn start(kind: Kind) -> io::Result<Self> {
        Self::with(kind, "")
    }

    /// The same with lines of its own configuration file, in the server's words.
    ///
    /// # Errors
    /// As [`Server::start`]; a server that does not understand the lines does not come up.
    pub fn with(kind: Kind, lines: &str) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("wharf-server-").tempdir()?;
        std::fs::write(folder.path().join(CONFIGURATION), format!("{lines}\n"))?;
        // Free now; whoever takes it in between makes the server fail, not the test wrong.
        let address = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?;
        let (guard, pid) = spawn(kind, address, &folder)?;
        let server = Self { kind, address, folder, guard, pid };
        server.wait()?;
        Ok(server)
    }

    /// Its address for `--kv`.
    #[must_use]
    pub fn url(&self) -> String {
        match self.kind {
            Kind::Redis | Kind::VolatileRedis => format!("redis://{}", self.address),
            Kind::Nats => format!("nats://{}", self.address),
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it as a power failure would.
    ///
    /// # Errors
    /// What the system says.
    pub fn kill(&mut self) -> io::Result<()> {
        kill(self.pid, Signal::SIGKILL)?;
        self.guard.wait().map(drop)
    }

    /// Starts it again after [`Server::kill`], on the same port and folder.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn restart(&mut self) -> io::Result<()> {
        (self.guard, self.pid) = spawn(self.kind, self.address, &self.folder)?;
        self.wait()
    }

    /// Lets it stand still, as an overloaded server would; returns when all of its threads do.
    ///
    /// # Errors
    /// What the system says, or that it goes on all the same.
    pub fn pause(&self) -> io::Result<()> {
        kill(self.pid, Signal::SIGSTOP)?;
        let begun = Instant::now();
        while !self.stands_still()? {
            if begun.elapsed() > PATIENCE {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "the server does not stop"));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// Whether every thread is in the state `T` (stopped) of proc(5).
    fn stands_still(&self) -> io::Result<bool> {
        for thread in std::fs::read_dir(format!("/proc/{}/task", self.pid))? {
            let state = std::fs::read_to_string(thread?.path().join("stat"))?;
            // The name of the thread stands in parentheses and may hold anything.
            if !state.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T')) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// What the system says.
    pub fn resume(&self) -> io::Result<()> {
        Ok(kill(self.pid, Signal::SIGCONT)?)
    }

    fn wait(&self) -> io::Result<()> {
        let begun = Instant::now();
        loop {
            match answers(self.kind, self.address) {
                Ok(()) => return Ok(()),
                Err(error) if begun.elapsed() > PATIENCE => return Err(error),
                Err(_) => std::thread::sleep(Duration::from_millis(10)),
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _gone_already = kill(self.pid, Signal::SIGKILL);
        let _gone_already = self.guard.wait();
    }
}

/// Whether the server speaks.
fn answers(kind: Kind, address: SocketAddr) -> io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    let begins = match kind {
        Kind::Redis | Kind::VolatileRedis => {
            stream.write_all(b"PING\r\n")?;
            "+PONG"
        }
        Kind::Nats => "INFO ",
    };
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    if line.starts_with(begins) { Ok(()) } else { Err(io::Error::other(format!("the server says {line:?}"))) }
}

/// Starts the server below a shell that ends it when our end of a pipe is closed.
fn spawn(kind: Kind, address: SocketAddr, folder: &TempDir) -> io::Result<(Child, Pid)> {
    let port = address.port().to_string();
    let path = folder.path().to_string_lossy().into_owned();
    let configuration = folder.path().join(CONFIGURATION);
    let mut command = Command::new("sh");
    command.args([
        "-c",
        "\"$@\" >\"$0/log\" 2>&1 </dev/null & echo $!; read gone; kill -9 $! 2>/dev/null",
        &path,
    ]);
    match kind {
        Kind::Redis | Kind::VolatileRedis => {
            command.arg(program(&["redis-server", "valkey-server"])?).arg(configuration);
            command.args(["--bind", "127.0.0.1", "--port", &port, "--dir", &path, "--save", ""]);
            if kind == Kind::Redis {
                command.args(["--appendonly", "yes", "--appendfsync", "always"]);
            }
        }
        Kind::Nats => {
            command.arg(program(&["nats-server"])?).arg("-c").arg(configuration);
            command.args(["-js", "-sd", &path, "-a", "127.0.0.1", "-p", &port]);
        }
    }
    let mut guard = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let stdout = guard.stdout.take().ok_or_else(|| io::Error::other("the shell has no output"))?;
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    let pid = line
        .trim()
        .parse()
        .map_err(|_no_number| io::Error::other("the shell did not say what it started"))?;
    Ok((guard, Pid::from_raw(pid)))
}

/// The first of these programs, on `PATH` or where Debian keeps servers.
fn program(names: &[&str]) -> io::Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> =
        std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]).collect();
    let found =
        names.iter().find_map(|name| folders.iter().map(|f| f.join(name)).find(|file| file.is_file()));
    found.ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::NotFound,
            format!("there is no {}: run `make setup`", names.join(" or ")),
        )
    })
}
