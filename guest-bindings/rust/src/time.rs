//! The time of day and elapsed time. On `wasm32-unknown-unknown` the clocks of `std` panic: use these.

use crate::bindings::wasi::clocks::{monotonic_clock, wall_clock};
use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Microseconds in a second.
const SECOND: i64 = 1_000_000;
/// Seconds in a day.
const DAY: i64 = 86_400;

/// The current time.
///
/// ```no_run
/// println!("{}", wharf_guest::time::now()); // 2026-11-23T05:12:56.000000Z
/// ```
#[must_use]
pub fn now() -> Timestamp {
    let now = wall_clock::now();
    let seconds = i64::try_from(now.seconds).unwrap_or(i64::MAX / SECOND);
    Timestamp(seconds * SECOND + i64::from(now.nanoseconds / 1000))
}

/// Waits for this long. Nothing else of the guest runs meanwhile, and it costs no CPU.
///
/// ```no_run
/// wharf_guest::time::sleep(std::time::Duration::from_millis(50));
/// ```
pub fn sleep(span: Duration) {
    monotonic_clock::subscribe_duration(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)).block();
}

/// An instant in microseconds since 1970-01-01 00:00 UTC: a Postgres `timestamptz` (or `timestamp`, taken as
/// UTC).
///
/// It shows itself as RFC 3339 text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

/// A day as the number of days since 1970-01-01: a Postgres `date`. It shows itself as `2026-11-23`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(pub i32);

impl Timestamp {
    /// Milliseconds since 1970, rounded down.
    #[must_use]
    pub fn unix_millis(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// The day in UTC.
    #[must_use]
    pub fn date(self) -> Date {
        let day = self.0.div_euclid(DAY * SECOND);
        Date(i32::try_from(day).unwrap_or(if day < 0 { i32::MIN } else { i32::MAX }))
    }

    /// This much later, or the last instant that can be told.
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)))
    }

    /// This much earlier, or the first instant that can be told.
    #[must_use]
    pub fn before(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)))
    }
}

impl From<Timestamp> for SystemTime {
    fn from(time: Timestamp) -> Self {
        let span = Duration::from_micros(time.0.unsigned_abs());
        if time.0 < 0 { UNIX_EPOCH - span } else { UNIX_EPOCH + span }
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            i64::MIN => return f.write_str("-infinity"),
            i64::MAX => return f.write_str("infinity"),
            _ => {}
        }
        let micros = self.0.rem_euclid(DAY * SECOND);
        let (seconds, fraction) = (micros / SECOND, micros % SECOND);
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        write!(f, "{}T{hour:02}:{minute:02}:{second:02}.{fraction:06}Z", self.date())
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            i32::MIN => return f.write_str("-infinity"),
            i32::MAX => return f.write_str("infinity"),
            _ => {}
        }
        let (year, month, day) = civil(i64::from(self.0));
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

/// Year, month and day of a number of days since 1970-01-01 in the Gregorian calendar: Howard Hinnant's
/// `civil_from_days`, which counts in eras of 400 years that begin on a first of March.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(feature = "json")]
impl serde::Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(feature = "json")]
impl serde::Serialize for Date {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A point of the monotonic clock, to measure how long something takes.
///
/// ```no_run
/// let start = wharf_guest::time::Instant::now();
/// println!("{:?}", start.elapsed());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// This very moment.
    #[must_use]
    pub fn now() -> Self {
        Self(monotonic_clock::now())
    }

    /// How long ago it was.
    #[must_use]
    pub fn elapsed(self) -> Duration {
        Duration::from_nanos(monotonic_clock::now().saturating_sub(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_show_themselves_as_rfc_3339() {
        assert_eq!(Timestamp(0).to_string(), "1970-01-01T00:00:00.000000Z");
        assert_eq!(Timestamp(-1).to_string(), "1969-12-31T23:59:59.999999Z");
        assert_eq!(Timestamp(951_827_696_789_012).to_string(), "2000-02-29T12:34:56.789012Z");
        assert_eq!(Timestamp(i64::MAX).to_string(), "infinity");
    }

    #[test]
    fn days_follow_the_gregorian_calendar() {
        assert_eq!(Date(-719_162).to_string(), "0001-01-01");
        assert_eq!(Date(11_016).to_string(), "2000-02-29");
        assert_eq!(Date(47_541).to_string(), "2100-03-01");
        assert_eq!(Date(i32::MIN).to_string(), "-infinity");
    }

    #[test]
    fn spans_saturate() {
        assert_eq!(Timestamp(1).after(Duration::from_millis(2)), Timestamp(2001));
        assert_eq!(Timestamp(-2).before(Duration::MAX), Timestamp(i64::MIN));
        assert_eq!(SystemTime::from(Timestamp(1_500_000)), UNIX_EPOCH + Duration::from_millis(1500));
    }
}
