//! `inet`, `cidr` and `macaddr` to their canonical text.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const FAMILY_V4: u8 = 2;
const FAMILY_V6: u8 = 3;

/// Family, bits, whether it is a cidr, length, address. An inet of full length has no mask in text.
#[must_use]
pub fn address(bytes: &[u8]) -> Option<String> {
    let ([family, bits, is_cidr, length], address) = bytes.split_first_chunk()?;
    if usize::from(*length) != address.len() {
        return None;
    }
    let (address, full): (IpAddr, u8) = match *family {
        FAMILY_V4 => (Ipv4Addr::from(<[u8; 4]>::try_from(address).ok()?).into(), 32),
        FAMILY_V6 => (Ipv6Addr::from(<[u8; 16]>::try_from(address).ok()?).into(), 128),
        _ => return None,
    };
    Some(if *is_cidr == 0 && *bits == full { address.to_string() } else { format!("{address}/{bits}") })
}

/// A `macaddr` as text.
#[must_use]
pub fn mac(bytes: [u8; 6]) -> String {
    bytes.map(|byte| format!("{byte:02x}")).join(":")
}

#[cfg(test)]
mod tests {
    use super::address;

    #[test]
    fn only_a_cidr_shows_its_full_mask() {
        assert_eq!(address(&[2, 32, 0, 4, 10, 0, 0, 1]).as_deref(), Some("10.0.0.1"));
        assert_eq!(address(&[2, 32, 1, 4, 10, 0, 0, 1]).as_deref(), Some("10.0.0.1/32"));
        assert_eq!(address(&[2, 8, 0, 4, 10, 0, 0, 0]).as_deref(), Some("10.0.0.0/8"));
        assert_eq!(address(&[2, 8, 0, 16, 10, 0, 0, 0]), None);
    }
}
