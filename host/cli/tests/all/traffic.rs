//! Several releases of one service: shares, who stays with which, previews, and going back by itself.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::Stdio;

use nix::sys::signal::Signal;

use crate::hosted::{Hosted, eventually};
use crate::support::{guest, words};

/// How often each version answers.
fn drawn(host: &Hosted, requests: usize, fields: &str) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for _ in 0..requests {
        *counts.entry(host.version_for(fields)).or_default() += 1;
    }
    counts
}

#[test]
fn requests_are_shared_by_weight_until_one_is_promoted() {
    let mut host = Hosted::start();
    host.deploy("a", "one");
    host.deploy("a", "two");
    assert_eq!(host.run(&["split", "a", "1=75", "2=25"]).trim(), "a deployment 3: 1 75 %, 2 25 %");
    // Six standard deviations.
    let counts = drawn(&host, 400, "");
    assert!((248..=352).contains(&counts["one"]) && counts["one"] + counts["two"] == 400, "{counts:?}");
    host.restart(Signal::SIGKILL);
    assert_eq!(drawn(&host, 100, "").len(), 2);
    host.run(&["promote", "a", "2"]);
    assert_eq!(drawn(&host, 50, "").into_keys().collect::<Vec<_>>(), ["two"]);
    host.run(&["rollback", "a"]);
    assert_eq!(drawn(&host, 100, "").len(), 2, "a rollback brings a split back");
    for wrong in [
        &["split", "a", "1=0"][..],
        &["split", "a", "3=1"],
        &["split", "a", "9=1"],
        &["split", "a", "1=1", "1=1"],
    ] {
        assert_eq!(host.refused(wrong).0, 3, "{wrong:?}");
    }
}

#[test]
fn whoever_is_known_stays_with_one_release() {
    let host = Hosted::start();
    host.deploy("a", "one");
    host.deploy("a", "two");
    host.run(&["split", "a", "1=50", "2=50", "--sticky", "cookie:id"]);
    let users: Vec<String> = (0..24).map(|user| format!("cookie: x=y; id={user}\r\n")).collect();
    let firsts: Vec<String> = users.iter().map(|user| host.version_for(user)).collect();
    for (user, first) in users.iter().zip(&firsts) {
        assert_eq!(drawn(&host, 3, user).into_keys().collect::<Vec<_>>(), [first.as_str()]);
    }
    assert!(firsts.contains(&"one".to_owned()) && firsts.contains(&"two".to_owned()), "{firsts:?}");
    assert_eq!(host.refused(&["split", "a", "1=1", "--sticky", "address"]).0, 3);
}

#[test]
fn a_path_of_one_release_is_not_found_by_those_drawn_for_the_other() {
    let host = Hosted::start();
    host.service_at("a", "one", "/config");
    host.run(&["deploy", "a"]);
    host.service_at("a", "two", "/{*rest}");
    host.run(&["deploy", "a"]);
    host.run(&["split", "a", "1=50", "2=50", "--sticky", "header:x-user"]);
    let statuses: std::collections::BTreeSet<(String, u16)> = (0..24)
        .map(|user| {
            let field = format!("x-user: {user}\r\n");
            let version = host.version_for(&field);
            let head = format!(
                "POST /log HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{field}content-length: 2\r\n\r\n{{}}"
            );
            (version, crate::support::request(&host.server.address, &head).0)
        })
        .collect();
    let expected = [("one".to_owned(), 404), ("two".to_owned(), 200)];
    assert_eq!(statuses.into_iter().collect::<Vec<_>>(), expected);
}

#[test]
fn releases_whose_patterns_exclude_each_other_cannot_share() {
    let host = Hosted::start();
    for (version, path) in [("one", "/users/{id}"), ("two", "/users/{name}")] {
        host.service_at("a", version, path);
        host.run(&["deploy", "a"]);
    }
    let (code, error) = host.refused(&["split", "a", "1=1", "2=1"]);
    assert!(code == 3 && error.contains("/users/{id}") && error.contains("/users/{name}"), "{error}");
    assert_eq!(host.json(&["status"])[0]["shares"][0]["deployment"], 2);
}

#[test]
fn a_staged_deployment_is_seen_only_by_those_with_its_key() {
    let host = Hosted::start();
    host.service("a", "one");
    host.run(&["deploy", "a", "--stage"]);
    assert_eq!(host.version(), "404");
    let key = host.run(&["preview", "a", "1"]);
    assert_eq!(
        (host.version_for(&format!("{}\r\n", key.trim())), host.version()),
        ("one".to_owned(), "404".to_owned())
    );
    host.run(&["promote", "a", "1"]);
    host.service("a", "two");
    host.run(&["deploy", "a", "--stage"]);
    assert_eq!(drawn(&host, 20, "").into_keys().collect::<Vec<_>>(), ["one"]);
    let preview = host.json(&["preview", "a", "3"]);
    let (header, key) = (preview["header"].as_str().unwrap(), preview["value"].as_str().unwrap());
    assert!(header == "x-wharf-preview" && key.len() > 40, "{preview}");
    assert_eq!(host.version_for(&format!("{header}: {key}\r\n")), "two");
    for guess in ["3", "a=3", "", &key[1..], &format!("{key}x")] {
        assert_eq!(host.version_for(&format!("{header}: {guess}\r\n")), "one", "{guess}");
    }
    host.run(&["promote", "a", "3"]);
    assert_eq!(host.version(), "two");
    assert_eq!(host.refused(&["preview", "a", "4"]).0, 3, "a promotion brought nothing");
}

#[test]
fn a_release_that_fails_too_often_is_rolled_back_by_itself() {
    let host = Hosted::start();
    host.deploy("a", "one");
    let manifest = "name = \"a\"\n[[routes]]\npath = \"/{*rest}\"\n";
    host.put("a", manifest, &guest("contract/faults/rust", "contract-faults"));
    let mut command = host.command(&["deploy", "a", "--watch", "60s", "--max-errors", "50%"]);
    let mut deploy = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(deploy.stdout.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().contains("a deployment 2 in"));
    // A client's own fault does not count.
    assert_eq!(host.server.get("/nowhere").0, 404);
    eventually("it is rolled back", || host.server.get("/trap").0 == 404);
    let output = deploy.wait_with_output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(6) && error.contains("answers failed"), "{error}");
    assert_eq!(host.version(), "one");
    let head = &host.json(&["history", "a"])[0];
    assert_eq!((head["author"].as_str(), head["kind"].as_str()), (Some("wharf"), Some("rollback")));
    assert!(head["message"].as_str().unwrap().starts_with("deployment 2 was rolled back: "), "{head}");

    // One that does well stays.
    host.service("a", "three");
    let mut deploy = host.command(&["deploy", "a", "--watch", "2s", "--json"]);
    let mut deploy = deploy.stdout(Stdio::piped()).spawn().unwrap();
    while deploy.try_wait().unwrap().is_none() {
        host.version();
    }
    let (report, ..) = words(&deploy.wait_with_output().unwrap());
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!((&report["rolled_back"], host.version().as_str()), (&serde_json::json!(false), "three"));
    let watched = report["watched"].as_str().unwrap();
    assert!(watched.starts_with("0 of ") && !watched.starts_with("0 of 0"), "{report}");
}

#[test]
fn a_split_of_which_one_release_does_not_load_is_made_whole_later() {
    let mut host = Hosted::start();
    host.deploy("a", "one");
    let made = host.deploy("a", "two");
    host.run(&["split", "a", "1=50", "2=50"]);
    let pieces = made["deployment"]["artifact"]["blobs"].as_array().unwrap();
    let manifest =
        pieces.iter().find(|piece| piece["role"] == "manifest").unwrap()["sha256"].as_str().unwrap();
    let path = host.data().join("blobs").join(&manifest[..2]).join(manifest);
    let bytes = std::fs::read(&path).unwrap();
    host.server.finish(Signal::SIGTERM);
    std::fs::write(&path, "damaged").unwrap();
    host.restart(Signal::SIGTERM);
    assert_eq!(drawn(&host, 20, "")["one"], 20);
    std::fs::write(&path, bytes).unwrap();
    eventually("both answer", || drawn(&host, 20, "").len() == 2);
}

#[test]
fn what_was_removed_is_not_brought_back_when_what_comes_next_fails() {
    let host = Hosted::start();
    host.deploy("a", "one");
    host.run(&["remove", "a"]);
    let manifest = "name = \"a\"\n[[routes]]\npath = \"/{*rest}\"\n";
    host.put("a", manifest, &guest("contract/faults/rust", "contract-faults"));
    let mut command = host.command(&["deploy", "a", "--watch", "60s", "--max-errors", "50%"]);
    let mut deploy = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while deploy.try_wait().unwrap().is_none() {
        host.server.get("/trap");
    }
    assert_eq!(deploy.wait().unwrap().code(), Some(6));
    assert_eq!(host.version(), "404");
    assert_eq!(host.json(&["history", "a"])[0]["kind"], "remove");
}

/// Events of the host from now on.
fn events(host: &Hosted) -> impl Iterator<Item = serde_json::Value> {
    let mut stream = TcpStream::connect(&host.control).unwrap();
    stream.set_read_timeout(Some(crate::hosted::PATIENCE)).unwrap();
    write!(stream, "GET /v1/events HTTP/1.1\r\n{}\r\n", host.credentials()).unwrap();
    let mut lines = BufReader::new(stream).lines().map(Result::unwrap);
    // The answer has begun: from here on nothing is missed.
    assert!(lines.by_ref().any(|line| line.is_empty()));
    lines.filter_map(|line| serde_json::from_str(line.strip_prefix("data: ")?).ok())
}

#[test]
fn everybody_who_listens_hears_of_a_rollout() {
    let host = Hosted::start();
    let events = events(&host);
    host.deploy("a", "one");
    let stages: Vec<String> = events
        .map(|event| {
            let begins = if event["begins"] == true { "begins " } else { "" };
            format!("{begins}{}", event["stage"].as_str().unwrap())
        })
        .take_while(|stage| stage != "done")
        .collect();
    let expected = [
        "check",
        "begins verify",
        "verify",
        "begins compile",
        "compile",
        "begins start",
        "start",
        "record",
        "publish",
    ];
    assert_eq!(stages, expected);
}

#[test]
fn a_large_component_gets_its_best_code_while_it_answers() {
    let host = Hosted::start();
    let folder = host.service("a", "one");
    let file = host.root.path().join("a/.wharf/build/a.wasm");
    let mut component = std::fs::read(&file).unwrap();
    // A custom section of a mebibyte: large enough for the baseline compiler to come first.
    component.extend([0, 0x82, 0x80, 0x40, 1, b'x']);
    component.resize(component.len() + (1 << 20), 0);
    std::fs::write(&file, component).unwrap();
    let mut events = events(&host);
    host.run(&["deploy", &folder]);
    assert_eq!(host.version(), "one");
    assert!(events.any(|event| event["stage"] == "optimize"));
    assert_eq!(host.version(), "one");
    assert!(host.json(&["status"])[0]["interim"].is_null());
    let deployments = host.json(&["history", "a"]);
    assert_eq!(deployments.as_array().unwrap().len(), 1, "better code is no deployment");
}

#[test]
fn what_a_service_logs_can_be_read_and_followed() {
    let host = Hosted::start();
    host.deploy("a", "one");
    let say = |words: &str| {
        let body = format!(r#"{{"level":"warn","message":"{words}"}}"#);
        assert_eq!(host.server.post("/log", &body).0, 200);
    };
    say("first words");
    eventually("the line is kept", || host.run(&["logs", "a"]).contains("WARN  first words"));
    let mut command = host.command(&["logs", "-f", "a", "-n", "1"]);
    let mut following = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(following.stdout.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().contains("first words"));
    say("second words");
    assert!(lines.next().unwrap().unwrap().contains("second words"));
    following.kill().unwrap();
    following.wait().unwrap();
    assert_eq!(host.run(&["logs", "b"]), "");
    // A stream that is followed does not hold up the end.
    assert_eq!(host.server.end(), Some(0));
}
