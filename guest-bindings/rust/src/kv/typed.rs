//! Buckets whose values are of one type.

use super::{Entry, Kv, Put, Scan, Version};
use crate::{Error, ErrorKind, Result};
use serde::{Serialize, de::DeserializeOwned};
use std::{fmt, marker::PhantomData, time::Duration};

/// A bucket with values of type `T`, stored as JSON; see [`Kv::typed`].
///
/// ```no_run
/// use wharf_guest::{Kv, Result, serde::{Deserialize, Serialize}};
///
/// #[derive(Serialize, Deserialize)]
/// #[serde(crate = "wharf_guest::serde")]
/// struct Cart {
///     items: Vec<String>,
/// }
///
/// # fn main() -> Result<()> {
/// let kv = Kv::open("carts")?;
/// let carts = kv.typed::<Cart>();
/// carts.put("ann", &Cart { items: vec![] })?;
/// carts.update("ann", |cart| -> Result<_> {
///     let mut cart = cart.unwrap_or(Cart { items: vec![] });
///     cart.items.push("apples".to_owned());
///     Ok(Some(cart))
/// })?;
/// for cart in carts.scan("") {
///     let (name, cart) = cart?;
/// }
/// # Ok(()) }
/// ```
///
/// A value that is not what `T` wants is an error ([`ErrorKind::Value`]) that names its key.
pub struct Typed<'a, T> {
    kv: &'a Kv,
    values: PhantomData<fn() -> T>,
}

impl<T> Clone for Typed<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Typed<'_, T> {}

impl<T> fmt::Debug for Typed<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Typed").field(self.kv).finish()
    }
}

impl<'a, T: Serialize + DeserializeOwned> Typed<'a, T> {
    pub(super) fn new(kv: &'a Kv) -> Self {
        Self { kv, values: PhantomData }
    }

    /// The value of a key.
    ///
    /// # Errors
    /// As [`Kv::get`], and for a value that is no `T`.
    pub fn get(&self, key: &str) -> Result<Option<T>> {
        self.kv.get_json(key)
    }

    /// The value of a key with its version, for [`Put::if_version`].
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn versioned(&self, key: &str) -> Result<Option<(T, Version)>> {
        let Some(entry) = self.kv.entry(key)? else { return Ok(None) };
        Ok(Some((decode(key, &entry.value)?, entry.version)))
    }

    /// Stores a value until it is deleted.
    ///
    /// # Errors
    /// As [`Kv::put`], and for a value that JSON cannot express.
    pub fn put(&self, key: impl Into<String>, value: &T) -> Result<()> {
        self.kv.put_json(key, value)
    }

    /// Stores a value under a condition or for a time, and returns its version, or none when the condition did
    /// not hold.
    ///
    /// # Errors
    /// As [`Kv::put_with`], and for a value that JSON cannot express.
    pub fn put_with(&self, key: impl Into<String>, value: &T, how: Put) -> Result<Option<Version>> {
        self.kv.put_with(key, encode(value)?, how)
    }

    /// Replaces the value of a key by what `change` makes of it, and returns that, as [`Kv::update`] does.
    ///
    /// # Errors
    /// As [`Kv::update`], and for a value that is no `T`, or that JSON cannot express; then nothing changed.
    pub fn update<E: From<Error>>(
        &self,
        key: &str,
        change: impl FnMut(Option<T>) -> Result<Option<T>, E>,
    ) -> Result<Option<T>, E> {
        self.update_with(key, None, change)
    }

    /// The same, where the new value lives for `ttl` from now on, as with [`Kv::update_with`].
    ///
    /// # Errors
    /// As [`update`](Self::update), and when the bucket lacks expiry.
    pub fn update_with<E: From<Error>>(
        &self,
        key: &str,
        ttl: Option<Duration>,
        change: impl FnMut(Option<T>) -> Result<Option<T>, E>,
    ) -> Result<Option<T>, E> {
        let mut new = None;
        self.kv.update_with(key, ttl, through_json(key, &mut new, change))?;
        Ok(new)
    }

    /// Deletes a key; false when there was none.
    ///
    /// # Errors
    /// As [`Kv::delete`].
    pub fn delete(&self, key: &str) -> Result<bool> {
        self.kv.delete(key)
    }

    /// The keys that begin with `prefix`, and their values; pages are fetched as they are needed.
    #[must_use]
    pub fn scan(&self, prefix: impl Into<String>) -> TypedScan<'a, T> {
        self.scan_with(self.kv.scan(prefix))
    }

    /// The same for a scan with bounds of its own, as in `carts.scan_with(kv.scan("").from_key("m").reverse())`.
    /// One that leaves the values out does not go together with this.
    #[must_use]
    pub fn scan_with<'b>(&self, scan: Scan<'b>) -> TypedScan<'b, T> {
        TypedScan { scan, values: PhantomData }
    }
}

/// An iterator over keys and values; see [`Typed::scan`].
///
/// A value that is no `T` is an error, and the scan goes on behind it. After any other error it ends.
pub struct TypedScan<'a, T> {
    scan: Scan<'a>,
    values: PhantomData<fn() -> T>,
}

impl<T> fmt::Debug for TypedScan<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TypedScan").field(&self.scan).finish()
    }
}

impl<T: DeserializeOwned> Iterator for TypedScan<'_, T> {
    type Item = Result<(String, T)>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.scan.next()?.and_then(typed))
    }
}

fn typed<T: DeserializeOwned>((key, entry): (String, Entry)) -> Result<(String, T)> {
    let value = decode(&key, &entry.value)?;
    Ok((key, value))
}

/// A change of a value as one of its bytes; `new` is what the last call of `change` gave.
fn through_json<T: Serialize + DeserializeOwned, E: From<Error>>(
    key: &str,
    new: &mut Option<T>,
    mut change: impl FnMut(Option<T>) -> Result<Option<T>, E>,
) -> impl FnMut(Option<Vec<u8>>) -> Result<Option<Vec<u8>>, E> {
    move |value| {
        let value = value.map(|value| decode(key, &value)).transpose()?;
        *new = change(value)?;
        Ok(new.as_ref().map(encode).transpose()?)
    }
}

pub(super) fn decode<T: DeserializeOwned>(key: &str, value: &[u8]) -> Result<T> {
    serde_json::from_slice(value).map_err(|error| {
        ErrorKind::Value(format!("the value of key `{key}` is not valid JSON here: {error}")).into()
    })
}

pub(super) fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>> {
    serde_json::to_vec(value)
        .map_err(|error| ErrorKind::Value(format!("failed to serialize a value: {error}")).into())
}

#[cfg(test)]
mod tests {
    use super::{decode, encode, through_json, typed};
    use crate::{Error, ErrorKind, Result, kv::Entry};
    use std::collections::BTreeMap;

    #[test]
    fn values_are_stored_as_json() {
        assert_eq!(encode(&vec![1, 2]).unwrap(), b"[1,2]");
        assert_eq!(decode::<Vec<u8>>("k", b"[1,2]").unwrap(), [1, 2]);
        let error = decode::<Vec<u8>>("cart/ann", b"apples").unwrap_err();
        assert!(error.to_string().contains("`cart/ann` is not valid JSON"), "{error}");
        let unspeakable = BTreeMap::from([(vec![1], 2)]);
        assert!(encode(&unspeakable).unwrap_err().to_string().contains("failed to serialize"));
    }

    #[test]
    fn entries_of_a_scan_keep_their_keys() {
        let entry = Entry { value: b"7".to_vec(), version: 1, expires_at: None };
        assert_eq!(typed::<u8>(("n".into(), entry)).unwrap(), ("n".to_owned(), 7));
    }

    #[test]
    fn a_change_of_values_is_one_of_bytes() {
        let mut new = None;
        let add = |value: Option<u32>| -> Result<_> { Ok(value.map(|value| value + 1)) };
        let mut change = through_json("n", &mut new, add);
        assert_eq!(change(Some(b"41".to_vec())).unwrap(), Some(b"42".to_vec()));
        assert_eq!(change(Some(b"7".to_vec())).unwrap(), Some(b"8".to_vec()));
        drop(change);
        assert_eq!(new, Some(8), "the last one counts");
    }

    #[test]
    fn a_value_of_another_type_is_not_changed() {
        let mut new = None;
        let refuse = |_: Option<u32>| Err(Error::from(ErrorKind::Value("sold out".into())));
        let mut change = through_json("n", &mut new, refuse);
        assert!(change(Some(b"many".to_vec())).unwrap_err().to_string().contains("`n` is not valid JSON"));
        assert_eq!(change(None).unwrap_err().to_string(), "sold out");
    }
}
