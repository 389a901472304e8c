//! A bound on what a server can make this process hold.
//!
//! The driver collects each message whole before it looks at it, and a message may have 2 GB: one large field
//! would be as much memory in the host. This stream stands under the driver and reads the frames of the
//! protocol (one byte of type, four of length). COPY data that comes in one large frame is handed on in
//! several small ones, which means the same; any other frame that is too large ends the connection, and the
//! statement is told that it passed a limit.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Largest message from a server, besides COPY data: four results at their limit, or one row at four times.
pub(crate) const LARGEST_MESSAGE: usize = 16 << 20;
/// Largest frame of COPY data that reaches the driver.
const COPY_PIECE: usize = 64 << 10;
/// Largest message of an authentication, which the driver works on in ways that take time.
const LARGEST_AUTHENTICATION: usize = 8 << 10;
/// Most rounds of SCRAM: 250 times PostgreSQL's default, and half a second of work.
const MOST_ROUNDS: u32 = 1_000_000;

const HEAD: usize = 5;
const AUTHENTICATION: u8 = b'R';
const COPY_DATA: u8 = b'd';
/// Code of the message that carries salt and rounds of SCRAM.
const SASL_CONTINUE: [u8; 4] = 11_u32.to_be_bytes();

/// A stream whose incoming frames are bounded.
pub(crate) struct Bounded<S> {
    inner: S,
    frames: Frames,
    /// Read, but not yet handed on; rarely anything.
    stash: BytesMut,
    /// How much of the stash may be handed on.
    passing: usize,
}

/// Where in the sequence of frames the reader is.
#[derive(Default)]
struct Frames {
    /// Bytes of the current frame that may pass.
    pass: usize,
    /// Bytes of the current frame of COPY data that follow in frames of their own.
    more: usize,
    exceeded: Arc<AtomicBool>,
}

/// What of some bytes may be handed on.
enum Step {
    /// So many; what is left needs more bytes to be understood.
    Pass(usize),
    /// So many; then this head has to be put before the rest.
    Insert(usize, [u8; HEAD]),
}

impl<S> Bounded<S> {
    pub(super) fn new(inner: S) -> Self {
        Self { inner, frames: Frames::default(), stash: BytesMut::new(), passing: 0 }
    }

    /// Set once a frame was too large, which ends the connection.
    pub(super) fn exceeded(&self) -> Arc<AtomicBool> {
        self.frames.exceeded.clone()
    }
}

impl Frames {
    /// Looks through `bytes`, which begin where the last call's passing bytes ended.
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<Step> {
        let mut at = 0;
        loop {
            let passing = self.pass.min(bytes.len() - at);
            self.pass -= passing;
            at += passing;
            if self.pass > 0 || at == bytes.len() && self.more == 0 {
                return Ok(Step::Pass(at));
            }
            if self.more > 0 {
                let piece = self.more.min(COPY_PIECE);
                self.more -= piece;
                // The head that is inserted before this piece passes with it.
                self.pass = piece + HEAD;
                return Ok(Step::Insert(at, copy_head(piece)));
            }
            let Some((head, body)) = bytes.get_mut(at..).and_then(<[u8]>::split_first_chunk_mut::<HEAD>)
            else {
                return Ok(Step::Pass(at));
            };
            let Some(length) = body_length(head) else {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "the server sent a malformed message",
                ));
            };
            match head[0] {
                COPY_DATA if length > COPY_PIECE => {
                    *head = copy_head(COPY_PIECE);
                    self.more = length - COPY_PIECE;
                    self.pass = HEAD + COPY_PIECE;
                }
                AUTHENTICATION => {
                    if length > LARGEST_AUTHENTICATION {
                        return Err(self.refuse());
                    }
                    let Some(body) = body.get(..length) else { return Ok(Step::Pass(at)) };
                    if asks_too_much(body) {
                        return Err(self.refuse());
                    }
                    self.pass = HEAD + length;
                }
                _ if length > LARGEST_MESSAGE => return Err(self.refuse()),
                _ => self.pass = HEAD + length,
            }
        }
    }

    fn refuse(&self) -> io::Error {
        self.exceeded.store(true, Ordering::Relaxed);
        io::Error::new(io::ErrorKind::InvalidData, "the server sent a message over the limit")
    }
}

/// Length of a frame's body; none when it is less than nothing.
fn body_length(head: &[u8; HEAD]) -> Option<usize> {
    let [_, length @ ..] = *head;
    usize::try_from(i32::from_be_bytes(length)).ok()?.checked_sub(size_of::<i32>())
}

fn copy_head(piece: usize) -> [u8; HEAD] {
    // A piece is at most `COPY_PIECE`.
    let length = u32::try_from(piece + size_of::<u32>()).unwrap_or(u32::MAX).to_be_bytes();
    [COPY_DATA, length[0], length[1], length[2], length[3]]
}

/// Whether a server asks for more rounds of hashing than it can need.
fn asks_too_much(authentication: &[u8]) -> bool {
    let Some(text) = authentication.strip_prefix(&SASL_CONTINUE) else { return false };
    let mut attributes = text.split(|byte| *byte == b',');
    let rounds = attributes.find_map(|attribute| attribute.strip_prefix(b"i="));
    let number = rounds.and_then(|rounds| std::str::from_utf8(rounds).ok()?.parse::<u32>().ok());
    number.is_none_or(|number| number > MOST_ROUNDS)
}

impl<S: AsyncRead + Unpin> AsyncRead for Bounded<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.stash.is_empty() {
            let begun = buffer.filled().len();
            ready!(this.read_through(context, buffer))?;
            // Something, or the end; else part of a head, or one that was inserted before everything.
            if buffer.filled().len() > begun || this.stash.is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
        while this.passing == 0 {
            match this.frames.read(&mut this.stash)? {
                Step::Pass(0) => {
                    if ready!(this.read_more(context))? == 0 {
                        // The end: what is left of a frame is of no use to anyone.
                        return Poll::Ready(Ok(()));
                    }
                }
                Step::Pass(passing) => this.passing = passing,
                Step::Insert(passing, head) => this.insert(passing, head),
            }
        }
        let taken = this.passing.min(buffer.remaining());
        buffer.put_slice(&this.stash.split_to(taken));
        this.passing -= taken;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> Bounded<S> {
    /// The usual way, without a copy: reads into the caller's buffer and takes back what has to wait.
    fn read_through(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let begun = buffer.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(context, buffer))?;
        let filled = buffer.filled_mut().get_mut(begun..).unwrap_or_default();
        let step = match self.frames.read(filled) {
            Ok(step) => step,
            Err(error) => {
                buffer.set_filled(begun);
                return Poll::Ready(Err(error));
            }
        };
        let (Step::Pass(passing) | Step::Insert(passing, _)) = step;
        self.stash.extend_from_slice(filled.get(passing..).unwrap_or_default());
        buffer.set_filled(begun + passing);
        if let Step::Insert(_, head) = step {
            self.insert(0, head);
        }
        Poll::Ready(Ok(()))
    }

    /// Puts a head into the stash, behind `passing` bytes.
    fn insert(&mut self, passing: usize, head: [u8; HEAD]) {
        let rest = self.stash.split_off(passing);
        self.stash.extend_from_slice(&head);
        self.stash.extend_from_slice(&rest);
        self.passing = passing;
    }

    /// Reads behind the stash; 0 at the end of the stream.
    fn read_more(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut bytes = [0; 1_024];
        let mut buffer = ReadBuf::new(&mut bytes);
        ready!(Pin::new(&mut self.inner).poll_read(context, &mut buffer))?;
        self.stash.extend_from_slice(buffer.filled());
        Poll::Ready(Ok(buffer.filled().len()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Bounded<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use tokio::io::AsyncReadExt;

    use super::{
        AsyncRead, Bounded, COPY_PIECE, Context, HEAD, LARGEST_MESSAGE, Pin, Poll, ReadBuf, copy_head, io,
    };

    /// Gives bytes in the pieces that it was made of.
    struct Pieces(VecDeque<Vec<u8>>);

    impl AsyncRead for Pieces {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            if let Some(mut piece) = self.0.pop_front() {
                let rest = piece.split_off(piece.len().min(buffer.remaining()));
                buffer.put_slice(&piece);
                if !rest.is_empty() {
                    self.0.push_front(rest);
                }
            }
            Poll::Ready(Ok(()))
        }
    }

    fn frame(tag: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
        [&[tag][..], &length, body].concat()
    }

    async fn through(bytes: &[u8], piece: usize) -> io::Result<Vec<u8>> {
        let mut stream = Bounded::new(Pieces(bytes.chunks(piece).map(<[u8]>::to_vec).collect()));
        let mut out = Vec::new();
        stream.read_to_end(&mut out).await.map(|_| out)
    }

    #[tokio::test]
    async fn small_frames_pass_unchanged_however_they_are_cut() {
        let bytes =
            [frame(b'D', b"abc"), frame(b'Z', b"I"), frame(b'C', b""), frame(b'D', &[7; 3000])].concat();
        for piece in [1, 2, 3, 4, 5, 6, 7, 64, 5_000] {
            assert_eq!(through(&bytes, piece).await.unwrap(), bytes, "pieces of {piece}");
        }
    }

    #[tokio::test]
    async fn large_copy_data_is_split_and_loses_nothing() {
        let body: Vec<u8> = (0..COPY_PIECE * 2 + 77).map(|n| u8::try_from(n % 251).unwrap()).collect();
        let bytes = [frame(b'd', &body), frame(b'c', b""), frame(b'd', b"x")].concat();
        let (first, second) = body.split_at(COPY_PIECE);
        let (second, third) = second.split_at(COPY_PIECE);
        let split = [
            frame(b'd', first),
            frame(b'd', second),
            frame(b'd', third),
            frame(b'c', b""),
            frame(b'd', b"x"),
        ];
        for piece in [1, 5, 1_000, COPY_PIECE + HEAD, COPY_PIECE + HEAD + 1, 1 << 20] {
            assert!(through(&bytes, piece).await.unwrap() == split.concat(), "pieces of {piece}");
        }
    }

    #[tokio::test]
    async fn a_frame_over_the_limit_ends_the_stream() {
        let huge = [&[b'D'][..], &0x7fff_ffff_u32.to_be_bytes()].concat();
        let allowed = frame(b'Z', b"I");
        let mut stream = Bounded::new(Pieces([[allowed, huge].concat()].into()));
        let exceeded = stream.exceeded();
        assert!(stream.read_to_end(&mut Vec::new()).await.is_err());
        assert!(exceeded.load(super::Ordering::Relaxed));
        for length in [0_u32, 3, u32::MAX] {
            assert!(through(&[&[b'D'][..], &length.to_be_bytes()].concat(), 64).await.is_err());
        }
        assert!(through(&frame(b'D', &vec![0; LARGEST_MESSAGE]), 1 << 20).await.is_ok());
    }

    #[tokio::test]
    async fn a_server_cannot_ask_for_endless_hashing() {
        let ask = |rounds: &str| {
            let text = format!("r=abc,s=c2FsdA==,i={rounds}");
            frame(b'R', &[&11_u32.to_be_bytes()[..], text.as_bytes()].concat())
        };
        for piece in [1, 64] {
            assert!(through(&ask("4096"), piece).await.is_ok());
            assert!(through(&ask("4294967295"), piece).await.is_err());
            assert!(through(&ask("many"), piece).await.is_err());
        }
        assert!(through(&frame(b'R', &0_u32.to_be_bytes()), 3).await.is_ok());
    }

    #[test]
    fn a_head_counts_itself() {
        assert_eq!(copy_head(1), [b'd', 0, 0, 0, 5]);
    }
}
