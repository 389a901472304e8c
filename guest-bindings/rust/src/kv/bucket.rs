//! One granted bucket.

#[cfg(feature = "json")]
use super::Typed;
use super::{
    Batch, Condition, Entry, Features, PutItem, Scan, Version, millis,
    update::{pause, update},
};
use crate::{
    Error, ErrorKind, Result,
    bindings::wharf::platform::kv::{Bucket, IncrementItem},
};
use std::time::Duration;

/// A bucket that the manifest grants. Keys are text of 1 to 1,024 bytes; values are bytes.
#[derive(Debug)]
pub struct Kv(Bucket);

impl Kv {
    /// Opens the bucket of the grant `kv.<name>`. Does not connect.
    ///
    /// # Errors
    /// [`Error::is_denied`](crate::Error::is_denied) when the manifest grants no such bucket.
    pub fn open(name: &str) -> Result<Self> {
        Ok(Self(Bucket::open(name)?))
    }

    /// What the bucket can do beyond get, put and delete.
    #[must_use]
    pub fn features(&self) -> Features {
        self.0.features()
    }

    /// The value of a key.
    ///
    /// # Errors
    /// When the bucket cannot be reached, or the key is not valid.
    pub fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.entry(key)?.map(|entry| entry.value))
    }

    /// The value of a key as text.
    ///
    /// # Errors
    /// As [`get`](Self::get), and for a value that is not UTF-8.
    pub fn get_text(&self, key: &str) -> Result<Option<String>> {
        self.get(key)?.map(|value| text(key, value)).transpose()
    }

    /// The value of a key as JSON.
    ///
    /// # Errors
    /// As [`get`](Self::get), and for a value that is not what `T` wants.
    #[cfg(feature = "json")]
    pub fn get_json<T: serde::de::DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        self.get(key)?.map(|value| super::typed::decode(key, &value)).transpose()
    }

    /// The value of a key with its version and expiry.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn entry(&self, key: &str) -> Result<Option<Entry>> {
        Ok(self.0.get(key)?)
    }

    /// The values of many keys at once: the i-th answer belongs to the i-th key.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn get_many<K: AsRef<str>>(&self, keys: &[K]) -> Result<Vec<Option<Entry>>> {
        let keys: Vec<_> = keys.iter().map(|key| key.as_ref().to_owned()).collect();
        Ok(self.0.get_many(&keys)?)
    }

    /// Stores a value until it is deleted.
    ///
    /// # Errors
    /// When the bucket cannot be reached, or the key or value is not valid.
    pub fn put(&self, key: impl Into<String>, value: impl Into<Vec<u8>>) -> Result<()> {
        self.put_with(key, value, Put::new()).map(drop)
    }

    /// Stores a value as JSON until it is deleted.
    ///
    /// # Errors
    /// As [`put`](Self::put), and for a value that JSON cannot express.
    #[cfg(feature = "json")]
    pub fn put_json<T: serde::Serialize + ?Sized>(&self, key: impl Into<String>, value: &T) -> Result<()> {
        self.put(key, super::typed::encode(value)?)
    }

    /// The bucket with values of this type, stored as JSON.
    #[cfg(feature = "json")]
    #[must_use]
    pub fn typed<T: serde::Serialize + serde::de::DeserializeOwned>(&self) -> Typed<'_, T> {
        Typed::new(self)
    }

    /// Stores a value under a condition or for a time, and returns its version, or none when the condition
    /// did not hold.
    ///
    /// # Errors
    /// As [`put`](Self::put), and when the bucket lacks conditions or expiry.
    pub fn put_with(
        &self,
        key: impl Into<String>,
        value: impl Into<Vec<u8>>,
        how: Put,
    ) -> Result<Option<Version>> {
        let item = PutItem { key: key.into(), value: value.into(), ttl_ms: how.ttl.map(millis) };
        Ok(self.0.put(&item, how.condition)?)
    }

    /// Stores many values in any order. An error may leave some of them stored; see
    /// [`transact`](Self::transact).
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub fn put_many(&self, items: &[PutItem]) -> Result<()> {
        Ok(self.0.put_many(items)?)
    }

    /// Deletes a key; false when there was none.
    ///
    /// # Errors
    /// When the bucket cannot be reached, or the key is not valid.
    pub fn delete(&self, key: &str) -> Result<bool> {
        self.delete_if(key, Condition::Always)
    }

    /// Deletes a key; false when there was none, or the condition did not hold.
    ///
    /// # Errors
    /// As [`delete`](Self::delete), and when the bucket lacks conditions.
    pub fn delete_if(&self, key: &str, condition: Condition) -> Result<bool> {
        Ok(self.0.delete(key, condition)?)
    }

    /// Replaces the value of a key by what `change` makes of it, and returns that. `change` gets none for an
    /// absent key, and returns none to delete it.
    ///
    /// ```no_run
    /// # use wharf_guest::{Kv, Result};
    /// # fn main() -> Result<()> {
    /// let kv = Kv::open("chat")?;
    /// kv.update("log", |log| -> Result<_> {
    ///     let mut log = log.unwrap_or_default();
    ///     log.extend_from_slice(b"hello\n");
    ///     Ok(Some(log))
    /// })?;
    /// # Ok(()) }
    /// ```
    ///
    /// It is written only if nobody else wrote the key meanwhile; otherwise `change` is called again, with the
    /// value that they wrote. It may be called up to 32 times: what it does besides happens each time. Nothing is
    /// tried again after any other error, least of all when the outcome is unknown.
    ///
    /// The new value stays until it is deleted, whatever expiry the old one had; [`update_with`](Self::update_with)
    /// gives it another.
    ///
    /// # Errors
    /// What `change` returns; then nothing changed. [`Error::is_conflict`] when others were faster each time.
    /// As [`get`](Self::get) and [`put`](Self::put), and when the bucket lacks conditions.
    pub fn update<E: From<Error>>(
        &self,
        key: &str,
        change: impl FnMut(Option<Vec<u8>>) -> Result<Option<Vec<u8>>, E>,
    ) -> Result<Option<Vec<u8>>, E> {
        self.update_with(key, None, change)
    }

    /// The same, where the new value lives for `ttl` from now on (whole milliseconds; none to keep it).
    ///
    /// # Errors
    /// As [`update`](Self::update), and when the bucket lacks expiry.
    pub fn update_with<E: From<Error>>(
        &self,
        key: &str,
        ttl: Option<Duration>,
        change: impl FnMut(Option<Vec<u8>>) -> Result<Option<Vec<u8>>, E>,
    ) -> Result<Option<Vec<u8>>, E> {
        let write = |read: Option<Version>, value: Option<&[u8]>| {
            let condition = read.map_or(Condition::IfAbsent, Condition::IfVersion);
            match value {
                Some(value) => {
                    let how = Put { condition, ttl };
                    self.put_with(key, value, how).map(|version| version.is_some())
                }
                None => self.delete_if(key, condition),
            }
        };
        update(key, || self.entry(key), write, pause, change)
    }

    /// Adds to a number and returns the sum; an absent key counts as 0.
    ///
    /// # Errors
    /// When the value is no number, or the bucket lacks counters.
    pub fn increment(&self, key: impl Into<String>, delta: i64) -> Result<i64> {
        self.increment_with(key, delta, 0, None)
    }

    /// The same, where an absent key counts as `initial` and lives for `ttl`.
    ///
    /// # Errors
    /// As [`increment`](Self::increment).
    pub fn increment_with(
        &self,
        key: impl Into<String>,
        delta: i64,
        initial: i64,
        ttl: Option<Duration>,
    ) -> Result<i64> {
        let item = IncrementItem { key: key.into(), delta };
        Ok(self.0.increment(&item, initial, ttl.map(millis))?)
    }

    /// The entries whose keys begin with `prefix`; pages are fetched as they are needed.
    #[must_use]
    pub fn scan(&self, prefix: impl Into<String>) -> Scan<'_> {
        Scan::new(&self.0, prefix.into())
    }

    /// Applies all changes of a batch at one instant if all of its checks hold, and returns the version that
    /// the keys have now; none when a check did not hold, and then nothing changed.
    ///
    /// # Errors
    /// When the bucket cannot be reached or lacks transactions, or a change is not valid; nothing changed
    /// then, unless [`is_outcome_unknown`](crate::Error::is_outcome_unknown).
    pub fn transact(&self, batch: &Batch) -> Result<Option<Version>> {
        Ok(self.0.transact(batch.checks(), batch.mutations())?)
    }

    /// The contract's own resource.
    #[must_use]
    pub fn raw(&self) -> &Bucket {
        &self.0
    }
}

fn text(key: &str, value: Vec<u8>) -> Result<String> {
    String::from_utf8(value)
        .map_err(|error| ErrorKind::Value(format!("the value of key `{key}` is not text: {error}")).into())
}

/// When and for how long a value is stored; by default always and until it is deleted.
#[derive(Debug, Clone, Copy)]
pub struct Put {
    condition: Condition,
    ttl: Option<Duration>,
}

impl Default for Put {
    fn default() -> Self {
        Self::new()
    }
}

impl Put {
    /// Always, until it is deleted.
    #[must_use]
    pub fn new() -> Self {
        Self { condition: Condition::Always, ttl: None }
    }

    /// Only when there is no such key.
    #[must_use]
    pub fn if_absent(mut self) -> Self {
        self.condition = Condition::IfAbsent;
        self
    }

    /// Only when there is such a key.
    #[must_use]
    pub fn if_present(mut self) -> Self {
        self.condition = Condition::IfPresent;
        self
    }

    /// Only when nobody has written the key since it had this version.
    #[must_use]
    pub fn if_version(mut self, version: Version) -> Self {
        self.condition = Condition::IfVersion(version);
        self
    }

    /// For this long (whole milliseconds).
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }
}
