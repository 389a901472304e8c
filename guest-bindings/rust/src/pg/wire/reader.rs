//! Takes pieces off bytes that may be any.

use super::WireValue;

/// What is left of the bytes.
#[derive(Debug, Clone, Copy)]
pub(in crate::pg) struct Reader<'a>(pub(in crate::pg) &'a [u8]);

impl<'a> Reader<'a> {
    pub(in crate::pg) fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*head)
    }

    /// A length and that many bytes; a length of -1 is null.
    pub(in crate::pg) fn value(&mut self, type_oid: u32) -> Option<WireValue<'a>> {
        let bytes = match i32::from_be_bytes(self.take()?) {
            -1 => None,
            length => {
                let (head, rest) = self.0.split_at_checked(usize::try_from(length).ok()?)?;
                self.0 = rest;
                Some(head)
            }
        };
        Some(WireValue { type_oid, bytes })
    }

    /// The value, provided that nothing is left.
    pub(in crate::pg) fn end<T>(&self, value: T) -> Option<T> {
        self.0.is_empty().then_some(value)
    }
}

/// Exactly as many bytes as a type has.
pub(in crate::pg) fn fixed<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    bytes.try_into().ok()
}
