//! Standard output and error of guests that write there: lines in the log, as if they had been logged.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::WasiCtx;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

use crate::bindings::wharf::platform::log::Level;
use crate::clock::{Clock, WasiClock};

use super::log::{Budget, Source};

/// What one line may have; longer ones are broken there.
const LONGEST_LINE: usize = 8 << 10;

/// Where the two streams of a guest go.
pub(crate) struct Printed {
    output: Stream,
    errors: Stream,
}

impl Printed {
    pub(crate) fn new(source: &Source) -> Self {
        let stream = |level| Stream(Arc::new(Mutex::new(Lines::new(source.clone(), level))));
        Self { output: stream(Level::Info), errors: stream(Level::Warn) }
    }

    /// A WASI where nothing is granted, and what is written is logged.
    pub(crate) fn context(&self, clock: &Arc<dyn Clock>) -> Box<WasiCtx> {
        let mut context = WasiCtx::builder();
        context.stdout(self.output.clone()).stderr(self.errors.clone());
        context.wall_clock(WasiClock(clock.clone())).monotonic_clock(WasiClock(clock.clone()));
        Box::new(context.build())
    }

    /// What comes from now on is another request's.
    pub(crate) fn belong_to(&self, source: &Source) {
        for stream in [&self.output, &self.errors] {
            let mut lines = stream.0.lock().unwrap_or_else(PoisonError::into_inner);
            lines.flush();
            lines.source = source.clone();
            lines.budget = Budget::default();
        }
    }
}

/// One of the two streams; all handles to it share its half-written line.
#[derive(Clone)]
struct Stream(Arc<Mutex<Lines>>);

struct Lines {
    source: Source,
    level: Level,
    budget: Budget,
    line: Vec<u8>,
}

impl Lines {
    fn new(source: Source, level: Level) -> Self {
        Self { source, level, budget: Budget::default(), line: Vec::new() }
    }

    fn write(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(piece);
            if self.line.ends_with(b"\n") || self.line.len() > LONGEST_LINE {
                self.flush();
            }
        }
    }

    fn flush(&mut self) {
        let line = std::mem::take(&mut self.line);
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end_matches(['\r', '\n']);
        if !text.is_empty() {
            self.budget.emit(&self.source, self.level, text, &[]);
        }
    }
}

impl Drop for Lines {
    /// A last line without an end is one, too.
    fn drop(&mut self) {
        self.flush();
    }
}

impl Stream {
    fn take(&self, bytes: &[u8]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes);
    }
}

impl IsTerminal for Stream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Stream {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.take(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Stream {
    async fn ready(&mut self) {}
}

impl OutputStream for Stream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.take(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(64 << 10)
    }
}
