//! A clock that a test moves.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use wharf_host::Clock;

/// Runs like the machine's clock, until the test moves it, stops it or sets it. Moving wakes nobody who waits: what a guest
/// sleeps for passes by the machine's clock.
#[derive(Debug)]
pub struct TestClock(Mutex<State>);

#[derive(Debug)]
struct State {
    /// The time of day when `elapsed` was zero.
    epoch: SystemTime,
    /// What had passed when the clock was last started, moved or stopped.
    passed: Duration,
    /// When that was; none while it stands still.
    running: Option<Instant>,
}

impl State {
    fn elapsed(&self) -> Duration {
        self.passed + self.running.map_or(Duration::ZERO, |since| since.elapsed())
    }

    fn now(&self) -> SystemTime {
        self.epoch.checked_add(self.elapsed()).unwrap_or(self.epoch)
    }

    /// Counts what has passed until now as passed, and `more`.
    fn pass(&mut self, more: Duration) {
        self.passed = self.elapsed().saturating_add(more);
        self.running = self.running.map(|_before| Instant::now());
    }
}

impl Default for TestClock {
    fn default() -> Self {
        let (epoch, running) = (SystemTime::now(), Some(Instant::now()));
        Self(Mutex::new(State { epoch, passed: Duration::ZERO, running }))
    }
}

impl TestClock {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets so much time pass at once.
    pub fn advance(&self, by: Duration) {
        self.state().pass(by);
    }

    /// Stands still from now on, but for [`Self::advance`] and [`Self::set`]. A guest that sleeps by looking at the clock, as the
    /// event loops of Python and Go do, then waits until its limits end it.
    pub fn stop(&self) {
        let mut state = self.state();
        state.pass(Duration::ZERO);
        state.running = None;
    }

    /// Runs on.
    pub fn run(&self) {
        let mut state = self.state();
        state.pass(Duration::ZERO);
        state.running = Some(Instant::now());
    }

    /// Sets the time of day. Later than now, so much time has passed; earlier, none has, and only the time of day is
    /// another.
    pub fn set(&self, time: SystemTime) {
        let mut state = self.state();
        match time.duration_since(state.now()) {
            Ok(later) => state.pass(later),
            Err(earlier) => state.epoch = state.epoch.checked_sub(earlier.duration()).unwrap_or(state.epoch),
        }
    }
}

impl Clock for TestClock {
    fn now(&self) -> SystemTime {
        self.state().now()
    }

    fn elapsed(&self) -> Duration {
        self.state().elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::UNIX_EPOCH;

    #[test]
    fn a_clock_that_stands_still_goes_only_where_it_is_moved() {
        let clock = TestClock::default();
        clock.stop();
        let (now, elapsed) = (clock.now(), clock.elapsed());
        assert_eq!((clock.now(), clock.elapsed()), (now, elapsed));
        clock.advance(Duration::from_secs(60));
        assert_eq!(clock.now(), now + Duration::from_secs(60));
        assert_eq!(clock.elapsed(), elapsed + Duration::from_secs(60));
    }

    #[test]
    fn the_time_of_day_may_be_set_back_and_what_has_passed_never_is() {
        let clock = TestClock::default();
        clock.stop();
        let elapsed = clock.elapsed();
        clock.set(UNIX_EPOCH + Duration::from_secs(1_000));
        assert_eq!(clock.now(), UNIX_EPOCH + Duration::from_secs(1_000));
        assert_eq!(clock.elapsed(), elapsed);
        clock.set(UNIX_EPOCH + Duration::from_secs(1_500));
        assert_eq!(clock.elapsed(), elapsed + Duration::from_secs(500));
    }

    #[test]
    fn a_clock_runs_on_from_where_it_was_moved_to() {
        let clock = TestClock::default();
        clock.stop();
        clock.advance(Duration::from_secs(5));
        let before = clock.elapsed();
        clock.run();
        while clock.elapsed() == before {
            std::hint::spin_loop();
        }
        assert!(clock.elapsed() < before + Duration::from_secs(60));
    }
}
