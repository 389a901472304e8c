//! CPU time of one guest, cheap where it is short.
//!
//! Reading the thread's CPU clock is a system call (about 0.3 us), reading the wall clock is not (25 ns).
//! So a stretch of work is timed by the wall clock until the guest has once run through a whole tick;
//! from then on by the CPU clock. A stretch by the wall clock counts for two ticks at most: on a busy
//! machine the thread may have stood still in it, which is not the guest's doing.

use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};

use crate::engine::TICK;

/// The guest used up its CPU time.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the guest used more than its {0:?} of CPU time")]
pub(crate) struct CpuExceeded(Duration);

/// Adds up what the polls of one request take.
pub(crate) struct CpuMeter(Mutex<Meter>);

struct Meter {
    budget: Duration,
    used: Duration,
    since: Option<Mark>,
    /// Set by the first tick: precision is worth its price from here on.
    precise: bool,
}

#[derive(Clone, Copy)]
enum Mark {
    Wall(Instant),
    Cpu(Duration),
}

impl CpuMeter {
    pub(crate) fn new(budget: Duration) -> Self {
        Self(Mutex::new(Meter { budget, used: Duration::ZERO, since: None, precise: false }))
    }

    /// Runs `work` and charges every poll of it.
    pub(crate) async fn measure<F: Future>(&self, work: F) -> F::Output {
        let mut work = pin!(work);
        std::future::poll_fn(|context| {
            self.meter().start();
            let poll = work.as_mut().poll(context);
            self.meter().stop();
            poll
        })
        .await
    }

    /// The same for work that outlives its caller.
    pub(crate) async fn measured<F: Future>(self: Arc<Self>, work: F) -> F::Output {
        self.measure(work).await
    }

    /// Judges a guest that met a tick of the epoch. Ticks pass while a guest waits, too: one that has
    /// not run for about as long in one stretch may go on at once (false), others should let their
    /// neighbours run (true).
    pub(crate) fn tick(&self) -> Result<bool, CpuExceeded> {
        let mut meter = self.meter();
        if meter.used > meter.budget {
            return Err(CpuExceeded(meter.budget));
        }
        if matches!(meter.since, Some(Mark::Wall(begun)) if begun.elapsed() < TICK / 2) {
            return Ok(false);
        }
        meter.stop();
        meter.precise = true;
        meter.start();
        if meter.used > meter.budget { Err(CpuExceeded(meter.budget)) } else { Ok(true) }
    }

    /// A fresh budget, for the next chunk of a stream.
    pub(crate) fn reset(&self) {
        self.meter().used = Duration::ZERO;
    }

    fn meter(&self) -> MutexGuard<'_, Meter> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Meter {
    fn start(&mut self) {
        self.since = Some(if self.precise { Mark::Cpu(thread_time()) } else { Mark::Wall(Instant::now()) });
    }

    fn stop(&mut self) {
        self.used += match self.since.take() {
            Some(Mark::Wall(begun)) => begun.elapsed().min(2 * TICK),
            Some(Mark::Cpu(begun)) => thread_time().saturating_sub(begun),
            None => Duration::ZERO,
        };
    }
}

/// CPU time of this thread; zero where the clock is missing, which leaves the deadline to stop a guest.
fn thread_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map(Duration::from).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{CpuMeter, Duration, Instant};

    #[tokio::test]
    async fn waiting_is_free_and_working_is_not() {
        let meter = CpuMeter::new(Duration::from_millis(20));
        meter.measure(tokio::time::sleep(Duration::from_millis(60))).await;
        assert!(meter.tick().is_ok(), "sleeping was charged");
        let work = async {
            let begun = Instant::now();
            while begun.elapsed() < Duration::from_secs(10) {
                std::hint::spin_loop();
                if begun.elapsed() > Duration::from_millis(1) && meter.tick().is_err() {
                    return true;
                }
            }
            false
        };
        assert!(meter.measure(work).await, "working was not charged");
    }
}
