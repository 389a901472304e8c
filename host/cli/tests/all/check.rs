//! `wharf check`: what fits, and what is refused in clear words.

use std::path::Path;

use crate::support::{folder, guest, repository, wharf, words};

/// Standard error of a check that must fail.
fn refused(path: &Path) -> String {
    let (_, error, ok) = words(&wharf(Path::new("/")).arg("check").arg(path).output().unwrap());
    assert!(!ok, "`{}` was accepted", path.display());
    error
}

#[test]
fn a_service_is_described() {
    guest("examples/guestbook", "guestbook");
    let (out, error, ok) = words(
        &wharf(&repository().join("components/examples")).args(["check", "guestbook"]).output().unwrap(),
    );
    assert!(ok && error.is_empty(), "{error}");
    for line in ["world    service", "wharf:platform/pg-client@", "grants   pg, kv"] {
        assert!(out.contains(line), "{out}");
    }
}

#[test]
fn json_holds_the_same() {
    let hello = guest("bench/hello-typed", "hello-typed");
    let output = wharf(Path::new("/")).args(["check", "--json"]).arg(&hello).output().unwrap();
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(value["handler"], "http-handler");
    assert_eq!(value["bytes"], hello.metadata().unwrap().len());
}

#[test]
fn what_is_no_component_is_called_by_its_name() {
    let root = folder();
    let file = |name: &str, bytes: &[u8]| {
        let path = root.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let component = std::fs::read(guest("bench/hello-typed", "hello-typed")).unwrap();
    let half = &component[..component.len() / 2];
    for (path, why) in [
        (file("empty.wasm", b""), "the file is empty"),
        (file("text.wasm", b"(component)"), "this is text"),
        (file("module.wasm", b"\0asm\x01\0\0\0"), "this is a core module"),
        (file("machine.wasm", b"\x7fELF\x02\x01\x01"), "precompiled"),
        (file("half.wasm", half), "the component is not valid"),
        (file("nothing.wasm", b"\0asm\x0d\0\x01\0"), "exports nothing that a host calls"),
        (root.path().join("missing.wasm"), "failed to read"),
    ] {
        let error = refused(&path);
        assert!(error.contains(why), "{}: {error}", path.display());
    }
}

#[test]
fn a_manifest_without_the_needed_grants_is_a_warning() {
    let root = folder();
    let component = guest("bench/pg-typed", "pg-typed");
    let manifest = format!("name = \"x\"\ncomponent = {component:?}\n[[routes]]\npath = \"/\"\n");
    std::fs::write(root.path().join("wharf.toml"), manifest).unwrap();
    let (_, error, ok) = words(&wharf(root.path()).args(["check", "."]).output().unwrap());
    assert!(ok && error.contains("`pg` grant"), "{error}");
}

#[tokio::test]
async fn the_sql_of_a_service_is_compared_with_its_database() {
    let postgres = wharf_postgres::PrivatePostgres::temporary().await.unwrap();
    postgres.create_database("app").await.unwrap();
    let database = format!("main={}", postgres.connection_url("app"));
    let examples = repository().join("components/examples");
    let check = |more: &[&str]| {
        let arguments = ["check", "guestbook", "--database", database.as_str()];
        words(&wharf(&examples).args(arguments).args(more).output().unwrap())
    };
    let (_, error, ok) = check(&[]);
    assert!(!ok && error.contains("statements would fail in database `main`"), "{error}");
    assert!(
        error.contains("src/entry.rs:") && error.contains("relation \"entries\" does not exist"),
        "{error}"
    );
    let (output, error, ok) = check(&["--migrate"]);
    assert!(ok && output.contains("sql      main 7"), "{output} {error}");
    let url = postgres.connection_url("app");
    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute("alter table authors rename column entries to signed").await.unwrap();
    let (output, error, ok) = check(&["--json"]);
    let report: serde_json::Value = serde_json::from_str(&output).unwrap();
    assert!(!ok && !error.is_empty(), "{output}");
    let failures = report["sql"]["failures"].as_array().unwrap();
    assert_eq!(failures.len(), 3, "{failures:?}");
    assert!(failures.iter().all(|failure| failure["sqlstate"] == "42703"), "{failures:?}");
}

#[test]
fn a_service_that_is_not_built_says_so() {
    let root = folder();
    std::fs::write(root.path().join("wharf.toml"), "name = \"x\"\n[[routes]]\npath = \"/\"\n").unwrap();
    assert!(refused(root.path()).contains("run `wharf build"));
}
