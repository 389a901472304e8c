//! A key in a header field, known by its SHA-256: the manifest holds no secret.

use http::HeaderName;
use sha2::{Digest, Sha256};

use crate::manifest::{ApiKeyGuard, digest_of};
use crate::request::Failure;

use super::{Pass, Seen};

/// The keys of one guard.
pub(crate) struct ApiKeys {
    header: HeaderName,
    keys: Vec<(String, [u8; 32])>,
}

impl ApiKeys {
    pub(super) fn new(guard: &ApiKeyGuard) -> Result<Self, String> {
        let header = guard.header.parse().map_err(|_told| format!("`{}` is no field", guard.header))?;
        let key = |(name, text): (&String, &String)| Some((name.clone(), digest_of(text)?));
        let keys = guard.keys.iter().map(key).collect::<Option<_>>().ok_or("a key is no digest")?;
        Ok(Self { header, keys })
    }

    /// Every digest is compared, and digests tell nothing by the time it takes.
    pub(super) fn ask(&self, seen: &Seen<'_>) -> Result<Pass, Failure> {
        let refused = || Failure::Unauthorized(format!("ApiKey header=\"{}\"", self.header));
        let given = seen.parts.headers.get(&self.header).ok_or_else(refused)?;
        let digest: [u8; 32] = Sha256::digest(given.as_bytes()).into();
        let mut holder = None;
        for (name, known) in &self.keys {
            if *known == digest {
                holder = Some(name);
            }
        }
        let holder = holder.ok_or_else(refused)?;
        Ok(Pass::As(vec![("api-key".to_owned(), holder.clone())]))
    }
}
