//! `wharf conformance`: a component is judged, on a host and a PostgreSQL of its own.

use crate::support::{folder, guest, repository, wharf, words};

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
