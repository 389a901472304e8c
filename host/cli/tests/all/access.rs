//! Who may do what on a control plane, and what it tells strangers.

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::hosted::{Hosted, eventually, failed};
use crate::support::wharf;

/// A command with this token and no other.
fn with_token(host: &Hosted, token: &str, arguments: &[&str]) -> std::process::Command {
    let mut command = host.command(arguments);
    command.env("WHARF_SERVER", format!("http://{}", host.control)).env("WHARF_TOKEN", token);
    command
}

#[test]
fn a_token_may_do_what_its_roles_say_until_it_is_revoked() {
    let host = Hosted::start();
    host.deploy("a", "one");
    let create =
        |name: &str, role: &str| host.run(&["token", "create", name, "--role", role]).trim().to_owned();
    let (reader, deployer) = (create("reader", "read"), create("ci", "deploy:a"));
    assert!(reader.starts_with("wharf_") && reader.len() > 40, "{reader}");
    let code = |token: &str, arguments: &[&str]| {
        let output = with_token(&host, token, arguments).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    assert_eq!(code(&reader, &["status"]).0, 0);
    assert_eq!(code(&deployer, &["rollback", "a"]).0, 3, "there is nothing before");
    let (refused, error) = code(&reader, &["deploy", "a"]);
    assert!(refused == 3 && error.contains("this token may not"), "{error}");
    assert_eq!(code(&reader, &["remove", "a"]).0, 3);
    assert_eq!(code(&deployer, &["deploy", "a"]).0, 0);
    assert_eq!(code(&deployer, &["remove", "b"]).0, 3);
    assert_eq!(code(&deployer, &["token", "list"]).0, 3);
    let (wrong, error) = code("wharf_wrong", &["status"]);
    assert!(wrong == 3 && error.contains("this needs a token"), "{error}");
    host.run(&["token", "revoke", "ci"]);
    assert_eq!(code(&deployer, &["deploy", "a"]).0, 3);

    let tokens = host.run(&["token", "list"]);
    assert!(tokens.contains("reader") && !tokens.contains("ci") && !tokens.contains(&reader), "{tokens}");
    let audit = host.json(&["token", "audit"]);
    let lines: Vec<String> = audit
        .as_array()
        .unwrap()
        .iter()
        .rev()
        .map(|line| {
            let word = |key: &str| line[key].as_str().unwrap().to_owned();
            format!("{} {} {} {}", word("who"), word("action"), word("target"), word("outcome"))
        })
        .collect();
    let expected = [
        "wharf token-create first done",
        "first deploy a done: deployment 1",
        "first token-create reader done",
        "first token-create ci done",
        "ci rollback a nothing-before",
        "reader upload blobs forbidden",
        "reader remove a forbidden",
        "ci deploy a done: deployment 2",
        "ci remove b forbidden",
        "first token-revoke ci done",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn a_token_ends_when_its_time_is_over() {
    let host = Hosted::start();
    let token = host.run(&["token", "create", "short", "--role", "read", "--expires", "5s"]);
    let fields = format!("host: localhost\r\nauthorization: Bearer {}\r\n", token.trim());
    assert_eq!(host.ask("GET /v1/services", &fields, "").0, 200);
    eventually("the token ends", || host.ask("GET /v1/services", &fields, "").0 == 401);
    assert!(host.run(&["token", "list"]).contains("short"));
}

#[test]
fn a_token_is_kept_nowhere_and_the_first_is_its_owners() {
    use std::os::unix::fs::PermissionsExt;
    let host = Hosted::start();
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&host.data()), mode(&host.data().join("token"))), (0o700, 0o600));
    let token = host.token();
    let records = std::fs::read(host.data().join("control.redb")).unwrap();
    let found = records.windows(token.len()).any(|window| window == token.as_bytes());
    assert!(!found, "the token is in the records");
    // The first token is not shown to a server that somebody named.
    let mut command = host.command(&["status"]);
    let (code, error) = failed(&command.env("WHARF_SERVER", "http://127.0.0.1:1").output().unwrap());
    assert!(code == 1 && error.contains("no token for this server"), "{error}");
}

#[test]
fn a_first_token_that_is_gone_is_replaced_at_the_next_start() {
    let mut host = Hosted::start();
    let old = host.credentials();
    assert_eq!(host.ask("GET /v1/services", &old, "").0, 200);
    host.restart(Signal::SIGTERM);
    assert_eq!(host.credentials(), old);
    std::fs::remove_file(host.data().join("token")).unwrap();
    host.restart(Signal::SIGTERM);
    assert_eq!(host.ask("GET /v1/services", &host.credentials(), "").0, 200);
    assert_eq!(host.ask("GET /v1/services", &old, "").0, 401);
}

#[test]
fn strangers_and_web_pages_learn_nothing() {
    let host = Hosted::start();
    let problem = |fields: &str| -> (u16, Value) {
        let (status, body) = host.ask("GET /v1/services", fields, "");
        (status, serde_json::from_str(&body).unwrap())
    };
    assert_eq!(problem("host: localhost\r\n").1["code"], "unauthorized");
    let token = host.token();
    let rebound = format!("host: attacker.example:3001\r\nauthorization: Bearer {token}\r\n");
    let (status, said) = problem(&rebound);
    assert_eq!((status, said["code"].as_str()), (421, Some("wrong-host")));
    let (status, document) = host.ask("GET /v1/openapi.json", "host: 127.0.0.1\r\n", "");
    let document: Value = serde_json::from_str(&document).unwrap();
    assert_eq!((status, document["openapi"].as_str()), (200, Some("3.1.0")));
}

#[test]
fn what_is_sent_is_bounded_and_checked() {
    let host = Hosted::start();
    let fields = host.credentials();
    let code = |line: &str, body: &str| {
        let (status, said) = host.ask(line, &fields, body);
        let said: Value = serde_json::from_str(&said).unwrap();
        (status, said["code"].as_str().unwrap().to_owned())
    };
    let refusal = |status: u16, code: &str| (status, code.to_owned());
    let zeros = "0".repeat(64);
    assert_eq!(code(&format!("PUT /v1/blobs/{zeros}"), "x"), refusal(422, "digest-mismatch"));
    assert_eq!(code("PUT /v1/blobs/..%2f..%2fx", "x"), refusal(422, "bad-digest"));
    let large = format!("{fields}content-length: {}\r\n", 40 << 20);
    let line = format!("PUT /v1/blobs/{zeros} HTTP/1.1\r\nconnection: close\r\n{large}\r\n");
    assert_eq!(crate::support::request(&host.control, &line).0, 413);
    assert_eq!(code("POST /v1/services/a/deployments", "{"), refusal(400, "bad-json"));
    let missing = format!(
        r#"{{"blobs":[{{"role":"manifest","sha256":"{zeros}"}},{{"role":"component","sha256":"{zeros}"}}]}}"#
    );
    assert_eq!(code("POST /v1/services/a/deployments", &missing), refusal(422, "missing-blob"));
    assert_eq!(code("POST /v1/services/A/deployments", &missing), refusal(422, "bad-name"));
    assert_eq!(code("POST /v1/services/a/deployments", r#"{"blobs":[]}"#), refusal(422, "bad-artifact"));
    let huge = format!(r#"{{"blobs":[],"message":"{}"}}"#, "x".repeat(2 << 20));
    assert_eq!(code("POST /v1/services/a/deployments", &huge), refusal(413, "too-large"));
    assert_eq!(code("GET /v1/nothing", ""), refusal(404, "no-such-path"));
}

#[test]
fn a_host_that_is_not_there_is_said_with_a_code_of_its_own() {
    let root = crate::support::folder();
    let (code, error) = failed(&wharf(root.path()).arg("status").output().unwrap());
    assert!(code == 1 && error.contains("wharf serve --data .wharf/data"), "{error}");
    let mut command = wharf(root.path());
    command.args(["status", "--server", "http://127.0.0.1:1"]).env("WHARF_TOKEN", "wharf_x");
    let (code, error) = failed(&command.output().unwrap());
    assert!(
        code == 5 && error.contains("failed to reach the control plane at http://127.0.0.1:1"),
        "{error}"
    );
}
