//! Services that are called for changes of buckets, beyond what the conformance cases show: servers that go away,
//! several hosts, and what is refused at deploy.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use wharf_host::kv::{BucketConfig, Condition, KvStorage, PutItem};
use wharf_host::{BucketNeeds, Feature, Host};
use wharf_servers::{Kind, Server};

use crate::support::{Database, artifact, builder, get, serve};

/// A host that keeps the watched bucket there, and serves its watcher.
async fn watching(storage: KvStorage) -> Host {
    let mut bucket = BucketConfig::default();
    bucket.storage = Some(storage);
    let host = builder().bucket("watched", bucket).build().unwrap();
    serve(&host, artifact("kv-watcher")).await;
    host
}

async fn events(host: &Host) -> Vec<Value> {
    let answer: Value = serde_json::from_str(&get(host, "/events").await.text).unwrap();
    answer["events"].as_array().unwrap().clone()
}

/// Waits until what it was told of satisfies this.
async fn until(host: &Host, what: &str, satisfied: impl Fn(&[Value]) -> bool) {
    let begun = Instant::now();
    loop {
        let events = events(host).await;
        if satisfied(&events) {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "never {what}: {events:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn gaps(events: &[Value]) -> usize {
    events.iter().filter(|event| **event == json!({"bucket": "watched", "gap": true})).count()
}

/// Tries until it works: the first write after an outage may meet the connection from before.
async fn put(host: &Host, key: &str) {
    let (bucket, begun) = (host.stores().bucket("watched"), Instant::now());
    loop {
        let item = PutItem { key: key.to_owned(), value: b"x".to_vec(), ttl_ms: None };
        match bucket.put(item, Condition::Always).await {
            Ok(version) => return assert!(version.is_some()),
            Err(error) => assert!(begun.elapsed() < Duration::from_secs(10), "{error:?}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn told(key: &str) -> impl Fn(&[Value]) -> bool {
    move |events| events.iter().any(|event| event["key"] == key)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watcher_is_told_of_the_gap_when_its_server_was_away_and_of_changes_after_it() {
    for kind in [Kind::Redis, Kind::Nats] {
        let mut server = Server::start(kind).unwrap();
        let host = watching(server.url().parse().unwrap()).await;
        until(&host, "watching", |events| gaps(events) == 1).await;
        put(&host, "w/1").await;
        until(&host, "told of w/1", told("w/1")).await;
        server.kill().unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
        server.restart().unwrap();
        until(&host, "told of the gap", |events| gaps(events) >= 2).await;
        put(&host, "w/2").await;
        until(&host, "told of w/2", told("w/2")).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watcher_is_told_of_the_gap_when_its_session_on_postgresql_was_ended() {
    let database = Database::start().await;
    let host = watching(KvStorage::Postgres(database.postgres.connection_url("test"))).await;
    until(&host, "watching", |events| gaps(events) == 1).await;
    put(&host, "w/1").await;
    until(&host, "told of w/1", told("w/1")).await;
    let end =
        "select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name = 'wharf kv'";
    assert!(database.count(end).await >= 2);
    until(&host, "told of the gap", |events| gaps(events) >= 2).await;
    put(&host, "w/2").await;
    until(&host, "told of w/2", told("w/2")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_entries_expire_at_once_on_postgresql_than_one_sweep_takes() {
    let database = Database::start().await;
    let host = watching(KvStorage::Postgres(database.postgres.connection_url("test"))).await;
    until(&host, "watching", |events| gaps(events) == 1).await;
    for chunk in 0..3 {
        let item =
            |n| PutItem { key: format!("other/{chunk}/{n}"), value: b"x".to_vec(), ttl_ms: Some(1_000) };
        host.stores().bucket("watched").put_many((0..1_000).map(item).collect()).await.unwrap();
    }
    database.becomes("select count(*) from wharf_kv.entries", 0, Duration::from_secs(15)).await;
    assert_eq!(database.count("select coalesce(sum(entries), 0)::int8 from wharf_kv.usages").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watcher_on_one_host_is_told_of_what_another_writes() {
    let server = Server::start(Kind::VolatileRedis).unwrap();
    let storage: KvStorage = server.url().parse().unwrap();
    let (here, there) = (watching(storage.clone()).await, watching(storage).await);
    until(&here, "watching", |events| gaps(events) == 1).await;
    put(&there, "w/far").await;
    until(&here, "told of w/far", told("w/far")).await;
}

#[tokio::test]
async fn a_release_that_watches_no_more_is_not_called() {
    let host = watching(KvStorage::Memory).await;
    until(&host, "watching", |events| gaps(events) == 1).await;
    put(&host, "w/1").await;
    until(&host, "told of w/1", told("w/1")).await;
    let mut deaf = artifact("kv-watcher");
    deaf.manifest.watch.clear();
    let release = serve(&host, deaf).await;
    assert!(
        release.warnings().iter().any(|warning| warning.contains("[[watch]]")),
        "{:?}",
        release.warnings()
    );
    put(&host, "w/2").await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!told("w/2")(&events(&host).await));
}

async fn refused(host: &Host, change: impl FnOnce(&mut wharf_host::Manifest), guest: &str) -> String {
    let mut artifact = artifact(guest);
    change(&mut artifact.manifest);
    wharf_host::chain(&host.load(artifact).await.unwrap_err())
}

#[tokio::test]
async fn what_a_bucket_cannot_do_is_refused_at_deploy() {
    let (redis, nats) = (Server::start(Kind::VolatileRedis).unwrap(), Server::start(Kind::Nats).unwrap());
    let kept = |url: String| {
        let mut bucket = BucketConfig::default();
        bucket.storage = Some(url.parse().unwrap());
        bucket
    };
    let host =
        builder().bucket("cache", kept(redis.url())).bucket("durable", kept(nats.url())).build().unwrap();
    let needs = |bucket: &'static str, features: &[Feature]| {
        let mut needs = BucketNeeds::default();
        needs.needs = features.iter().copied().collect();
        move |manifest: &mut wharf_host::Manifest| {
            manifest.kv.insert(bucket.to_owned(), needs);
        }
    };
    let error = refused(&host, needs("cache", &[Feature::Ttl, Feature::Durable]), "kv").await;
    assert!(error.contains("`cache` lacks `durable`") && !error.contains("`ttl`"), "{error}");
    let error = refused(&host, needs("durable", &[Feature::Transactions, Feature::Linearizable]), "kv").await;
    assert!(error.contains("`durable` lacks `transactions`, `linearizable`"), "{error}");
    let mut fits = artifact("kv");
    needs("cache", &[Feature::Transactions])(&mut fits.manifest);
    serve(&host, fits).await;

    let watch = |manifest: &mut wharf_host::Manifest| {
        manifest.watch = artifact("kv-watcher").manifest.watch;
    };
    let error = refused(&host, watch, "kv").await;
    assert!(error.contains("`[[watch]]`") && error.contains("kv-watcher"), "{error}");
}

#[tokio::test]
async fn a_server_that_is_away_keeps_out_only_those_who_ask_it_something() {
    let mut server = Server::start(Kind::VolatileRedis).unwrap();
    let mut bucket = BucketConfig::default();
    bucket.storage = Some(server.url().parse().unwrap());
    let host = builder().bucket("cache", bucket).build().unwrap();
    server.kill().unwrap();
    let needs = |manifest: &mut wharf_host::Manifest| {
        let mut needs = BucketNeeds::default();
        needs.needs.insert(Feature::Ttl);
        manifest.kv.insert("cache".to_owned(), needs);
    };
    let error = refused(&host, needs, "kv").await;
    assert!(error.contains("`cache` does not answer"), "{error}");
    serve(&host, artifact("kv")).await;
}
