//! A proxy between a host and its server: it notes what the host sends, and misbehaves as it is told.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio_postgres::config::Host;

use crate::support::Database;

/// What happens to the bytes. A cut ends one connection, and everything passes again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    Pass,
    /// The server's answers wait.
    Hold,
    /// As `Hold`, from the moment when the host sends this message.
    HoldFrom(&'static str),
    /// So many bytes of the server's answers pass, then the connection is cut.
    CutAnswers(usize),
    /// The connection is cut where the host sends this message, which the server does not get.
    CutBefore(&'static str),
    /// The connection is cut when the server has got this message.
    CutAfter(&'static str),
    /// Nothing passes, either way, on the connections opened before the one of this number.
    Silent(usize),
}

pub(crate) struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

struct Shared {
    server: PathBuf,
    rule: watch::Sender<Rule>,
    /// What the host sent, see [`message`].
    seen: Mutex<Vec<String>>,
    /// Bytes that the server sent under the present rule.
    answered: AtomicUsize,
    opened: AtomicUsize,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Proxy {
    /// In front of a database's server.
    pub(crate) async fn start(database: &Database) -> Self {
        let url = database.postgres.connection_url("test");
        let config: tokio_postgres::Config = url.parse().unwrap();
        let (Host::Unix(folder), port) = (&config.get_hosts()[0], config.get_ports()[0]) else {
            panic!("a private server has a unix socket");
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let shared = Arc::new(Shared {
            server: folder.join(format!(".s.PGSQL.{port}")),
            rule: watch::channel(Rule::Pass).0,
            seen: Mutex::default(),
            answered: AtomicUsize::default(),
            opened: AtomicUsize::default(),
        });
        let address = listener.local_addr().unwrap();
        Self { address, shared: shared.clone(), accepting: tokio::spawn(accept(listener, shared)) }
    }

    /// The database's URL through the proxy.
    pub(crate) fn url(&self) -> String {
        format!("postgres://wharf@{}/test", self.address)
    }

    pub(crate) fn set(&self, rule: Rule) {
        self.shared.answered.store(0, Ordering::SeqCst);
        self.shared.rule.send_replace(rule);
    }

    /// Silences the connections that there are.
    pub(crate) fn freeze(&self) {
        self.set(Rule::Silent(self.shared.opened.load(Ordering::SeqCst)));
    }

    /// Bytes that the server sent since the rule was set.
    pub(crate) fn answered(&self) -> usize {
        self.shared.answered.load(Ordering::SeqCst)
    }

    /// What the host has sent since this was asked last.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.shared.seen.lock().unwrap())
    }

    /// Waits, within bounds, until the host has sent exactly this since [`Self::take`].
    pub(crate) async fn sees(&self, expected: &[String]) {
        let begun = Instant::now();
        loop {
            let seen = self.shared.seen.lock().unwrap().clone();
            if seen == expected {
                return;
            }
            let late = begun.elapsed() > Duration::from_secs(10);
            assert!(!late && seen.len() <= expected.len(), "the host sent {seen:?}, not {expected:?}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((host, _)) = listener.accept().await {
        let number = shared.opened.fetch_add(1, Ordering::SeqCst);
        connections.spawn(shared.clone().serve(number, host));
    }
}

impl Shared {
    async fn serve(self: Arc<Self>, number: usize, host: TcpStream) -> io::Result<()> {
        host.set_nodelay(true)?;
        // A server that is down: the host sees its connection closed.
        let server = UnixStream::connect(&self.server).await?;
        let ((from_host, to_host), (from_server, to_server)) = (host.into_split(), server.into_split());
        // Whichever ends first ends both, as both sockets are dropped.
        tokio::select! {
            ended = self.questions(number, from_host, to_server) => ended,
            ended = self.answers(number, from_server, to_host) => ended,
        }
    }

    async fn questions(
        &self,
        number: usize,
        mut host: impl AsyncRead + Unpin,
        mut server: impl AsyncWrite + Unpin,
    ) -> io::Result<()> {
        let (mut bytes, mut started) = (bytes::BytesMut::new(), false);
        while host.read_buf(&mut bytes).await? > 0 {
            while let Some((length, message)) = message(&bytes, started) {
                started = true;
                let message_bytes = bytes.split_to(length);
                self.passes(|rule| matches!(rule, Rule::Silent(before) if number < *before)).await;
                self.seen.lock().unwrap().push(message.clone());
                let rule = *self.rule.borrow();
                match rule {
                    Rule::HoldFrom(text) if text == message => _ = self.rule.send_replace(Rule::Hold),
                    Rule::CutBefore(text) if text == message => return self.cut(),
                    _ => {}
                }
                server.write_all(&message_bytes).await?;
                if matches!(rule, Rule::CutAfter(text) if text == message) {
                    return self.cut();
                }
            }
        }
        Ok(())
    }

    async fn answers(
        &self,
        number: usize,
        mut server: impl AsyncRead + Unpin,
        mut host: impl AsyncWrite + Unpin,
    ) -> io::Result<()> {
        let mut buffer = vec![0; 64 << 10];
        loop {
            let length = server.read(&mut buffer).await?;
            if length == 0 {
                return Ok(());
            }
            self.passes(|rule| match rule {
                Rule::Hold => true,
                Rule::Silent(before) => number < *before,
                _ => false,
            })
            .await;
            let before = self.answered.fetch_add(length, Ordering::SeqCst);
            let rule = *self.rule.borrow();
            match rule {
                Rule::CutAnswers(at) if before + length > at => {
                    host.write_all(&buffer[..at.saturating_sub(before)]).await?;
                    return self.cut();
                }
                _ => host.write_all(&buffer[..length]).await?,
            }
        }
    }

    async fn passes(&self, stopped: impl Fn(&Rule) -> bool) {
        let _ = self.rule.subscribe().wait_for(|rule| !stopped(rule)).await;
    }

    fn cut(&self) -> io::Result<()> {
        self.rule.send_replace(Rule::Pass);
        Ok(())
    }
}

/// The first message of a host's, and its length: `startup` or `cancel`, then its letter, with the text of a
/// simple query (`Q commit`) or of what is prepared (`P select 1`).
fn message(bytes: &[u8], started: bool) -> Option<(usize, String)> {
    let head = usize::from(started);
    let length = bytes.get(head..head + 4)?.try_into().map(u32::from_be_bytes).unwrap();
    let length = usize::try_from(length).unwrap() + head;
    let message = bytes.get(..length)?;
    let text = |from: usize| {
        let text = message[from..].split(|byte| *byte == 0).next().unwrap_or_default();
        String::from_utf8_lossy(text).into_owned()
    };
    let shown = match message[0] {
        _ if !started && message[4..8] == 80_877_102_u32.to_be_bytes() => "cancel".to_owned(),
        _ if !started => "startup".to_owned(),
        b'Q' => format!("Q {}", text(5)),
        // The statement's name stands before its text.
        b'P' => format!("P {}", text(5 + text(5).len() + 1)),
        letter => char::from(letter).to_string(),
    };
    Some((length, shown))
}
