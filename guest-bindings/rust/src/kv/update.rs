//! Reading, changing and writing a key as if nobody else did: the attempts of [`Kv::update`](super::Kv::update).

use super::{Entry, Version};
use crate::{Error, ErrorKind, Result, random};
use std::time::Duration;

/// All attempts of one update, the first one among them.
const ATTEMPTS: u32 = 32;
/// The longest wait after the first conflict, which doubles with each further one up to `LONGEST`: all waits
/// together take less than a second. How much of it is waited is left to chance, so that those who met do not meet
/// again.
const FIRST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_millis(32);

/// Writes what `change` makes of what `read` gives, until `write` says that nobody was faster. `write` gets the
/// version that was read (none for an absent key) and the new value (none to delete it).
pub(super) fn update<E: From<Error>>(
    key: &str,
    mut read: impl FnMut() -> Result<Option<Entry>>,
    mut write: impl FnMut(Option<Version>, Option<&[u8]>) -> Result<bool>,
    wait: impl Fn(Duration),
    mut change: impl FnMut(Option<Vec<u8>>) -> Result<Option<Vec<u8>>, E>,
) -> Result<Option<Vec<u8>>, E> {
    for attempt in 1..=ATTEMPTS {
        let (version, value) = read()?.map(|entry| (entry.version, entry.value)).unzip();
        let new = change(value)?;
        // There is nothing to delete where nothing was.
        if version.is_none() && new.is_none() || write(version, new.as_deref())? {
            return Ok(new);
        }
        if attempt < ATTEMPTS {
            wait(longest_wait(attempt));
        }
    }
    Err(Error::from(ErrorKind::Conflict { key: key.to_owned(), attempts: ATTEMPTS }).into())
}

/// Waits, but no longer than this.
pub(super) fn pause(longest: Duration) {
    crate::time::sleep(longest.mul_f64(random::fraction()));
}

/// After so many attempts.
fn longest_wait(attempts: u32) -> Duration {
    FIRST.saturating_mul(2_u32.saturating_pow(attempts.saturating_sub(1))).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::{ATTEMPTS, longest_wait, update};
    use crate::{Error, ErrorKind, Result, bindings::wharf::platform::kv, kv::Entry};
    use std::{cell::RefCell, time::Duration};

    /// One key, and others who write it in between so many times.
    #[derive(Default)]
    struct Key {
        entry: Option<Entry>,
        rivals: u32,
        writes: u32,
        waits: Vec<Duration>,
    }

    impl Key {
        fn new(value: &str, rivals: u32) -> RefCell<Self> {
            let entry = Entry { value: value.into(), version: 1, expires_at: None };
            RefCell::new(Self { entry: Some(entry), rivals, ..Self::default() })
        }

        fn write(&mut self, read: Option<u64>, value: Option<&[u8]>) -> bool {
            self.writes += 1;
            let version = self.entry.as_ref().map(|entry| entry.version);
            if self.rivals > 0 {
                self.rivals -= 1;
                let (value, version) = (b"theirs".to_vec(), version.unwrap_or(0) + 1);
                self.entry = Some(Entry { value, version, expires_at: None });
                return false;
            }
            assert_eq!(read, version, "a write tells what was read");
            let next = version.unwrap_or(0) + 1;
            self.entry = value.map(|value| Entry { value: value.to_vec(), version: next, expires_at: None });
            true
        }
    }

    fn run(
        key: &RefCell<Key>,
        change: impl FnMut(Option<Vec<u8>>) -> Result<Option<Vec<u8>>>,
    ) -> Result<Option<Vec<u8>>> {
        update(
            "k",
            || Ok(key.borrow().entry.clone()),
            |read, value| Ok(key.borrow_mut().write(read, value)),
            |longest| key.borrow_mut().waits.push(longest),
            change,
        )
    }

    /// What a change makes of a text: one more `!`.
    fn louder(value: Option<Vec<u8>>) -> Result<Option<Vec<u8>>> {
        let mut value = value.unwrap_or_default();
        value.push(b'!');
        Ok(Some(value))
    }

    #[test]
    fn a_change_is_written_over_what_was_read() {
        let key = Key::new("hey", 0);
        assert_eq!(run(&key, louder).unwrap(), Some(b"hey!".to_vec()));
        assert_eq!((key.borrow().writes, key.borrow().waits.len()), (1, 0));
    }

    #[test]
    fn an_absent_key_is_created_and_deleting_it_writes_nothing() {
        let key = RefCell::new(Key::default());
        assert_eq!(run(&key, |value| Ok(value.filter(|_| false))).unwrap(), None);
        assert_eq!(key.borrow().writes, 0);
        assert_eq!(run(&key, louder).unwrap(), Some(b"!".to_vec()));
        assert_eq!(run(&key, |_| Ok(None)).unwrap(), None);
        assert!(key.borrow().entry.is_none());
    }

    #[test]
    fn who_was_faster_is_read_again() {
        let key = Key::new("hey", 3);
        assert_eq!(run(&key, louder).unwrap(), Some(b"theirs!".to_vec()));
        assert_eq!((key.borrow().writes, key.borrow().waits.len()), (4, 3));
        let key = Key::new("hey", 1);
        assert_eq!(run(&key, |_| Ok(None)).unwrap(), None, "a deletion is tried again, too");
        assert!(key.borrow().entry.is_none());
    }

    #[test]
    fn attempts_are_not_endless_and_tell_so() {
        let key = Key::new("hey", u32::MAX);
        let error = run(&key, louder).unwrap_err();
        assert!(error.is_conflict(), "{error}");
        assert_eq!((key.borrow().writes, key.borrow().waits.len()), (ATTEMPTS, 31));
    }

    #[test]
    fn errors_end_an_update_at_once() {
        let key = Key::new("hey", 0);
        let error = run(&key, |_| Err(ErrorKind::Value("sold out".into()).into())).unwrap_err();
        assert_eq!((error.to_string().as_str(), key.borrow().writes), ("sold out", 0));
        let mut writes = 0;
        let write = |_, _: Option<&[u8]>| {
            writes += 1;
            Err(Error::from(kv::Error::Timeout))
        };
        let error = update("k", || Ok(None), write, |_| (), louder).unwrap_err();
        assert!(error.is_outcome_unknown(), "{error}");
        assert_eq!(writes, 1);
    }

    #[test]
    fn waits_double_up_to_a_bound() {
        let waits = [1, 2, 3, 6, 31, u32::MAX].map(|attempts| longest_wait(attempts).as_millis());
        assert_eq!(waits, [1, 2, 4, 32, 32, 32]);
    }
}
