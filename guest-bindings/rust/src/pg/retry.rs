//! Transactions that run again after a collision.

use crate::{Error, random};
use std::time::Duration;

/// How often a transaction is tried, and how long it waits in between: by default 5 times, with waits of up to 10,
/// 20, 40 and 80 ms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// All attempts, the first one among them; 0 counts as 1.
    pub attempts: u32,
    /// The longest wait after the first attempt, which doubles with each further one. How much of it is waited is
    /// left to chance, so that those who collided do not meet again.
    pub backoff: Duration,
}

/// The longest wait, whatever the number of the attempt: the transaction's share of a request's time.
const LONGEST: Duration = Duration::from_secs(1);

/// An error that may tell that a transaction collided with another. [`Error`] is one; so can be the error type of
/// a service.
///
/// ```
/// use wharf_guest::{Error, pg::Retryable};
///
/// enum Failure {
///     SoldOut,
///     Host(Error),
/// }
///
/// impl Retryable for Failure {
///     fn is_collision(&self) -> bool {
///         matches!(self, Self::Host(error) if error.is_collision())
///     }
/// }
/// ```
pub trait Retryable {
    /// Whether nothing of the transaction was kept, and running it again may work.
    fn is_collision(&self) -> bool;
}

impl Retryable for Error {
    /// As [`Error::is_serialization_failure`].
    fn is_collision(&self) -> bool {
        self.is_serialization_failure()
    }
}

impl Default for Retry {
    fn default() -> Self {
        Self { attempts: 5, backoff: Duration::from_millis(10) }
    }
}

impl Retry {
    /// The default with another number of attempts.
    #[must_use]
    pub fn attempts(attempts: u32) -> Self {
        Self { attempts, ..Self::default() }
    }

    pub(super) fn run<T, E: Retryable>(
        self,
        wait: impl Fn(Duration),
        mut work: impl FnMut() -> Result<T, E>,
    ) -> Result<T, E> {
        for attempt in 1..self.attempts {
            match work() {
                Err(error) if error.is_collision() => {}
                done => return done,
            }
            let longest = self.longest_wait(attempt);
            if !longest.is_zero() {
                wait(longest.mul_f64(random::fraction()));
            }
        }
        work()
    }

    /// After so many attempts.
    fn longest_wait(self, attempts: u32) -> Duration {
        let factor = 2_u32.saturating_pow(attempts.saturating_sub(1));
        self.backoff.saturating_mul(factor).min(LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::{Retry, Retryable};
    use std::{cell::Cell, time::Duration};

    #[derive(Debug, PartialEq)]
    enum Failure {
        Collision,
        Other,
    }

    impl Retryable for Failure {
        fn is_collision(&self) -> bool {
            *self == Self::Collision
        }
    }

    /// Runs work that fails so many times, without waits; tells its result and how often it ran.
    fn run(retry: Retry, failures: u32, failure: fn() -> Failure) -> (Result<u32, Failure>, u32) {
        let runs = Cell::new(0);
        let result = Retry { backoff: Duration::ZERO, ..retry }.run(
            |_| (),
            || {
                runs.set(runs.get() + 1);
                if runs.get() <= failures { Err(failure()) } else { Ok(runs.get()) }
            },
        );
        (result, runs.get())
    }

    #[test]
    fn only_collisions_are_tried_again_and_not_for_ever() {
        let retry = Retry::default();
        assert_eq!(run(retry, 0, || Failure::Collision), (Ok(1), 1));
        assert_eq!(run(retry, 4, || Failure::Collision), (Ok(5), 5));
        assert_eq!(run(retry, 9, || Failure::Collision), (Err(Failure::Collision), 5));
        assert_eq!(run(retry, 1, || Failure::Other), (Err(Failure::Other), 1));
        assert_eq!(run(Retry::attempts(0), 9, || Failure::Collision).1, 1);
    }

    #[test]
    fn waits_double_up_to_a_second() {
        let waits = [1, 2, 3, 4, 20, u32::MAX].map(|attempts| Retry::default().longest_wait(attempts));
        assert_eq!(waits.map(|wait| wait.as_millis()), [10, 20, 40, 80, 1000, 1000]);
    }
}
