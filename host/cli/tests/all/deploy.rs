//! `wharf deploy` and its kin: what is acknowledged is there, what fails leaves what was, and only one of two wins.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::hosted::{Hosted, eventually, failed};
use crate::support::{folder, guest, repository, wharf, words};
use wharf_postgres::PrivatePostgres;

#[test]
fn what_was_deployed_is_there_after_any_end() {
    let mut host = Hosted::start();
    assert_eq!(host.version(), "404");
    assert_eq!(host.deploy("a", "one")["deployment"]["number"], 1);
    assert_eq!(host.version(), "one");
    let said = host.run(&["status"]);
    assert!(said.contains("100 %") && said.contains("answers") && said.contains("first"), "{said}");
    for (signal, version) in [(Signal::SIGKILL, "two"), (Signal::SIGTERM, "three")] {
        host.deploy("a", version);
        assert_eq!(host.version(), version);
        host.restart(signal);
        assert_eq!(host.version(), version);
    }
    assert_eq!(host.json(&["rollback", "a", "1"])["restores"], 1);
    assert_eq!(host.version(), "one");
    host.run(&["rollback", "a"]);
    assert_eq!(host.version(), "three");
    let history = host.json(&["history", "a"]);
    let kinds: Vec<_> = history.as_array().unwrap().iter().map(|d| d["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["rollback", "rollback", "deploy", "deploy", "deploy"]);
    assert!(host.run(&["history", "a"]).contains("rollback to 1"));

    host.run(&["remove", "a", "-m", "not needed & gone"]);
    assert_eq!(host.version(), "404");
    host.restart(Signal::SIGKILL);
    assert_eq!(host.version(), "404");
    assert!(host.run(&["status"]).contains("removed"));
    assert_eq!(host.json(&["history", "a"])[0]["message"], "not needed & gone");
    host.run(&["rollback", "a"]);
    assert_eq!(host.version(), "three");
}

#[test]
fn what_the_host_has_is_not_sent_again() {
    let host = Hosted::start();
    let first = host.deploy("a", "one")["sent"].as_u64().unwrap();
    assert!(first > 100_000, "{first}");
    assert_eq!(host.deploy("a", "one")["sent"], 0);
    let manifest = host.deploy("a", "two")["sent"].as_u64().unwrap();
    assert!(manifest < 200, "{manifest}");
    let (said, steps, ok) = words(&host.command(&["deploy", "a"]).output().unwrap());
    assert!(ok && said.contains("a deployment 4 in "), "{said}");
    assert!(steps.contains("record") && steps.contains("publish"), "{steps}");
}

#[test]
fn a_deploy_that_fails_leaves_what_was() {
    let host = Hosted::start();
    host.deploy("a", "one");
    std::fs::write(host.root.path().join("a/.wharf/build/a.wasm"), b"\0asm\x01\0\0\0").unwrap();
    let (code, error) = host.refused(&["deploy", "a"]);
    assert!(
        code == 3 && error.contains("failed to load service `a`") && error.contains("core module"),
        "{error}"
    );
    host.service("b", "two");
    let (code, error) = host.refused(&["deploy", "b"]);
    assert!(code == 3 && error.contains("conflicts with") && error.contains("service `a`"), "{error}");
    std::fs::remove_file(host.root.path().join("a/.wharf/build/a.wasm")).unwrap();
    let (code, error) = host.refused(&["deploy", "a"]);
    assert!(code == 1 && error.contains("wharf build"), "{error}");
    assert_eq!(host.json(&["history", "a"]).as_array().unwrap().len(), 1);
    assert_eq!(host.refused(&["history", "b"]).0, 3);
    assert_eq!(host.version(), "one");
}

#[test]
fn of_writers_that_saw_the_same_one_wins() {
    let host = Hosted::start();
    let base = host.deploy("a", "base");
    assert_eq!(base["deployment"]["number"], 1);
    let writers: Vec<_> = (0..4)
        .map(|number| {
            let folder = host.root.path().join(format!("writer-{number}"));
            let service = host.root.path().join("a");
            copy(&service, &folder);
            let manifest = std::fs::read_to_string(folder.join("wharf.toml")).unwrap();
            std::fs::write(folder.join("wharf.toml"), manifest.replace("base", &number.to_string())).unwrap();
            let mut command = host.command(&["deploy", "--parent", "1"]);
            command.arg(&folder).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    let ended: Vec<_> = writers.into_iter().map(|writer| writer.wait_with_output().unwrap()).collect();
    let mut won = ended.iter().enumerate().filter(|(_, output)| output.status.success());
    let (winner, _) = won.next().unwrap();
    assert!(won.next().is_none());
    for output in ended.iter().filter(|output| !output.status.success()) {
        let (code, error) = failed(output);
        assert!(code == 4 && error.contains("is at deployment 2, not at 1"), "{error}");
    }
    assert_eq!(host.version(), winner.to_string());
    assert_eq!(host.json(&["history", "a"]).as_array().unwrap().len(), 2);
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to.join(".wharf/build")).unwrap();
    for file in ["wharf.toml", ".wharf/build/a.wasm"] {
        std::fs::copy(from.join(file), to.join(file)).unwrap();
    }
}

/// The command that deploys again what a service's last deployment brought.
fn again(host: &Hosted, message: &str) -> String {
    let history = host.json(&["history", "a"]);
    let brought = history.as_array().unwrap().iter().find(|d| d["artifact"].is_object()).unwrap();
    json!({ "blobs": brought["artifact"]["blobs"], "message": message }).to_string()
}

#[test]
fn the_same_idempotency_key_deploys_once() {
    let mut host = Hosted::start();
    host.deploy("a", "one");
    let command = again(&host, "retried");
    let post = |host: &Hosted, key: &str, command: &str| {
        let fields = format!("{}idempotency-key: {key}\r\n", host.credentials());
        let (status, body) = host.ask("POST /v1/services/a/deployments", &fields, command);
        (status, serde_json::from_str::<Value>(&body).unwrap())
    };
    let (status, made) = post(&host, "k", &command);
    assert_eq!((status, made["number"].as_u64()), (201, Some(2)));
    assert_eq!(post(&host, "k", &command).1["number"], 2);
    host.restart(Signal::SIGKILL);
    assert_eq!(post(&host, "k", &command).1["number"], 2);
    let (status, problem) = post(&host, "k", &again(&host, "another"));
    assert_eq!((status, problem["code"].as_str()), (422, Some("idempotency-key-reused")));
    assert_eq!(post(&host, "k2", &command).1["number"], 3);
}

#[test]
fn a_stated_parent_is_a_precondition() {
    let host = Hosted::start();
    host.deploy("a", "one");
    let command = again(&host, "");
    let post = |parent: &str| {
        let fields = format!("{}if-match: {parent}\r\n", host.credentials());
        let (status, body) = host.ask("POST /v1/services/a/deployments", &fields, &command);
        (status, serde_json::from_str::<Value>(&body).unwrap())
    };
    let (status, problem) = post("\"0\"");
    assert_eq!(
        (status, problem["code"].as_str(), problem["current"].as_u64()),
        (412, Some("conflict"), Some(1))
    );
    assert_eq!(post("\"1\"").0, 201);
    assert_eq!(post("*").0, 201);
    assert_eq!(post("yes").0, 400);
}

/// The file of a blob.
fn blob(host: &Hosted, sha256: &Value) -> PathBuf {
    let name = sha256.as_str().unwrap();
    host.data().join("blobs").join(&name[..2]).join(name)
}

#[test]
fn a_damaged_blob_is_said_and_stops_only_its_service() {
    let mut host = Hosted::start();
    host.deploy("a", "one");
    let manifest = "name = \"b\"\n[[routes]]\npath = \"/fine\"\n";
    host.put("b", manifest, &guest("contract/faults/rust", "contract-faults"));
    let made = host.json(&["deploy", "b"]);
    let pieces = made["deployment"]["artifact"]["blobs"].as_array().unwrap().clone();
    let component = pieces.iter().find(|piece| piece["role"] == "component").unwrap();
    let path = blob(&host, &component["sha256"]);
    host.server.finish(Signal::SIGKILL);
    std::fs::write(&path, b"something else").unwrap();
    host.restart(Signal::SIGKILL);
    assert_eq!((host.version(), host.server.get("/fine").0), ("one".to_owned(), 404));
    let status = host.json(&["status"]);
    assert_eq!((&status[0]["answers"], &status[1]["answers"]), (&json!(true), &json!(false)));
    // What is there is not what it should be: it is sent again.
    assert!(host.json(&["deploy", "b"])["sent"].as_u64().unwrap() > 10_000);
    assert_eq!(host.server.get("/fine").0, 200);
}

#[test]
fn guards_are_there_before_those_who_name_them_after_a_restart_too() {
    let mut host = Hosted::start();
    for (folder, name) in [("guard", "contract-guard"), ("guarded", "contract-guarded")] {
        guest(&format!("contract/{folder}/rust"), name);
        let folder = repository().join("components/contract").join(folder).join("rust");
        host.run(&["deploy", folder.to_str().unwrap()]);
    }
    let refused = (401, "say who you are: x-allow".to_owned());
    assert_eq!(host.server.get("/component/7"), refused);
    host.restart(Signal::SIGKILL);
    assert_eq!(host.server.get("/component/7"), refused);
}

#[tokio::test]
async fn a_service_whose_database_was_away_at_the_start_comes_once_it_is_back() {
    guest("examples/guestbook", "guestbook");
    let folder = folder();
    let postgres = PrivatePostgres::start(folder.path()).await.unwrap();
    postgres.create_database("main").await.unwrap();
    let mut host = Hosted::start_with(postgres.connection_url("main"));
    let guestbook = repository().join("components/examples/guestbook");
    host.run(&["deploy", guestbook.to_str().unwrap()]);
    host.deploy("a", "one");
    assert_eq!(host.server.get("/guestbook/api/entries").0, 200);

    postgres.stop().await.unwrap();
    host.restart(Signal::SIGKILL);
    assert_eq!((host.version(), host.server.get("/guestbook/api/entries").0), ("one".to_owned(), 404));
    let _postgres = PrivatePostgres::start(folder.path()).await.unwrap();
    eventually("the guestbook answers", || host.server.get("/guestbook/api/entries").0 == 200);
}

#[test]
fn what_nothing_refers_to_is_collected_and_nothing_else() {
    let host = Hosted::start();
    let first = host.deploy("a", "one");
    let referenced = blob(&host, &first["deployment"]["artifact"]["blobs"][0]["sha256"]);
    let upload = |text: &str| {
        let name = wharf_control::sha256(text.as_bytes());
        let line = format!("PUT /v1/blobs/{name}");
        assert_eq!(host.ask(&line, &host.credentials(), text).0, 204);
        blob(&host, &json!(name))
    };
    let (old, young) = (upload("old"), upload("young"));
    for path in [&old, &referenced] {
        let file = std::fs::File::options().append(true).open(path).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_hours(3)).unwrap();
    }
    host.deploy("a", "two");
    eventually("the old blob goes", || !old.exists());
    assert!(young.exists() && referenced.exists());
    host.run(&["rollback", "a", "1"]);
    assert_eq!(host.version(), "one");
}

#[test]
fn only_so_many_deployments_are_kept_and_those_that_serve() {
    let host = Hosted::start();
    host.deploy("a", "first");
    host.run(&["split", "a", "1=1"]);
    for _ in 0..25 {
        host.run(&["split", "a", "1=2"]);
    }
    let history = host.json(&["history", "a"]);
    let numbers: Vec<_> = history.as_array().unwrap().iter().map(|d| d["number"].as_u64().unwrap()).collect();
    assert_eq!((numbers.len(), numbers.first(), numbers.last()), (21, Some(&27), Some(&1)));
    assert_eq!(host.version(), "first");
    let (code, error) = host.refused(&["rollback", "a", "2"]);
    assert!(code == 3 && error.contains("has no deployment 2"), "{error}");
}

#[test]
fn services_on_the_command_line_are_deployed_when_they_differ() {
    let mut host = Hosted::start();
    let folder = host.service("a", "one");
    for (version, deployments) in [("one", 1), ("one", 1), ("two", 2)] {
        host.service("a", version);
        host.restart_with(Signal::SIGTERM, &[&folder]);
        assert_eq!(host.version(), version);
        assert_eq!(host.json(&["history", "a"]).as_array().unwrap().len(), deployments);
    }
    assert_eq!(host.json(&["history", "a"])[0]["author"], "wharf serve");
}

#[test]
fn two_hosts_cannot_have_the_same_folder() {
    let host = Hosted::start();
    let mut command = wharf(host.root.path());
    command.args(["serve", "--data", ".wharf/data", "--control", "127.0.0.1:0", "--listen", "127.0.0.1:0"]);
    let (_, error) = failed(&command.args(["--kv", "memory"]).output().unwrap());
    assert!(error.contains("does another `wharf serve` use this folder?"), "{error}");
}

#[test]
fn a_diff_names_what_changed() {
    let host = Hosted::start();
    host.deploy("a", "one");
    host.service_at("a", "two", "/config");
    host.run(&["deploy", "a"]);
    let said = host.run(&["diff", "a", "1", "2"]);
    assert!(said.contains("- * /{*rest}") && said.contains("+ * /config"), "{said}");
    assert!(said.contains("v = one -> v = two") && !said.contains("import"), "{said}");
    assert_eq!(host.json(&["diff", "a", "1", "1"])["changes"], json!([]));
    assert_eq!(host.refused(&["diff", "a", "1", "9"]).0, 3);
}

/// A disk of twelve megabytes, unmounted when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// None where this user may not mount.
    fn mount(at: PathBuf) -> Option<Self> {
        std::fs::create_dir_all(&at).unwrap();
        let mount = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=12m,mode=700", "tmpfs"])
            .arg(&at)
            .stderr(Stdio::null())
            .status();
        mount.is_ok_and(|status| status.success()).then_some(Self(at))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_is_said_serving_goes_on_and_room_is_enough_to_heal() {
    let root = folder();
    let Some(disk) = SmallDisk::mount(root.path().join(".wharf/data")) else {
        println!("ABSENT: a small disk cannot be mounted by this user");
        return;
    };
    let mut host = Hosted::start_in(root);
    host.deploy("a", "one");
    let ballast = disk.0.join("ballast");
    let fill = || {
        let mut file = std::fs::File::create(&ballast).unwrap();
        while std::io::Write::write_all(&mut file, &[0; 4096]).is_ok() {}
    };
    fill();
    host.service("a", "two");
    let (code, error) = host.refused(&["deploy", "a"]);
    assert!(code == 3 && error.contains("no room"), "{error}");
    let (status, problem) = host.ask("PUT /v1/blobs/x", &host.credentials(), "");
    assert_eq!(status, 422, "it answers: {problem}");
    let name = wharf_control::sha256(b"some bytes");
    let (status, problem) = host.ask(&format!("PUT /v1/blobs/{name}"), &host.credentials(), "some bytes");
    assert!(status == 507 && problem.contains("disk-full"), "{problem}");
    assert_eq!(host.version(), "one");

    // The blobs fit, the record does not.
    std::fs::remove_file(&ballast).unwrap();
    let uploaded = |host: &Hosted| {
        let (_, error) = host.refused(&["deploy", "a", "--parent", "9"]);
        assert!(error.contains("not at 9"), "{error}");
    };
    uploaded(&host);
    fill();
    for _ in 0..40 {
        // The file of records has some room of its own.
        if host.command(&["split", "a", "1=1", "-m", &"x".repeat(4_000)]).output().unwrap().status.code()
            == Some(3)
        {
            break;
        }
    }
    let (code, error) = host.refused(&["split", "a", "1=1", "-m", &"x".repeat(4_000)]);
    assert!(code == 3 && error.contains("no room"), "{error}");
    assert_eq!(host.version(), "one");
    std::fs::remove_file(&ballast).unwrap();
    host.run(&["deploy", "a"]);
    assert_eq!(host.version(), "two");
    host.restart(Signal::SIGKILL);
    assert_eq!(host.version(), "two");
    host.server.finish(Signal::SIGTERM);
}

#[test]
fn a_release_that_is_not_well_is_not_published() {
    let host = Hosted::start();
    let with = |version: &str, health: &str| {
        host.service("a", version);
        let file = host.root.path().join("a/wharf.toml");
        let manifest = std::fs::read_to_string(&file).unwrap();
        std::fs::write(file, format!("health = \"{health}\"\n{manifest}")).unwrap();
    };
    with("one", "/config?key=v");
    let (_, steps, ok) = words(&host.command(&["deploy", "a"]).output().unwrap());
    assert!(ok && steps.contains("probe"), "{steps}");
    with("two", "/nowhere");
    let (code, error) = host.refused(&["deploy", "a"]);
    assert!(code == 3 && error.contains("`GET /nowhere`") && error.contains("404"), "{error}");
    assert_eq!(host.version(), "one");
    assert_eq!(host.json(&["history", "a"]).as_array().unwrap().len(), 1);
}
