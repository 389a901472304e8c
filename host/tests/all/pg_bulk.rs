use std::time::{Duration, Instant};

use serde_json::{Value, json};
use wharf_host::Host;

use crate::support::{Database, alone, post};

const SECOND: Duration = Duration::from_secs(1);
const MIB: u64 = 1 << 20;

/// Statements of hosts that the server works on.
const WORKING: &str = "select count(*) from pg_stat_activity
    where application_name = 'wharf contract-pg-client' and state <> 'idle' and pid <> pg_backend_pid()";

fn one() -> Value {
    json!({"sql": "select 1::int4"})
}

async fn works(host: &Host) {
    let answer = post(host, "/query", one()).await;
    assert_eq!(answer["rows"][0][0]["value"], 1, "{answer}");
}

async fn transaction(host: &Host, steps: Value) -> Vec<Value> {
    let answer = post(host, "/transaction", json!({"steps": steps})).await;
    answer["results"].as_array().unwrap_or_else(|| panic!("{answer}")).clone()
}

#[tokio::test]
async fn a_result_without_end_is_refused_and_no_longer_worked_on() {
    let database = Database::start().await;
    let host = database.host_with("pool_connections=1").await;
    works(&host).await;
    for (path, rows) in [
        ("/query", "select generate_series(1, 10000000)"),
        ("/query-raw", "select generate_series(1, 10000000)"),
        ("/query", "select repeat('x', 1000000) from generate_series(1, 100000)"),
    ] {
        let begun = Instant::now();
        let answer = post(&host, path, json!({"sql": rows})).await;
        assert_eq!(answer["error"]["case"], "limit-exceeded", "{rows}: {answer}");
        assert!(begun.elapsed() < 2 * SECOND, "`{rows}` took {:?}", begun.elapsed());
        database.becomes(WORKING, 0, SECOND).await;
        works(&host).await;
    }
    // Its rows are counted and dropped, but the statement is the guest's own affair.
    let counted = post(&host, "/execute", json!({"sql": "select generate_series(1, 300000)"})).await;
    assert_eq!(counted["affected"], 300_000, "{counted}");
}

#[tokio::test]
async fn a_cursor_reads_what_no_query_could_and_stops_where_it_is_dropped() {
    let database = Database::start().await;
    let host = database.host_with("pool_connections=1").await;
    for path in ["/cursor", "/cursor-raw"] {
        let part = json!({"sql": "select generate_series(1, 10000000)", "batch": 1_000, "batches": 5});
        let begun = Instant::now();
        let answer = post(&host, path, part).await;
        assert_eq!(answer["batches"], json!([1_000, 1_000, 1_000, 1_000, 1_000]), "{path}");
        assert!(begun.elapsed() < 2 * SECOND, "{path} took {:?}", begun.elapsed());
        database.becomes(WORKING, 0, SECOND).await;
        let all = json!({"sql": "select generate_series(1, 25000)", "batch": 10_000});
        let answer = post(&host, path, all).await;
        assert_eq!(answer["batches"], json!([10_000, 10_000, 5_000, 0]), "{path}");
    }
    let all = json!({"sql": "select n::int4 from generate_series(1, 2500) n", "batch": 1_000});
    let answer = post(&host, "/cursor", all).await;
    let rows = answer["rows"].as_array().unwrap();
    assert!((1..=2_500).zip(rows).all(|(n, row)| row[0]["value"] == n), "rows are out of order");
    // One batch has the limits of one result.
    let wide = json!({"sql": "select repeat('x', 1000000) from generate_series(1, 9)", "batch": 9});
    assert_eq!(post(&host, "/cursor", wide).await["error"]["case"], "limit-exceeded");
    database.becomes(WORKING, 0, SECOND).await;
    works(&host).await;
}

/// A number that the kernel keeps of this process, in bytes.
fn memory(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1_024
}

/// By how much the process's memory grew at most while something ran.
async fn growth(of: impl Future<Output = ()>) -> u64 {
    // Makes the kernel forget the highest so far.
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let before = memory("VmRSS");
    of.await;
    memory("VmHWM").saturating_sub(before)
}

/// 100 MiB in 102,400 rows, written 64 KiB at a time.
fn copy_in(table: &str) -> Value {
    let row = format!("{}\n", "x".repeat(1_023));
    json!({"sql": format!("copy {table} from stdin"), "chunks": [row.repeat(64)], "repeat": 1_600})
}

#[test]
fn what_is_larger_than_the_limits_costs_the_host_little_memory() {
    alone("pg_bulk::what_is_larger_than_the_limits_costs_the_host_little_memory", &[], async {
        const FIELD: &str = "select repeat('x', 400000000)";
        let database = Database::start().await;
        database.watcher.batch_execute("create unlogged table t (line text)").await.unwrap();
        let host = database.host_with("pool_connections=2").await;
        // Everything once, so that only what grows with the size is measured.
        post(&host, "/query", json!({"sql": "select repeat('x', 3000000)"})).await;
        post(&host, "/copy-out", json!({"sql": "copy (select repeat('x', 3000000)) to stdout"})).await;
        let most = 64 * MIB;
        let measured = growth(async { drop(std::hint::black_box(vec![1_u8; 100 << 20])) }).await;
        assert!(measured > most, "100 MiB that come and go are measured as {measured} bytes");

        let grown = growth(async {
            let answer = post(&host, "/query", json!({"sql": FIELD})).await;
            assert_eq!(answer["error"]["case"], "limit-exceeded", "{answer}");
        });
        let grown = grown.await;
        assert!(grown < most, "a field of 400 MB through a query took {} MiB", grown / MIB);
        works(&host).await;

        let grown = growth(async {
            let answer = post(&host, "/copy-out", json!({"sql": format!("copy ({FIELD}) to stdout")})).await;
            // And the end of the line.
            assert_eq!(answer["bytes"], 400_000_001, "{answer}");
        });
        let grown = grown.await;
        assert!(grown < most, "a field of 400 MB through a copy took {} MiB", grown / MIB);

        let grown = growth(async {
            let answer = post(&host, "/copy-in", copy_in("t")).await;
            assert_eq!(answer["stored"], 102_400, "{answer}");
        });
        let grown = grown.await;
        assert!(grown < most, "100 MiB copied in took {} MiB", grown / MIB);
        let whole = "select count(*) from t where line = repeat('x', 1023)";
        assert_eq!(database.count(whole).await, 102_400);
    });
}

#[tokio::test]
async fn a_copy_that_is_not_finished_stores_nothing() {
    let database = Database::start().await;
    database.watcher.batch_execute("create table t (n int)").await.unwrap();
    let host = database.host_with("pool_connections=1").await;
    let rows = || database.count("select count(*) from t");
    let half = json!({"sql": "copy t from stdin", "chunks": ["1\n2\n3\n"], "repeat": 1_000, "finish": false});
    assert_eq!(post(&host, "/copy-in", half.clone()).await, json!({"dropped": true}));
    works(&host).await;
    assert_eq!(rows().await, 0);

    let mut half = half;
    half["op"] = json!("copy-in");
    let insert = json!({"op": "execute", "sql": "insert into t values (7)"});
    let commit = json!({"op": "commit"});
    // To the transaction it is a statement that failed.
    let results = transaction(&host, json!([insert, half, insert, commit])).await;
    assert_eq!(results[1], json!({"dropped": true}));
    assert_eq!(results[2]["error"]["sqlstate"], "25P02", "{results:?}");
    assert_eq!(results[3]["error"]["sqlstate"], "25P02", "{results:?}");
    assert_eq!(rows().await, 0);
    // A savepoint keeps the rest.
    let rescue = json!([insert, {"op": "savepoint"}, half, {"op": "drop"}, insert, commit]);
    let results = transaction(&host, rescue).await;
    assert_eq!(results[5], json!({"committed": true}), "{results:?}");
    assert_eq!(rows().await, 2);
    works(&host).await;
}

#[tokio::test]
async fn a_copy_inside_a_transaction_shares_its_fate() {
    let database = Database::start().await;
    database.watcher.batch_execute("create table t (n int)").await.unwrap();
    let host = database.host_with("pool_connections=1").await;
    let copy = json!({"op": "copy-in", "sql": "copy t from stdin", "chunks": ["1\n2", "\n3\n"]});
    let read = json!({"op": "copy-out", "sql": "copy t to stdout"});
    let results = transaction(&host, json!([copy, read, {"op": "rollback"}])).await;
    assert_eq!((&results[0]["stored"], &results[1]["head"]), (&json!(3), &json!("1\n2\n3\n")));
    assert_eq!(database.count("select count(*) from t").await, 0);
    let results = transaction(&host, json!([copy, {"op": "commit"}])).await;
    assert_eq!(results[1], json!({"committed": true}), "{results:?}");
    assert_eq!(database.count("select count(*) from t").await, 3);
}

#[tokio::test]
async fn a_row_that_does_not_fit_is_the_servers_error_and_nothing_is_stored() {
    let database = Database::start().await;
    database.watcher.batch_execute("create table t (n int)").await.unwrap();
    let host = database.host_with("pool_connections=1").await;
    // Found at the end, and long before it.
    for repeat in [1, 50_000] {
        let bad =
            json!({"sql": "copy t from stdin", "chunks": ["1\n2\nthree\n4\n5\n6\n7\n8\n"], "repeat": repeat});
        let answer = post(&host, "/copy-in", bad.clone()).await;
        assert_eq!(answer["error"]["sqlstate"], "22P02", "{answer}");
        assert!(answer["error"]["context"].as_str().unwrap().contains("line 3"), "{answer}");
        works(&host).await;

        let mut bad = bad;
        bad["op"] = json!("copy-in");
        let insert = json!({"op": "execute", "sql": "insert into t values (7)"});
        let rescue = json!([{"op": "savepoint"}, bad, {"op": "drop"}, insert, {"op": "rollback"}]);
        let results = transaction(&host, rescue).await;
        assert_eq!(results[1]["error"]["sqlstate"], "22P02", "{results:?}");
        assert_eq!(results[3]["affected"], 1, "{results:?}");
        assert_eq!(database.count("select count(*) from t").await, 0);
    }
}

#[tokio::test]
async fn a_copy_out_that_is_dropped_leaves_the_pool_usable_at_once() {
    let database = Database::start().await;
    let host = database.host_with("pool_connections=1").await;
    let endless = "copy (select generate_series(1, 100000000)) to stdout";
    let begun = Instant::now();
    for _ in 0..3 {
        let answer = post(&host, "/copy-out", json!({"sql": endless, "reads": 2})).await;
        assert_eq!(answer["reads"], 2, "{answer}");
        works(&host).await;
        database.becomes(WORKING, 0, SECOND).await;
    }
    assert!(begun.elapsed() < 4 * SECOND, "took {:?}", begun.elapsed());
    // One inside a transaction ends it.
    let steps = json!([{"op": "copy-out", "sql": endless, "reads": 1}, {"op": "query", "sql": "select 1"}]);
    let results = transaction(&host, steps).await;
    assert_eq!(results[1]["error"]["case"], "transaction-closed", "{results:?}");
    database.becomes(WORKING, 0, SECOND).await;
    works(&host).await;
}

#[tokio::test]
async fn only_copies_to_and_from_the_guest_run_and_only_as_copies() {
    let database = Database::start().await;
    database.watcher.batch_execute("create table t (n int)").await.unwrap();
    let host = database.host_with("pool_connections=1").await;
    let folder = tempfile::tempdir().unwrap();
    // The server may run as somebody else.
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(folder.path(), open).unwrap();
    let path = folder.path().join("stdout").display().to_string();
    for sql in [
        format!("copy t to '{path}'"),
        format!("copy t to program 'cat > {path}'"),
        format!("copy t to program 'cat > {path} # stdout'"),
        format!("copy t to /* stdout */ '{path}'"),
        format!("copy (select 'to stdout') to '{path}'"),
        format!("copy (select 1 as \"stdout\") to '{path}'"),
        format!("copy t to E'{path}' with (null 'stdout')"),
        format!("copy t from '{path}'"),
        format!("copy t from program 'touch {path} # stdin'"),
        "copy t from '/dev/stdin'".to_owned(),
    ] {
        for path in ["/copy-out", "/copy-in", "/query", "/execute", "/query-raw", "/prepare", "/cursor"] {
            let answer = post(&host, path, json!({"sql": sql, "chunks": ["1\n"]})).await;
            assert_eq!(answer["error"]["case"], "invalid-argument", "{path} {sql}: {answer}");
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "`{sql}` wrote a file");
    }
    for sql in ["copy t to stdout", "copy t from stdin", "/* a */ COPY t TO STDOUT", "(copy t to stdout)"] {
        for path in ["/query", "/execute", "/query-raw", "/cursor"] {
            let answer = post(&host, path, json!({"sql": sql})).await;
            assert_eq!(answer["error"]["case"], "invalid-argument", "{path} {sql}: {answer}");
        }
        for path in ["/pipeline", "/pipeline-raw"] {
            let answer = post(&host, path, json!({"statements": [{"sql": sql}]})).await;
            assert_eq!(answer["error"]["case"], "invalid-argument", "{path} {sql}: {answer}");
        }
    }
    // The wrong way round.
    let answer = post(&host, "/copy-in", json!({"sql": "copy t to stdout"})).await;
    assert_eq!(answer["error"]["case"], "invalid-argument", "{answer}");
    let answer = post(&host, "/copy-out", json!({"sql": "copy t from stdin"})).await;
    assert_eq!(answer["error"]["case"], "invalid-argument", "{answer}");
    works(&host).await;
}
