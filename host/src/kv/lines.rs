//! Connections to a server of keys: one per core, shared by all its requests and made anew when it broke.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;

use crate::host::core;

use super::Error;

/// How long connecting may take before `unavailable`.
pub(super) const CONNECT: Duration = Duration::from_secs(2);
/// How long a server may take for one operation before `timeout`.
pub(super) const OPERATION: Duration = Duration::from_millis(2_500);

/// A connection, and whether it is known to be broken.
pub(super) struct Line<C> {
    pub(super) connection: C,
    broken: AtomicBool,
}

impl<C> Line<C> {
    pub(super) fn break_off(&self) {
        self.broken.store(true, Ordering::Relaxed);
    }

    /// Waits for an answer. A server that takes too long gets a new connection next time: what it still sends
    /// on this one is nobody's.
    pub(super) async fn wait<T>(&self, answer: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        match tokio::time::timeout(OPERATION, answer).await {
            Ok(Err(error @ (Error::ConnectionLost(_) | Error::Unavailable(_) | Error::Timeout))) => {
                self.break_off();
                Err(error)
            }
            Ok(answer) => answer,
            Err(_late) => {
                self.break_off();
                Err(Error::Timeout)
            }
        }
    }
}

/// One line per core, and one for what runs beside them.
pub(super) struct Lines<C>(Box<[Slot<C>]>);

type Slot<C> = Mutex<Option<Arc<Line<C>>>>;

impl<C> Lines<C> {
    pub(super) fn new(cores: usize) -> Self {
        Self((0..=cores).map(|_| Mutex::new(None)).collect())
    }

    /// This core's line; `connect` makes one when there is none. Whoever comes meanwhile waits for it.
    pub(super) async fn get(
        &self,
        connect: impl Future<Output = Result<C, Error>>,
    ) -> Result<Arc<Line<C>>, Error> {
        let late = || Error::Unavailable("the server of the bucket did not answer in time".to_owned());
        let index = core().min(self.0.len().saturating_sub(1));
        let Some(slot) = self.0.get(index) else { return Err(late()) };
        let mut slot = tokio::time::timeout(CONNECT, slot.lock()).await.map_err(|_late| late())?;
        if let Some(line) = slot.as_ref().filter(|line| !line.broken.load(Ordering::Relaxed)) {
            return Ok(line.clone());
        }
        // Its time begins now: whoever waited long for others' attempts has as much as they had.
        let connection = tokio::time::timeout(CONNECT, connect).await.map_err(|_late| late())??;
        let line = Arc::new(Line { connection, broken: AtomicBool::new(false) });
        *slot = Some(line.clone());
        Ok(line)
    }
}
