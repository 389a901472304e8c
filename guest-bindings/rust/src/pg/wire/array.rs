//! The elements of an array, one after the other.

use super::{Reader, WireValue};
use crate::pg::Dimension;

/// Dimensions of one array: the server's own bound.
const MOST_DIMENSIONS: u32 = 6;

/// What an array's bytes hold. That all of them are there is found out beforehand, so that an array claims no
/// more than it brings.
#[derive(Debug, Clone)]
pub(in crate::pg) struct Elements<'a> {
    /// Type of the elements.
    pub(in crate::pg) type_oid: u32,
    pub(in crate::pg) dimensions: Vec<Dimension>,
    left: u32,
    rest: Reader<'a>,
}

impl<'a> Elements<'a> {
    /// None when the bytes are no array.
    pub(in crate::pg) fn of(bytes: &'a [u8]) -> Option<Self> {
        let mut rest = Reader(bytes);
        let dimensions = u32::from_be_bytes(rest.take()?);
        let has_nulls = u32::from_be_bytes(rest.take()?);
        let type_oid = u32::from_be_bytes(rest.take()?);
        if dimensions > MOST_DIMENSIONS || has_nulls > 1 || type_oid == 0 {
            return None;
        }
        let (mut sizes, mut left) = (Vec::new(), u32::from(dimensions > 0));
        for _ in 0..dimensions {
            let length = u32::from_be_bytes(rest.take()?);
            let lower_bound = i32::from_be_bytes(rest.take()?);
            left = left.checked_mul(length)?;
            sizes.push(Dimension { length, lower_bound });
        }
        let mut end = rest;
        for _ in 0..left {
            end.value(type_oid)?;
        }
        end.end(Self { type_oid, dimensions: sizes, left, rest })
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = WireValue<'a>;

    fn next(&mut self) -> Option<WireValue<'a>> {
        self.left = self.left.checked_sub(1)?;
        self.rest.value(self.type_oid)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = usize::try_from(self.left).unwrap_or(usize::MAX);
        (left, Some(left))
    }
}

impl ExactSizeIterator for Elements<'_> {}
