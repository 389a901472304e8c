//! `wharf build`: one cargo run for several services, the component in its place, errors passed on. The
//! toolchain pretends here; `make guests` uses the real one.

use std::path::Path;
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
fn a_tool_that_is_missing_is_named_with_what_installs_it() {
    let root = folder();
    for (language, source, tool, install) in [
        ("javascript", "entry = \"service.js\"", "esbuild", "npm install"),
        ("python", "entry = \"service.py\"", "componentize-py", "pip install componentize-py=="),
        ("c", "sources = [\"service.c\"]", "clang-19", "apt-get install"),
    ] {
        for file in ["service.js", "service.py", "service.c"] {
            write(&root.path().join(file), "");
        }
        let manifest = format!("name = \"x\"\n{ROUTES}[build]\nlanguage = \"{language}\"\n{source}\n");
        write(&root.path().join("wharf.toml"), &manifest);
        let (_, error, ok) =
            words(&wharf(root.path()).arg("build").env("PATH", "/nowhere").output().unwrap());
        assert!(!ok && error.contains(&format!("`{tool}` was found")) && error.contains(install), "{error}");
    }
}

#[test]
fn what_a_tool_says_is_passed_on_and_the_old_component_stays() {
    let root = folder();
    let manifest =
        format!("name = \"x\"\n{ROUTES}[build]\nlanguage = \"javascript\"\nentry = \"service.js\"\n");
    write(&root.path().join("wharf.toml"), &manifest);
    write(&root.path().join("service.js"), "");
    let bin = root.path().join("node_modules/.bin");
    // Each pretended tool writes its own name to where its output goes.
    executable(
        &bin.join("esbuild"),
        "for a; do case $a in --outfile=*) echo bundle > ${a#--outfile=};; esac; done",
    );
    executable(
        &bin.join("componentize-qjs"),
        "while [ $1 != --output ]; do shift; done; echo component > $2",
    );
    let (out, error, ok) = words(&wharf(root.path()).args(["build", "--json"]).output().unwrap());
    assert!(ok && out.contains("\"bytes\""), "{out}{error}");
    executable(&bin.join("esbuild"), "echo 'service.js:1: no such name' >&2; exit 1");
    let (_, error, ok) = words(&wharf(root.path()).arg("build").output().unwrap());
    assert!(
        !ok && error.contains("`esbuild` says") && error.contains("service.js:1: no such name"),
        "{error}"
    );
    let component = root.path().join(".wharf/build/x.wasm");
    assert_eq!(std::fs::read_to_string(component).unwrap(), "component\n");
}

fn executable(path: &Path, script: &str) {
    use std::os::unix::fs::PermissionsExt;
    write(path, &format!("#!/bin/sh\n{script}\n"));
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
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

fn build(root: &Path) -> Command {
    let mut command = wharf(root);
    command.arg("build").envs(pretended_toolchain(root));
    command
}
