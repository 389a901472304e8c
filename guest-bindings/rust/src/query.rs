//! Reads query strings (`application/x-www-form-urlencoded`) for the plain form.

/// The decoded value of the first pair of this name.
pub(crate) fn find(query: &str, name: &str) -> Option<String> {
    query.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(key) == name).then(|| decode(value))
    })
}

/// Undoes percent-encoding and `+`; what is no valid escape stays, what is no UTF-8 is replaced.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        bytes.push(match first {
            b'+' => b' ',
            b'%' => match escape(after) {
                Some(byte) => {
                    rest = after.get(2..).unwrap_or_default();
                    byte
                }
                None => b'%',
            },
            other => *other,
        });
    }
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// The byte that two hexadecimal digits stand for.
fn escape(digits: &[u8]) -> Option<u8> {
    let [high, low, ..] = digits else { return None };
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_pair_of_a_name_wins() {
        assert_eq!(find("a=1&b=2&a=3", "a").as_deref(), Some("1"));
        assert_eq!(find("a&b=", "a").as_deref(), Some(""));
        assert_eq!(find("a=1", "b"), None);
    }

    #[test]
    fn escapes_are_undone_and_broken_ones_kept() {
        assert_eq!(find("q=a%20b+c%C3%A9", "q").as_deref(), Some("a b cé"));
        assert_eq!(find("q=100%&r=%zz%4", "q").as_deref(), Some("100%"));
        assert_eq!(find("q=100%&r=%zz%4", "r").as_deref(), Some("%zz%4"));
        assert_eq!(find("%71=x", "q").as_deref(), Some("x"));
        assert_eq!(find("q=%ff", "q").as_deref(), Some("\u{fffd}"));
    }
}
