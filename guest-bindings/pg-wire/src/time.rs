//! PostgreSQL's clocks begin on 2000-01-01, the contract's with Unix. The ends of the range stand for the
//! infinities on both sides.

/// Days from 1970-01-01 to 2000-01-01.
pub const EPOCH_DAYS: i32 = 10_957;
/// The same in microseconds.
pub const EPOCH_MICROS: i64 = 946_684_800_000_000;

/// Days of a `date`, counted from 1970-01-01.
#[must_use]
pub fn unix_days(days: i32) -> i32 {
    match days {
        i32::MIN | i32::MAX => days,
        days => days.saturating_add(EPOCH_DAYS),
    }
}

/// Microseconds of a `timestamp`, counted from 1970-01-01; none where these cannot tell the instant.
#[must_use]
pub fn unix_micros(micros: i64) -> Option<i64> {
    match micros {
        i64::MIN | i64::MAX => Some(micros),
        micros => micros.checked_add(EPOCH_MICROS).filter(|micros| *micros != i64::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::{unix_days, unix_micros};

    #[test]
    fn infinities_stay_and_the_rest_moves() {
        assert_eq!([i32::MIN, -10_957, 0, i32::MAX].map(unix_days), [i32::MIN, 0, 10_957, i32::MAX]);
        assert_eq!(unix_micros(i64::MIN), Some(i64::MIN));
        assert_eq!(unix_micros(0), Some(946_684_800_000_000));
        assert_eq!(unix_micros(i64::MAX - 1), None, "the far end of time");
    }
}
