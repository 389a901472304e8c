use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Barrier;

use crate::wire::{
    ANY, PATIENCE, ask_until, connect, exchange, expect, host_with, listen_with, one_at_a_time, sent,
    statuses, until_closed,
};

const STAYING: &[u8] = b"GET /text HTTP/1.1\r\nhost: a\r\n\r\n";
const GET: &str = "GET /text HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";

#[tokio::test]
async fn connections_above_the_cap_are_closed_and_those_below_are_served() {
    let serving = listen_with("http", |config| config.connections = 3).await;
    let mut inside = Vec::new();
    for _ in 0..3 {
        let mut stream = sent(serving.local_addr(), STAYING).await;
        // Answered, and so counted.
        expect(&mut stream, "Hello, World!").await;
        inside.push(stream);
    }
    for _ in 0..20 {
        assert_eq!(exchange(serving.local_addr(), GET).await, "", "a fourth was served");
    }
    for stream in &mut inside {
        tokio::io::AsyncWriteExt::write_all(stream, GET.as_bytes()).await.unwrap();
        expect(stream, "Hello, World!").await;
        until_closed(stream).await;
    }
    drop(inside);
    ask_until(serving.local_addr(), "/text", |answer| statuses(answer) == [200]).await;
}

#[tokio::test]
async fn an_address_has_a_cap_of_its_own_unless_it_is_a_proxys() {
    let capped = listen_with("http", |config| config.connections_per_address = 1).await;
    let mut first = sent(capped.local_addr(), STAYING).await;
    expect(&mut first, "Hello, World!").await;
    let other = tokio::net::TcpSocket::new_v4().unwrap();
    other.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let mut other = other.connect(capped.local_addr()).await.unwrap();
    assert_eq!(exchange(capped.local_addr(), GET).await, "", "a second was served");
    tokio::io::AsyncWriteExt::write_all(&mut other, GET.as_bytes()).await.unwrap();
    expect(&mut other, "Hello, World!").await;
    drop(first);
    ask_until(capped.local_addr(), "/text", |answer| statuses(answer) == [200]).await;

    let trusting = listen_with("http", |config| {
        config.connections_per_address = 1;
        config.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    })
    .await;
    let mut first = sent(trusting.local_addr(), STAYING).await;
    expect(&mut first, "Hello, World!").await;
    assert_eq!(statuses(&exchange(trusting.local_addr(), GET).await), [200]);
}

/// One runs, 128 wait, and more are shed: at once those that find the queue full, after 250 ms the others.
#[tokio::test]
async fn at_the_limit_requests_wait_and_above_it_they_are_shed() {
    let host = host_with(one_at_a_time(), |_| {}).await;
    let serving = host.listen(ANY).unwrap();
    let address = serving.local_addr();
    let running = sent(address, b"GET /loop HTTP/1.1\r\nhost: a\r\n\r\n").await;
    ask_until(address, "/fine", |answer| statuses(answer) == [503]).await;

    let ready = Arc::new(Barrier::new(160));
    let clients: Vec<_> = (0..160)
        .map(|_| {
            let ready = ready.clone();
            tokio::spawn(async move {
                let mut stream = connect(address).await;
                ready.wait().await;
                let begun = Instant::now();
                let request = b"GET /fine HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
                tokio::io::AsyncWriteExt::write_all(&mut stream, request).await.unwrap();
                let said = until_closed(&mut stream).await;
                (String::from_utf8(said).unwrap(), begun.elapsed())
            })
        })
        .collect();
    let (mut at_once, mut later) = (0, 0);
    for client in clients {
        let (said, took) = client.await.unwrap();
        assert_eq!(statuses(&said), [503], "{said}");
        assert!(said.contains("retry-after: 1\r\n") && said.contains("x-wharf-error: overloaded"), "{said}");
        assert!(took < PATIENCE);
        if took < Duration::from_millis(250) { at_once += 1 } else { later += 1 }
    }
    // The loop shares a core with half of them, so that those above the queue may be late, and never those in it early.
    assert!(at_once <= 160 - 128, "{at_once} were shed at once, {later} later");
    assert!(at_once > 0, "nobody was shed at once");
    drop(running);
    ask_until(address, "/fine", |answer| answer.ends_with("fine")).await;
}
