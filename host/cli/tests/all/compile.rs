//! The process that compiles.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use wharf_host::{Artifact, CompilerProgram, Config, Effort, Host, Manifest, chain};

use crate::support::{folder, guest};

fn program(path: impl AsRef<Path>, arguments: &[&str]) -> CompilerProgram {
    let arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
    CompilerProgram { path: path.as_ref().to_owned(), arguments }
}

fn host(compiler: CompilerProgram, patience: Duration) -> Host {
    let mut config = Config::default();
    config.instances = 50;
    config.compiler = Some(compiler);
    config.compile_timeout = patience;
    Host::builder().config(config).build().unwrap()
}

fn artifact(component: &Path) -> Artifact {
    Artifact {
        manifest: Manifest::minimal("x").unwrap(),
        component: fs::read(component).unwrap().into(),
        migrations: Vec::new(),
        statements: Vec::new(),
        files: std::collections::BTreeMap::new(),
    }
}

fn hello() -> Artifact {
    artifact(&guest("examples/hello", "hello"))
}

/// Why `program` does not compile.
async fn fails(program: CompilerProgram) -> String {
    let error = host(program, Duration::from_secs(20)).load(hello()).await.unwrap_err();
    chain(&error)
}

#[tokio::test]
async fn what_another_process_compiled_and_prepared_runs() {
    let wharf = || program(env!("CARGO_BIN_EXE_wharf"), &["compile-component"]);
    for (folder, name, path) in [
        ("examples/hello", "hello", "/"),
        ("contract/lifecycle/rust", "contract-lifecycle", "/drawn"),
        ("contract/wasi-http/rust-03", "contract-wasi-http", "/text"),
    ] {
        let host = host(wharf(), Duration::from_secs(20));
        let mut artifact = artifact(&guest(folder, name));
        artifact.manifest.grants = Default::default();
        host.publish(host.load(artifact).await.unwrap()).unwrap();
        let request = http::Request::get(path).body(String::new()).unwrap();
        assert_eq!(host.handle(request).await.status(), http::StatusCode::OK, "{name}");
    }
}

#[tokio::test]
async fn a_compiler_that_fails_is_told_of() {
    assert!(
        fails(program("/nowhere/wharf", &[]))
            .await
            .contains("the compiler cannot be used: `/nowhere/wharf`: ")
    );
    assert!(fails(program("/bin/false", &[])).await.contains("the compiler ended with exit status: 1"));
    let error = fails(program("/bin/sh", &["-c", "kill -9 $$"])).await;
    assert!(error.contains("the compiler ended with signal: 9"), "{error}");
    let error = fails(program("/bin/sh", &["-c", "echo no machine code"])).await;
    assert!(error.contains("the compiler cannot be used: "), "{error}");
}

#[tokio::test]
async fn it_gets_nothing_of_the_hosts_environment() {
    let error = fails(program("/bin/sh", &["-c", "env >&2; exit 10"])).await;
    assert!(error.contains("PWD=/") && !error.contains("CARGO"), "{error}");
}

#[tokio::test]
async fn it_is_ended_when_it_takes_too_long() {
    let folder = folder();
    let file = folder.path().join("pid");
    let script = format!("echo $$ >{}; exec sleep 60", file.display());
    let host = host(program("/bin/sh", &["-c", &script]), Duration::from_secs(1));
    let error = chain(&host.load(hello()).await.unwrap_err());
    assert!(error.contains("it took more than 1s"), "{error}");
    let id = Pid::from_raw(fs::read_to_string(file).unwrap().trim().parse().unwrap());
    let begun = Instant::now();
    while kill(id, None) != Err(Errno::ESRCH) {
        assert!(begun.elapsed() < Duration::from_secs(20), "it still runs");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn quick_code_answers_until_the_best_is_there_and_a_warm_start_needs_none() {
    let cache = folder();
    for (guest_folder, name, path) in [
        ("examples/hello", "hello", "/"),
        ("contract/lifecycle/rust", "contract-lifecycle", "/drawn"),
        ("contract/wasi-http/rust-03", "contract-wasi-http", "/text"),
    ] {
        let mut config = Config::default();
        config.instances = 50;
        config.compiler = Some(program(env!("CARGO_BIN_EXE_wharf"), &["compile-component"]));
        config.compile_cache = Some(cache.path().to_owned());
        config.quick_from = 0;
        let host = Host::builder().config(config).build().unwrap();
        let mut artifact = artifact(&guest(guest_folder, name));
        artifact.manifest.grants = Default::default();
        for (effort, interim) in
            [(Effort::QuickFirst, true), (Effort::Background, false), (Effort::QuickFirst, false)]
        {
            let release = host.load_watched(artifact.clone(), effort, |_step| {}).await.unwrap();
            assert_eq!(release.is_interim(), interim, "{name} {effort:?}");
            host.publish(release).unwrap();
            let request = http::Request::get(path).body(String::new()).unwrap();
            assert_eq!(host.handle(request).await.status(), http::StatusCode::OK, "{name} {effort:?}");
        }
    }
}
