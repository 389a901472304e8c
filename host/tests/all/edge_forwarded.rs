use serde_json::Value;
use wharf_host::{Config, Serving};

use crate::wire::{exchange, listen_with, statuses};

/// What a guest gets to know of a request with these lines.
async fn echo(serving: &Serving, lines: &str) -> Value {
    let request = format!("GET /echo HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{lines}\r\n");
    let said = exchange(serving.local_addr(), request).await;
    let (_, body) = said.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap_or_else(|_| panic!("{said}"))
}

fn who(echo: &Value) -> (&str, &str) {
    (echo["remote_addr"].as_str().unwrap(), echo["scheme"].as_str().unwrap())
}

fn trusting(config: &mut Config) {
    config.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap(), "10.0.0.0/8".parse().unwrap()];
}

#[tokio::test]
async fn a_stranger_may_say_what_it_likes() {
    let serving =
        listen_with("http", |config| config.trusted_proxies = vec!["10.0.0.0/8".parse().unwrap()]).await;
    let lines =
        "forwarded: for=1.2.3.4;proto=https\r\nx-forwarded-for: 5.6.7.8\r\nx-forwarded-proto: https\r\n";
    let echo = echo(&serving, lines).await;
    assert_eq!(who(&echo), ("127.0.0.1", "http"));
    let headers = echo["headers"].as_array().unwrap();
    assert!(
        headers.contains(&serde_json::json!(["x-forwarded-for", "5.6.7.8"])),
        "not handed on: {headers:?}"
    );
}

#[tokio::test]
async fn a_proxy_names_its_client() {
    let serving = listen_with("http", trusting).await;
    for (lines, expected) in [
        ("", ("127.0.0.1", "http")),
        ("x-forwarded-for: 6.6.6.6, 1.2.3.4, 10.1.1.1\r\nx-forwarded-proto: https\r\n", ("1.2.3.4", "https")),
        ("forwarded: for=\"[2001:db8::7]:1\";proto=https, for=10.2.2.2\r\n", ("2001:db8::7", "https")),
        ("x-forwarded-for: nobody\r\nx-forwarded-proto: carrier pigeon\r\n", ("127.0.0.1", "http")),
    ] {
        assert_eq!(who(&echo(&serving, lines).await), expected, "{lines}");
    }
}

#[tokio::test]
async fn a_field_that_its_proxy_does_not_know_is_not_believed_against_the_one_it_sets() {
    let serving = listen_with("http", trusting).await;
    let lines = "forwarded: for=10.0.0.1\r\nx-forwarded-for: 1.2.3.4\r\n";
    let request = format!("GET /echo HTTP/1.1\r\nhost: a\r\n{lines}\r\n");
    let said = exchange(serving.local_addr(), request).await;
    assert!(statuses(&said) == [400] && said.contains("contradict"), "{said}");
}
