//! Requests per key and time, by the cells of `governor`.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use governor::clock::Clock as _;
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};
use http::HeaderName;

use crate::clock::Clock;
use crate::manifest::{RateGuard, RateKey};
use crate::request::Failure;

use super::{Pass, Seen};

/// After so many requests, keys that are fresh again are forgotten.
const SWEEP: u32 = 10_000;

/// Keys that are counted apart at once: some megabytes.
const MOST_CELLS: usize = 100_000;

/// The cells of one guard.
pub(crate) struct Rate {
    key: Key,
    /// By a hash of the key: what clients send is not kept.
    cells: RateLimiter<u64, DashMapStateStore<u64>, Ticks, NoOpMiddleware<Duration>>,
    clock: Ticks,
    hasher: RandomState,
    asked: AtomicU32,
}

enum Key {
    Address,
    Header(HeaderName),
    Annotation(String),
}

/// The host's clock as `governor` wants it.
#[derive(Clone)]
struct Ticks(Arc<dyn Clock>);

impl governor::clock::Clock for Ticks {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}

impl Rate {
    pub(super) fn new(guard: &RateGuard, clock: Arc<dyn Clock>) -> Result<Self, String> {
        let key = match RateKey::parse(&guard.key) {
            Some(RateKey::Address) => Key::Address,
            Some(RateKey::Header(name)) => {
                Key::Header(name.parse().map_err(|_told| format!("`{name}` is no field"))?)
            }
            Some(RateKey::Annotation(name)) => Key::Annotation(name),
            None => return Err(format!("`{}` is no key", guard.key)),
        };
        let each = guard.per.checked_div(guard.requests).filter(|each| !each.is_zero());
        let each = each.ok_or("`rate` asks for more than one request a nanosecond")?;
        let burst = guard.burst.and_then(NonZeroU32::new).or_else(|| NonZeroU32::new(guard.requests));
        let quota = Quota::with_period(each).zip(burst).map(|(quota, burst)| quota.allow_burst(burst));
        let (clock, hasher) = (Ticks(clock), RandomState::new());
        let quota = quota.ok_or("`rate` lets nothing pass")?;
        let cells = RateLimiter::dashmap_with_clock(quota, clock.clone());
        Ok(Self { key, cells, clock, hasher, asked: AtomicU32::new(0) })
    }

    pub(super) fn ask(&self, seen: &Seen<'_>) -> Result<Pass, Failure> {
        if self.asked.fetch_add(1, Ordering::Relaxed) % SWEEP == SWEEP - 1 {
            self.cells.retain_recent();
        }
        // Clients that make up keys share one cell once there are too many.
        let key = if self.cells.len() < MOST_CELLS { self.key(seen) } else { 0 };
        match self.cells.check_key(&key) {
            Ok(()) => Ok(Pass::As(Vec::new())),
            Err(until) => {
                Err(Failure::TooManyRequests(whole_seconds(until.wait_time_from(self.clock.now()))))
            }
        }
    }

    /// What has no such field or annotation is counted together.
    fn key(&self, seen: &Seen<'_>) -> u64 {
        match &self.key {
            Key::Address => self.hasher.hash_one(network(seen.address)),
            Key::Header(name) => {
                self.hasher.hash_one(seen.parts.headers.get(name).map(|value| value.as_bytes()))
            }
            Key::Annotation(name) => {
                let found = seen.annotations.iter().find(|(key, _)| key == name);
                self.hasher.hash_one(found.map(|(_, value)| value))
            }
        }
    }
}

/// Of IPv6 the first 64 bits, which one client has for itself.
fn network(address: IpAddr) -> u64 {
    match address.to_canonical() {
        IpAddr::V4(address) => u64::from(address.to_bits()),
        IpAddr::V6(address) => u64::try_from(address.to_bits() >> 64).unwrap_or_default(),
    }
}

fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}
