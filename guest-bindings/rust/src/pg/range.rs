//! Ranges and multiranges.

use super::array::part;
use super::wire::{Bounds, Reader, oid};
use super::{FromPg, Mismatch, PgValue, RangeBounds, RangeValue, Scalar, ToPg, WireValue};
use std::ops::{self, Bound};

/// A range, e.g. an `int4range` or a `tstzrange`.
///
/// ```no_run
/// use wharf_guest::{PgClient, Result, pg::{Range, Timestamp}};
///
/// # fn main() -> Result<()> {
/// let pg = PgClient::open("main")?;
/// let free: Range<Timestamp> = pg.query_value("select during from slots where id = $1", &[&7])?;
/// if free.contains(&wharf_guest::time::now()) {
///     pg.execute("update slots set seats = $1 where id = $2", &[&Range::from(1..5), &7])?;
/// }
/// # Ok(()) }
/// ```
///
/// The server gives ranges of integers and days as `lower..upper`, whichever way they were written. A range type
/// that the database defines itself cannot be read: its bytes do not tell what they bound; select
/// `lower(range)` and `upper(range)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Range<T> {
    /// Contains nothing.
    Empty,
    /// From the lower to the upper bound.
    Between(Bound<T>, Bound<T>),
}

/// Several ranges, in order and apart from each other, e.g. an `int4multirange`.
///
/// It can only be read; as a parameter write its text, e.g. `Untyped("{[1,3),[5,)}")`
/// ([`Untyped`](super::Untyped)).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Multirange<T>(pub Vec<Range<T>>);

impl<T> Range<T> {
    /// Where it begins; none when it has no lower bound, or is empty.
    #[must_use]
    pub fn lower(&self) -> Option<&T> {
        match self {
            Self::Between(Bound::Included(lower) | Bound::Excluded(lower), _) => Some(lower),
            _ => None,
        }
    }

    /// Where it ends; none when it has no upper bound, or is empty.
    #[must_use]
    pub fn upper(&self) -> Option<&T> {
        match self {
            Self::Between(_, Bound::Included(upper) | Bound::Excluded(upper)) => Some(upper),
            _ => None,
        }
    }
}

impl<T: PartialOrd> Range<T> {
    /// Whether the value lies in it.
    #[must_use]
    pub fn contains(&self, value: &T) -> bool {
        match self {
            Self::Empty => false,
            Self::Between(lower, upper) => {
                ops::RangeBounds::contains(&(lower.as_ref(), upper.as_ref()), value)
            }
        }
    }
}

impl<T> From<ops::Range<T>> for Range<T> {
    fn from(range: ops::Range<T>) -> Self {
        Self::Between(Bound::Included(range.start), Bound::Excluded(range.end))
    }
}

impl<T> From<ops::RangeInclusive<T>> for Range<T> {
    fn from(range: ops::RangeInclusive<T>) -> Self {
        let (start, end) = range.into_inner();
        Self::Between(Bound::Included(start), Bound::Included(end))
    }
}

impl<T> From<ops::RangeFrom<T>> for Range<T> {
    fn from(range: ops::RangeFrom<T>) -> Self {
        Self::Between(Bound::Included(range.start), Bound::Unbounded)
    }
}

impl<T> From<ops::RangeTo<T>> for Range<T> {
    fn from(range: ops::RangeTo<T>) -> Self {
        Self::Between(Bound::Unbounded, Bound::Excluded(range.end))
    }
}

impl<T> From<ops::RangeFull> for Range<T> {
    fn from(_: ops::RangeFull) -> Self {
        Self::Between(Bound::Unbounded, Bound::Unbounded)
    }
}

impl<T: ToPg> ToPg for Range<T> {
    fn to_pg(&self) -> PgValue {
        let bounds = match self {
            Self::Empty => RangeBounds::EMPTY,
            Self::Between(lower, upper) => {
                side(lower, RangeBounds::LOWER, RangeBounds::LOWER_INCLUSIVE)
                    | side(upper, RangeBounds::UPPER, RangeBounds::UPPER_INCLUSIVE)
            }
        };
        let values = [self.lower(), self.upper()];
        let values = values.into_iter().flatten().map(|value| part(value)).collect();
        PgValue::Range(RangeValue { type_oid: 0, bounds, values })
    }
}

fn side<T>(bound: &Bound<T>, present: RangeBounds, inclusive: RangeBounds) -> RangeBounds {
    match bound {
        Bound::Included(_) => present | inclusive,
        Bound::Excluded(_) => present,
        Bound::Unbounded => RangeBounds::empty(),
    }
}

/// What a `Range` wants.
const RANGE: &str = "Range (a range type of PostgreSQL's own)";

impl<T: FromPg> FromPg for Range<T> {
    fn from_pg(value: PgValue) -> Result<Self, Mismatch> {
        match value {
            PgValue::Range(range) => {
                let mut values = range.values.into_iter().map(|value| T::from_pg(PgValue::Scalar(value)));
                build(range.bounds, || values.next().unwrap_or_else(|| Err(missing())))
            }
            PgValue::Scalar(Scalar::Raw(raw)) => Self::from_wire(WireValue::from(&raw)),
            other => Err(Mismatch::new(RANGE, &other)),
        }
    }

    fn from_wire(value: WireValue<'_>) -> Result<Self, Mismatch> {
        let bounds = value
            .bytes
            .zip(oid::bound_of(value.type_oid))
            .and_then(|(bytes, bound)| Bounds::of(bound, bytes))
            .ok_or_else(|| value.mismatch(RANGE))?;
        let mut values = [bounds.lower, bounds.upper].into_iter().flatten().map(T::from_wire);
        build(bounds.flags, || values.next().unwrap_or_else(|| Err(missing())))
    }
}

/// Makes a range of its flags and of as many values as these call for.
fn build<T>(
    flags: RangeBounds,
    mut value: impl FnMut() -> Result<T, Mismatch>,
) -> Result<Range<T>, Mismatch> {
    if flags.contains(RangeBounds::EMPTY) {
        return Ok(Range::Empty);
    }
    let mut bound = |present, inclusive| {
        Ok(match (flags.contains(present), flags.contains(inclusive)) {
            (false, _) => Bound::Unbounded,
            (true, true) => Bound::Included(value()?),
            (true, false) => Bound::Excluded(value()?),
        })
    };
    let lower = bound(RangeBounds::LOWER, RangeBounds::LOWER_INCLUSIVE)?;
    Ok(Range::Between(lower, bound(RangeBounds::UPPER, RangeBounds::UPPER_INCLUSIVE)?))
}

fn missing() -> Mismatch {
    Mismatch { expected: RANGE, actual: "a range without the bounds that it names".to_owned() }
}

impl<T: FromPg> FromPg for Multirange<T> {
    fn from_pg(value: PgValue) -> Result<Self, Mismatch> {
        match value {
            PgValue::Scalar(Scalar::Raw(raw)) => Self::from_wire(WireValue::from(&raw)),
            other => Err(Mismatch::new("Multirange", &other)),
        }
    }

    fn from_wire(value: WireValue<'_>) -> Result<Self, Mismatch> {
        let ranges = value
            .bytes
            .zip(oid::range_of(value.type_oid))
            .and_then(|(bytes, range)| ranges(range, bytes))
            .ok_or_else(|| value.mismatch("Multirange"))?;
        ranges.into_iter().map(Range::from_wire).collect::<Result<_, _>>().map(Self)
    }
}

/// The ranges of a multirange; none when the bytes are no such thing.
fn ranges(type_oid: u32, bytes: &[u8]) -> Option<Vec<WireValue<'_>>> {
    let mut rest = Reader(bytes);
    let count = u32::from_be_bytes(rest.take()?);
    let mut ranges = Vec::new();
    for _ in 0..count {
        ranges.push(rest.value(type_oid)?);
    }
    rest.end(ranges)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rust_s_ranges_become_postgres_s_and_return() {
        let ranges: [Range<i32>; 5] =
            [(1..5).into(), (1..=5).into(), (1..).into(), (..5).into(), (..).into()];
        for range in ranges.into_iter().chain([Range::Empty]) {
            assert_eq!(Range::from_pg(range.to_pg()), Ok(range));
        }
        assert!(Range::<i32>::from_pg(Range::from(1_i64..5).to_pg()).is_err());
    }

    #[test]
    fn a_range_contains_what_lies_between_its_bounds() {
        let range = Range::from(1..5);
        assert!(range.contains(&1) && range.contains(&4) && !range.contains(&5));
        assert!(!Range::Empty.contains(&1));
        assert_eq!((range.lower(), range.upper()), (Some(&1), Some(&5)));
        assert_eq!(Range::from(..5).lower(), None);
    }

    #[test]
    fn flags_without_values_are_no_range() {
        let bounds = RangeBounds::LOWER | RangeBounds::UPPER;
        let values = vec![Scalar::Int4(1)];
        let value = PgValue::Range(RangeValue { type_oid: 3904, bounds, values });
        assert!(Range::<i32>::from_pg(value).is_err());
    }
}
