//! `wharf compose`: what goes together, and what is told when it does not.

use std::time::Duration;

use crate::support::{Server, folder, guest, repository, wharf, words, write};

#[test]
fn middleware_is_put_around_a_handler() {
    let root = folder();
    let middleware = guest("contract/middleware/rust", "rust");
    let handler = guest("contract/http/rust", "contract-http");
    let mut command = wharf(root.path());
    command.arg("compose").args([&middleware, &middleware, &handler]).args(["-o", "composed.wasm", "--json"]);
    let (output, error, ok) = words(&command.output().unwrap());
    assert!(ok, "{error}");
    let made: serde_json::Value = serde_json::from_str(&output).unwrap();
    assert_eq!(made["world"], "service");

    let mut command = wharf(root.path());
    command.args(["serve", "composed.wasm", "--listen", "127.0.0.1:0"]);
    let server = Server::start(command, Duration::from_secs(60));
    assert_eq!(server.get("/text"), (200, "Hello, World!".to_owned()));
    assert_eq!(server.get("/stop"), (200, "stopped here".to_owned()));
    let (_, echo) = server.get("/echo");
    assert_eq!(
        echo.matches("\"x-middleware\"").count(),
        1,
        "the inner one replaces what the outer one set: {echo}"
    );
    assert_eq!(server.end(), Some(0));
}

#[test]
fn what_does_not_go_together_is_named() {
    let root = folder();
    let handler = guest("contract/http/rust", "contract-http");
    let compose = |first: &std::path::Path| {
        let mut command = wharf(&repository());
        command.arg("compose").args([first, &handler]).arg("-o").arg(root.path().join("composed.wasm"));
        let (_, error, ok) = words(&command.output().unwrap());
        assert!(!ok && !root.path().join("composed.wasm").exists());
        error
    };
    let error = compose(&handler);
    assert!(error.contains("imports no handler that"), "{error}");
    let text = root.path().join("text.wasm");
    write(&text, "(component)");
    let error = compose(&text);
    assert!(error.contains("text.wasm` cannot be composed") && error.contains("this is text"), "{error}");
    let error = compose(&root.path().join("missing.wasm"));
    assert!(error.contains("failed to read"), "{error}");
}
