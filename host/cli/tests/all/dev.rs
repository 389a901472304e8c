//! `wharf dev`: what changes is swapped in live, what is broken is said, and the database comes along.

use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::support::{Server, folder, guest, pretended_toolchain, repository, service, wharf, write};

const EVERYWHERE: &str = "[[routes]]\npath = \"/\"\n[[routes]]\npath = \"/{*rest}\"\n";

fn dev(root: &std::path::Path, services: &[&str]) -> Command {
    let mut command = wharf(root);
    command.arg("dev").args(services).args(["--listen", "127.0.0.1:0"]).envs(pretended_toolchain(root));
    command.env_remove("WHARF_DATABASE_MAIN");
    command
}

#[test]
fn a_change_is_swapped_in_and_a_broken_one_leaves_the_old_release() {
    let root = folder();
    let folder = service(root.path(), "a", EVERYWHERE, &guest("bench/hello-typed", "hello-typed"));
    let mut server = Server::start(dev(root.path(), &["a"]), Duration::from_secs(60));
    assert_eq!(server.get("/").1, "Hello, World!");

    write(&folder.join("src/lib.rs"), guest("examples/hello", "hello").to_str().unwrap());
    server.expect("a swapped in");
    assert_eq!(server.get("/").1, "Hello from Wharf!\n");

    write(&folder.join("src/lib.rs"), "error: expected `;`");
    write(&folder.join("wharf.toml"), "nam = \"a\"");
    assert_eq!(server.get("/").1, "Hello from Wharf!\n");

    write(&folder.join("src/lib.rs"), guest("bench/hello-typed", "hello-typed").to_str().unwrap());
    write(&folder.join("wharf.toml"), &format!("name = \"a\"\n{EVERYWHERE}"));
    server.expect("a swapped in");
    assert_eq!(server.get("/").1, "Hello, World!");
    assert_eq!(server.end(), Some(0));
}

#[test]
fn a_service_that_does_not_build_at_first_comes_up_once_it_does() {
    let root = folder();
    let folder = service(root.path(), "a", EVERYWHERE, "error: not yet".as_ref());
    let mut server = Server::start(dev(root.path(), &["a"]), Duration::from_secs(60));
    assert_eq!(server.get("/").0, 404);
    write(&folder.join("src/lib.rs"), guest("bench/hello-typed", "hello-typed").to_str().unwrap());
    server.expect("a swapped in");
    assert_eq!(server.get("/").0, 200);
}

#[test]
fn a_granted_database_comes_along_and_keeps_what_was_written() {
    let root = folder();
    let manifest =
        std::fs::read_to_string(repository().join("components/examples/guestbook/wharf.toml")).unwrap();
    let manifest = manifest.replace("name = \"guestbook\"\n", "");
    let folder = service(root.path(), "guestbook", &manifest, &guest("examples/guestbook", "guestbook"));
    let sql = "migrations/0001_entries.sql";
    std::fs::create_dir(folder.join("migrations")).unwrap();
    std::fs::copy(repository().join("components/examples/guestbook").join(sql), folder.join(sql)).unwrap();

    let server = Server::start(dev(root.path(), &["guestbook"]), Duration::from_secs(90));
    let (status, entry) = server.post("/guestbook/api/entries", r#"{"author":"Ada","message":"stays"}"#);
    assert_eq!(status, 201, "{entry}");
    // As a person ends it, and then as the kernel does.
    server.signal(Signal::SIGKILL);
    drop(server);
    let server = Server::start(dev(root.path(), &["guestbook"]), Duration::from_secs(90));
    assert!(server.get("/guestbook/api/entries").1.contains("stays"));
    assert_eq!(server.end(), Some(0));
    assert!(!folder.join(".wharf/postgres/data/postmaster.pid").exists(), "PostgreSQL was left behind");
}

/// The real toolchain: its first build compiles the standard library, or finds it in `components/target`.
#[test]
fn an_edit_of_a_real_service_is_served_in_seconds() {
    let root = folder();
    let project = root.path();
    let components = repository().join("components");
    write(&project.join("wharf.toml"), &format!("name = \"edited\"\n{EVERYWHERE}"));
    let guest_bindings = repository().join("guest-bindings/rust");
    write(
        &project.join("Cargo.toml"),
        &format!(
            "[package]\nname = \"edited\"\nedition = \"2024\"\n[lib]\ncrate-type = [\"cdylib\"]\n\
             [dependencies]\nwharf-guest = {{ path = {guest_bindings:?} }}\n\
             [profile.release]\nopt-level = \"s\"\nlto = true\nstrip = true\npanic = \"abort\"\ncodegen-units = 1\n"
        ),
    );
    std::fs::copy(components.join("Cargo.lock"), project.join("Cargo.lock")).unwrap();
    let target = components.join("target");
    write(&project.join(".cargo/config.toml"), &format!("[build]\ntarget-dir = {target:?}\n"));
    let handler = |answer: &str| {
        write(
            &project.join("src/lib.rs"),
            &format!(
                "use wharf_guest::axum::{{Router, routing::get}};\n#[wharf_guest::service]\n\
                 fn app() -> Router {{ Router::new().route(\"/\", get(async || \"{answer}\")) }}\n"
            ),
        );
    };
    handler("before");
    let mut command = wharf(project);
    command.args(["dev", "--listen", "127.0.0.1:0"]);
    let mut server = Server::start(command, Duration::from_secs(900));
    assert_eq!(server.get("/").1, "before");

    let edited = Instant::now();
    handler("after");
    server.expect("edited swapped in");
    assert_eq!(server.get("/").1, "after");
    let took = edited.elapsed();
    println!("from the edit to the new answer: {took:.1?}");
    // About 2 s alone on two cores; other tests and a slow machine get ten times that.
    assert!(took < Duration::from_secs(20), "{took:?}");
    assert_eq!(server.end(), Some(0));
}

#[test]
fn whoever_develops_reads_why_it_failed() {
    let root = folder();
    service(root.path(), "a", EVERYWHERE, &guest("contract/faults/rust", "contract-faults"));
    let server = Server::start(dev(root.path(), &["a"]), Duration::from_secs(60));
    let (status, problem) = server.get("/panic");
    assert_eq!(status, 500);
    assert!(problem.contains("wasm backtrace") && problem.contains("panicked"), "{problem}");
    assert_eq!(server.end(), Some(0));
}
