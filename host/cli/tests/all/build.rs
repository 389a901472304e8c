//! `wharf build`: one cargo run for several services, the component in its place, errors passed on. The
//! toolchain pretends here; `make guests` uses the real one.

use std::process::Command;

use crate::support::{folder, guest, pretended_toolchain, service, wharf, words, write};

const ROUTES: &str = "[[routes]]\npath = \"/\"\n";

#[test]
fn two_services_of_a_workspace_are_one_cargo_run() {
    let root = folder();
    let component = guest("bench/hello-typed", "hello-typed");
    service(root.path(), "a", ROUTES, &component);
    service(root.path(), "b", &format!("component = \"b.wasm\"\n{ROUTES}"), &component);
    let output = build(root.path()).args(["a", "b", "--json"]).output().unwrap();
    let (out, error, ok) = words(&output);
    assert!(ok, "{error}");
    let built: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(built[0]["name"], "a");
    assert_eq!(built[1]["bytes"], component.metadata().unwrap().len());
    assert!(root.path().join("a/.wharf/build/a.wasm").exists() && root.path().join("b/b.wasm").exists());
    let calls = std::fs::read_to_string(root.path().join("calls")).unwrap();
    assert_eq!(calls.lines().count(), 1, "{calls}");
    assert!(calls.contains("--release --target wasm32-wasip2") && calls.contains("-p a -p b"), "{calls}");
}

#[test]
fn the_author_s_errors_are_passed_on_and_the_old_component_stays() {
    let root = folder();
    let folder = service(root.path(), "a", ROUTES, &guest("bench/hello-typed", "hello-typed"));
    assert!(build(root.path()).arg("a").status().unwrap().success());
    write(&folder.join("src/lib.rs"), "error: expected `;`");
    let (_, error, ok) = words(&build(root.path()).arg("a").output().unwrap());
    assert!(!ok && error.contains("error: expected `;`") && error.contains("building a failed"), "{error}");
    assert!(folder.join(".wharf/build/a.wasm").exists());
}

#[test]
fn a_component_from_elsewhere_needs_no_toolchain() {
    let root = folder();
    std::fs::copy(guest("bench/hello-typed", "hello-typed"), root.path().join("x.wasm")).unwrap();
    write(&root.path().join("wharf.toml"), &format!("name = \"x\"\ncomponent = \"x.wasm\"\n{ROUTES}"));
    let (out, error, ok) = words(&build(root.path()).env("WHARF_WASM_RUSTC", "/nowhere").output().unwrap());
    assert!(ok && out.contains("x.wasm"), "{out}{error}");
}

#[test]
fn a_toolchain_that_cannot_is_named() {
    let root = folder();
    service(root.path(), "a", ROUTES, &guest("bench/hello-typed", "hello-typed"));
    let (_, error, ok) =
        words(&build(root.path()).arg("a").env("WHARF_WASM_RUSTC", "/nowhere").output().unwrap());
    assert!(!ok && error.contains("`/nowhere` (from WHARF_WASM_RUSTC) cannot build components"), "{error}");
}

#[test]
fn the_environment_of_an_outer_cargo_does_not_reach_the_build() {
    let root = folder();
    let [_, (_, rustc)] = pretended_toolchain(root.path());
    write(
        &rustc,
        "#!/bin/sh\n[ -z \"$RUSTFLAGS$CARGO_TARGET_DIR$CARGO_MANIFEST_DIR\" ] || exit 1\necho \"${0%/bin/*}/lib\"\n",
    );
    service(root.path(), "a", ROUTES, &guest("bench/hello-typed", "hello-typed"));
    let mut command = wharf(root.path());
    command.envs([("RUSTFLAGS", "-Ctarget-cpu=native"), ("CARGO_TARGET_DIR", "/nowhere")]);
    command.env("WHARF_WASM_CARGO", root.path().join("bin/cargo")).env("WHARF_WASM_RUSTC", rustc);
    let (_, error, ok) = words(&command.args(["build", "a"]).output().unwrap());
    assert!(ok, "{error}");
}

fn build(root: &std::path::Path) -> Command {
    let mut command = wharf(root);
    command.arg("build").envs(pretended_toolchain(root));
    command
}
