//! `numeric`: base-10,000 digits on the wire, exact decimal text in the contract.

use std::fmt::Write;

const NEGATIVE: u16 = 0x4000;
const NAN: u16 = 0xC000;
const INFINITY: u16 = 0xD000;
const NEGATIVE_INFINITY: u16 = 0xF000;

/// Wire bytes to text; none when they are malformed.
#[must_use]
pub fn decode(bytes: &[u8]) -> Option<String> {
    let mut words =
        bytes.chunks_exact(2).map(|pair| pair.try_into().map(u16::from_be_bytes).unwrap_or_default());
    if !bytes.len().is_multiple_of(2) {
        return None;
    }
    let count = usize::from(words.next()?);
    let weight = words.next()?.cast_signed();
    let sign = words.next()?;
    let scale = usize::from(words.next()?);
    let digits: Vec<u16> = words.collect();
    if digits.len() != count || digits.iter().any(|digit| *digit > 9_999) {
        return None;
    }
    match sign {
        NAN => return Some("NaN".to_owned()),
        INFINITY => return Some("Infinity".to_owned()),
        NEGATIVE_INFINITY => return Some("-Infinity".to_owned()),
        0 | NEGATIVE => {}
        _ => return None,
    }
    let mut text = String::with_capacity(scale + count * 4 + 2);
    if sign == NEGATIVE {
        text.push('-');
    }
    let digit = |position: i32| {
        let index = usize::try_from(i32::from(weight).checked_sub(position)?).ok()?;
        digits.get(index).copied()
    };
    whole(&mut text, weight, digit);
    fraction(&mut text, scale, digit);
    Some(text)
}

fn whole(text: &mut String, weight: i16, digit: impl Fn(i32) -> Option<u16>) {
    if weight < 0 {
        text.push('0');
        return;
    }
    for position in (0..=i32::from(weight)).rev() {
        let value = digit(position).unwrap_or(0);
        let _ =
            if position == i32::from(weight) { write!(text, "{value}") } else { write!(text, "{value:04}") };
    }
}

fn fraction(text: &mut String, scale: usize, digit: impl Fn(i32) -> Option<u16>) {
    if scale == 0 {
        return;
    }
    text.push('.');
    let end = text.len() + scale;
    for position in 1.. {
        if text.len() >= end {
            break;
        }
        let _ = write!(text, "{:04}", digit(-position).unwrap_or(0));
    }
    text.truncate(end);
}

#[cfg(test)]
mod tests {
    use super::decode;

    fn wire(weight: i16, sign: u16, scale: u16, digits: &[u16]) -> Vec<u8> {
        let head = [u16::try_from(digits.len()).unwrap(), weight.cast_unsigned(), sign, scale];
        head.iter().chain(digits).flat_map(|word| word.to_be_bytes()).collect()
    }

    #[test]
    fn digits_read_as_the_server_prints_them() {
        let cases: [(i16, u16, u16, &[u16], &str); 9] = [
            (0, 0, 0, &[], "0"),
            (-1, 0, 2, &[], "0.00"),
            (0, 0, 0, &[42], "42"),
            (1, 0x4000, 0, &[1, 2], "-10002"),
            (1, 0, 0, &[5], "50000"),
            (0, 0, 3, &[1, 5_000], "1.500"),
            (-1, 0, 4, &[42], "0.0042"),
            (-2, 0, 8, &[42], "0.00000042"),
            (0, 0xC000, 0, &[], "NaN"),
        ];
        for (weight, sign, scale, digits, text) in cases {
            assert_eq!(decode(&wire(weight, sign, scale, digits)).as_deref(), Some(text));
        }
    }

    #[test]
    fn malformed_digits_are_refused() {
        assert_eq!(decode(&[0]), None);
        assert_eq!(decode(&wire(0, 0, 0, &[10_000])), None);
        assert_eq!(decode(&wire(0, 0x1234, 0, &[1])), None);
    }
}
