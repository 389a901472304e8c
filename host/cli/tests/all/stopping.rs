//! How a server begins and ends, as those who run it see it.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::support::{Server, folder, guest, request, wharf};

const PATIENCE: Duration = Duration::from_secs(60);

fn serve(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = wharf(folder);
    command.arg("serve").arg(guest("examples/hello", "hello")).args(arguments);
    command
}

fn status(address: &str, path: &str) -> u16 {
    request(address, &format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")).0
}

#[test]
fn a_server_that_stops_says_so_before_it_refuses_anybody() {
    let folder = folder();
    let ports = ["--data", "data", "--control", "127.0.0.1:0", "--listen", "127.0.0.1:0", "--linger", "60"];
    let server = Server::start(serve(folder.path(), &ports), PATIENCE);
    let control = server.said.iter().find_map(|line| line.strip_prefix("taking deploys on http://"));
    let control = control.expect("it says where it takes deploys");
    assert_eq!((status(control, "/healthz"), status(control, "/readyz")), (200, 200));
    server.signal(Signal::SIGTERM);
    let begun = Instant::now();
    while status(control, "/readyz") == 200 {
        assert!(begun.elapsed() < PATIENCE, "it stays ready");
    }
    assert_eq!((status(control, "/healthz"), status(control, "/readyz")), (200, 503));
    assert_eq!(server.get("/").0, 200, "connections are still taken");
    assert_eq!(server.end(), Some(0), "once more to go on at once");
}

#[test]
fn systemd_hears_when_it_is_ready_and_when_it_stops() {
    let folder = folder();
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let heard = || {
        let mut bytes = [0; 100];
        let count = socket.recv(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes[..count]).trim().to_owned()
    };
    let mut command = serve(folder.path(), &["--listen", "127.0.0.1:0"]);
    command.env("NOTIFY_SOCKET", &path);
    let server = Server::start(command, PATIENCE);
    assert_eq!(heard(), "READY=1");
    assert_eq!(server.end(), Some(0));
    assert_eq!(heard(), "STOPPING=1");
}

#[test]
fn it_takes_the_sockets_that_systemd_hands_over() {
    let folder = folder();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    // Descriptor 3 is the first that is handed over; here it comes by way of the standard input.
    let script = "exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$@\"";
    let wharf = serve(folder.path(), &[]);
    let mut command = Command::new("/bin/sh");
    command
        .current_dir(folder.path())
        .args(["-c", script, "sh"])
        .arg(wharf.get_program())
        .args(wharf.get_args());
    command.stdin(OwnedFd::from(listener));
    let server = Server::start(command, PATIENCE);
    assert_eq!(server.address, address);
    assert_eq!(server.get("/").0, 200);
    assert_eq!(server.end(), Some(0));
}
