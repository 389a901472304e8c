//! A server that runs as a process of its own, and its page.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::run::{POLL, quiet, tail};

/// How long a server may take to listen: `wharf dev` builds everything first.
const LISTENS: Duration = Duration::from_secs(900);

/// How long a change may take to be served.
const SERVED: Duration = Duration::from_secs(300);

/// Killed when dropped.
#[derive(Debug)]
pub(crate) struct Server(Child);

impl Server {
    /// Starts a command, and does not wait for anything.
    pub(crate) fn start(command: &mut Command, log: &Path) -> Result<Self> {
        quiet(command, log)?;
        let process =
            command.spawn().with_context(|| format!("failed to start {:?}", command.get_program()))?;
        Ok(Self(process))
    }

    /// Starts a command, and waits until it says `listening on http://ADDRESS`. Returns the address, too.
    pub(crate) fn listening(command: &mut Command, log: &Path) -> Result<(Self, String)> {
        let (mut server, begun) = (Self::start(command, log)?, Instant::now());
        loop {
            let said = std::fs::read(log)?;
            let said = String::from_utf8_lossy(&said);
            let line = said.lines().find_map(|line| line.strip_prefix("listening on http://"));
            // A line that is not whole yet has no end.
            if let Some(line) = line.filter(|_| said.ends_with('\n')) {
                return Ok((server, line.split(',').next().unwrap_or(line).to_owned()));
            }
            if server.0.try_wait()?.is_some() || begun.elapsed() > LISTENS {
                bail!("{command:?} does not listen:\n{}", tail(log));
            }
            std::thread::sleep(POLL);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Asks for the page until it has this text.
pub(crate) fn until_served(address: &str, text: &str, pause: Duration) -> Result<()> {
    let begun = Instant::now();
    while !page(address).is_ok_and(|page| page.contains(text)) {
        ensure!(begun.elapsed() < SERVED, "`{text}` was not served within {SERVED:?}");
        std::thread::sleep(pause);
    }
    Ok(())
}

fn page(address: &str) -> Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(b"GET /guestbook HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
