use serde_json::json;

use crate::support::{artifact, builder, post, serve};

#[tokio::test]
async fn what_was_stored_in_a_folder_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    for (round, expected) in [(1, json!({"sum": 1})), (2, json!({"sum": 2}))] {
        let host = builder().kv_folder(folder.path()).build().unwrap();
        serve(&host, artifact("kv")).await;
        assert_eq!(post(&host, "/increment", json!({"key": "restarts"})).await, expected, "round {round}");
    }
}

#[tokio::test]
async fn a_folder_in_use_is_a_clear_error() {
    let folder = tempfile::tempdir().unwrap();
    let _first = builder().kv_folder(folder.path()).build().unwrap();
    let error = wharf_host::chain(&builder().kv_folder(folder.path()).build().unwrap_err());
    assert!(error.contains("kv.redb") && error.contains("already open"), "{error}");
}

#[tokio::test]
async fn of_many_racing_writers_exactly_one_finds_a_key_absent() {
    let folder = tempfile::tempdir().unwrap();
    let memory = builder().build().unwrap();
    let durable = builder().kv_folder(folder.path()).build().unwrap();
    for host in [memory, durable] {
        serve(&host, artifact("kv")).await;
        let racers = (0..64).map(|n| {
            let host = host.clone();
            let put = json!({"key": "race", "value": n.to_string(), "condition": "if-absent"});
            tokio::spawn(async move { post(&host, "/put", put).await })
        });
        let mut winners = 0;
        for racer in racers.collect::<Vec<_>>() {
            winners += usize::from(!racer.await.unwrap()["version"].is_null());
        }
        assert_eq!(winners, 1);
    }
}

#[tokio::test]
async fn services_share_a_bucket_only_by_grant() {
    let host = builder().build().unwrap();
    serve(&host, artifact("kv")).await;
    post(&host, "/put", json!({"key": "mine", "value": "x"})).await;
    let mut other = artifact("kv");
    other.manifest.name = "other".to_owned();
    other.manifest.grants.kv = vec!["cache".to_owned()];
    for route in &mut other.manifest.routes {
        route.host = Some("other.test".to_owned());
    }
    serve(&host, other).await;
    let get = |key: &str| json!({"bucket": key, "key": "mine"});
    let shared = post(&host, "http://other.test/get", get("cache")).await;
    assert_eq!(shared["entry"]["value"], "x");
    let denied = post(&host, "http://other.test/get", get("durable")).await;
    assert_eq!(denied["error"]["case"], "denied");
}
