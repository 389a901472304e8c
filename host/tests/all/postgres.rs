use std::time::{Duration, Instant};

use http::Request;
use serde_json::{Value, json};

use crate::support::{Database, artifact, builder, post, read, serve};

const RUNNING: &str = "select count(*) from pg_stat_activity
    where query like '%pg_sleep%' and state = 'active' and pid <> pg_backend_pid()";
const IN_TRANSACTION: &str = "select count(*) from pg_stat_activity where state like 'idle in transaction%'";
const SECOND: Duration = Duration::from_secs(1);

fn one() -> Value {
    json!({"sql": "select 1::int4"})
}

#[tokio::test]
async fn a_dropped_request_cancels_its_statement_and_delays_nobody() {
    let database = Database::start().await;
    let host = database.host().await;
    let sleeping = {
        let host = host.clone();
        tokio::spawn(async move { post(&host, "/query", json!({"sql": "select pg_sleep(30)"})).await })
    };
    database.becomes(RUNNING, 1, 5 * SECOND).await;
    sleeping.abort();
    database.becomes(RUNNING, 0, SECOND).await;
    let begun = Instant::now();
    for _ in 0..32 {
        assert_eq!(post(&host, "/query", one()).await["rows"][0][0]["value"], 1);
    }
    assert!(begun.elapsed() < SECOND, "the next users waited {:?}", begun.elapsed());
}

#[tokio::test]
async fn a_deadline_cancels_its_statement() {
    let database = Database::start().await;
    let host = database.builder().build().unwrap();
    let mut hurried = artifact("pg-client");
    hurried.manifest.limits.wall = Duration::from_millis(300);
    serve(&host, hurried).await;
    let request = Request::post("/query").body(json!({"sql": "select pg_sleep(30)"}).to_string()).unwrap();
    let answer = read(host.handle(request).await).await;
    assert_eq!((answer.status.as_u16(), answer.code.as_str()), (504, "deadline"));
    database.becomes(RUNNING, 0, SECOND).await;
}

#[tokio::test]
async fn however_a_transaction_ends_its_rows_and_locks_are_gone() {
    let database = Database::start().await;
    let host = database.host().await;
    database.watcher.batch_execute("create table t (n int)").await.unwrap();
    let insert = json!({"op": "execute", "sql": "insert into t values (1)"});
    for end in ["drop", "rollback", "leak", "trap", "loop"] {
        let command = json!({"steps": [insert, {"op": end}]}).to_string();
        read(host.handle(Request::post("/transaction").body(command).unwrap()).await).await;
        database.becomes(IN_TRANSACTION, 0, SECOND).await;
        assert_eq!(database.count("select count(*) from t").await, 0, "{end}");
    }
    // A request whose client leaves in the middle of a transaction.
    let steps = json!({"steps": [insert, {"op": "query", "sql": "select pg_sleep(30)"}]});
    let leaving = {
        let host = host.clone();
        tokio::spawn(async move { post(&host, "/transaction", steps).await })
    };
    database.becomes(RUNNING, 1, 5 * SECOND).await;
    leaving.abort();
    database.becomes(RUNNING, 0, SECOND).await;
    database.becomes("select count(*) from pg_locks where relation = 't'::regclass", 0, SECOND).await;
    assert_eq!(database.count("select count(*) from t").await, 0);
}

#[tokio::test]
async fn a_statement_is_prepared_once_and_its_connection_is_kept() {
    let database = Database::start().await;
    let host = database.host().await;
    let pid = json!({"sql": "select pg_backend_pid()"});
    let first = post(&host, "/query", pid.clone()).await;
    for _ in 0..20 {
        assert_eq!(post(&host, "/query", pid.clone()).await, first, "another connection was used");
    }
    let prepared = json!({"sql": "select count(*) from pg_prepared_statements where statement like 'select pg_backend%'"});
    let rows = post(&host, "/query", prepared).await;
    assert_eq!(rows["rows"][0][0]["value"], "1");
}

#[tokio::test]
async fn a_changed_schema_is_noticed_by_cached_statements() {
    let database = Database::start().await;
    let host = database.host().await;
    database.watcher.batch_execute("create table t (a int); insert into t values (1)").await.unwrap();
    let all = json!({"sql": "select * from t"});
    assert_eq!(post(&host, "/query", all.clone()).await["columns"].as_array().unwrap().len(), 1);
    database.watcher.batch_execute("alter table t add column b int default 7").await.unwrap();
    let rows = post(&host, "/query", all).await;
    assert_eq!(rows["rows"][0][1]["value"], 7, "{rows}");
}

#[tokio::test]
async fn a_session_that_was_changed_is_reset_behind_the_request() {
    let database = Database::start().await;
    let host = database.host().await;
    for sql in [
        "set search_path to pg_catalog",
        "set role pg_monitor",
        "select pg_advisory_lock(1)",
        "create temp table left_over (n int)",
        "listen somewhere",
        "prepare left_over as select 1",
    ] {
        let done = post(&host, "/query", json!({"sql": sql})).await;
        assert!(done["error"].is_null(), "{sql}: {done}");
    }
    let state = "select current_setting('search_path'), current_user = session_user, to_regclass('left_over') is null,
        (select count(*) from pg_listening_channels()), (select count(*) from pg_prepared_statements where from_sql)";
    for _ in 0..8 {
        let rows = post(&host, "/query", json!({"sql": state})).await;
        let values: Vec<_> =
            rows["rows"][0].as_array().unwrap().iter().map(|value| value["value"].clone()).collect();
        assert_eq!(values, [json!("\"$user\", public"), json!(true), json!(true), json!("0"), json!("0")]);
    }
    database.becomes("select count(*) from pg_locks where locktype = 'advisory'", 0, SECOND).await;
}

#[tokio::test]
async fn a_server_that_is_down_is_told_and_found_again() {
    let database = Database::start().await;
    let host = database.host().await;
    post(&host, "/query", one()).await;
    let url = database.postgres.connection_url("postgres");
    let (operator, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    operator.batch_execute("alter database test allow_connections false").await.unwrap();
    let kill = "select count(pg_terminate_backend(pid)) from pg_stat_activity
        where datname = 'test' and pid <> pg_backend_pid() and backend_type = 'client backend'";
    assert!(database.count(kill).await > 0);
    let begun = Instant::now();
    // The first may meet the dying connection; after it, nothing was executed and that is known.
    post(&host, "/query", one()).await;
    let answer = post(&host, "/query", one()).await;
    assert_eq!(answer["error"]["case"], "unavailable", "{answer}");
    assert!(begun.elapsed() < 4 * SECOND);
    operator.batch_execute("alter database test allow_connections true").await.unwrap();
    assert_eq!(post(&host, "/query", one()).await["rows"][0][0]["value"], 1);
}

#[tokio::test]
async fn an_unreachable_server_is_unavailable_in_bounded_time() {
    let host = builder().database("main", "postgres://nobody@127.0.0.1:1/none").build().unwrap();
    serve(&host, artifact("pg-client")).await;
    let begun = Instant::now();
    let answer = post(&host, "/query", one()).await;
    assert_eq!(answer["error"]["case"], "unavailable", "{answer}");
    assert!(begun.elapsed() < 3 * SECOND);
}

#[tokio::test]
async fn a_pool_that_is_used_up_says_so_and_recovers() {
    let database = Database::start().await;
    let mut config = wharf_host::Config::default();
    config.cores = std::num::NonZeroUsize::new(2).unwrap();
    let mut main = wharf_host::DatabaseConfig::new(database.postgres.connection_url("test"));
    main.connections = std::num::NonZeroUsize::new(2).unwrap();
    main.acquire_timeout = Duration::from_millis(200);
    config.databases.insert("main".to_owned(), main);
    let host = wharf_host::Host::builder().config(config).build().unwrap();
    serve(&host, artifact("pg-client")).await;
    let sleeper = || {
        let host = host.clone();
        tokio::spawn(async move { post(&host, "/query", json!({"sql": "select pg_sleep(30)"})).await })
    };
    // Both cores' shares are taken, the second one by borrowing.
    let sleepers = [sleeper(), sleeper()];
    database.becomes(RUNNING, 2, 5 * SECOND).await;
    assert_eq!(post(&host, "/query", one()).await["error"]["case"], "pool-exhausted");
    sleepers.iter().for_each(tokio::task::JoinHandle::abort);
    database.becomes(RUNNING, 0, SECOND).await;
    assert_eq!(post(&host, "/query", one()).await["rows"][0][0]["value"], 1);
}

#[tokio::test]
async fn no_spelling_of_begin_leaves_a_transaction_to_the_next_request() {
    let database = Database::start().await;
    let host = database.host().await;
    database.watcher.batch_execute("create table t (n int)").await.unwrap();
    for sql in ["begin", "--\rbegin /*\nselect */", "/* /* */ */ start transaction", ";begin"] {
        for _ in 0..8 {
            post(&host, "/execute", json!({"sql": sql})).await;
        }
        database.becomes(IN_TRANSACTION, 0, SECOND).await;
        post(&host, "/execute", json!({"sql": "insert into t values (1)"})).await;
    }
    assert_eq!(database.count("select count(*) from t").await, 4, "an acknowledged row is gone");
}

#[tokio::test]
async fn what_a_function_of_the_users_leaves_in_the_session_is_gone() {
    let database = Database::start().await;
    let host = database.host().await;
    let setup = "create function tenant(t text) returns text language sql as
            $$ select set_config('app.tenant', t, false) $$;
        create function hold() returns void language plpgsql as $$ begin perform pg_advisory_lock(7); end $$;
        create table numbered (id serial)";
    database.watcher.batch_execute(setup).await.unwrap();
    post(&host, "/query", json!({"sql": "select tenant('alice')"})).await;
    post(&host, "/query", json!({"sql": "select hold()"})).await;
    post(&host, "/execute", json!({"sql": "insert into numbered default values"})).await;
    database.becomes("select count(*) from pg_locks where locktype = 'advisory'", 0, SECOND).await;
    let tenant = json!({"sql": "select coalesce(current_setting('app.tenant', true), '')"});
    for _ in 0..8 {
        assert_eq!(post(&host, "/query", tenant.clone()).await["rows"][0][0]["value"], "");
        let last = post(&host, "/query", json!({"sql": "select lastval()"})).await;
        assert_eq!(last["error"]["sqlstate"], "55000", "another request's number was told: {last}");
    }
}

#[tokio::test]
async fn a_pipeline_over_its_limits_leaves_nothing_behind() {
    let database = Database::start().await;
    let host = database.host().await;
    database.watcher.batch_execute("create table t (n int)").await.unwrap();
    let insert = json!({"sql": "insert into t values (1)"});
    let large = json!({"sql": "select n from generate_series(1, 20000) n"});
    for statements in [json!([insert, large]), json!([large, insert]), json!([insert, large, insert])] {
        let answer = post(&host, "/pipeline", json!({"statements": statements})).await;
        assert_eq!(answer["error"]["case"], "limit-exceeded", "{answer}");
        database.becomes(IN_TRANSACTION, 0, SECOND).await;
        assert_eq!(database.count("select count(*) from t").await, 0);
    }
    let begin = json!({"statements": [{"sql": "commit"}]});
    assert_eq!(post(&host, "/pipeline", begin).await["error"]["case"], "invalid-argument");
}

#[tokio::test]
async fn a_changed_schema_is_noticed_by_pipelines_and_transactions() {
    let database = Database::start().await;
    let host = database.host().await;
    database.watcher.batch_execute("create table t (a int); insert into t values (1)").await.unwrap();
    let pipeline = json!({"statements": [{"sql": "select * from t"}]});
    let transaction = json!({"steps": [{"op": "query", "sql": "select * from t"}]});
    post(&host, "/pipeline", pipeline.clone()).await;
    database.watcher.batch_execute("alter table t add column b int default 7").await.unwrap();
    let answer = post(&host, "/pipeline", pipeline).await;
    assert_eq!(answer["results"][0]["rows"][0][1]["value"], 7, "{answer}");
    database.watcher.batch_execute("alter table t add column c int default 8").await.unwrap();
    // Inside a transaction the host cannot try again, but the guest's own retry succeeds.
    post(&host, "/transaction", transaction.clone()).await;
    let answer = post(&host, "/transaction", transaction).await;
    assert_eq!(answer["results"][0]["rows"][0][2]["value"], 8, "{answer}");
}

#[tokio::test]
async fn few_bytes_that_stand_for_many_are_limited_by_what_they_become() {
    let database = Database::start().await;
    let host = database.host().await;
    for sql in [
        "select 1e131071::numeric from generate_series(1, 2000)",
        "select array_fill(1e131071::numeric, array[2000])",
        "select array_fill(null::int4, array[500000])",
    ] {
        let answer = post(&host, "/query", json!({"sql": sql})).await;
        assert_eq!(answer["error"]["case"], "limit-exceeded", "{sql}: {answer}");
    }
}

#[tokio::test]
async fn an_array_of_absurd_dimensions_is_refused() {
    let database = Database::start().await;
    let host = database.host().await;
    let dimensions = vec![[1, 1]; 30_000];
    let elements = json!([{"type": "numeric", "value": "1"}]);
    let array = json!({"type": "array", "dimensions": dimensions, "elements": elements});
    let answer = post(&host, "/query", json!({"sql": "select $1::numeric[]", "params": [array]})).await;
    assert_eq!(answer["error"]["case"], "invalid-argument", "{answer}");
}

#[tokio::test]
async fn a_statement_that_can_never_work_is_not_sent() {
    let database = Database::start().await;
    let host = database.host().await;
    let answer = post(&host, "/query", json!({"sql": "select '\0'"})).await;
    assert_eq!(answer["error"]["case"], "invalid-argument", "{answer}");
    let long = format!("select '{}'", "x".repeat(2 << 20));
    assert_eq!(post(&host, "/query", json!({"sql": long})).await["error"]["case"], "limit-exceeded");
}
