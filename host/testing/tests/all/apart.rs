use serde_json::{Value, json};

use crate::{command, service, stand};

#[tokio::test]
async fn each_test_has_a_database_with_the_migrations_applied_and_nothing_else_in_it() {
    let (one, other) = tokio::join!(service("examples/guestbook"), service("examples/guestbook"));
    let draft = json!({"author": "Ada", "message": "First light!"});
    for service in [&one, &other] {
        let created = service.post("/guestbook/api/entries").json(&draft).await;
        assert_eq!(created.expect_status(201).json::<Value>()["id"], 1);
        assert_eq!(
            service.sql("main", "select count(*) from entries").await.unwrap(),
            [[Some("1".to_owned())]]
        );
    }
    assert_ne!(one.database_url("main").unwrap(), other.database_url("main").unwrap());
    let unknown = one.database_url("other").unwrap_err().to_string();
    assert_eq!(unknown, "`guestbook` is granted no database `other`");
}

#[tokio::test]
async fn databases_of_one_service_are_copies_of_one_template_and_go_with_their_test() {
    let first = service("examples/guestbook").await;
    let templates =
        "select datname from pg_database where datname like 'template\\_%' and datname not like '%partial'";
    let before = first.sql("main", templates).await.unwrap();
    let second = service("examples/guestbook").await;
    assert_eq!(second.sql("main", templates).await.unwrap(), before);
    let name = second.sql("main", "select current_database()").await.unwrap();
    let [Some(name)] = &name[0][..] else { panic!("{name:?}") };
    let there = format!("select 1 from pg_database where datname = '{name}'");
    assert_eq!(first.sql("main", &there).await.unwrap().len(), 1);
    drop(second);
    let gone = async {
        while !first.sql("main", &there).await.unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), gone).await.unwrap();
}

#[tokio::test]
async fn each_test_has_empty_buckets_that_it_can_reach_into() {
    let (one, other) = tokio::join!(service("contract/kv/rust"), service("contract/kv/rust"));
    let stored = command(one.post("/put"), json!({"key": "a", "value": "1"})).await;
    assert!(stored["version"].is_number(), "{stored}");
    assert_eq!(command(other.post("/get"), json!({"key": "a"})).await["entry"], Value::Null);
    let entry = one.bucket("cache").get("a".to_owned()).await.unwrap().unwrap();
    assert_eq!(entry.value, b"1");
}

#[tokio::test]
async fn a_request_comes_from_where_the_test_says() {
    let service = service("contract/http/rust").await;
    let echo = service.get("/echo?a=b").header("x-one", "1").from([203, 0, 113, 9].into()).await;
    let echo: Value = echo.expect_status(200).json();
    assert_eq!(echo["remote_addr"], "203.0.113.9");
    assert!(echo["headers"].as_array().unwrap().contains(&json!(["x-one", "1"])), "{echo}");
    let form = service.post("/body/echo").form(&[("a b", "ü&"), ("c", "")]).await;
    assert_eq!(form.text(), "a+b=%C3%BC%26&c=");
}

#[tokio::test]
async fn a_failure_is_explained() {
    let service = service("contract/config-log/rust").await;
    let answer = service.get("/log/panic").await;
    let problem: Value = answer.expect_status(500).json();
    assert!(problem["log"][0].as_str().unwrap().contains("the service panicked"), "{problem}");
}

#[tokio::test]
async fn a_swap_leaves_everything_else_as_it_is() {
    let service = service("contract/kv/rust").await;
    command(service.post("/put"), json!({"key": "a", "value": "1"})).await;
    service.redeploy(stand(), &[crate::project("contract/kv/rust")]).await.unwrap();
    assert_eq!(command(service.post("/get"), json!({"key": "a"})).await["entry"]["value"], "1");
}
