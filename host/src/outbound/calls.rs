//! How many calls one request makes, and how many at once: behaviour.md.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::OutboundError;

/// Calls that one request may make.
pub(super) const MOST_CALLS: u32 = 32;
/// How many of them may wait for their response's head at once; more take turns.
const MOST_AT_ONCE: usize = 6;

/// The calls of one request, whichever capability makes them (`RequestState::local`).
#[derive(Clone, Debug)]
pub(crate) struct Calls(Arc<Counts>);

#[derive(Debug)]
struct Counts {
    made: AtomicU32,
    at_once: Arc<Semaphore>,
}

impl Default for Calls {
    fn default() -> Self {
        let at_once = Arc::new(Semaphore::new(MOST_AT_ONCE));
        Self(Arc::new(Counts { made: AtomicU32::new(0), at_once }))
    }
}

impl Calls {
    /// Counts a call, and waits for its turn. To be kept until the head has come, and the body when it is taken
    /// whole; streams that are read later need no turn: there are at most as many as calls. Cancel safe.
    ///
    /// # Errors
    /// [`OutboundError::TooManyCalls`], without waiting.
    pub(crate) async fn begin(&self) -> Result<OwnedSemaphorePermit, OutboundError> {
        let one_more = |made: u32| (made < MOST_CALLS).then_some(made + 1);
        let counted = self.0.made.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        if counted.is_err() {
            return Err(OutboundError::TooManyCalls);
        }
        self.0.at_once.clone().acquire_owned().await.map_err(|_closed| OutboundError::TooManyCalls)
    }
}

#[cfg(test)]
mod tests {
    use super::{Calls, MOST_AT_ONCE, MOST_CALLS};

    #[tokio::test]
    async fn calls_are_counted_and_take_turns() {
        let calls = Calls::default();
        let mut turns = Vec::new();
        for _ in 0..MOST_AT_ONCE {
            turns.push(calls.begin().await.unwrap());
        }
        let waiting = tokio::spawn({
            let calls = calls.clone();
            async move { calls.begin().await.map(drop) }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished(), "a seventh waits");
        turns.clear();
        waiting.await.unwrap().unwrap();
        for _ in MOST_AT_ONCE + 1..MOST_CALLS as usize {
            drop(calls.begin().await.unwrap());
        }
        assert!(calls.begin().await.is_err());
    }
}
