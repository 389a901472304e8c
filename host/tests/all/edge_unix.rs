use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;

use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use wharf_host::Endpoint;

use crate::support::artifact;
use crate::wire::{ANY, PATIENCE, exchange, host_with, statuses, until_closed};

const GET: &[u8] = b"GET /echo HTTP/1.1\r\nhost: a\r\nx-forwarded-for: 1.2.3.4\r\nconnection: close\r\n\r\n";

async fn ask(path: &Path) -> String {
    let mut stream = UnixStream::connect(path).await.unwrap();
    stream.write_all(GET).await.unwrap();
    String::from_utf8(until_closed(&mut stream).await).unwrap()
}

#[tokio::test]
async fn a_socket_serves_its_group_and_goes_with_its_host() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wharf.sock");
    let host = host_with(artifact("http"), |_| {}).await;
    let endpoints = [Endpoint::Unix(path.clone()), Endpoint::Http(ANY)];
    let serving = host.listen_at(&endpoints).unwrap();
    assert_eq!(serving.endpoints(), [endpoints[0].clone(), Endpoint::Http(serving.local_addr())]);
    let mode = path.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o660);
    // Each core accepts: all of these are answered, whoever is free.
    for _ in 0..10 {
        let said = ask(&path).await;
        assert!(statuses(&said) == [200] && said.contains(r#""remote_addr":"127.0.0.1""#), "{said}");
    }
    assert_eq!(statuses(&exchange(serving.local_addr(), GET).await), [200]);
    assert!(serving.shutdown(PATIENCE).await);
    assert!(!path.exists(), "the file is left");
}

#[tokio::test]
async fn whoever_connects_to_a_socket_is_believed_when_this_machine_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wharf.sock");
    let trusting = |config: &mut wharf_host::Config| {
        config.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
        config.connections_per_address = 0;
    };
    let host = host_with(artifact("http"), trusting).await;
    let _serving = host.listen_at(&[Endpoint::Unix(path.clone())]).unwrap();
    let said = ask(&path).await;
    assert!(said.contains(r#""remote_addr":"1.2.3.4""#), "{said}");
}

#[tokio::test]
async fn a_file_is_replaced_only_where_nobody_listens() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wharf.sock");
    let host = host_with(artifact("http"), |_| {}).await;
    let endpoint = [Endpoint::Unix(path.clone())];

    std::fs::write(&path, "somebody's").unwrap();
    host.listen_at(&endpoint).unwrap_err();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "somebody's");
    std::fs::remove_file(&path).unwrap();

    let alive = UnixListener::bind(&path).unwrap();
    let error = host.listen_at(&endpoint).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
    drop(alive);
    assert!(path.exists(), "the standard library leaves its file");
    let first = host.listen_at(&endpoint).unwrap();
    assert_eq!(statuses(&ask(&path).await), [200]);

    // Whoever took the path over keeps it.
    std::fs::remove_file(&path).unwrap();
    let second = host.listen_at(&endpoint).unwrap();
    drop(first);
    assert_eq!(statuses(&ask(&path).await), [200]);
    drop(second);
    assert!(!path.exists());
}
