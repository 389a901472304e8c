use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinHandle;
use wharf_host::Host;

use crate::proxy::{Proxy, Rule};
use crate::support::{Database, host_at, post};

const SECOND: Duration = Duration::from_secs(1);
/// Bind, Execute and Sync: a statement that was prepared before, in one round trip.
const CACHED: [&str; 3] = ["B", "E", "S"];

/// A server, a proxy before it, and a host with one connection through it.
async fn start() -> (Database, Proxy, Host) {
    let database = Database::start().await;
    database.watcher.batch_execute("create table t (n int); insert into t values (0)").await.unwrap();
    let proxy = Proxy::start(&database).await;
    let host = host_at(&format!("{}?pool_connections=1", proxy.url())).await;
    (database, proxy, host)
}

fn messages(parts: &[&[&str]]) -> Vec<String> {
    parts.concat().into_iter().map(str::to_owned).collect()
}

fn send(host: &Host, path: &'static str, command: &Value) -> JoinHandle<Value> {
    let (host, command) = (host.clone(), command.clone());
    tokio::spawn(async move { post(&host, path, command).await })
}

/// Sends a command whose answers are held until the host has sent all of `batch`: one round trip, then
/// what follows.
async fn in_one_round_trip(proxy: &Proxy, host: &Host, command: &Value, batch: &[String]) -> Value {
    proxy.take();
    proxy.set(Rule::Hold);
    let answer = send(host, "/pipeline", command);
    proxy.sees(batch).await;
    proxy.set(Rule::Pass);
    let answer = answer.await.unwrap();
    assert!(answer["error"].is_null(), "{answer}");
    answer
}

#[tokio::test]
async fn a_cached_statement_is_one_round_trip_and_nothing_follows_it() {
    let (database, proxy, host) = start().await;
    for (path, sql, params) in [
        ("/query", "select n from t where n < $1", json!([{"type": "int4", "value": 1}])),
        ("/query-raw", "select n, 'a' as a from t where n < $1", json!([{"type": "int8", "value": 1}])),
        ("/execute", "insert into t values ($1)", json!([{"type": "int4", "value": 7}])),
        ("/query", "update t set n = n where n = $1 returning n", json!([{"type": "untyped", "value": "7"}])),
        ("/query", "select 1 / 0", json!([])),
    ] {
        let command = json!({"sql": sql, "params": params});
        post(&host, path, command.clone()).await;
        let cold = proxy.take();
        assert!(cold.ends_with(&messages(&[&CACHED])), "{sql}: {cold:?}");
        for _ in 0..3 {
            post(&host, path, command.clone()).await;
        }
        // With one connection a reset would stand between the requests.
        assert_eq!(proxy.take(), messages(&[&CACHED, &CACHED, &CACHED]), "{sql}");
    }
    assert_eq!(database.count("select count(*) from t where n = 7").await, 4);
}

#[tokio::test]
async fn a_first_statement_costs_one_more_round_trip_to_be_prepared() {
    let (_database, proxy, host) = start().await;
    let command = json!({"sql": "select n from t"});
    post(&host, "/query", command.clone()).await;
    let prepare: &[&str] = &["P select n from t", "D", "S"];
    assert_eq!(proxy.take(), messages(&[&["startup"], prepare, &CACHED]));
}

#[tokio::test]
async fn a_cached_pipeline_is_one_round_trip() {
    let (database, proxy, host) = start().await;
    // What may have moved a sequence makes the next transaction forget it, in the message that begins it.
    for (sql, begin) in [
        ("select n from t where n = $1", "Q begin"),
        ("insert into t values ($1)", "Q discard sequences; begin"),
    ] {
        let batch = messages(&[&[begin], &CACHED.repeat(20), &["Q commit"]]);
        let statement = json!({"sql": sql, "params": [{"type": "int4", "value": 5}]});
        let command = json!({"statements": vec![statement; 20]});
        post(&host, "/pipeline", command.clone()).await;
        let answer = in_one_round_trip(&proxy, &host, &command, &batch).await;
        assert_eq!(answer["results"].as_array().unwrap().len(), 20);
        assert_eq!(proxy.take(), batch, "something followed `{sql}`");
    }
    assert_eq!(database.count("select count(*) from t where n = 5").await, 40);
    // Where rows of a change may turn out to be too many, COMMIT waits for them.
    let statement = json!({"sql": "update t set n = n where n = 0 returning n"});
    let command = json!({"statements": vec![statement; 20]});
    post(&host, "/pipeline", command.clone()).await;
    let begin = "Q discard sequences; begin";
    let batch = messages(&[&[begin], &CACHED.repeat(20)]);
    in_one_round_trip(&proxy, &host, &command, &batch).await;
    assert_eq!(proxy.take(), messages(&[&[begin], &CACHED.repeat(20), &["Q commit"]]));
}

#[tokio::test]
async fn a_transaction_is_a_round_trip_a_step_and_nothing_follows_it() {
    let (database, proxy, host) = start().await;
    let update = json!({"op": "execute", "sql": "update t set n = n + 1"});
    for (end, expected) in [("commit", "Q commit"), ("rollback", "Q rollback"), ("drop", "Q rollback")] {
        let command = json!({"steps": [update, {"op": end}]});
        post(&host, "/transaction", command.clone()).await;
        proxy.take();
        for _ in 0..2 {
            post(&host, "/transaction", command.clone()).await;
        }
        let one: Vec<&str> = [&["Q discard sequences", "Q begin"][..], &CACHED, &[expected]].concat();
        assert_eq!(proxy.take(), messages(&[&one, &one]), "{end}");
    }
    assert_eq!(database.count("select n::int8 from t").await, 3);
}

#[tokio::test]
async fn a_changed_session_is_reset_behind_the_request_and_before_the_next() {
    let (_database, proxy, host) = start().await;
    for (change, before, behind) in [
        (
            "set application_name to 'changed'",
            "select current_setting('application_name')",
            "wharf contract-pg-client",
        ),
        (
            "select set_config('search_path', 'pg_catalog', false)",
            "select current_setting('search_path')",
            "\"$user\", public",
        ),
        ("create temp table t (n int)", "select to_regclass('pg_temp.t') is null", "true"),
    ] {
        proxy.set(Rule::HoldFrom("Q rollback"));
        // Answered while the server's word on the reset is withheld.
        let answer = post(&host, "/execute", json!({"sql": change})).await;
        assert!(answer["error"].is_null(), "{change}: {answer}");
        let next = send(&host, "/query", &json!({"sql": before}));
        let sent = until_sent(&proxy, "Q rollback").await;
        assert!(sent.last().is_some_and(|last| last == "Q rollback"), "{change}: {sent:?}");
        proxy.set(Rule::Pass);
        let next = next.await.unwrap();
        let value = &next["rows"][0][0]["value"];
        assert_eq!(value.as_str().map_or(value.to_string(), str::to_owned), behind, "{change}: {next}");
        let sent = proxy.take();
        assert!(sent[0].starts_with("Q close all;"), "{change}: {sent:?}");
        assert!(!sent.contains(&"startup".to_owned()), "the connection was thrown away: {sent:?}");
    }
}

/// Waits until the host has sent this, and takes what it has sent.
async fn until_sent(proxy: &Proxy, text: &str) -> Vec<String> {
    let begun = std::time::Instant::now();
    let mut sent = Vec::new();
    while !sent.iter().any(|message| message == text) {
        assert!(begun.elapsed() < 10 * SECOND, "the host never sent `{text}`: {sent:?}");
        sent.extend(proxy.take());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    sent
}

#[tokio::test]
async fn a_request_that_is_gone_sends_one_cancel_and_costs_its_connection() {
    let (database, proxy, host) = start().await;
    post(&host, "/query", json!({"sql": "select pg_sleep(0)"})).await;
    proxy.take();
    let sleeping = send(&host, "/query", &json!({"sql": "select pg_sleep(30)"}));
    until_sent(&proxy, "E").await;
    let asleep = "select count(*) from pg_stat_activity where query like '%pg_sleep(30)' and state = 'active'
        and pid <> pg_backend_pid()";
    database.becomes(asleep, 1, 5 * SECOND).await;
    proxy.take();
    sleeping.abort();
    until_sent(&proxy, "cancel").await;
    database.becomes(asleep, 0, SECOND).await;
    post(&host, "/query", json!({"sql": "select n from t"})).await;
    let sent = proxy.take();
    assert_eq!(sent.iter().filter(|message| *message == "startup").count(), 1, "{sent:?}");
    assert!(!sent.contains(&"cancel".to_owned()), "{sent:?}");
}
