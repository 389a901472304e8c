use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use wharf_host::{Artifact, Config, Host, Manifest, chain};

use crate::support::{artifact, get, serve};

async fn host_with(change: impl FnOnce(&mut Config)) -> Host {
    let mut config = Config::default();
    config.instances = 50;
    change(&mut config);
    Host::builder().config(config).build().unwrap()
}

/// What the component of `lifecycle` drew when it was prepared, on a host with this cache.
async fn drawn(cache: Option<&Path>) -> (String, bool) {
    let host = host_with(|config| config.compile_cache = cache.map(Path::to_owned)).await;
    let release = serve(&host, artifact("lifecycle")).await;
    let drawn = get(&host, "/drawn").await.text;
    assert_eq!(get(&host, "/drawn").await.text, drawn, "every instance starts from the same memory");
    (drawn, release.timings().cached)
}

#[tokio::test]
async fn a_restart_compiles_nothing_and_initialises_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (first, cached) = drawn(Some(folder.path())).await;
    assert!(!cached);
    assert_eq!(drawn(Some(folder.path())).await, (first.clone(), true));
    assert_ne!(drawn(None).await.0, first, "drawn anew where there is no cache");
}

#[tokio::test]
async fn machine_code_that_was_changed_on_disk_is_not_run() {
    let folder = tempfile::tempdir().unwrap();
    let (first, _) = drawn(Some(folder.path())).await;
    let code = |folder: &Path| {
        let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        files.into_iter().find(|path| path.extension().is_some_and(|it| it == "code")).unwrap()
    };
    let path = code(folder.path());
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).unwrap();
    let (second, cached) = drawn(Some(folder.path())).await;
    assert!(!cached && second != first);
    assert_eq!(drawn(Some(folder.path())).await, (second, true), "what was made instead is kept");

    // Sealed with another key.
    let other = tempfile::tempdir().unwrap();
    drawn(Some(other.path())).await;
    fs::copy(code(other.path()), &path).unwrap();
    assert!(!drawn(Some(folder.path())).await.1);
}

#[tokio::test]
async fn a_cache_that_cannot_be_used_is_no_reason_to_fail() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "no folder").unwrap();
    assert!(!drawn(Some(&file)).await.1);
}

/// A component whose `init` runs `body`, with `no templates` at 16 in its memory, and whose handler is none.
fn initialised_by(body: &str) -> Artifact {
    let text = format!(
        r#"(component
        (core module $m (memory (export "mem") 1) (data (i32.const 16) "no templates")
          (func (export "handle")) (func (export "init") (result i32) {body}))
        (core instance $i (instantiate $m))
        (func $init (result (result (error string))) (canon lift (core func $i "init") (memory (core memory $i "mem"))))
        (instance $e (export "init" (func $init)))
        (export "wharf:platform/lifecycle@0.1.0" (instance $e))
        (func $handle (canon lift (core func $i "handle")))
        (instance $h (export "handle" (func $handle)))
        (export "wharf:platform/http-handler@0.1.0" (instance $h)))"#
    );
    Artifact {
        manifest: Manifest::minimal("x").unwrap(),
        component: wat::parse_str(text).unwrap().into(),
        migrations: Vec::new(),
        statements: Vec::new(),
        files: std::collections::BTreeMap::new(),
    }
}

#[tokio::test]
async fn an_init_that_fails_fails_the_load() {
    let host = host_with(|config| config.compile_timeout = Duration::from_secs(2)).await;
    let fails = async |body: &str| chain(&host.load(initialised_by(body)).await.unwrap_err());
    assert!(fails("i32.const 0").await.starts_with("an import or export of the component does not fit"));

    let says = "(i32.store8 (i32.const 0) (i32.const 1)) (i32.store (i32.const 4) (i32.const 16)) \
                (i32.store (i32.const 8) (i32.const 12)) i32.const 0";
    let error = fails(says).await;
    assert!(error.ends_with("its `lifecycle.init` failed: no templates"), "{error}");
    assert!(fails("unreachable").await.contains("its `lifecycle.init` failed: "));
    // All that it may have is 64 MiB.
    let error =
        fails("(if (i32.eq (memory.grow (i32.const 2000)) (i32.const -1)) (then unreachable)) i32.const 0")
            .await;
    assert!(error.contains("its `lifecycle.init` failed: "), "{error}");
    let begun = Instant::now();
    fails("(loop (br 0)) i32.const 0").await;
    assert!(begun.elapsed() < Duration::from_secs(10));
}
