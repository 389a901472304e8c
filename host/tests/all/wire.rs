//! Clients that send bytes, whatever they are, and hosts that listen for them.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use wharf_host::{Artifact, Config, Host, Serving};

use crate::support::{artifact, serve};

pub(crate) const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
/// Far above every deadline that these tests set, and far below the defaults.
pub(crate) const PATIENCE: Duration = Duration::from_secs(6);
/// What they set as deadlines.
pub(crate) const SOON: Duration = Duration::from_millis(300);

/// A host with settings of its own, which serves one contract guest.
pub(crate) async fn host_with(guest: Artifact, change: impl FnOnce(&mut Config)) -> Host {
    let mut config = Config::default();
    config.cores = std::num::NonZeroUsize::new(2).unwrap();
    change(&mut config);
    let host = Host::builder().config(config).build().unwrap();
    serve(&host, guest).await;
    host
}

pub(crate) async fn listen_with(guest: &str, change: impl FnOnce(&mut Config)) -> Serving {
    host_with(artifact(guest), change).await.listen(ANY).unwrap()
}

/// The guest `faults` with room for one request, which may take as long as it likes.
pub(crate) fn one_at_a_time() -> Artifact {
    let mut faults = artifact("faults");
    faults.manifest.limits.concurrency = 1;
    faults.manifest.limits.cpu = Duration::from_secs(10);
    faults.manifest.limits.wall = Duration::from_secs(60);
    faults
}

pub(crate) async fn connect(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).await.unwrap()
}

/// Connects and sends.
pub(crate) async fn sent(address: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut stream = connect(address).await;
    stream.write_all(bytes).await.unwrap();
    stream
}

/// All that comes until the host closes, which it has to.
pub(crate) async fn until_closed(stream: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    let mut all = Vec::new();
    let reads = async {
        // A reset is an end, too: the host leaves unread what it does not trust.
        while let Ok(1..) = stream.read_buf(&mut all).await {}
    };
    let closed = tokio::time::timeout(PATIENCE, reads).await;
    assert!(closed.is_ok(), "the host did not close; it said {:?}", String::from_utf8_lossy(&all));
    all
}

/// Sends bytes as they are and reads until the host closes.
pub(crate) async fn exchange(address: SocketAddr, bytes: impl AsRef<[u8]>) -> String {
    let mut stream = sent(address, bytes.as_ref()).await;
    String::from_utf8_lossy(&until_closed(&mut stream).await).into_owned()
}

/// Reads until the text is there.
pub(crate) async fn expect(stream: &mut (impl AsyncRead + Unpin), text: &str) -> String {
    let mut all = Vec::new();
    let reads = async {
        while !String::from_utf8_lossy(&all).contains(text) {
            let read = stream.read_buf(&mut all).await.unwrap();
            assert!(read > 0, "closed before `{text}`: {:?}", String::from_utf8_lossy(&all));
        }
    };
    let found = tokio::time::timeout(PATIENCE, reads).await;
    assert!(found.is_ok(), "no `{text}` within {PATIENCE:?}");
    String::from_utf8_lossy(&all).into_owned()
}

/// The statuses of all responses in it, in their order.
pub(crate) fn statuses(said: &str) -> Vec<u16> {
    said.split("HTTP/1.1 ").skip(1).map(|response| response[..3].parse().unwrap()).collect()
}

/// Asks until an answer fits, within bounds.
pub(crate) async fn ask_until(address: SocketAddr, path: &str, fits: impl Fn(&str) -> bool) {
    let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    let begun = Instant::now();
    loop {
        let answer = exchange(address, &request).await;
        if fits(&answer) {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{path} still answers {answer}");
    }
}
