//! `wharf test`: cases beside a service, each on a ground of its own.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::support::{Server, folder, guest, repository, wharf, words, write};

/// A service with a component of this repository, and tests.
fn project(root: &Path, guest: &Path, manifest: &str, tests: &str) -> PathBuf {
    let folder = root.join("service");
    std::fs::create_dir_all(&folder).unwrap();
    let component = folder.join("service.wasm");
    std::fs::copy(guest, &component).unwrap();
    let routes = "[[routes]]\npath = \"/\"\n[[routes]]\npath = \"/{*rest}\"\n";
    write(
        &folder.join("wharf.toml"),
        &format!("name = \"service\"\ncomponent = \"service.wasm\"\n{routes}{manifest}"),
    );
    write(&folder.join("tests/first.toml"), tests);
    folder
}

#[test]
fn the_guestbook_s_cases_pass_and_what_they_reach_is_counted() {
    let guestbook = repository().join("components/examples/guestbook");
    let output = wharf(&repository()).args(["test", "--json"]).arg(&guestbook).output().unwrap();
    let (out, error, ok) = words(&output);
    assert!(ok, "{out}{error}");
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    let cases = report["cases"].as_array().unwrap();
    assert!(cases.len() >= 10 && cases.iter().all(|case| case["outcome"] == "passed"), "{out}");
    let statements = report["coverage"][0]["statements"].as_array().unwrap();
    assert!(
        statements.len() >= 7 && statements.iter().all(|statement| statement["runs"].as_u64() > Some(0)),
        "{out}"
    );
    let routes = report["coverage"][0]["routes"].as_array().unwrap();
    assert!(routes.iter().all(|route| route["requests"].as_u64() > Some(0)), "{out}");
}

#[tokio::test]
async fn a_test_in_rust_builds_the_service_that_it_is_for() {
    let guestbook = repository().join("components/examples/guestbook");
    let built_by = |wharf: &str| wharf_test::Service::builder(&guestbook).built_by(wharf);
    let service = built_by(env!("CARGO_BIN_EXE_wharf")).start().await.unwrap();
    service.get("/guestbook/api/entries").await.expect_status(200);
    assert_eq!(service.sql("main", "select count(*) from entries").await.unwrap(), [[Some("0".to_owned())]]);
    let nowhere = wharf_test::Service::builder(guestbook.join("src")).built_by("/nowhere").start().await;
    let error = nowhere.unwrap_err().to_string();
    assert!(error.contains("`/nowhere` cannot be started") && error.contains("WHARF_TEST_BUILD"), "{error}");
}

#[test]
fn a_case_moves_the_clock() {
    let root = folder();
    let kv = guest("contract/kv/rust", "contract-kv");
    let tests = r#"
[[case]]
name = "an entry expires"
[[case.step]]
request = "POST /put"
json = { key = "a", value = "1", ttl_ms = 60_000 }
expect.json = { version = "<any>" }
[[case.step]]
advance-ms = 60_001
request = "POST /get"
json = { key = "a" }
expect.json = { entry = "<none>" }
[[case]]
name = "an entry does not expire"
[[case.step]]
request = "POST /put"
json = { key = "a", value = "1", ttl_ms = 60_000 }
expect.json = { version = "<any>" }
save = { first = "version" }
[[case.step]]
advance-ms = 50_000
request = "POST /get"
json = { key = "a" }
expect.json = { entry = { version = "<first>", value = "2" } }
"#;
    let folder = project(root.path(), &kv, "[grants]\nkv = [\"cache\", \"durable\"]\n", tests);
    let output = wharf(&folder).arg("test").output().unwrap();
    let (out, error, ok) = words(&output);
    assert!(!ok && out.contains("1 passed, 1 failed") && error.contains("1 case failed"), "{out}{error}");
    assert!(out.contains("step 2: /entry/value is `\"1\"` instead of `\"2\"`"), "{out}");
}

#[test]
fn a_case_answers_what_the_service_asks_others() {
    let root = folder();
    let client = guest("contract/http-client/rust", "contract-http-client");
    let tests = r#"
[[case]]
name = "others are asked"
[[case.upstream]]
request = "GET https://api.test/rates"
headers = { "x-key" = "k" }
reply = { status = 203, json = { rate = 2 } }
[[case.step]]
request = "POST /send"
json = { url = "https://api.test/rates", headers = [["x-key", "k"]] }
expect.json = { status = 203, json = { rate = 2 } }
[[case]]
name = "nobody is asked"
[[case.upstream]]
request = "GET https://api.test/rates"
[[case.step]]
request = "POST /nothing"
json = {}
expect.status = 404
"#;
    let folder = project(root.path(), &client, "[grants]\nhttp = [\"api.test\"]\n", tests);
    let output = wharf(&folder).arg("test").output().unwrap();
    let (out, error, _) = words(&output);
    assert!(out.contains("1 passed, 1 failed"), "{out}{error}");
    assert!(out.contains("`GET https://api.test/rates` was expected 1 times and came 0 times"), "{out}");
}

#[test]
fn a_case_runs_sql_and_compares_rows() {
    let root = folder();
    let pg = guest("contract/pg-client/rust", "contract-pg-client");
    let tests = r#"
[[case]]
name = "rows are compared"
[[case.step]]
sql = "create table t (a text, b int); insert into t values ('x', 1), (null, 2)"
request = "POST /execute"
json = { sql = "update t set b = b + 1" }
expect.json = { affected = 2 }
[[case.step]]
sql = "select a, b from t order by b"
rows = [["x", 2], [false, 3]]
[[case]]
name = "rows are not as they should be"
[[case.step]]
sql = "select 1 union all select 2"
rows = [["1"]]
request = "GET /"
expect.status = 404
"#;
    let folder = project(root.path(), &pg, "[grants]\npg = [\"main\"]\n", tests);
    let output = wharf(&folder).arg("test").output().unwrap();
    let (out, error, _) = words(&output);
    assert!(out.contains("1 passed, 1 failed"), "{out}{error}");
    assert!(
        out.contains("2 rows instead of the 1 that were expected:\n              1\n              2"),
        "{out}"
    );
    assert!(out.contains("service reached: 1 of 2 routes, 1 that it does not declare"), "{out}");
}

#[test]
fn a_service_without_tests_has_not_passed() {
    let root = folder();
    let hello = guest("bench/hello-typed", "hello-typed");
    let folder = project(root.path(), &hello, "", "");
    let (_, error, ok) = words(&wharf(&folder).arg("test").output().unwrap());
    assert!(!ok && error.contains("tests/first.toml"), "{error}");
    write(
        &folder.join("tests/first.toml"),
        "[[case]]\nname = \"greets\"\n[[case.step]]\nrequest = \"GET /\"\nexpect = {}\n",
    );
    let (_, error, ok) = words(&wharf(&folder).args(["test", "--filter", "nothing"]).output().unwrap());
    assert!(!ok && error.contains("none of 1 cases has `nothing`"), "{error}");
    let (out, error, ok) = words(&wharf(&folder).args(["test", "--filter", "greet"]).output().unwrap());
    assert!(ok && out.contains("1 passed, 0 failed"), "{out}{error}");
}

#[test]
fn a_change_is_tested_again() {
    let root = folder();
    let hello = guest("bench/hello-typed", "hello-typed");
    let case = |name: &str| {
        format!("[[case]]\nname = \"{name}\"\n[[case.step]]\nrequest = \"GET /\"\nexpect = {{}}\n")
    };
    let folder = project(root.path(), &hello, "", &case("the first"));
    let mut command = wharf(&folder);
    command.args(["test", "--watch"]).stderr(Stdio::null());
    let mut watched = Server::watch(command);
    watched.expect("1 passed, 0 failed");
    write(&folder.join("tests/second.toml"), &case("the second"));
    watched.expect("2 passed, 0 failed");
    assert!(watched.said.iter().any(|line| line.contains("second: the second")), "{:?}", watched.said);
}
