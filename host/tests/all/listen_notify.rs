use std::time::{Duration, Instant};

use serde_json::{Value, json};
use wharf_host::{Host, chain};

use crate::support::{Database, artifact, get, post, serve};

const SECOND: Duration = Duration::from_secs(1);
const LISTENING: &str = "select count(*) from pg_stat_activity where application_name like 'wharf listen %'";

async fn events(host: &Host) -> Vec<Value> {
    let answer = get(host, "/events").await;
    let events: Value = serde_json::from_str(&answer.text).unwrap_or_else(|_| panic!("{}", answer.text));
    events.get("events").and_then(Value::as_array).unwrap().clone()
}

/// Waits, within bounds that hold on a slow and busy machine, for events that satisfy.
async fn events_until(host: &Host, satisfied: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    let begun = Instant::now();
    loop {
        let events = events(host).await;
        if satisfied(&events) {
            return events;
        }
        assert!(begun.elapsed() < 90 * SECOND, "{events:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn payloads(events: &[Value]) -> Vec<&str> {
    events.iter().filter_map(|event| event["payload"].as_str()).collect()
}

async fn listening_host(database: &Database) -> Host {
    let host = database.builder().build().unwrap();
    serve(&host, artifact("pg-listener")).await;
    events_until(&host, |events| events == [json!({"database": "main", "missed": false})]).await;
    host
}

#[tokio::test]
async fn notifications_come_in_the_order_of_the_server_whatever_the_guest_does() {
    let database = Database::start().await;
    let host = listening_host(&database).await;
    for payload in ["1", "error", "2", "trap", "3", "loop", "4"] {
        database.watcher.execute("select pg_notify('contract_events', $1)", &[&payload]).await.unwrap();
    }
    database.watcher.batch_execute("notify contract_other, 'no'").await.unwrap();
    let events = events_until(&host, |events| payloads(events).contains(&"4")).await;
    assert_eq!(payloads(&events), ["1", "error", "2", "trap", "3", "loop", "4"]);
}

#[tokio::test]
async fn a_guest_is_told_that_it_may_have_missed_something() {
    let database = Database::start().await;
    let host = listening_host(&database).await;
    let kill = "select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name like 'wharf listen %'";
    assert_eq!(database.count(kill).await, 1);
    let missed = json!({"database": "main", "missed": true});
    events_until(&host, |events| events.last() == Some(&missed)).await;
    database.watcher.batch_execute("notify contract_events, 'after'").await.unwrap();
    events_until(&host, |events| payloads(events) == ["after"]).await;
}

#[tokio::test]
async fn no_swap_loses_or_repeats_a_notification() {
    let database = Database::start().await;
    let host = listening_host(&database).await;
    let expected: Vec<String> = (0..60).map(|n| n.to_string()).collect();
    for (n, payload) in expected.iter().enumerate() {
        database.watcher.execute("select pg_notify('contract_events', $1)", &[payload]).await.unwrap();
        if n % 10 == 5 {
            serve(&host, artifact("pg-listener")).await;
        }
    }
    let events = events_until(&host, |events| payloads(events).contains(&"59")).await;
    assert_eq!(payloads(&events), expected);
    assert_eq!(database.count(LISTENING).await, 1, "a connection is kept over swaps");
}

#[tokio::test]
async fn a_service_that_is_removed_listens_no_more() {
    let database = Database::start().await;
    let host = listening_host(&database).await;
    assert!(host.remove("contract-pg-listener"));
    database.becomes(LISTENING, 0, 5 * SECOND).await;
}

#[tokio::test]
async fn a_manifest_and_its_component_agree_on_listening() {
    let database = Database::start().await;
    let host = database.builder().build().unwrap();
    let mut deaf = artifact("pg-client");
    deaf.manifest.listen = artifact("pg-listener").manifest.listen;
    let error = chain(&host.load(deaf).await.unwrap_err());
    assert!(error.contains("exports no `wharf:platform/pg-listener@0.1.0`"), "{error}");
    let mut unasked = artifact("pg-listener");
    unasked.manifest.listen.clear();
    let warnings = host.load(unasked).await.unwrap().warnings().to_vec();
    assert!(warnings.iter().any(|warning| warning.contains("[[listen]]")), "{warnings:?}");
}

#[tokio::test]
async fn a_flood_of_notifications_is_bounded_and_what_it_cost_is_told() {
    let database = Database::start().await;
    let host = listening_host(&database).await;
    // The guest spins until its CPU time is used up, while more comes in than waits.
    let flood = "select pg_notify('contract_events', case n when 0 then 'loop' else n::text end) from generate_series(0, 5000) n";
    assert_eq!(database.watcher.query(flood, &[]).await.unwrap().len(), 5_001);
    let missed = json!({"database": "main", "missed": true});
    events_until(&host, |events| events.contains(&missed)).await;
    // Sent until it is there: the queue may be full again for a while.
    let mut events = Vec::new();
    while !payloads(&events).contains(&"after") {
        assert_eq!(post(&host, "/notify", json!({"payload": "after"})).await, json!({"notified": true}));
        tokio::time::sleep(SECOND / 4).await;
        events = events_until(&host, |events| events.contains(&missed)).await;
    }
    let handled = payloads(&events).iter().filter(|payload| **payload != "after").count();
    assert!(
        (1_000..5_001).contains(&handled),
        "what waited is handled, what did not fit is dropped: {handled}"
    );
    let told = events.iter().position(|event| *event == missed).unwrap();
    let after = events.iter().position(|event| event["payload"] == "after").unwrap();
    assert!(told < after, "a notification after the gap came before it");
}
