use std::time::{Duration, Instant};

use http::StatusCode;

use crate::support::{artifact, builder, get, host, serve};

#[tokio::test]
async fn a_trap_does_not_reach_the_next_request() {
    let host = host("faults").await;
    for path in ["/trap", "/panic", "/recurse"] {
        let answer = get(&host, path).await;
        assert_eq!(
            (answer.status, answer.code.as_str()),
            (StatusCode::INTERNAL_SERVER_ERROR, "guest-trap"),
            "{path}"
        );
        let problem: serde_json::Value = serde_json::from_str(&answer.text).unwrap();
        assert_eq!(problem["detail"], "The service failed.");
        assert!(problem.get("cause").is_none(), "nothing of the trap may be told");
        assert_eq!(get(&host, "/fine").await.text, "fine");
    }
}

#[tokio::test]
async fn a_loop_costs_its_own_cpu_time_and_not_its_neighbours() {
    let host = host("faults").await;
    let looping = tokio::spawn({
        let host = host.clone();
        async move {
            let begun = Instant::now();
            (get(&host, "/loop").await, begun.elapsed())
        }
    });
    // The runtime has one thread: each of these runs only when the loop lets it.
    tokio::task::yield_now().await;
    let mut slowest = Duration::ZERO;
    while !looping.is_finished() {
        let begun = Instant::now();
        assert_eq!(get(&host, "/fine").await.text, "fine");
        slowest = slowest.max(begun.elapsed());
        // This task never waits for anything: without this it would starve the loop, not the other way round.
        tokio::task::yield_now().await;
    }
    let (answer, took) = looping.await.unwrap();
    assert_eq!((answer.status, answer.code.as_str()), (StatusCode::SERVICE_UNAVAILABLE, "cpu-limit"));
    assert!(took < Duration::from_secs(2), "the loop ran for {took:?}");
    assert!(slowest < took, "a neighbour waited {slowest:?} of the loop's {took:?}");
}

#[tokio::test]
async fn a_guest_that_waits_too_long_gets_504_and_is_dropped() {
    let host = builder().build().unwrap();
    let mut faults = artifact("faults");
    faults.manifest.limits.cpu = Duration::from_secs(10);
    faults.manifest.limits.wall = Duration::from_millis(200);
    serve(&host, faults).await;
    let begun = Instant::now();
    let answer = get(&host, "/loop").await;
    assert_eq!((answer.status, answer.code.as_str()), (StatusCode::GATEWAY_TIMEOUT, "deadline"));
    assert!(begun.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn memory_is_bounded_per_request() {
    let host = host("faults").await;
    let answer = get(&host, "/grow").await;
    assert_eq!((answer.status, answer.code.as_str()), (StatusCode::INTERNAL_SERVER_ERROR, "memory-limit"));
    assert_eq!(get(&host, "/fine").await.text, "fine");
}

#[tokio::test]
async fn requests_beyond_the_concurrency_of_a_service_wait_and_then_are_shed() {
    let host = builder().build().unwrap();
    let mut faults = artifact("faults");
    faults.manifest.limits.concurrency = 1;
    faults.manifest.limits.cpu = Duration::from_secs(10);
    serve(&host, faults).await;
    let spin = |ms: u32| {
        let host = host.clone();
        tokio::spawn(async move { get(&host, &format!("/spin?ms={ms}")).await })
    };
    let (first, second) = (spin(800), spin(800));
    let (first, second) = (first.await.unwrap(), second.await.unwrap());
    assert_eq!(first.status, StatusCode::OK, "{}", first.text);
    assert_eq!((second.status, second.code.as_str()), (StatusCode::SERVICE_UNAVAILABLE, "overloaded"));
    assert_eq!(get(&host, "/fine").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_dropped_request_stops_its_guest() {
    let host = builder().build().unwrap();
    let mut faults = artifact("faults");
    faults.manifest.limits.concurrency = 1;
    faults.manifest.limits.cpu = Duration::from_secs(10);
    faults.manifest.limits.wall = Duration::from_secs(10);
    serve(&host, faults).await;
    let client = tokio::time::timeout(Duration::from_millis(50), get(&host, "/loop")).await;
    assert!(client.is_err(), "the loop answered");
    // Its only place is free again: the guest is gone, not merely unheard.
    assert_eq!(get(&host, "/fine").await.text, "fine");
}

#[tokio::test]
async fn a_reply_with_more_fields_than_the_host_can_hold_is_the_guests_fault() {
    let host = host("faults").await;
    for path in ["/many-headers?n=201", "/many-headers?n=30000", "/huge-header?n=100000"] {
        let answer = get(&host, path).await;
        assert_eq!(
            (answer.status, answer.code.as_str()),
            (StatusCode::BAD_GATEWAY, "invalid-reply"),
            "{path}"
        );
    }
    assert_eq!(get(&host, "/many-headers?n=100").await.text, "many");
}
