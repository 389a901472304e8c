use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::{Request, StatusCode};
use http_body_util::BodyExt;

use crate::support::{artifact, get, host, serve};

#[tokio::test]
async fn a_swap_takes_effect_with_the_next_request() {
    let host = host("config-log").await;
    for greeting in ["one", "two", "three"] {
        let mut next = artifact("config-log");
        next.manifest.config.insert("greeting".to_owned(), greeting.to_owned());
        serve(&host, next).await;
        let answer = get(&host, "/config?key=greeting").await;
        assert!(answer.text.contains(greeting), "{}", answer.text);
    }
}

#[tokio::test]
async fn swaps_under_load_drop_no_request_and_mix_no_answer() {
    let host = host("config-log").await;
    let done = Arc::new(AtomicBool::new(false));
    let client = tokio::spawn({
        let (host, done) = (host.clone(), done.clone());
        async move {
            let mut answers = 0;
            while !done.load(Ordering::Relaxed) {
                let answer = get(&host, "/config?key=greeting").await;
                assert_eq!(answer.status, StatusCode::OK, "{}", answer.code);
                answers += 1;
                tokio::task::yield_now().await;
            }
            answers
        }
    });
    for round in 0..20 {
        let mut next = artifact("config-log");
        next.manifest.config.insert("greeting".to_owned(), format!("round {round}"));
        serve(&host, next).await;
        assert!(get(&host, "/config?key=greeting").await.text.contains(&format!("round {round}")));
    }
    done.store(true, Ordering::Relaxed);
    assert!(client.await.unwrap() > 0);
}

#[tokio::test]
async fn a_stream_finishes_on_the_release_that_it_began_with() {
    let host = host("http").await;
    let request = Request::get("/stream?n=5&size=3").body(String::new()).unwrap();
    let mut body = host.handle(request).await.into_body();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "aaa");
    let old = Arc::downgrade(&host.releases()[0]);
    let mut next = artifact("http");
    next.manifest.config.insert("new".to_owned(), "yes".to_owned());
    serve(&host, next).await;
    assert!(old.upgrade().is_some(), "the stream keeps its release");
    let rest = body.collect().await.unwrap().to_bytes();
    assert_eq!(rest, "bbbcccdddeee");
    assert!(old.upgrade().is_none(), "the last request lets go of the old release");
}

#[tokio::test]
async fn a_removed_service_answers_no_more() {
    let host = host("http").await;
    assert!(host.remove("contract-http"));
    assert!(!host.remove("contract-http"));
    assert_eq!(get(&host, "/text").await.status, StatusCode::NOT_FOUND);
}
