//! What the tests share: the command, services on disk, a toolchain that only pretends, and plain HTTP.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

/// How long anything may take that does not compile.
const PATIENCE: Duration = Duration::from_secs(60);

/// The command, in a folder.
pub(crate) fn wharf(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wharf"));
    command.current_dir(folder).env_remove("WHARF_LOG").stdin(Stdio::null());
    command
}

/// Standard output, standard error, and whether it succeeded.
pub(crate) fn words(output: &Output) -> (String, String, bool) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr), output.status.success())
}

pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_path_buf()
}

/// The component of a guest in this repository.
pub(crate) fn guest(folder: &str, name: &str) -> PathBuf {
    let component = repository().join("components").join(folder).join(format!(".wharf/build/{name}.wasm"));
    assert!(component.exists(), "`{}` is not built: run `make guests`", component.display());
    component
}

/// A folder that an unprivileged PostgreSQL reaches even when we are root.
pub(crate) fn folder() -> TempDir {
    let mode = std::fs::Permissions::from_mode(0o755);
    tempfile::Builder::new().prefix("wharf-cli-").permissions(mode).tempdir_in("/tmp").unwrap()
}

pub(crate) fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// A toolchain that pretends: `cargo build` copies the component that `src/lib.rs` names, or fails with what
/// the file says after `error: `. It notes its arguments in `calls`.
pub(crate) fn pretended_toolchain(root: &Path) -> [(&'static str, PathBuf); 2] {
    let script = |name: &str, text: &str| {
        let path = root.join("bin").join(name);
        write(&path, &format!("#!/bin/sh\nset -e\nroot={}\n{text}", root.display()));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    };
    write(&root.join("lib/libstd-1.rlib"), "");
    let rustc = script("rustc", "echo \"$root/lib\"\n");
    let cargo = script(
        "cargo",
        r#"
package() { printf '{"id":"%s","name":"%s","manifest_path":"%s/Cargo.toml","source":null}' "$1" "$1" "$2"; }
case $1 in
metadata)
  printf '{"workspace_root":"%s","packages":[%s],"resolve":null}' "$root" "$(package "$(basename "$PWD")" "$PWD")"
  ;;
build)
  echo "$@" >>"$root/calls"
  while [ $# -gt 0 ]; do
    if [ "$1" = -p ]; then
      source=$(cat "$root/$2/src/lib.rs")
      case $source in 'error: '*) echo "$source" >&2; exit 101 ;; esac
      cp "$source" "$root/$2.wasm"
      printf '{"reason":"compiler-artifact","package_id":"%s","target":{"kind":["cdylib"]},"filenames":["%s"]}\n' "$2" "$root/$2.wasm"
    fi
    shift
  done
  ;;
esac
"#,
    );
    [("WHARF_WASM_CARGO", cargo), ("WHARF_WASM_RUSTC", rustc)]
}

/// A service whose source names the component that the pretended cargo makes.
pub(crate) fn service(root: &Path, name: &str, manifest: &str, component: &Path) -> PathBuf {
    let folder = root.join(name);
    write(&folder.join("wharf.toml"), &format!("name = \"{name}\"\n{manifest}"));
    write(&folder.join("Cargo.toml"), "");
    write(&folder.join("src/lib.rs"), component.to_str().unwrap());
    folder
}

/// A `wharf` that serves. Killed when dropped.
pub(crate) struct Server {
    process: Child,
    lines: Receiver<String>,
    /// All that it said on standard output.
    pub(crate) said: Vec<String>,
    /// Host and port.
    pub(crate) address: String,
}

impl Server {
    /// Starts a command that listens nowhere, and whose lines are waited for.
    pub(crate) fn watch(mut command: Command) -> Self {
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = lines(process.stdout.take().unwrap());
        Self { process, lines, said: Vec::new(), address: String::new() }
    }

    /// Starts the command and waits until it listens.
    pub(crate) fn start(mut command: Command, patience: Duration) -> Self {
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = lines(process.stdout.take().unwrap());
        let mut server = Self { process, lines, said: Vec::new(), address: String::new() };
        let line = server.expect_within("listening on http://", patience);
        let address = line.trim_start_matches("listening on http://");
        server.address = address.split(',').next().unwrap().to_owned();
        server
    }

    /// Waits for a line of output with these words.
    pub(crate) fn expect(&mut self, words: &str) -> String {
        self.expect_within(words, PATIENCE)
    }

    pub(crate) fn expect_within(&mut self, words: &str, patience: Duration) -> String {
        let deadline = Instant::now() + patience;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left).unwrap_or_else(|_| {
                panic!("it never said `{words}`, but:\n{}", self.said.join("\n"));
            });
            self.said.push(line.clone());
            if line.contains(words) {
                return line;
            }
        }
    }

    /// Status and body of a GET.
    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        request(
            &self.address,
            &format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"),
        )
    }

    /// Status and body of a POST of JSON.
    pub(crate) fn post(&self, path: &str, json: &str) -> (u16, String) {
        let length = json.len();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
        );
        request(&self.address, &(head + json))
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.process.id()).unwrap()), signal).unwrap();
    }

    /// Ends it, and returns when it is gone.
    pub(crate) fn finish(&mut self, signal: Signal) {
        if self.process.try_wait().unwrap().is_none() {
            self.signal(signal);
            self.process.wait().unwrap();
        }
    }

    /// Waits until it is gone, and says by which signal; none when it stays.
    pub(crate) fn died_of(&mut self) -> Option<i32> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.process.try_wait().unwrap() {
                Some(status) => return status.signal(),
                None if Instant::now() > deadline => return None,
                None => std::thread::sleep(Duration::from_millis(5)),
            }
        }
    }

    /// Asks it to end and returns its exit code.
    pub(crate) fn end(mut self) -> Option<i32> {
        self.signal(Signal::SIGTERM);
        self.process.wait().unwrap().code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn lines(output: ChildStdout) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

pub(crate) fn request(address: &str, text: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(text.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

/// Status and body of a POST to a server that may go away: none when it does.
pub(crate) fn try_post(address: &str, path: &str, json: &str) -> Option<(u16, String)> {
    let length = json.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    );
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.write_all((head + json).as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}
