//! Columns of a row: wire bytes to values.

use tokio_postgres::Row;
use tokio_postgres::types::{Kind, Type};

use crate::bindings::wharf::platform::pg_client::{
    ArrayValue, Dimension, Interval, PgValue, RangeBounds, RangeValue, RawValue, Scalar, TimeTz,
};

use super::super::budget::Budget;
use super::super::rows::Wire;

/// Dimensions of one array: the server's own bound.
const MOST_DIMENSIONS: i32 = 6;

/// Why a value was not decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// The server sent what is not of the column's type.
    Malformed,
    /// It would take more than is left of the budget.
    TooLarge,
}

/// Charges what a decoded value takes: its case, and what it holds elsewhere.
fn charge(scalar: Scalar, budget: &mut Budget) -> Result<Scalar, Flaw> {
    let held = match &scalar {
        Scalar::Numeric(text)
        | Scalar::Text(text)
        | Scalar::Uuid(text)
        | Scalar::Json(text)
        | Scalar::Jsonb(text)
        | Scalar::Inet(text)
        | Scalar::Cidr(text)
        | Scalar::Macaddr(text)
        | Scalar::Untyped(text) => text.len(),
        Scalar::Bytea(bytes) => bytes.len(),
        Scalar::Raw(raw) => raw.bytes.len(),
        _ => 0,
    };
    if budget.take(size_of::<Scalar>().saturating_add(held)) { Ok(scalar) } else { Err(Flaw::TooLarge) }
}

/// How the values of one column are read.
#[derive(Clone, Debug)]
pub(crate) enum Decoder {
    Scalar(ReadScalar),
    Array(ReadScalar),
    Range { oid: u32, bound: ReadScalar },
}

/// Bytes to a value; none when they are not of its type.
type Read = fn(&[u8]) -> Option<Scalar>;

/// How one value that is neither an array nor a range is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReadScalar {
    oid: u32,
    /// None for types without a case of their own.
    read: Option<Read>,
}

impl Decoder {
    pub(crate) fn of(ty: &Type) -> Self {
        match ty.kind() {
            Kind::Domain(base) => Self::of(base),
            Kind::Array(element) => Self::Array(ReadScalar::of(element)),
            Kind::Range(bound) => Self::Range { oid: ty.oid(), bound: ReadScalar::of(bound) },
            _ => Self::Scalar(ReadScalar::of(ty)),
        }
    }

    /// The value of one column, charged to the budget.
    pub(crate) fn decode(&self, row: &Row, index: usize, budget: &mut Budget) -> Result<PgValue, Flaw> {
        let wire: Option<Wire<'_>> = row.try_get(index).ok().ok_or(Flaw::Malformed)?;
        let Some(Wire(bytes)) = wire else { return charge(Scalar::Null, budget).map(PgValue::Scalar) };
        self.read(bytes, budget)
    }

    fn read(&self, bytes: &[u8], budget: &mut Budget) -> Result<PgValue, Flaw> {
        Ok(match self {
            Self::Scalar(scalar) => {
                PgValue::Scalar(charge(scalar.read(bytes).ok_or(Flaw::Malformed)?, budget)?)
            }
            Self::Array(element) => PgValue::Array(array(*element, Reader(bytes), budget)?),
            Self::Range { oid, bound } => PgValue::Range(range(*oid, *bound, Reader(bytes), budget)?),
        })
    }
}

impl ReadScalar {
    fn of(ty: &Type) -> Self {
        if let Kind::Domain(base) = ty.kind() {
            return Self::of(base);
        }
        Self { oid: ty.oid(), read: reader(ty) }
    }

    fn read(self, bytes: &[u8]) -> Option<Scalar> {
        let raw = || Scalar::Raw(RawValue { type_oid: self.oid, bytes: bytes.to_vec() });
        let Some(read) = self.read else { return Some(raw()) };
        match read(bytes) {
            // The far end of time does not fit into Unix microseconds: it is handed on as it came.
            None if bytes.len() == 8
                && [Type::TIMESTAMP.oid(), Type::TIMESTAMPTZ.oid()].contains(&self.oid) =>
            {
                Some(raw())
            }
            scalar => scalar,
        }
    }
}

fn reader(ty: &Type) -> Option<Read> {
    Some(match *ty {
        Type::BOOL => |b| Some(Scalar::Boolean(number(b).map(|[n]: [u8; 1]| n != 0)?)),
        Type::INT2 => |b| Some(Scalar::Int2(i16::from_be_bytes(number(b)?))),
        Type::INT4 => |b| Some(Scalar::Int4(i32::from_be_bytes(number(b)?))),
        Type::INT8 => |b| Some(Scalar::Int8(i64::from_be_bytes(number(b)?))),
        Type::OID => |b| Some(Scalar::Oid(u32::from_be_bytes(number(b)?))),
        Type::FLOAT4 => |b| Some(Scalar::Float4(f32::from_be_bytes(number(b)?))),
        Type::FLOAT8 => |b| Some(Scalar::Float8(f64::from_be_bytes(number(b)?))),
        Type::NUMERIC => |b| Some(Scalar::Numeric(wharf_pg_wire::numeric(b)?)),
        Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::UNKNOWN => {
            |b| Some(Scalar::Text(text(b)?))
        }
        Type::BYTEA => |b| Some(Scalar::Bytea(b.to_vec())),
        Type::UUID => |b| Some(Scalar::Uuid(wharf_pg_wire::uuid(number(b)?))),
        Type::JSON => |b| Some(Scalar::Json(text(b)?)),
        // The binary format of jsonb is a version, which is 1, and the text.
        Type::JSONB => |b| Some(Scalar::Jsonb(text(b.strip_prefix(&[1])?)?)),
        Type::DATE => |b| Some(Scalar::Date(wharf_pg_wire::unix_days(i32::from_be_bytes(number(b)?)))),
        Type::TIME => |b| Some(Scalar::Time(u64::try_from(i64::from_be_bytes(number(b)?)).ok()?)),
        Type::TIMETZ => |b| Some(Scalar::Timetz(time_tz(Reader(b))?)),
        Type::TIMESTAMP => {
            |b| Some(Scalar::Timestamp(wharf_pg_wire::unix_micros(i64::from_be_bytes(number(b)?))?))
        }
        Type::TIMESTAMPTZ => {
            |b| Some(Scalar::Timestamptz(wharf_pg_wire::unix_micros(i64::from_be_bytes(number(b)?))?))
        }
        Type::INTERVAL => |b| Some(Scalar::Interval(interval(Reader(b))?)),
        Type::INET => |b| Some(Scalar::Inet(wharf_pg_wire::address(b)?)),
        Type::CIDR => |b| Some(Scalar::Cidr(wharf_pg_wire::address(b)?)),
        Type::MACADDR => |b| Some(Scalar::Macaddr(wharf_pg_wire::mac(number(b)?))),
        _ if ty.name() == "citext" => |b| Some(Scalar::Text(text(b)?)),
        _ => return None,
    })
}

fn number<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    bytes.try_into().ok()
}

fn text(bytes: &[u8]) -> Option<String> {
    std::str::from_utf8(bytes).ok().map(str::to_owned)
}

fn time_tz(mut bytes: Reader<'_>) -> Option<TimeTz> {
    let micros = u64::try_from(i64::from_be_bytes(bytes.take()?)).ok()?;
    // The server counts zones westward.
    let offset_secs = i32::from_be_bytes(bytes.take()?).checked_neg()?;
    bytes.end(TimeTz { micros, offset_secs })
}

fn interval(mut bytes: Reader<'_>) -> Option<Interval> {
    let micros = i64::from_be_bytes(bytes.take()?);
    let days = i32::from_be_bytes(bytes.take()?);
    let months = i32::from_be_bytes(bytes.take()?);
    bytes.end(Interval { months, days, micros })
}

fn array(element: ReadScalar, mut bytes: Reader<'_>, budget: &mut Budget) -> Result<ArrayValue, Flaw> {
    let (element_oid, dimensions, count) = array_head(&mut bytes).ok_or(Flaw::Malformed)?;
    let mut elements = Vec::new();
    for _ in 0..count {
        elements.push(bytes.value(element, budget)?);
    }
    bytes.end(ArrayValue { element_oid, dimensions, elements }).ok_or(Flaw::Malformed)
}

/// Type of the elements, dimensions, and how many elements follow.
fn array_head(bytes: &mut Reader<'_>) -> Option<(u32, Vec<Dimension>, u32)> {
    let dimensions = i32::from_be_bytes(bytes.take()?);
    let _has_nulls = bytes.take::<4>()?;
    let element_oid = u32::from_be_bytes(bytes.take()?);
    if !(0..=MOST_DIMENSIONS).contains(&dimensions) {
        return None;
    }
    let (mut sizes, mut count) = (Vec::new(), u32::from(dimensions > 0));
    for _ in 0..dimensions {
        let length = u32::from_be_bytes(bytes.take()?);
        let lower_bound = i32::from_be_bytes(bytes.take()?);
        count = count.checked_mul(length)?;
        sizes.push(Dimension { length, lower_bound });
    }
    Some((element_oid, sizes, count))
}

fn range(
    type_oid: u32,
    bound: ReadScalar,
    mut bytes: Reader<'_>,
    budget: &mut Budget,
) -> Result<RangeValue, Flaw> {
    const EMPTY: u8 = 1;
    const LOWER_INCLUSIVE: u8 = 2;
    const UPPER_INCLUSIVE: u8 = 4;
    const NO_LOWER: u8 = 8;
    const NO_UPPER: u8 = 16;
    let [flags] = bytes.take().ok_or(Flaw::Malformed)?;
    let has = |flag: u8| flags & flag != 0;
    let (mut bounds, mut values) = (RangeBounds::empty(), Vec::new());
    if has(EMPTY) {
        bounds |= RangeBounds::EMPTY;
        return bytes.end(RangeValue { type_oid, bounds, values }).ok_or(Flaw::Malformed);
    }
    if !has(NO_LOWER) {
        bounds |= RangeBounds::LOWER;
        if has(LOWER_INCLUSIVE) {
            bounds |= RangeBounds::LOWER_INCLUSIVE;
        }
        values.push(bytes.value(bound, budget)?);
    }
    if !has(NO_UPPER) {
        bounds |= RangeBounds::UPPER;
        if has(UPPER_INCLUSIVE) {
            bounds |= RangeBounds::UPPER_INCLUSIVE;
        }
        values.push(bytes.value(bound, budget)?);
    }
    bytes.end(RangeValue { type_oid, bounds, values }).ok_or(Flaw::Malformed)
}

/// Bytes from the server, which may be any.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*head)
    }

    /// A length and that many bytes; -1 is null.
    fn value(&mut self, read: ReadScalar, budget: &mut Budget) -> Result<Scalar, Flaw> {
        let length = i32::from_be_bytes(self.take().ok_or(Flaw::Malformed)?);
        if length == -1 {
            return charge(Scalar::Null, budget);
        }
        let head = self.split(length).ok_or(Flaw::Malformed)?;
        charge(read.read(head).ok_or(Flaw::Malformed)?, budget)
    }

    fn split(&mut self, length: i32) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(usize::try_from(length).ok()?)?;
        self.0 = rest;
        Some(head)
    }

    fn end<T>(&self, value: T) -> Option<T> {
        self.0.is_empty().then_some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::{Budget, Decoder, Flaw, PgValue, Scalar, Type};

    fn decode(ty: &Type, bytes: &[u8]) -> Option<PgValue> {
        Decoder::of(ty).read(bytes, &mut Budget::new()).ok()
    }

    #[test]
    fn few_bytes_that_stand_for_many_are_charged_for_what_they_become() {
        // 1e131071: one digit, whose weight is 32,767 groups of four.
        let wide = [0, 1, 0x7f, 0xff, 0, 0, 0, 0, 0, 1];
        let (decoder, mut budget) = (Decoder::of(&Type::NUMERIC), Budget::new());
        let values = (0..1_000).take_while(|_| decoder.read(&wide, &mut budget).is_ok()).count();
        assert!(values < 40, "{values} values of 131 kB were held");
        assert_eq!(decoder.read(&wide, &mut budget).err(), Some(Flaw::TooLarge));
    }

    #[test]
    fn values_of_another_length_than_their_type_are_refused() {
        for ty in [Type::INT4, Type::UUID, Type::TIMETZ, Type::INTERVAL, Type::INT4_ARRAY, Type::INT4_RANGE] {
            for length in [0, 1, 3, 40] {
                assert!(decode(&ty, &vec![0x06; length]).is_none(), "{ty} of {length}");
            }
        }
    }

    #[test]
    fn a_hostile_array_cannot_ask_for_more_than_it_brings() {
        let mut bytes = Vec::new();
        for n in [2_i32, 0, 23, i32::MAX, 1, i32::MAX, 1] {
            bytes.extend(n.to_be_bytes());
        }
        assert!(decode(&Type::INT4_ARRAY, &bytes).is_none());
    }

    #[test]
    fn a_type_without_a_case_comes_as_it_is() {
        let value = decode(&Type::POINT, &[1, 2, 3]).unwrap();
        let PgValue::Scalar(Scalar::Raw(raw)) = value else { panic!("{value:?}") };
        assert_eq!((raw.type_oid, raw.bytes), (600, vec![1, 2, 3]));
    }
}
