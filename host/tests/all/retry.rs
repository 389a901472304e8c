use serde_json::json;

use crate::support::{Database, post};

#[tokio::test]
async fn transactions_that_collide_run_again_when_asked_to() {
    let database = Database::start().await;
    let host = database.host().await;
    database
        .watcher
        .batch_execute("create table counter (n int); insert into counter values (0)")
        .await
        .unwrap();
    let command = json!({
        "sql": ["select n from counter", "select pg_sleep(0.02)", "update counter set n = n + 1"],
        "attempts": 50,
    });
    let all: Vec<_> = (0..8)
        .map(|_| {
            let (host, command) = (host.clone(), command.clone());
            tokio::spawn(async move { post(&host, "/retry", command).await })
        })
        .collect();
    let mut attempts = 0;
    for one in all {
        let answer = one.await.unwrap();
        attempts += answer["attempts"].as_i64().unwrap_or_else(|| panic!("{answer}"));
    }
    assert_eq!(database.count("select n::int8 from counter").await, 8);
    assert!(attempts > 8, "nothing collided, so nothing was tried");
}

#[tokio::test]
async fn a_transaction_is_not_tried_more_often_than_asked() {
    let database = Database::start().await;
    let host = database.host().await;
    database.watcher.batch_execute("create sequence tries").await.unwrap();
    let sql = "do $$ begin perform nextval('tries'); raise sqlstate '40001'; end $$";
    let answer = post(&host, "/retry", json!({"sql": [sql], "attempts": 3})).await;
    assert_eq!(answer["error"]["sqlstate"], "40001", "{answer}");
    assert_eq!(database.count("select last_value from tries").await, 3);
    let other = post(&host, "/retry", json!({"sql": ["select 1 / 0"], "attempts": 3})).await;
    assert_eq!(other["error"]["sqlstate"], "22012", "{other}");
}
