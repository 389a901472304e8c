//! How an entry is kept: its key as a subject, its value as a message, its expiry or deletion as a header.

use std::fmt::Write;

use async_nats::HeaderMap;

use super::super::batch::Stored;

/// Unix time in milliseconds.
const EXPIRES_AT: &str = "Wharf-Expires-At";
/// On the message that stands for a deleted key, until it is cleared away.
const DELETED: &str = "Wharf-Deleted";
/// What the server tells of a message whose value it leaves out.
const SIZE: &str = "Nats-Msg-Size";

/// The last message of a key.
#[derive(Debug)]
pub(super) struct Row {
    /// Of the stream; an entry's version.
    pub(super) sequence: u64,
    /// None: the key was deleted.
    pub(super) stored: Option<Stored>,
    /// Bytes of the value, which itself may have been left out.
    pub(super) size: u64,
}

impl Row {
    pub(super) fn new(sequence: u64, headers: Option<&HeaderMap>, value: Vec<u8>) -> Self {
        let number = |name: &str| headers?.get(name)?.as_str().parse().ok();
        let size = number(SIZE).unwrap_or_else(|| u64::try_from(value.len()).unwrap_or(u64::MAX));
        let deleted = headers.is_some_and(|headers| headers.get(DELETED).is_some());
        let stored = (!deleted).then(|| Stored { value, version: sequence, expires_at: number(EXPIRES_AT) });
        Self { sequence, stored, size }
    }
}

/// What is written for an entry, or (none) for a deleted key.
pub(super) fn headers(stored: Option<&Stored>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    match stored.map(|stored| stored.expires_at) {
        None => headers.insert(DELETED, "1"),
        Some(Some(at)) => headers.insert(EXPIRES_AT, at.to_string()),
        Some(None) => {}
    }
    headers
}

pub(super) fn stream(bucket: &str) -> String {
    format!("WHARF_KV_{bucket}")
}

/// The bucket of a stream, if it is one.
pub(super) fn bucket(stream: &str) -> Option<&str> {
    stream.strip_prefix("WHARF_KV_")
}

pub(super) fn subjects(bucket: &str) -> String {
    format!("wharf.kv.{bucket}.>")
}

/// A key is one token of its subject, and reads as itself where it can: bytes with a meaning in subjects, or that
/// are not ASCII, become `=` and two hexadecimal digits. The longest key takes 3,072 bytes; a server reads lines of
/// 4,096 unless it was told otherwise.
pub(super) fn subject(bucket: &str, key: &str) -> String {
    let mut subject = format!("wharf.kv.{bucket}.");
    for byte in key.bytes() {
        if is_plain(byte) {
            subject.push(char::from(byte));
        } else {
            let _ = write!(subject, "={byte:02X}");
        }
    }
    subject
}

/// The key of a subject; none for one that no key has.
pub(super) fn key(bucket: &str, subject: &str) -> Option<String> {
    let token = subject.strip_prefix("wharf.kv.")?.strip_prefix(bucket)?.strip_prefix('.')?;
    let (mut bytes, mut rest) = (Vec::with_capacity(token.len()), token.bytes());
    while let Some(byte) = rest.next() {
        if byte == b'=' {
            let digit = |byte: u8| match byte {
                b'0'..=b'9' => Some(byte - b'0'),
                b'A'..=b'F' => Some(byte - b'A' + 10),
                _ => None,
            };
            let escaped = digit(rest.next()?)? << 4 | digit(rest.next()?)?;
            // One key, one subject.
            if is_plain(escaped) {
                return None;
            }
            bytes.push(escaped);
        } else if is_plain(byte) {
            bytes.push(byte);
        } else {
            return None;
        }
    }
    String::from_utf8(bytes).ok().filter(|key| !key.is_empty())
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'/' | b':' | b'@' | b'+' | b',')
}

#[cfg(test)]
mod tests {
    use super::{Row, Stored, headers, key, subject};

    #[test]
    fn every_key_is_one_token_and_comes_back() {
        assert_eq!(subject("b", "user:1"), "wharf.kv.b.user:1");
        assert_eq!(subject("b", "a.b *>="), "wharf.kv.b.a=2Eb=20=2A=3E=3D");
        let long = "\u{1f600}".repeat(256);
        for text in ["a", ".", "\0", "\r\n", "*", ">", "=41", "ä", "a b\t", long.as_str()] {
            let subject = subject("bu-cket", text);
            assert_eq!(subject.split('.').count(), 4, "{subject}");
            assert!(subject.len() < 3_200 && subject.is_ascii());
            assert_eq!(key("bu-cket", &subject).as_deref(), Some(text));
            assert_eq!(key("bu", &subject), None);
        }
        for foreign in ["", "=", "=4", "=41", "=zz", "=2e", "=FF", "a.b", "ä"] {
            assert_eq!(key("b", &format!("wharf.kv.b.{foreign}")), None, "{foreign}");
        }
    }

    #[test]
    fn an_entry_comes_back_from_its_message() {
        for expires_at in [None, Some(1 << 53)] {
            let stored = Stored { value: b"v".into(), version: 7, expires_at };
            let row = Row::new(7, Some(&headers(Some(&stored))), b"v".into());
            assert_eq!((row.stored, row.size), (Some(stored), 1));
        }
        assert_eq!(Row::new(8, Some(&headers(None)), Vec::new()).stored, None);
        assert!(Row::new(9, None, Vec::new()).stored.is_some(), "an empty value is one");
    }
}
