//! What must not cross from one request to the next, however it was put there.

use std::time::Duration;

use serde_json::json;

use crate::support::{Database, post};

const SECOND: Duration = Duration::from_secs(1);

/// One connection, so that the next request meets what this one left.
async fn start() -> (Database, wharf_host::Host) {
    let database = Database::start().await;
    let url = format!("{}&pool_connections=1", database.postgres.connection_url("test"));
    let url = if url.contains('?') { url } else { url.replacen('&', "?", 1) };
    let host = crate::support::builder().database("main", url).build().unwrap();
    crate::support::serve(&host, crate::support::artifact("pg-client")).await;
    (database, host)
}

#[tokio::test]
async fn a_copy_leaves_nothing_in_its_session() {
    let (database, host) = start().await;
    let sql = "copy (select set_config('search_path', 'evil', false), pg_advisory_lock(7)) to stdout";
    let copied = post(&host, "/copy-out", json!({"sql": sql})).await;
    assert!(copied["error"].is_null(), "{copied}");
    let path = post(&host, "/query", json!({"sql": "select current_setting('search_path')"})).await;
    assert_eq!(path["rows"][0][0]["value"], "\"$user\", public");
    database.becomes("select count(*) from pg_locks where locktype = 'advisory'", 0, SECOND).await;
}

#[tokio::test]
async fn words_in_literals_and_comments_hide_nothing() {
    let (database, host) = start().await;
    database.watcher.batch_execute("create sequence s").await.unwrap();
    for sql in [
        "select 'lastval', pg_advisory_lock(1)",
        "select 'into', set_config('search_path', 'evil', false)",
        "select /*into*/ pg_advisory_lock(1)",
        "select nextval('s'), currval('s'), set_config('search_path', 'evil', false)",
        "select 1 as a into pg_temp.leak",
    ] {
        let done = post(&host, "/query", json!({"sql": sql})).await;
        assert!(done["error"].is_null(), "{sql}: {done}");
        let state = "select current_setting('search_path'), to_regclass('pg_temp.leak') is null";
        let rows = post(&host, "/query", json!({"sql": state})).await;
        assert_eq!(rows["rows"][0][0]["value"], "\"$user\", public", "{sql}");
        assert_eq!(rows["rows"][0][1]["value"], true, "{sql}");
        database.becomes("select count(*) from pg_locks where locktype = 'advisory'", 0, SECOND).await;
    }
}

#[tokio::test]
async fn no_request_reads_what_sequences_gave_to_another() {
    let (database, host) = start().await;
    let schema = "create table t (id serial, n int);
        create function last() returns bigint language sql as 'select lastval()'";
    database.watcher.batch_execute(schema).await.unwrap();
    let insert = json!({"sql": "insert into t (n) values (1)"});
    for sql in [
        "select lastval()",
        "select \"lastval\"()",
        "select pg_catalog.currval('t_id_seq')",
        "select last()",
        "copy (select lastval()) to stdout",
    ] {
        post(&host, "/execute", insert.clone()).await;
        let path = if sql.starts_with("copy") { "/copy-out" } else { "/query" };
        let read = post(&host, path, json!({"sql": sql})).await;
        assert_eq!(read["error"]["sqlstate"], "55000", "{sql}: {read}");
    }
    post(&host, "/execute", insert.clone()).await;
    let steps = json!([{"op": "query", "sql": "select 1"}, {"op": "query", "sql": "select lastval()"}]);
    let read = post(&host, "/transaction", json!({"steps": steps})).await;
    assert_eq!(read["results"][1]["error"]["sqlstate"], "55000", "{read}");
    let own = json!([
        {"op": "execute", "sql": "insert into t (n) values (2)"},
        {"op": "query", "sql": "select lastval()"},
    ]);
    let read = post(&host, "/transaction", json!({"steps": own})).await;
    assert!(read["results"][1]["error"].is_null(), "its own values a request does see: {read}");
}

#[tokio::test]
async fn a_transaction_cannot_be_ended_by_text_that_is_known() {
    let (database, host) = start().await;
    database.watcher.batch_execute("create table t (n int)").await.unwrap();
    for _ in 0..2 {
        post(&host, "/execute", json!({"sql": "commit"})).await;
    }
    let steps = json!([
        {"op": "execute", "sql": "insert into t values (1)"},
        {"op": "execute", "sql": "commit"},
    ]);
    let ran = post(&host, "/transaction", json!({"steps": steps})).await;
    assert_eq!(ran["results"][1]["error"]["case"], "invalid-argument", "{ran}");
    assert_eq!(database.count("select count(*) from t").await, 0);
}

#[tokio::test]
async fn a_copy_says_only_that_rows_are_stored_when_they_are() {
    let (database, host) = start().await;
    let schema = "create table parent (id int primary key);
        create table child (id int references parent deferrable initially deferred)";
    database.watcher.batch_execute(schema).await.unwrap();
    let copy = json!({"sql": "copy child from stdin", "chunks": ["1\n"], "finish": true});
    let copied = post(&host, "/copy-in", copy).await;
    assert_eq!(copied["error"]["sqlstate"], "23503", "{copied}");
    assert_eq!(database.count("select count(*) from child").await, 0);
    database.watcher.batch_execute("insert into parent values (1)").await.unwrap();
    let copied =
        post(&host, "/copy-in", json!({"sql": "copy child from stdin", "chunks": ["1\n"], "finish": true}))
            .await;
    assert_eq!(copied["stored"], 1, "{copied}");
    assert_eq!(database.count("select count(*) from child").await, 1);
}

#[tokio::test]
async fn the_time_of_a_transaction_runs_while_its_guest_does_something_else() {
    let (database, host) = start().await;
    database.watcher.batch_execute("create table t (n int)").await.unwrap();
    let steps = json!([
        {"op": "execute", "sql": "insert into t values (1)"},
        {"op": "loop"},
    ]);
    let mut patient = crate::support::artifact("pg-client");
    patient.manifest.limits.cpu = Duration::from_secs(8);
    crate::support::serve(&host, patient).await;
    let looping = {
        let host = host.clone();
        let command = json!({"transaction_timeout_ms": 300, "steps": steps}).to_string();
        tokio::spawn(
            async move { host.handle(http::Request::post("/transaction").body(command).unwrap()).await },
        )
    };
    let open = "select count(*) from pg_stat_activity where state like 'idle in transaction%'";
    database.becomes(open, 1, 5 * SECOND).await;
    database.becomes(open, 0, 2 * SECOND).await;
    assert!(!looping.is_finished(), "the guest still runs, but holds nothing any more");
    looping.abort();
}

#[tokio::test]
async fn a_session_keeps_no_more_statements_than_it_may_and_prepares_them_again() {
    let database = Database::start().await;
    let host = database.host_with("pool_connections=1&pool_statements=3").await;
    for round in 0..2 {
        for n in 0..10 {
            let row = post(&host, "/query", json!({"sql": format!("select {n}::int4 as n")})).await;
            assert_eq!(row["rows"][0][0]["value"], n, "round {round}: {row}");
        }
    }
    let sql = "select count(*)::int4 from pg_prepared_statements";
    let kept = post(&host, "/query", json!({"sql": sql})).await;
    // One that was put out is closed with the next message at the latest.
    let kept = kept["rows"][0][0]["value"].as_i64().unwrap_or_else(|| panic!("{kept}"));
    assert!((1..=4).contains(&kept), "{kept}");
}
