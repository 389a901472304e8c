//! Who gets which release of a service: shares of its requests, what keeps a client with one, previews, and what a
//! watched release answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::{HeaderMap, HeaderName};

use super::Release;

/// Where the requests of one service go.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Traffic {
    /// The service; every release is one of it.
    pub service: String,
    /// At least one, unless there are previews. What is called without a request, and a guard for others, is the release with the largest weight,
    /// the first of several.
    pub shares: Vec<Share>,
    /// What keeps a client with one release. None: every request is drawn anew.
    pub sticky: Option<Sticky>,
    /// Releases for those who know a key, beside the shares.
    pub previews: Vec<Preview>,
}

/// A release and how much it gets.
#[derive(Clone, Debug)]
pub struct Share {
    /// What answers.
    pub release: Arc<Release>,
    /// Its part of the sum of all weights; one of 0 gets nothing.
    pub weight: u32,
    /// Where its answers are counted.
    pub tally: Option<Arc<Tally>>,
}

/// A release for requests with `x-wharf-preview: <key>`.
#[derive(Clone, Debug)]
pub struct Preview {
    /// Known only to those who may look.
    pub key: String,
    /// What answers them.
    pub release: Arc<Release>,
}

/// What a client is known by. Clients without it are drawn anew with every request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Sticky {
    /// The value of a cookie.
    Cookie(String),
    /// The value of a request's header.
    Header(HeaderName),
}

/// The header that names a preview's key.
pub(super) const PREVIEW: HeaderName = HeaderName::from_static("x-wharf-preview");

impl Traffic {
    /// Everything to one release.
    #[must_use]
    pub fn all(release: Arc<Release>) -> Self {
        let service = release.service().to_owned();
        let shares = vec![Share { release, weight: 1, tally: None }];
        Self { service, shares, sticky: None, previews: Vec::new() }
    }

    /// The release with the largest weight.
    #[must_use]
    pub fn main(&self) -> Option<&Arc<Release>> {
        let largest = self.shares.iter().map(|share| share.weight).max()?;
        self.shares.iter().find(|share| share.weight == largest).map(|share| &share.release)
    }

    /// Requests of `service` to these.
    #[must_use]
    pub fn shared(service: &str, shares: Vec<Share>) -> Self {
        Self { service: service.to_owned(), shares, sticky: None, previews: Vec::new() }
    }

    /// Everything that may answer.
    pub(super) fn releases(&self) -> impl Iterator<Item = &Arc<Release>> {
        let previews = self.previews.iter().map(|preview| &preview.release);
        self.shares.iter().map(|share| &share.release).chain(previews)
    }
}

impl Sticky {
    /// A number that is the same for the same client.
    pub(super) fn number(&self, fields: &HeaderMap) -> Option<u64> {
        let value = match self {
            Self::Header(name) => fields.get(name)?.as_bytes(),
            Self::Cookie(name) => cookie(fields, name)?,
        };
        Some(spread(value))
    }
}

/// The value of a cookie, the first of that name.
fn cookie<'a>(fields: &'a HeaderMap, name: &str) -> Option<&'a [u8]> {
    let pairs = fields.get_all(http::header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = pairs.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value.as_bytes())
}

/// FNV-1a with a last stir: the same on every host and in every version, unlike the standard library's.
fn spread(bytes: &[u8]) -> u64 {
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^ (hash >> 33)
}

/// Counts what a release answered while it is watched.
#[derive(Debug, Default)]
pub struct Tally {
    answers: AtomicU64,
    faults: AtomicU64,
}

impl Tally {
    /// Requests that were answered since it was published.
    #[must_use]
    pub fn answers(&self) -> u64 {
        self.answers.load(Ordering::Relaxed)
    }

    /// Those of them with a status of 500 and above that was the guest's doing.
    #[must_use]
    pub fn faults(&self) -> u64 {
        self.faults.load(Ordering::Relaxed)
    }

    pub(crate) fn count(&self, fault: bool) {
        self.faults.fetch_add(u64::from(fault), Ordering::Relaxed);
        self.answers.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_known_by_its_cookie_or_header() {
        let mut fields = HeaderMap::new();
        let sticky = Sticky::Cookie("id".to_owned());
        assert_eq!(sticky.number(&fields), None);
        fields.insert("cookie", "a=b; id=7; c=d".parse().unwrap());
        fields.insert("x-user", "7".parse().unwrap());
        assert!(sticky.number(&fields).is_some());
        assert_eq!(sticky.number(&fields), Sticky::Header(HeaderName::from_static("x-user")).number(&fields));
    }

    #[test]
    fn numbers_of_clients_spread_evenly() {
        let low = (0..10_000).filter(|n: &u32| spread(n.to_string().as_bytes()) % 100 < 10).count();
        assert!((800..1_200).contains(&low), "{low}");
    }
}
