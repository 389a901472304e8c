use std::time::{Duration, Instant};

use http::Request;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use wharf_host::Host;

use crate::support::{Database, artifact, builder, post, read, serve};

const SECOND: Duration = Duration::from_secs(1);
const ROWS: &str = "select count(*) from t";

fn one() -> Value {
    json!({"sql": "select 1::int4"})
}

/// The case of an answer's error, or `ok`.
fn case(answer: &Value) -> &str {
    answer["error"]["case"].as_str().unwrap_or("ok")
}

async fn works_within(bound: Duration, host: &Host) {
    let begun = Instant::now();
    let answer = post(host, "/query", one()).await;
    assert_eq!(answer["rows"][0][0]["value"], 1, "{answer}");
    assert!(begun.elapsed() < bound, "took {:?}", begun.elapsed());
}

/// Processes that stand still until this is dropped.
struct Stopped(Vec<Pid>);

impl Stopped {
    fn these(processes: Vec<Pid>) -> Self {
        let stopped = Self(processes);
        stopped.0.iter().for_each(|process| kill(*process, Signal::SIGSTOP).unwrap());
        stopped
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        for process in &self.0 {
            let _ = kill(*process, Signal::SIGCONT);
        }
    }
}

#[tokio::test]
async fn a_server_that_stands_still_is_an_error_in_bounded_time_and_works_again_when_it_goes_on() {
    let database = Database::start().await;
    let host = database.host_with("pool_connections=1").await;
    works_within(5 * SECOND, &host).await;
    let backends = "select pid from pg_stat_activity where application_name = 'wharf contract-pg-client'";
    let backends = database.watcher.query(backends, &[]).await.unwrap();
    let mut processes: Vec<i32> = backends.iter().map(|row| row.get(0)).collect();
    assert_eq!(processes.len(), 1);
    processes.push(i32::try_from(database.postgres.process_id().unwrap()).unwrap());
    let stopped = Stopped::these(processes.into_iter().map(Pid::from_raw).collect());
    let begun = Instant::now();
    let answer = post(&host, "/query", json!({"sql": "select 1", "timeout_ms": 300})).await;
    assert_eq!(case(&answer), "timeout", "{answer}");
    assert!(begun.elapsed() < SECOND, "took {:?}", begun.elapsed());
    // The one connection is gone, and the kernel takes new ones for the server.
    let begun = Instant::now();
    let answer = post(&host, "/query", one()).await;
    assert_eq!(case(&answer), "unavailable", "{answer}");
    assert!(begun.elapsed() < 3 * SECOND, "took {:?}", begun.elapsed());
    drop(stopped);
    works_within(SECOND, &host).await;
}

#[tokio::test]
async fn a_server_that_restarts_is_found_again_at_once() {
    let Database { postgres, watcher } = Database::start().await;
    drop(watcher);
    let url = format!("{}?pool_connections=4", postgres.connection_url("test"));
    let host = builder().database("main", url).build().unwrap();
    serve(&host, artifact("pg-client")).await;
    // Several connections, all of which die.
    let sleepers = (0..4).map(|_| post(&host, "/query", json!({"sql": "select pg_sleep(0.2)"})));
    for answer in futures_util::future::join_all(sleepers).await {
        assert_eq!(case(&answer), "ok", "{answer}");
    }
    let down = async {
        for round in 0..8 {
            let begun = Instant::now();
            let answer = post(&host, "/query", one()).await;
            // One that was open may be met once; then it is known that nothing runs.
            let expected: &[&str] =
                if round < 4 { &["unavailable", "connection-lost"] } else { &["unavailable"] };
            assert!(expected.contains(&case(&answer)), "{answer}");
            assert!(begun.elapsed() < 2 * SECOND, "took {:?}", begun.elapsed());
        }
    };
    let postgres = postgres.restart(down).await.unwrap();
    for _ in 0..8 {
        works_within(SECOND, &host).await;
    }
    // A server that dies while statements run, and of nothing gentle.
    let running = {
        let host = host.clone();
        tokio::spawn(async move { post(&host, "/query", json!({"sql": "select pg_sleep(30)"})).await })
    };
    let (watcher, connection) =
        tokio_postgres::connect(&postgres.connection_url("test"), tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let database = Database { postgres, watcher };
    database
        .becomes("select count(*) from pg_stat_activity where query like '%pg_sleep(30)'", 1, 5 * SECOND)
        .await;
    let (begun, server) = (Instant::now(), database.postgres.process_id().unwrap());
    kill(Pid::from_raw(i32::try_from(server).unwrap()), Signal::SIGQUIT).unwrap();
    assert_eq!(case(&running.await.unwrap()), "connection-lost");
    assert!(begun.elapsed() < 2 * SECOND, "took {:?}", begun.elapsed());
    let Database { postgres, .. } = database;
    let _postgres = postgres.restart(async {}).await.unwrap();
    works_within(SECOND, &host).await;
}

#[tokio::test]
async fn a_transaction_whose_session_the_server_ends_is_lost_and_stores_nothing() {
    let database = Database::start().await;
    let setup = "create table t (n int); alter database test set idle_in_transaction_session_timeout = 200";
    database.watcher.batch_execute(setup).await.unwrap();
    let host = database.host_with("pool_connections=2").await;
    let insert = json!({"op": "execute", "sql": "insert into t values (1)"});
    let kill = "select count(pg_terminate_backend(pid)) from pg_stat_activity
        where state = 'idle in transaction' and datname = 'test'";
    for (outside, ended) in [
        // Longer than a transaction may be idle.
        ("select pg_sleep(1)", "select count(*) from pg_stat_activity where state like 'idle in%'"),
        (kill, "select count(*) from pg_stat_activity where state like 'idle in%'"),
    ] {
        let steps = json!([insert, {"op": "outside", "sql": outside}, {"op": "outside", "sql": ended},
            insert, {"op": "query", "sql": "select 1"}, {"op": "commit"}]);
        let results = post(&host, "/transaction", json!({"steps": steps})).await["results"].clone();
        assert!(results[1]["error"].is_null(), "{results}");
        assert_eq!(results[3]["error"]["case"], "connection-lost", "{outside}: {results}");
        assert_eq!(results[4]["error"]["case"], "transaction-closed", "{outside}: {results}");
        assert_eq!(results[5]["error"]["case"], "transaction-closed", "{outside}: {results}");
        assert_eq!(database.count(ROWS).await, 0);
        works_within(SECOND, &host).await;
    }
    // While a statement of the transaction runs.
    let steps = json!([insert, {"op": "query", "sql": "select pg_sleep(30)"}, {"op": "commit"}]);
    let running = {
        let host = host.clone();
        tokio::spawn(async move { post(&host, "/transaction", json!({"steps": steps})).await })
    };
    let asleep =
        "select count(*) from pg_stat_activity where query like '%pg_sleep(30)' and pid <> pg_backend_pid()";
    database.becomes(asleep, 1, 5 * SECOND).await;
    let kill = "select count(pg_terminate_backend(pid)) from pg_stat_activity
        where query like '%pg_sleep(30)' and pid <> pg_backend_pid()";
    assert_eq!(database.count(kill).await, 1);
    let results = running.await.unwrap()["results"].clone();
    assert_eq!(results[1]["error"]["case"], "connection-lost", "{results}");
    assert_eq!(results[2]["error"]["case"], "transaction-closed", "{results}");
    assert_eq!(database.count(ROWS).await, 0);
    works_within(SECOND, &host).await;
}

#[tokio::test]
async fn a_service_that_uses_up_its_connections_starves_no_other() {
    let database = Database::start().await;
    let host = database.host_with("pool_connections=1&pool_acquire_timeout=200ms").await;
    let mut other = artifact("pg-client");
    "another".clone_into(&mut other.manifest.name);
    other.manifest.routes.iter_mut().for_each(|route| route.host = Some("another.test".to_owned()));
    serve(&host, other).await;
    let sleeping = {
        let host = host.clone();
        tokio::spawn(async move { post(&host, "/query", json!({"sql": "select pg_sleep(30)"})).await })
    };
    let asleep =
        "select count(*) from pg_stat_activity where query like '%pg_sleep(30)' and pid <> pg_backend_pid()";
    database.becomes(asleep, 1, 5 * SECOND).await;
    for _ in 0..3 {
        let begun = Instant::now();
        let answer = post(&host, "/query", one()).await;
        assert_eq!(case(&answer), "pool-exhausted", "{answer}");
        assert!(begun.elapsed() < SECOND, "took {:?}", begun.elapsed());
        let request = Request::post("http://another.test/query").body(one().to_string()).unwrap();
        let answer = read(host.handle(request).await).await;
        assert!(answer.text.contains(r#""value":1"#), "{}", answer.text);
    }
    sleeping.abort();
    database.becomes(asleep, 0, SECOND).await;
    works_within(SECOND, &host).await;
}

#[tokio::test]
async fn a_server_that_has_no_connection_left_is_unavailable_and_nothing_ran() {
    let database = Database::start().await;
    let setup = "create table t (n int); create role few login connection limit 1; grant all on t to few";
    database.watcher.batch_execute(setup).await.unwrap();
    let url = database.postgres.connection_url("test").replacen("wharf@", "few@", 1);
    let host = builder().database("main", format!("{url}?pool_connections=4")).build().unwrap();
    serve(&host, artifact("pg-client")).await;
    let steps = json!([
        {"op": "execute", "sql": "insert into t values (1)"},
        {"op": "outside", "sql": "insert into t values (2)"},
        {"op": "commit"},
    ]);
    let results = post(&host, "/transaction", json!({"steps": steps})).await["results"].clone();
    assert_eq!(results[1]["error"]["case"], "unavailable", "{results}");
    assert!(results[1]["error"]["text"].as_str().unwrap().contains("too many connections"), "{results}");
    assert_eq!(results[2], json!({"committed": true}), "{results}");
    assert_eq!(database.count(ROWS).await, 1);
    works_within(SECOND, &host).await;
}
