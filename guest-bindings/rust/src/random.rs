//! Random numbers from the host, fit for keys and tokens.

use crate::bindings::wasi::random::random;

/// Fills a slice with random bytes.
pub fn fill(bytes: &mut [u8]) {
    bytes.copy_from_slice(&take(bytes.len()));
}

/// A random number.
#[must_use]
pub fn number() -> u64 {
    random::get_random_u64()
}

/// A random (version 4) UUID in canonical text.
///
/// ```no_run
/// # use wharf_guest::{PgClient, Result, pg::Uuid, random};
/// # fn add(pg: &PgClient) -> Result<()> {
/// pg.execute("insert into orders (id) values ($1)", &[&Uuid(random::uuid())])?;
/// # Ok(()) }
/// ```
#[must_use]
pub fn uuid() -> String {
    let mut bytes = [0; 16];
    fill(&mut bytes);
    format_v4(bytes)
}

/// A number from 0 to 1.
pub(crate) fn fraction() -> f64 {
    let bits = u32::try_from(number() >> 32).unwrap_or(u32::MAX);
    f64::from(bits) / f64::from(u32::MAX)
}

fn take(count: usize) -> Vec<u8> {
    random::get_random_bytes(count as u64)
}

/// Marks 16 bytes as version 4 (RFC 9562) and writes them as text.
fn format_v4(bytes: [u8; 16]) -> String {
    let number = u128::from_be_bytes(bytes) & !(0xf << 76) & !(0b11 << 62) | 0x4 << 76 | 0b10 << 62;
    let digits = format!("{number:032x}");
    let (a, rest) = digits.split_at(8);
    let (b, rest) = rest.split_at(4);
    let (c, rest) = rest.split_at(4);
    let (d, e) = rest.split_at(4);
    format!("{a}-{b}-{c}-{d}-{e}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_carries_its_version_and_variant() {
        assert_eq!(format_v4([0; 16]), "00000000-0000-4000-8000-000000000000");
        assert_eq!(format_v4([0xff; 16]), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    }
}
