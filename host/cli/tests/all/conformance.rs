//! `wharf conformance`: a component is judged, on a host and a PostgreSQL of its own.

use crate::support::{Server, folder, guest, repository, wharf, words};

#[test]
fn a_guest_that_keeps_the_contract_passes_on_both_targets() {
    let root = folder();
    let guest = repository().join("components/contract/config-log/rust");
    let output =
        wharf(root.path()).args(["conformance", "--json", "--html", "grid.html"]).arg(guest).output();
    let (out, error, ok) = words(&output.unwrap());
    assert!(ok, "{error}");
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    let cells = report["cells"].as_array().unwrap();
    for target in ["in-process", "socket"] {
        let passed =
            cells.iter().filter(|cell| cell["target"] == target && cell["outcome"] == "passed").count();
        assert!(passed > 0 && passed * 2 == cells.len(), "{out}");
    }
    let page = std::fs::read_to_string(root.path().join("grid.html")).unwrap();
    assert!(page.contains("logging never fails, whatever is logged"), "{page}");
}

#[test]
fn a_spawned_host_keeps_the_contract() {
    let root = folder();
    let guests = ["http/rust", "kv/rust", "guarded/rust", "guard/rust", "http-client/rust"];
    let guests = guests.map(|guest| repository().join("components/contract").join(guest));
    let mut command = wharf(root.path());
    let output =
        command.args(["conformance", "--json", "--target", "spawned"]).args(guests).output().unwrap();
    let (out, error, ok) = words(&output);
    assert!(ok, "{out}{error}");
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    let cells = report["cells"].as_array().unwrap();
    let count = |outcome: &str| cells.iter().filter(|cell| cell["outcome"] == outcome).count();
    // The suite `http-client` needs names that this host does not know.
    assert!(count("skipped") == 1 && count("passed") == cells.len() - 1 && cells.len() > 100, "{out}");
    assert!(cells.iter().all(|cell| cell["target"] == "spawned"), "{out}");
}

#[test]
fn a_host_at_a_url_is_judged_as_it_is() {
    let root = folder();
    let guest = repository().join("components/contract/config-log/rust");
    let mut serving = wharf(root.path());
    serving.arg("serve").arg(guest).args(["--listen", "127.0.0.1:0"]).env("WHARF_LOG", "off");
    let server = Server::start(serving, std::time::Duration::from_secs(60));
    let url = format!("http://{}", server.address);
    let mut command = wharf(root.path());
    let output =
        command.args(["conformance", "--json", "--guest", "config-log", "--url", &url]).output().unwrap();
    let (out, error, ok) = words(&output);
    assert!(ok && out.contains("\"target\": \"url\"") && !out.contains("\"failed\""), "{out}{error}");
}

#[test]
fn a_component_that_breaks_the_contract_fails_with_what_came_instead() {
    let root = folder();
    let component = guest("bench/hello-typed", "hello-typed");
    let output =
        wharf(root.path()).args(["conformance", "--guest", "config-log"]).arg(component).output().unwrap();
    let (out, error, _) = words(&output);
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(
        out.contains("FAILED: config-log, hello-typed, in-process") && error.contains("cases failed"),
        "{out}{error}"
    );
}

#[test]
fn a_component_needs_to_be_said_what_it_is() {
    let root = folder();
    let component = guest("bench/hello-typed", "hello-typed");
    let (_, error, ok) = words(&wharf(root.path()).arg("conformance").arg(component).output().unwrap());
    assert!(!ok && error.contains("`--guest`"), "{error}");
}
