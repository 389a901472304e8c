//! Where buckets are kept and how much they may hold, as it is said on a command line.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use clap::Args;
use wharf_host::ByteSize;
use wharf_host::kv::{BucketConfig, KvStorage, StorageError};

/// The options of buckets.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Buckets {
    /// Where buckets are kept: a folder, memory, or postgres://, redis:// or nats://; with BUCKET= only that one
    #[arg(long = "kv", value_name = "[BUCKET=]WHERE", value_parser = place)]
    pub(crate) places: Vec<Place>,
    /// What a bucket may hold, e.g. `sessions:entries=10000,bytes=64MiB,value=4MiB,key=100`
    #[arg(long = "kv-limit", value_name = "BUCKET:LIMITS", value_parser = limits)]
    limits: Vec<(String, Limits)>,
}

/// One bucket (none: all others) and where it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    bucket: Option<String>,
    storage: KvStorage,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Limits {
    entries: Option<u64>,
    bytes: Option<ByteSize>,
    value: Option<ByteSize>,
    key: Option<usize>,
}

impl Buckets {
    /// Where buckets are kept that have no place of their own.
    ///
    /// # Errors
    /// Two places for them.
    pub(crate) fn default_place(&self) -> Result<Option<KvStorage>> {
        let mut places = self.places.iter().filter(|place| place.bucket.is_none());
        let first = places.next();
        if places.next().is_some() {
            bail!("two `--kv` without a bucket: say `--kv BUCKET=WHERE` for all but one");
        }
        Ok(first.map(|place| place.storage.clone()))
    }

    /// The buckets with a place or limits of their own.
    pub(crate) fn named(&self) -> BTreeMap<String, BucketConfig> {
        let mut buckets: BTreeMap<String, BucketConfig> = BTreeMap::new();
        for place in &self.places {
            if let Some(bucket) = &place.bucket {
                buckets.entry(bucket.clone()).or_default().storage = Some(place.storage.clone());
            }
        }
        for (bucket, limits) in &self.limits {
            let config = buckets.entry(bucket.clone()).or_default();
            config.entries = limits.entries.or(config.entries);
            config.bytes = limits.bytes.or(config.bytes);
            config.value = limits.value.unwrap_or(config.value);
            config.key = limits.key.unwrap_or(config.key);
        }
        buckets
    }
}

fn is_name(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// `sessions=redis://localhost`, or just where.
fn place(text: &str) -> Result<Place, StorageError> {
    match text.split_once('=') {
        Some((bucket, storage)) if is_name(bucket) => {
            Ok(Place { bucket: Some(bucket.to_owned()), storage: storage.parse()? })
        }
        _ => Ok(Place { bucket: None, storage: text.parse()? }),
    }
}

fn limits(text: &str) -> Result<(String, Limits), String> {
    let (bucket, rest) = text.split_once(':').filter(|(bucket, _)| is_name(bucket)).ok_or_else(|| {
        "begin with a bucket and a colon, as in `sessions:entries=10000,bytes=64MiB`".to_owned()
    })?;
    let mut limits = Limits::default();
    for part in rest.split(',') {
        let (name, value) = part.split_once('=').ok_or_else(|| format!("`{part}` is no `name=value`"))?;
        let number = || value.parse().map_err(|_told| format!("`{name}` is `{value}`: write a whole number"));
        let size = || value.parse().map_err(|error| format!("`{name}`: {error}"));
        match name {
            "entries" => limits.entries = Some(number()?),
            "bytes" => limits.bytes = Some(size()?),
            "value" => limits.value = Some(size()?),
            "key" => limits.key = Some(usize::try_from(number()?).unwrap_or(usize::MAX)),
            _ => return Err(format!("there is no limit `{name}`: use entries, bytes, value and key")),
        }
    }
    Ok((bucket.to_owned(), limits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_before_the_place_is_told_from_an_address() {
        let bucket = |text: &str| place(text).unwrap().bucket;
        assert_eq!(bucket("sessions=redis://h/0?a=b"), Some("sessions".to_owned()));
        assert_eq!(bucket("redis://h/0?a=b"), None);
        assert_eq!(bucket("./a=b"), None);
        assert!(place("sessions=mysql://h").is_err());
    }

    #[test]
    fn limits_are_read_by_name() {
        let (bucket, limits) = limits("s:entries=10,bytes=1MiB,value=2KiB,key=9").unwrap();
        assert_eq!(bucket, "s");
        assert_eq!((limits.entries, limits.key), (Some(10), Some(9)));
        assert_eq!(limits.bytes, Some(ByteSize::mib(1)));
        for wrong in ["s", "S:entries=1", "s:entries=x", "s:size=1", "s:bytes"] {
            assert!(super::limits(wrong).is_err(), "{wrong}");
        }
    }
}
