//! A stream whose writes may neither stand still nor crawl: a client that reads nothing, or next to nothing, lets go of
//! its guest. It tells the connection's pulse what it reads and what it cannot write.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use super::pulse::Pulse;

/// How fast a client has to read. Only the time in which a write waits for it counts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// How long writes may wait beyond what `rate` pays for.
    pub(super) patience: Duration,
    /// Bytes that pay for a second; 0 makes every byte pay for all that was waited.
    pub(super) rate: u32,
}

/// Fails a write that waits for too long.
pub(super) struct Stalling<S> {
    stream: S,
    pace: Pace,
    /// What writes have waited beyond what was paid for.
    owed: Duration,
    /// Set while a write waits: since when, and until when it may.
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
    pulse: Arc<Pulse>,
}

impl<S: AsyncWrite + Unpin> Stalling<S> {
    pub(super) fn new(stream: S, pace: Pace, pulse: Arc<Pulse>) -> Self {
        Self { stream, pace, owed: Duration::ZERO, waiting: None, pulse }
    }

    fn watch<T>(
        &mut self,
        context: &mut Context<'_>,
        write: impl FnOnce(Pin<&mut S>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if let Poll::Ready(done) = write(Pin::new(&mut self.stream), context) {
            if let Some((since, _)) = self.waiting.take() {
                self.owed += since.elapsed();
                self.pulse.writes(false);
            }
            return Poll::Ready(done);
        }
        let (left, pulse) = (self.pace.patience.saturating_sub(self.owed), &self.pulse);
        let (_, deadline) = self.waiting.get_or_insert_with(|| {
            pulse.writes(true);
            let now = Instant::now();
            (now, Box::pin(tokio::time::sleep_until(now + left)))
        });
        ready!(deadline.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not read")))
    }

    /// Bytes that went out pay for what was waited, not for what will be.
    fn pay(&mut self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(bytes)) = written
            && !self.owed.is_zero()
            && bytes > 0
        {
            let micros = (bytes as u64).saturating_mul(1_000_000).checked_div(u64::from(self.pace.rate));
            self.owed =
                micros.map_or(Duration::ZERO, |paid| self.owed.saturating_sub(Duration::from_micros(paid)));
        }
        written
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Stalling<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        if buffer.filled().len() > before {
            self.pulse.heard();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Stalling<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = self.watch(context, |stream, context| stream.poll_write(context, bytes));
        self.pay(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = self.watch(context, |stream, context| stream.poll_write_vectored(context, buffers));
        self.pay(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.watch(context, AsyncWrite::poll_flush)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.watch(context, AsyncWrite::poll_shutdown)
    }
}

#[cfg(test)]
mod tests {
    use super::{Arc, Duration, Pace, Pulse, Stalling, io};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn a_write_waits_for_a_slow_reader_but_not_for_one_that_stopped() {
        let (near, mut far) = tokio::io::duplex(4);
        let pace = Pace { patience: Duration::from_millis(100), rate: 0 };
        let mut near = Stalling::new(near, pace, Arc::new(Pulse::default()));
        let reads = async {
            for _ in 0..4 {
                tokio::time::sleep(Duration::from_millis(40)).await;
                far.read_exact(&mut [0; 4]).await.unwrap();
            }
        };
        let (written, ()) = tokio::join!(near.write_all(&[0; 16]), reads);
        written.unwrap();
        let error = near.write_all(&[0; 16]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    /// Takes four bytes every 40 ms, a hundred a second: how many of 64 can be written.
    async fn crawling(rate: u32) -> usize {
        let (near, mut far) = tokio::io::duplex(4);
        let pace = Pace { patience: Duration::from_millis(200), rate };
        let mut near = Stalling::new(near, pace, Arc::new(Pulse::default()));
        let reads = async {
            let mut count = 0;
            let mut piece = [0; 4];
            while far.read_exact(&mut piece).await.is_ok() {
                count += piece.len();
                tokio::time::sleep(Duration::from_millis(40)).await;
            }
            count
        };
        let writes = async {
            let _too_slow = near.write_all(&[0; 64]).await;
            drop(near);
        };
        tokio::join!(reads, writes).0
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_may_crawl_only_as_slowly_as_the_rate_says() {
        assert_eq!(crawling(0).await, 64);
        assert_eq!(crawling(50).await, 64);
        assert!(crawling(10_000).await < 40);
    }
}
