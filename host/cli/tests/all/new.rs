//! `wharf new`: what it makes builds, passes its tests and deploys, in every language. The tools are those of `make languages`.

use std::path::{Path, PathBuf};
use std::process::Command;

use wharf_postgres::PrivatePostgres;

use crate::hosted::Hosted;
use crate::support::{folder, repository, wharf, words, write};

/// `wharf` with the tools of other languages that `make languages` installed.
fn with_tools(at: &Path) -> Command {
    let tools = repository().join("target/tools");
    let path = std::env::var_os("PATH").unwrap();
    let folders = [tools.join("node_modules/.bin"), tools.join("python/bin")].into_iter();
    let path = std::env::join_paths(folders.chain(std::env::split_paths(&path))).unwrap();
    let mut command = wharf(at);
    command.env("PATH", path);
    command
}

/// Whether what a language needs could be had here; never in doubt where CI runs.
fn can(language: &str) -> bool {
    let mark = match language {
        "js" | "ts" => "package.json.installed",
        "python" => "requirements.txt.installed",
        "c" => "clang.installed",
        _ => return true,
    };
    let there = repository().join("target/tools").join(mark).is_file();
    assert!(
        there || std::env::var_os("CI").is_none(),
        "the tools for {language} are missing: `make languages`"
    );
    if !there {
        eprintln!(
            "SKIPPED: the tools for {language} are missing, `wharf new --lang {language}` was not tried"
        );
    }
    there
}

fn new(root: &Path, language: &str) -> PathBuf {
    let mut command = with_tools(root);
    let output = command.args(["new", "shop", "--lang", language, "--with", "pg,kv"]).output().unwrap();
    let (out, error, ok) = words(&output);
    assert!(ok && out.contains("+ wharf.toml") && out.ends_with("cd shop\n  wharf dev\n"), "{out}{error}");
    root.join("shop")
}

async fn is_tested_and_deploys(language: &str) {
    if !can(language) {
        return;
    }
    let root = folder();
    let shop = new(root.path(), language);
    if language == "rust" {
        // Kept from one run to the next: what it depends on takes a minute to compile.
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("new-rust");
        write(&shop.join(".cargo/config.toml"), &format!("[build]\ntarget-dir = \"{}\"\n", target.display()));
    }
    let (out, error, ok) = words(&with_tools(&shop).arg("test").output().unwrap());
    assert!(ok && out.contains("5 passed, 0 failed"), "{out}{error}");

    if ["js", "ts"].contains(&language) {
        let compiler = repository().join("target/tools/node_modules/.bin/tsc");
        let (out, error, ok) =
            words(&Command::new(compiler).arg("--noEmit").current_dir(&shop).output().unwrap());
        assert!(ok, "{out}{error}");
    }
    let (out, error, ok) = words(&with_tools(&shop).arg("build").output().unwrap());
    assert!(ok && out.contains("shop.wasm"), "{out}{error}");
    let postgres = PrivatePostgres::temporary().await.unwrap();
    postgres.create_database("main").await.unwrap();
    let host = Hosted::start_with(postgres.connection_url("main"));
    host.run(&["deploy", shop.to_str().unwrap()]);
    assert_eq!(host.server.get("/hello/you"), (200, "{\"greeting\":\"Hello, you!\"}".to_owned()));
    let (status, note) = host.server.post("/notes", "{\"text\":\"deployed\"}");
    assert_eq!((status, note.replace(' ', "")), (201, "{\"id\":1,\"text\":\"deployed\"}".to_owned()));
}

#[tokio::test]
async fn a_service_in_rust() {
    is_tested_and_deploys("rust").await;
}

#[tokio::test]
async fn a_service_in_javascript() {
    is_tested_and_deploys("js").await;
}

#[tokio::test]
async fn a_service_in_typescript() {
    is_tested_and_deploys("ts").await;
}

#[tokio::test]
async fn a_service_in_python() {
    is_tested_and_deploys("python").await;
}

#[tokio::test]
async fn a_service_in_c() {
    is_tested_and_deploys("c").await;
}
