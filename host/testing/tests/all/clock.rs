use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::{command, service, services};

#[tokio::test]
async fn an_entry_expires_when_the_test_lets_its_time_pass() {
    let service = service("contract/kv/rust").await;
    service.clock().stop();
    command(service.post("/put"), json!({"key": "a", "value": "1", "ttl_ms": 3_600_000})).await;
    service.clock().advance(Duration::from_millis(3_599_999));
    assert_eq!(command(service.post("/get"), json!({"key": "a"})).await["entry"]["value"], "1");
    service.clock().advance(Duration::from_millis(1));
    assert_eq!(command(service.post("/get"), json!({"key": "a"})).await["entry"], Value::Null);
}

#[tokio::test]
async fn a_guest_is_told_the_time_that_the_test_sets() {
    let service = service("contract/http/rust").await;
    service.clock().stop();
    service.clock().set(UNIX_EPOCH + Duration::from_secs(4_102_444_800));
    let echo: Value = service.get("/echo").await.json();
    assert_eq!(echo["received_at"], 4_102_444_800_000_u64);
    assert_eq!(echo["deadline"], 4_102_444_830_000_u64, "the limit of 30 s is counted from there");
}

#[tokio::test]
async fn the_clocks_of_wasi_are_the_test_s() {
    let service = service("contract/faults/rust").await;
    assert_eq!(service.get("/spin?ms=1").await.expect_status(200).text(), "spun");
    service.clock().stop();
    // It waits for a time that never comes, and is ended for that by the machine's own clock.
    service.get("/spin?ms=1").await.expect_status(503);
}

#[tokio::test]
async fn a_rate_is_fresh_again_when_its_time_has_passed() {
    let service = services(&["contract/guard/rust", "contract/guarded/rust"]).await;
    service.clock().stop();
    for _ in 0..3 {
        service.get("/rate/address").await.expect_status(200);
    }
    let refused = service.get("/rate/address").await;
    assert_eq!(refused.expect_status(429).header("retry-after"), Some("1200"));
    service.clock().advance(Duration::from_secs(1_200));
    service.get("/rate/address").await.expect_status(200);
    service.get("/rate/address").await.expect_status(429);
}

#[tokio::test]
async fn a_token_ends_when_the_test_s_time_says_so() {
    // `good` of `components/contract/guarded/tokens.sh`: until 2100-01-01.
    const TOKEN: &str = "eyJhbGciOiJFZERTQSIsImtpZCI6ImVkIn0.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwiYXVkIjoiY29udHJhY3QiLCJzdWIiOiI3Iiwicm9sZXMiOlsiYSIsImIiXSwiZXhwIjo0MTAyNDQ0ODAwfQ.NQm8BYDFnA1TW-qUL8SUN4SHwf3osxc1aVLUWUlq11sr8Ws0wfqf9zklKIpXNEu8sc8IcZi1QdYi1FrzTWsLAA";
    let service = services(&["contract/guard/rust", "contract/guarded/rust"]).await;
    let bearer = format!("Bearer {TOKEN}");
    service.get("/token").header("authorization", &bearer).await.expect_status(200);
    // A minute after its end, for clocks that differ.
    service.clock().set(UNIX_EPOCH + Duration::from_secs(4_102_444_800 + 61));
    service.get("/token").header("authorization", &bearer).await.expect_status(401);
}
