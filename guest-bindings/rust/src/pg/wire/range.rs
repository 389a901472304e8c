//! The bounds of a range.

use super::{Reader, WireValue};
use crate::pg::RangeBounds;

/// What a range's bytes hold.
#[derive(Debug, Clone, Copy)]
pub(in crate::pg) struct Bounds<'a> {
    pub(in crate::pg) flags: RangeBounds,
    pub(in crate::pg) lower: Option<WireValue<'a>>,
    pub(in crate::pg) upper: Option<WireValue<'a>>,
}

const EMPTY: u8 = 1;
const LOWER_INCLUSIVE: u8 = 2;
const UPPER_INCLUSIVE: u8 = 4;
const NO_LOWER: u8 = 8;
const NO_UPPER: u8 = 16;

impl<'a> Bounds<'a> {
    /// None when the bytes are no range; `type_oid` is the type of its bounds.
    pub(in crate::pg) fn of(type_oid: u32, bytes: &'a [u8]) -> Option<Self> {
        let mut rest = Reader(bytes);
        let [flags] = rest.take()?;
        let has = |flag: u8| flags & flag != 0;
        if has(EMPTY) {
            return rest.end(Self { flags: RangeBounds::EMPTY, lower: None, upper: None });
        }
        let mut bounds = Self { flags: RangeBounds::empty(), lower: None, upper: None };
        if !has(NO_LOWER) {
            bounds.flags |= RangeBounds::LOWER;
            bounds.flags.set(RangeBounds::LOWER_INCLUSIVE, has(LOWER_INCLUSIVE));
            bounds.lower = Some(rest.value(type_oid)?);
        }
        if !has(NO_UPPER) {
            bounds.flags |= RangeBounds::UPPER;
            bounds.flags.set(RangeBounds::UPPER_INCLUSIVE, has(UPPER_INCLUSIVE));
            bounds.upper = Some(rest.value(type_oid)?);
        }
        rest.end(bounds)
    }
}
