use std::time::{Duration, Instant};

use serde_json::{Value, json};
use wharf_host::Host;

use crate::proxy::{Proxy, Rule};
use crate::support::{Database, host_at, post};

const SECOND: Duration = Duration::from_secs(1);
const WORKING: &str = "select count(*) from pg_stat_activity
    where application_name = 'wharf contract-pg-client' and state <> 'idle' and pid <> pg_backend_pid()";

/// A server, a proxy before it, and a host with one connection through it.
async fn start() -> (Database, Proxy, Host) {
    let database = Database::start().await;
    database.watcher.batch_execute("create table t (n int)").await.unwrap();
    let proxy = Proxy::start(&database).await;
    let host = host_at(&format!("{}?pool_connections=1", proxy.url())).await;
    (database, proxy, host)
}

/// The case of an answer's error, or `ok`.
fn case(answer: &Value) -> &str {
    answer["error"]["case"].as_str().unwrap_or("ok")
}

/// Runs a command and checks that it does not take longer than this.
async fn within(bound: Duration, host: &Host, path: &str, command: Value) -> Value {
    let begun = Instant::now();
    let answer = post(host, path, command).await;
    assert!(begun.elapsed() < bound, "{path} took {:?}: {answer}", begun.elapsed());
    answer
}

async fn works(host: &Host) {
    let answer = within(SECOND, host, "/query", json!({"sql": "select 1::int4"})).await;
    assert_eq!(answer["rows"][0][0]["value"], 1, "{answer}");
}

async fn insert(host: &Host, n: usize) -> Value {
    let sql = "insert into t values ($1) returning n, 'some text'";
    within(3 * SECOND, host, "/query", json!({"sql": sql, "params": [{"type": "int4", "value": n}]})).await
}

/// What an answer says of a statement must be so: done, not done, or not known.
async fn tells_the_truth(database: &Database, answers: &[(usize, Value)]) {
    database.becomes(WORKING, 0, 5 * SECOND).await;
    for (n, answer) in answers {
        let stored = database.count(&format!("select count(*) from t where n = {n}")).await;
        match case(answer) {
            "ok" => assert_eq!(stored, 1, "an acknowledged row is not there"),
            "unavailable" => assert_eq!(stored, 0, "it ran all the same: {answer}"),
            "connection-lost" => assert!(stored <= 1, "it ran {stored} times"),
            _ => panic!("byte {n}: {answer}"),
        }
    }
}

#[tokio::test]
async fn a_connection_cut_at_any_byte_of_an_answer_is_lost_and_the_next_works() {
    let (database, proxy, host) = start().await;
    insert(&host, 100_000).await;
    proxy.set(Rule::Pass);
    insert(&host, 100_001).await;
    let whole = proxy.answered();
    assert!((50..500).contains(&whole), "the answer has {whole} bytes");
    let mut answers = Vec::new();
    for at in 0..=whole {
        proxy.set(Rule::CutAnswers(at));
        let answer = insert(&host, at).await;
        assert_eq!(case(&answer), if at < whole { "connection-lost" } else { "ok" }, "byte {at}: {answer}");
        answers.push((at, answer));
        proxy.set(Rule::Pass);
        let next = insert(&host, 200_000 + at).await;
        assert_eq!(case(&next), "ok", "after byte {at}: {next}");
    }
    tells_the_truth(&database, &answers).await;
}

#[tokio::test]
async fn a_connection_cut_while_it_opens_is_an_error_that_tells_the_truth() {
    let (database, proxy, host) = start().await;
    proxy.set(Rule::Pass);
    insert(&host, 100_000).await;
    let whole = proxy.answered();
    let (mut answers, mut unavailable) = (Vec::new(), 0);
    for at in (0..whole).step_by(5) {
        // Ends the connection that there is.
        proxy.set(Rule::CutBefore("B"));
        assert_eq!(case(&insert(&host, 200_000 + at).await), "connection-lost");
        proxy.set(Rule::CutAnswers(at));
        let answer = insert(&host, at).await;
        unavailable += usize::from(case(&answer) == "unavailable");
        answers.push((at, answer));
        proxy.set(Rule::Pass);
        works(&host).await;
    }
    assert!(unavailable > 10, "only {unavailable} of {} were cut before a statement", answers.len());
    assert!(answers.iter().all(|(_, answer)| case(answer) != "ok"), "{answers:?}");
    assert_eq!(database.count("select count(*) from t where n >= 200000").await, 0);
    tells_the_truth(&database, &answers).await;
}

#[tokio::test]
async fn a_statement_is_never_sent_twice() {
    let (database, proxy, host) = start().await;
    insert(&host, 0).await;
    let rows = |n: usize| format!("select count(*) from t where n = {n}");
    for (n, rule, stored) in [
        // The server got all of it, but its answer was lost: it ran, once.
        (1, Rule::CutAfter("S"), 1),
        // Without its end it does not run.
        (2, Rule::CutAfter("E"), 0),
        (3, Rule::CutBefore("B"), 0),
    ] {
        proxy.take();
        proxy.set(rule);
        let answer = insert(&host, n).await;
        assert_eq!(case(&answer), "connection-lost", "{rule:?}: {answer}");
        database.becomes(WORKING, 0, SECOND).await;
        database.becomes(&rows(n), stored, SECOND).await;
        let sent = proxy.take();
        assert_eq!(sent.iter().filter(|message| *message == "B").count(), 1, "{rule:?}: {sent:?}");
        insert(&host, 0).await;
    }
    let insert = |n| json!({"op": "execute", "sql": "insert into t values ($1)", "params": [{"type": "int4", "value": n}]});
    for (n, rule, stored) in [(4, Rule::CutAfter("Q commit"), 1), (5, Rule::CutBefore("Q commit"), 0)] {
        let steps = json!({"steps": [insert(n), {"op": "commit"}, insert(n)]});
        proxy.set(rule);
        let results = within(3 * SECOND, &host, "/transaction", steps).await["results"].clone();
        assert_eq!(results[1]["error"]["case"], "connection-lost", "{rule:?}: {results}");
        assert_eq!(results[2]["error"]["case"], "transaction-closed", "{rule:?}: {results}");
        database.becomes(WORKING, 0, SECOND).await;
        database.becomes(&rows(n), stored, SECOND).await;
        works(&host).await;
    }
    let pipeline = |n| {
        let statement = json!({"sql": "insert into t values ($1)", "params": [{"type": "int4", "value": n}]});
        json!({"statements": vec![statement; 3]})
    };
    // The server has committed, and nobody hears of it.
    proxy.set(Rule::HoldFrom("Q commit"));
    let lost = tokio::spawn({
        let (host, command) = (host.clone(), pipeline(6));
        async move { post(&host, "/pipeline", command).await }
    });
    database.becomes(&rows(6), 3, 5 * SECOND).await;
    proxy.set(Rule::CutAnswers(0));
    assert_eq!(case(&lost.await.unwrap()), "connection-lost");
    works(&host).await;
    proxy.set(Rule::CutBefore("Q commit"));
    let answer = within(3 * SECOND, &host, "/pipeline", pipeline(7)).await;
    assert_eq!(case(&answer), "connection-lost", "{answer}");
    works(&host).await;
    database.becomes(WORKING, 0, SECOND).await;
    assert_eq!((database.count(&rows(6)).await, database.count(&rows(7)).await), (3, 0));
}

#[tokio::test]
async fn a_connection_that_falls_silent_costs_one_deadline_and_the_next_request_works() {
    let (database, proxy, host) = start().await;
    let hurried = json!({"sql": "select 1::int4", "timeout_ms": 300});
    works(&host).await;
    proxy.freeze();
    let answer = within(SECOND, &host, "/query", hurried.clone()).await;
    assert_eq!(case(&answer), "timeout", "{answer}");
    works(&host).await;
    // In a transaction, where only its own time counts.
    proxy.set(Rule::HoldFrom("Q commit"));
    let insert = json!({"op": "execute", "sql": "insert into t values (1)"});
    let command = json!({"transaction_timeout_ms": 300, "steps": [insert, {"op": "commit"}]});
    let answer = within(SECOND, &host, "/transaction", command).await;
    assert_eq!(answer["results"][1]["error"]["case"], "timeout", "{answer}");
    proxy.set(Rule::Pass);
    works(&host).await;
    assert_eq!(database.count("select count(*) from t").await, 1, "the server had committed");
    // New connections are taken, and fall silent, too.
    proxy.set(Rule::Silent(usize::MAX));
    assert_eq!(case(&within(SECOND, &host, "/query", hurried).await), "timeout");
    let answer = within(3 * SECOND, &host, "/query", json!({"sql": "select 1"})).await;
    assert_eq!(case(&answer), "unavailable", "{answer}");
    proxy.set(Rule::Pass);
    works(&host).await;
}

#[tokio::test]
async fn a_connection_that_was_given_up_is_closed_though_its_answer_never_comes() {
    let (database, proxy, _) = start().await;
    let host = host_at(&format!("{}?pool_connections=1&pool_reset_timeout=500ms", proxy.url())).await;
    let open = "select count(*) from pg_stat_activity where application_name = 'wharf contract-pg-client'";
    works(&host).await;
    proxy.set(Rule::Hold);
    let hurried = json!({"sql": "select 1::int4", "timeout_ms": 100});
    assert_eq!(case(&within(SECOND, &host, "/query", hurried).await), "timeout");
    // Its cancellation was taken, and still nothing comes: it is no longer counted in the pool.
    database.becomes(open, 0, 5 * SECOND).await;
    proxy.set(Rule::Pass);
    works(&host).await;
}
