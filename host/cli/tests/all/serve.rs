//! `wharf serve`: both examples over a real socket and a real PostgreSQL, and what keeps it from starting.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::support::{Server, folder, guest, repository, wharf, words};
use wharf_postgres::PrivatePostgres;

#[tokio::test]
async fn both_examples_answer_and_the_end_is_orderly() {
    guest("examples/hello", "hello");
    guest("examples/guestbook", "guestbook");
    let postgres = PrivatePostgres::temporary().await.unwrap();
    postgres.create_database("main").await.unwrap();
    let kv = folder();
    let mut command = wharf(&repository().join("components/examples"));
    command.args(["serve", "hello", "guestbook", "--listen", "127.0.0.1:0", "--kv"]).arg(kv.path());
    command.env("WHARF_DATABASE_MAIN", postgres.connection_url("main"));
    let server = Server::start(command, Duration::from_secs(60));
    let table = server.said.join("\n");
    assert!(table.contains("SERVICE") && table.contains("guestbook"), "{table}");

    assert_eq!(server.get("/"), (200, "Hello from Wharf!\n".to_owned()));
    assert_eq!(server.get("/hello/Ada"), (200, "Hello, Ada!\n".to_owned()));
    assert_eq!(server.get("/hello/admin/request").0, 401);
    assert_eq!(server.get("/nowhere").0, 404);
    let (status, entry) = server.post("/guestbook/api/entries", r#"{"author":"Ada","message":"<b>hi</b>"}"#);
    assert_eq!(status, 201, "{entry}");
    assert_eq!(server.post("/guestbook/api/entries", r#"{"author":"","message":"x"}"#).0, 422);
    let (status, page) = server.get("/guestbook");
    assert!(status == 200 && page.contains("&lt;b&gt;hi") && page.contains("Seen 1 times"), "{page}");
    assert!(server.get("/guestbook").1.contains("Seen 2 times"));
    assert_eq!(server.end(), Some(0));
}

#[test]
fn a_lone_component_is_served_on_every_path() {
    let hello = guest("bench/hello-typed", "hello-typed");
    let mut command = wharf(&repository());
    command.arg("serve").arg(hello).args(["--listen", "127.0.0.1:0", "--cores", "1"]);
    let server = Server::start(command, Duration::from_secs(60));
    assert_eq!(server.get("/any/path"), (200, "Hello, World!".to_owned()));
    assert_eq!(server.end(), Some(0));
}

/// Standard error of a `wharf serve` that must fail.
fn refused(arguments: &[&str]) -> String {
    let mut command = wharf(&repository().join("components"));
    command.env_remove("WHARF_DATABASE_MAIN").arg("serve").args(arguments);
    let (_, error, ok) = words(&command.output().unwrap());
    assert!(!ok, "it started");
    error
}

#[test]
fn a_port_in_use_is_named() {
    guest("bench/hello-typed", "hello-typed");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let error = refused(&["bench/hello-typed", "--listen", &address]);
    assert!(
        error.contains(&format!("failed to listen on http://{address}")) && error.contains("in use"),
        "{error}"
    );
}

#[test]
fn several_endpoints_are_served_and_named() {
    let hello = guest("bench/hello-typed", "hello-typed");
    let root = folder();
    let socket = root.path().join("wharf.sock");
    let mut command = wharf(&repository());
    command.arg("serve").arg(hello).args(["--listen", "127.0.0.1:0", "--cores", "1"]);
    command.arg("--listen").arg(format!("unix:{}", socket.display()));
    let mut server = Server::start(command, Duration::from_secs(60));
    server.expect(&format!("listening on unix:{}", socket.display()));
    assert_eq!(server.get("/any/path").0, 200);
    let mut stream = UnixStream::connect(&socket).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).unwrap();
    assert!(said.starts_with("HTTP/1.1 200 ") && said.ends_with("Hello, World!"), "{said}");
    assert_eq!(server.end(), Some(0));
    assert!(!socket.exists());
}

#[test]
fn tls_without_its_files_is_refused() {
    guest("bench/hello-typed", "hello-typed");
    let https = ["bench/hello-typed", "--listen", "https://127.0.0.1:0"];
    assert!(refused(&https).contains("needs a certificate"));
    let missing = ["--tls-cert", "/nowhere.pem", "--tls-key", "/nowhere.key"];
    assert!(refused(&[&https[..], &missing].concat()).contains("failed to read `/nowhere.pem`"));
    assert!(refused(&[&https[..], &missing[..2]].concat()).contains("come in pairs: there are 1 and 0"));
}

#[test]
fn a_database_without_an_address_is_named() {
    guest("examples/guestbook", "guestbook");
    let error = refused(&["examples/guestbook"]);
    assert!(error.contains("--database main=URL") && error.contains("WHARF_DATABASE_MAIN"), "{error}");
}

#[test]
fn an_unreachable_database_is_named_and_its_password_is_not() {
    guest("examples/guestbook", "guestbook");
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error =
        refused(&["examples/guestbook", "--database", &format!("main=postgresql://u:secret@{free}/x")]);
    assert!(error.contains("failed to connect to database `main`") && error.contains("refused"), "{error}");
    assert!(!error.contains("secret"), "{error}");
}

#[test]
fn a_wrong_manifest_and_a_missing_component_are_named() {
    let root = folder();
    let file = root.path().join("wharf.toml");
    std::fs::write(&file, "nam = \"x\"\n").unwrap();
    let path = root.path().to_str().unwrap();
    assert!(refused(&[path]).contains("did you mean `name`?"));
    std::fs::write(&file, "name = \"x\"\n[[routes]]\npath = \"/\"\n").unwrap();
    assert!(refused(&[path]).contains("run `wharf build"));
    std::fs::write(root.path().join("bad.wasm"), b"\0asm\x01\0\0\0").unwrap();
    assert!(refused(&[root.path().join("bad.wasm").to_str().unwrap()]).contains("core module"));
}

#[test]
fn a_guard_is_loaded_before_those_who_name_it_and_failures_tell_nothing() {
    guest("contract/guard/rust", "contract-guard");
    guest("contract/guarded/rust", "contract-guarded");
    guest("contract/faults/rust", "contract-faults");
    let mut command = wharf(&repository().join("components/contract"));
    let kv = folder();
    command.args(["serve", "guarded/rust", "guard/rust", "--listen", "127.0.0.1:0", "--kv"]).arg(kv.path());
    let server = Server::start(command, Duration::from_secs(60));
    let (status, said) = server.get("/component/7");
    assert_eq!((status, said.as_str()), (401, "say who you are: x-allow"));
    assert_eq!(server.end(), Some(0));

    let mut command = wharf(&repository().join("components/contract"));
    command.args(["serve", "faults/rust", "--listen", "127.0.0.1:0"]);
    let server = Server::start(command, Duration::from_secs(60));
    let (status, problem) = server.get("/panic");
    assert!(status == 500 && problem.contains("guest-trap"), "{problem}");
    assert!(!problem.contains("backtrace") && !problem.contains("panicked"), "{problem}");
    assert_eq!(server.end(), Some(0));
}

/// Rust around JavaScript: `components/examples/composed`, which needs npm to build.
#[test]
fn a_middleware_in_rust_stands_around_a_handler_in_javascript() {
    let folder = repository().join("components/examples/composed");
    if !folder.join("handler/.wharf/build/handler.wasm").exists() {
        println!("ABSENT: components/examples/composed is not built: install npm and run `make guests`");
        return;
    }
    let mut command = wharf(&folder);
    command.args(["serve", ".", "--listen", "127.0.0.1:0"]);
    let server = Server::start(command, Duration::from_secs(60));
    let (status, text) = server.get("/composed");
    assert!(status == 200 && text.contains("JavaScript"), "{text}");
    let (status, squares) = server.get("/composed/squares");
    assert!(status == 200 && squares.contains("5 squared is 25"), "{squares}");
    assert_eq!(server.end(), Some(0));
}
