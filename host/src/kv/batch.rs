//! What conditions, TTL and counters mean, the same for every backend that can read and write a row.

use std::collections::HashMap;

use super::{Check, Condition, Error};

/// A value as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) value: Vec<u8>,
    pub(super) version: u64,
    /// Unix time in milliseconds.
    pub(super) expires_at: Option<u64>,
}

impl Stored {
    pub(super) fn is_live(&self, now: u64) -> bool {
        self.mark().is_live(now)
    }

    pub(super) fn mark(&self) -> Mark {
        Mark { version: self.version, expires_at: self.expires_at }
    }
}

/// What conditions look at: an entry without its value, which may be large.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) version: u64,
    /// Unix time in milliseconds.
    pub(super) expires_at: Option<u64>,
}

impl Mark {
    fn is_live(self, now: u64) -> bool {
        self.expires_at.is_none_or(|at| at > now)
    }
}

/// Changes that happen together, if all checks hold.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) checks: Vec<Check>,
    pub(super) changes: Vec<Change>,
}

#[derive(Debug)]
pub(super) enum Change {
    Put { key: String, value: Vec<u8>, ttl_ms: Option<u64> },
    Delete(String),
    Increment { key: String, delta: i64, initial: i64, ttl_ms: Option<u64> },
}

/// What a batch did.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Applied {
    pub(super) version: u64,
    /// One for each increment, in order.
    pub(super) sums: Vec<i64>,
}

/// What is to be written: a value, or none to delete the key.
pub(super) type Writes = HashMap<String, Option<Stored>>;

impl Batch {
    /// Works out what to write at `now` as `version`, looking at rows through `look` and reading values through `read`. Nothing is changed
    /// before all of it is known: an error, or a check that does not hold (none), leaves no trace.
    pub(super) fn plan(
        self,
        now: u64,
        version: u64,
        look: impl Fn(&str) -> Result<Option<Mark>, Error>,
        read: impl Fn(&str) -> Result<Option<Stored>, Error>,
    ) -> Result<Option<(Writes, Applied)>, Error> {
        let live = |key: &str| read(key).map(|row| row.filter(|stored| stored.is_live(now)));
        for check in &self.checks {
            let mark = look(&check.key)?.filter(|mark| mark.is_live(now));
            if !holds(&check.condition, mark) {
                return Ok(None);
            }
        }
        let (mut writes, mut sums) = (Writes::new(), Vec::new());
        for change in self.changes {
            match change {
                Change::Put { key, value, ttl_ms } => {
                    let expires_at = ttl_ms.map(|ttl| now.saturating_add(ttl));
                    writes.insert(key, Some(Stored { value, version, expires_at }));
                }
                Change::Delete(key) => {
                    writes.insert(key, None);
                }
                Change::Increment { key, delta, initial, ttl_ms } => {
                    let current = match writes.get(&key) {
                        Some(written) => written.clone(),
                        None => live(&key)?,
                    };
                    let expires_at = match &current {
                        Some(stored) => stored.expires_at,
                        None => ttl_ms.map(|ttl| now.saturating_add(ttl)),
                    };
                    let sum = add(&key, current.as_ref(), initial, delta)?;
                    sums.push(sum);
                    writes.insert(key, Some(Stored { value: sum.to_string().into(), version, expires_at }));
                }
            }
        }
        Ok(Some((writes, Applied { version, sums })))
    }
}

fn holds(condition: &Condition, current: Option<Mark>) -> bool {
    match condition {
        Condition::Always => true,
        Condition::IfAbsent => current.is_none(),
        Condition::IfPresent => current.is_some(),
        Condition::IfVersion(version) => current.is_some_and(|mark| mark.version == *version),
    }
}

fn add(key: &str, current: Option<&Stored>, initial: i64, delta: i64) -> Result<i64, Error> {
    let current = match current {
        None => initial,
        Some(stored) => number(&stored.value).ok_or_else(|| not_a_number(key))?,
    };
    current.checked_add(delta).ok_or_else(|| out_of_range(key))
}

/// A number as `increment` writes it: no plus, no leading zeros, no blanks.
fn number(value: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(value).ok()?;
    text.parse().ok().filter(|number: &i64| number.to_string() == text)
}

pub(super) fn not_a_number(key: &str) -> Error {
    Error::InvalidArgument(format!("the value of `{key}` is no decimal number"))
}

pub(super) fn out_of_range(key: &str) -> Error {
    Error::InvalidArgument(format!("`{key}` would leave the range of a signed 64-bit number"))
}

/// Takes a value's bytes from what an answer may have.
pub(super) fn charge(left: &mut usize, stored: Option<&Stored>) -> Result<(), Error> {
    let bytes = stored.map_or(0, |stored| stored.value.len());
    *left = left.checked_sub(bytes).ok_or_else(too_many_bytes)?;
    Ok(())
}

pub(super) fn too_many_bytes() -> Error {
    Error::LimitExceeded("the values have more than 4 MiB together: ask for fewer keys".to_owned())
}

#[cfg(test)]
mod tests {
    use super::{Applied, Batch, Change, Stored, Writes};
    use crate::bindings::wharf::platform::kv::{Check, Condition, Error};

    fn increment(delta: i64) -> Change {
        Change::Increment { key: "n".into(), delta, initial: 10, ttl_ms: Some(5) }
    }

    /// Where every key holds this.
    fn planned(
        batch: Batch,
        now: u64,
        version: u64,
        row: Option<&Stored>,
    ) -> Result<Option<(Writes, Applied)>, Error> {
        batch.plan(now, version, |_| Ok(row.map(Stored::mark)), |_| Ok(row.cloned()))
    }

    fn stored(value: &str) -> Stored {
        Stored { value: value.into(), version: 1, expires_at: Some(200) }
    }

    #[test]
    fn increments_of_one_batch_see_each_other() {
        let batch = Batch { checks: vec![], changes: vec![increment(1), increment(2)] };
        let (writes, applied) = planned(batch, 100, 7, None).unwrap().unwrap();
        assert_eq!(applied, Applied { version: 7, sums: vec![11, 13] });
        assert_eq!(writes["n"], Some(Stored { value: b"13".into(), version: 7, expires_at: Some(105) }));
    }

    #[test]
    fn a_present_number_keeps_its_expiry_and_an_expired_one_is_absent() {
        let plan = |now| {
            let batch = Batch { checks: vec![], changes: vec![increment(1)] };
            planned(batch, now, 7, Some(&stored("41"))).unwrap().unwrap().0["n"].clone().unwrap()
        };
        assert_eq!((plan(199).value, plan(199).expires_at), (b"42".to_vec(), Some(200)));
        assert_eq!((plan(200).value, plan(200).expires_at), (b"11".to_vec(), Some(205)));
    }

    #[test]
    fn overflow_and_text_are_errors() {
        for value in ["9223372036854775807", "a lot", ""] {
            let batch = Batch { checks: vec![], changes: vec![increment(1)] };
            let result = planned(batch, 0, 1, Some(&stored(value)));
            assert!(matches!(result, Err(Error::InvalidArgument(_))), "{value}");
        }
    }

    #[test]
    fn one_check_that_does_not_hold_stops_all() {
        let cases = [
            (Condition::IfAbsent, false),
            (Condition::IfPresent, true),
            (Condition::IfVersion(1), true),
            (Condition::IfVersion(2), false),
            (Condition::Always, true),
        ];
        for (condition, holds) in cases {
            let checks = vec![Check { key: "n".into(), condition }];
            let batch = Batch { checks, changes: vec![Change::Delete("n".into())] };
            let plan = planned(batch, 0, 2, Some(&stored("x"))).unwrap();
            assert_eq!(plan.is_some(), holds, "{condition:?}");
        }
    }
}
