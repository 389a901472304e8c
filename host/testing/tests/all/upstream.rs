use serde_json::json;
use wharf_test::Reply;

use crate::{command, service};

#[tokio::test]
async fn what_is_expected_is_answered_in_the_clear_and_over_tls() {
    let service = service("contract/http-client/rust").await;
    for scheme in ["http://upstream.test", "https://tls.test"] {
        let url = format!("{scheme}/rates?base=EUR");
        let reply = Reply::json(&json!({"rate": 1.5})).with_status(201).header("x-from", "the test");
        service.upstream().expect(&format!("POST {url}")).header("x-key", "k").json(&json!([1])).reply(reply);
        let request = json!({"method": "POST", "url": url, "headers": [["x-key", "k"]], "body": "[ 1 ]"});
        let answer = command(service.post("/send"), request).await;
        assert_eq!((&answer["status"], &answer["json"]["rate"]), (&json!(201), &json!(1.5)), "{answer}");
        assert!(answer["headers"].as_array().unwrap().contains(&json!(["x-from", "the test"])), "{answer}");
    }
    let received = service.upstream().received();
    assert_eq!(received[1].url, "https://tls.test/rates?base=EUR");
    assert_eq!(received[1].headers["x-key"], "k");
}

#[tokio::test]
async fn an_upstream_may_hang_up() {
    let service = service("contract/http-client/rust").await;
    service.upstream().expect("GET http://upstream.test/").reply(Reply::hang_up());
    let answer = command(service.post("/send"), json!({"url": "http://upstream.test/"})).await;
    assert_eq!(answer["error"]["case"], "connection-lost", "{answer}");
}

#[tokio::test]
async fn what_is_not_granted_is_refused_before_it_is_asked() {
    let service = service("contract/http-client/rust").await;
    let answer = command(service.post("/send"), json!({"url": "https://elsewhere.example/"})).await;
    assert_eq!(answer["error"]["case"], "denied", "{answer}");
    assert!(service.upstream().received().is_empty());
}

#[tokio::test]
#[should_panic(expected = "`GET http://upstream.test/` came and was not expected")]
async fn what_was_not_expected_fails_the_test() {
    let service = service("contract/http-client/rust").await;
    let answer = command(service.post("/send"), json!({"url": "http://upstream.test/", "body": ""})).await;
    assert_eq!(answer["status"], 501, "{answer}");
}

#[tokio::test]
#[should_panic(expected = "`GET http://upstream.test/` was expected 1 times and came 0 times")]
async fn what_never_came_fails_the_test() {
    let service = service("contract/http-client/rust").await;
    service.upstream().expect("GET http://upstream.test/").reply(Reply::status(200));
}
