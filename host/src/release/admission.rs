//! How many requests of one release run at once, and how long others wait for their turn.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Requests that wait, beyond those that run, and for how long: behaviour.md.
const QUEUE: u32 = 128;
const PATIENCE: Duration = Duration::from_millis(250);

/// The door of a release.
#[derive(Debug)]
pub(crate) struct Admission {
    running: Arc<Semaphore>,
    waiting: AtomicU32,
}

/// The right to run one request, given back when dropped.
pub(crate) type Permit = OwnedSemaphorePermit;

/// Too many requests run, and too many wait or this one waited too long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Overloaded;

impl Admission {
    pub(crate) fn new(concurrency: u32) -> Self {
        let permits = usize::try_from(concurrency).unwrap_or(Semaphore::MAX_PERMITS);
        Self { running: Arc::new(Semaphore::new(permits)), waiting: AtomicU32::new(0) }
    }

    /// Waits for at most 250 ms, and not at all when 128 wait already. Cancel safe.
    pub(crate) async fn enter(&self) -> Result<Permit, Overloaded> {
        if let Ok(permit) = self.running.clone().try_acquire_owned() {
            return Ok(permit);
        }
        let _place = self.queue()?;
        match tokio::time::timeout(PATIENCE, self.running.clone().acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(Overloaded),
        }
    }

    /// Waits as long as it takes, in the order of those who wait. Cancel safe.
    pub(crate) async fn wait(&self) -> Result<Permit, Overloaded> {
        self.running.clone().acquire_owned().await.map_err(|_closed| Overloaded)
    }

    fn queue(&self) -> Result<Place<'_>, Overloaded> {
        let place = Place(&self.waiting);
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= QUEUE { Err(Overloaded) } else { Ok(place) }
    }
}

/// A place in the queue, left when dropped.
struct Place<'a>(&'a AtomicU32);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::Admission;

    #[tokio::test]
    async fn a_request_waits_for_its_turn_but_not_for_ever() {
        let admission = Admission::new(1);
        let first = admission.enter().await.unwrap();
        assert!(admission.enter().await.is_err());
        let (second, ()) = tokio::join!(admission.enter(), async { drop(first) });
        assert!(second.is_ok());
    }
}
