//! Runs a future to its end without an executor.
//!
//! Every call to the host returns when its work is done (the host suspends the whole guest meanwhile), so
//! a future of a guest is ready whenever it is polled. A future that still waits, and has not even asked
//! to be polled again, waits for a timer, a socket or a thread that does not exist here: it would wait for
//! ever, and that is reported at once instead of spinning until the deadline.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

/// Told to those whose future never becomes ready.
pub(crate) const STUCK: &str = "the service waits for something that can never happen: a guest has no timers, \
    sockets or threads; call the host (`PgClient`, `Kv`) instead of an async runtime such as tokio";

/// Remembers that a future wants to be polled again.
#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Polls until there is a result, or none when nothing can ever produce one.
pub(crate) fn poll_until_ready<T>(mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Option<T> {
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(value) = poll(&mut context) {
            return Some(value);
        }
        if !woken.0.swap(false, Ordering::Relaxed) {
            return None;
        }
    }
}

/// Runs `future` to its end.
///
/// # Panics
/// When the future waits for something that nothing in a guest can bring about, such as a tokio timer.
///
/// ```
/// assert_eq!(wharf_guest::block_on(async { 6 * 7 }), 42);
/// ```
#[expect(clippy::panic, reason = "waiting for ever is a bug of the service, and traps with a reason")]
pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    match poll_until_ready(|context| future.as_mut().poll(context)) {
        Some(output) => output,
        None => panic!("{STUCK}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{pending, poll_fn};

    #[test]
    fn a_future_that_wakes_itself_is_polled_again() {
        let mut rounds = 0;
        let future = poll_fn(|context| {
            rounds += 1;
            if rounds == 3 {
                return Poll::Ready(rounds);
            }
            context.waker().wake_by_ref();
            Poll::Pending
        });
        assert_eq!(block_on(future), 3);
    }

    #[test]
    #[should_panic(expected = "can never happen")]
    fn a_future_that_waits_for_ever_is_reported() {
        block_on(pending::<()>());
    }
}
