//! Values in PostgreSQL's binary format whose reading takes more than a number's bytes. The host reads them for
//! guests that take the contract's values, and `wharf-guest` for those that take rows as the server sent them: one
//! reading, so that both see the same. Bytes come from a server and may be any.

mod network;
mod numeric;
mod time;

pub use network::{address, mac};
pub use numeric::decode as numeric;
pub use time::{EPOCH_DAYS, EPOCH_MICROS, unix_days, unix_micros};

/// 36 lower-case characters.
#[must_use]
pub fn uuid(bytes: [u8; 16]) -> String {
    let hex = format!("{:032x}", u128::from_be_bytes(bytes));
    let part = |range: std::ops::Range<usize>| hex.get(range).unwrap_or_default();
    format!("{}-{}-{}-{}-{}", part(0..8), part(8..12), part(12..16), part(16..20), part(20..32))
}
