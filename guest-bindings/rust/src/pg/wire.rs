//! A column as the server sent it: PostgreSQL's binary format, read by the OID of its type. Not in here: what
//! becomes of the values (`convert.rs`), and how they lie in a result (`block.rs`).

mod array;
pub(super) mod oid;
mod range;
mod reader;

pub(super) use array::Elements;
pub(super) use range::Bounds;
pub(super) use reader::{Reader, fixed};

use super::{ArrayValue, Interval, Mismatch, PgValue, RangeValue, RawValue, Scalar, TimeTz};

/// A value as the server sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WireValue<'a> {
    /// OID of its type.
    pub type_oid: u32,
    /// PostgreSQL's binary format of that type; none is null.
    pub bytes: Option<&'a [u8]>,
}

impl<'a> WireValue<'a> {
    /// Makes a value of its own of it. Types without a case in [`Scalar`] become [`Scalar::Raw`]; so do types
    /// that this database defines, whose nature the OID does not tell.
    ///
    /// # Errors
    /// When the bytes are not of the type.
    pub fn decode(self) -> Result<PgValue, Mismatch> {
        let Some(bytes) = self.bytes else { return Ok(PgValue::Scalar(Scalar::Null)) };
        let value = if oid::is_array(self.type_oid) {
            array(bytes).map(PgValue::Array)
        } else if let Some(bound) = oid::bound_of(self.type_oid) {
            range(self.type_oid, bound, bytes).map(PgValue::Range)
        } else {
            scalar(self.type_oid, bytes).map(PgValue::Scalar)
        };
        value.ok_or_else(|| self.malformed())
    }

    /// The text of a type that this database defines: enums and citext have no other binary format.
    pub(super) fn text(self) -> Option<&'a str> {
        let text = match self.type_oid {
            oid::TEXT | oid::VARCHAR | oid::BPCHAR | oid::NAME | oid::UNKNOWN | oid::JSON => self.bytes?,
            oid::JSONB => self.bytes?.strip_prefix(&[JSONB_VERSION])?,
            type_oid if oid::is_user_defined(type_oid) => return user_text(self.bytes?),
            _ => return None,
        };
        str::from_utf8(text).ok()
    }

    /// Says that this is not an `expected`, or not even of its own type.
    #[must_use]
    pub fn mismatch(self, expected: &'static str) -> Mismatch {
        self.decode().map_or_else(|malformed| malformed, |value| Mismatch::new(expected, &value))
    }

    /// Says that the bytes are not of the type.
    fn malformed(self) -> Mismatch {
        let length = self.bytes.map_or(0, <[u8]>::len);
        Mismatch {
            expected: "the binary format of the column's type",
            actual: format!("{length} bytes that no value of the type with OID {} has", self.type_oid),
        }
    }
}

impl<'a> From<&'a RawValue> for WireValue<'a> {
    fn from(raw: &'a RawValue) -> Self {
        Self { type_oid: raw.type_oid, bytes: Some(&raw.bytes) }
    }
}

/// Bytes of a type that the database defines as text, if they can be. The server has no text with a zero in it,
/// which most other formats have.
pub(super) fn user_text(bytes: &[u8]) -> Option<&str> {
    str::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))
}

/// What precedes the text of a jsonb.
const JSONB_VERSION: u8 = 1;

/// The bytes of a value that is neither an array nor a range.
fn scalar(type_oid: u32, bytes: &[u8]) -> Option<Scalar> {
    let text = || str::from_utf8(bytes).ok().map(str::to_owned);
    Some(match type_oid {
        oid::BOOL => Scalar::Boolean(bool(bytes)?),
        oid::INT2 => Scalar::Int2(i16::from_be_bytes(fixed(bytes)?)),
        oid::INT4 => Scalar::Int4(i32::from_be_bytes(fixed(bytes)?)),
        oid::INT8 => Scalar::Int8(i64::from_be_bytes(fixed(bytes)?)),
        oid::OID => Scalar::Oid(u32::from_be_bytes(fixed(bytes)?)),
        oid::FLOAT4 => Scalar::Float4(f32::from_be_bytes(fixed(bytes)?)),
        oid::FLOAT8 => Scalar::Float8(f64::from_be_bytes(fixed(bytes)?)),
        oid::NUMERIC => Scalar::Numeric(wharf_pg_wire::numeric(bytes)?),
        oid::TEXT | oid::VARCHAR | oid::BPCHAR | oid::NAME | oid::UNKNOWN => Scalar::Text(text()?),
        oid::BYTEA => Scalar::Bytea(bytes.to_vec()),
        oid::UUID => Scalar::Uuid(wharf_pg_wire::uuid(fixed(bytes)?)),
        oid::JSON => Scalar::Json(text()?),
        oid::JSONB => Scalar::Jsonb(str::from_utf8(bytes.strip_prefix(&[JSONB_VERSION])?).ok()?.to_owned()),
        oid::DATE => Scalar::Date(wharf_pg_wire::unix_days(i32::from_be_bytes(fixed(bytes)?))),
        oid::TIME => Scalar::Time(u64::try_from(i64::from_be_bytes(fixed(bytes)?)).ok()?),
        oid::TIMETZ => Scalar::Timetz(time_tz(Reader(bytes))?),
        // The far end of time does not fit into Unix microseconds: it is handed on as it came.
        oid::TIMESTAMP => instant(bytes)?.map_or_else(|| raw(type_oid, bytes), Scalar::Timestamp),
        oid::TIMESTAMPTZ => instant(bytes)?.map_or_else(|| raw(type_oid, bytes), Scalar::Timestamptz),
        oid::INTERVAL => Scalar::Interval(interval(Reader(bytes))?),
        oid::INET => Scalar::Inet(wharf_pg_wire::address(bytes)?),
        oid::CIDR => Scalar::Cidr(wharf_pg_wire::address(bytes)?),
        oid::MACADDR => Scalar::Macaddr(wharf_pg_wire::mac(fixed(bytes)?)),
        _ => raw(type_oid, bytes),
    })
}

fn raw(type_oid: u32, bytes: &[u8]) -> Scalar {
    Scalar::Raw(RawValue { type_oid, bytes: bytes.to_vec() })
}

pub(super) fn bool(bytes: &[u8]) -> Option<bool> {
    let [byte] = fixed(bytes)?;
    Some(byte != 0)
}

/// Unix microseconds; the inner none when these cannot tell the instant.
fn instant(bytes: &[u8]) -> Option<Option<i64>> {
    fixed(bytes).map(|micros| wharf_pg_wire::unix_micros(i64::from_be_bytes(micros)))
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

fn array(bytes: &[u8]) -> Option<ArrayValue> {
    let mut elements = Elements::of(bytes)?;
    let (element_oid, dimensions) = (elements.type_oid, std::mem::take(&mut elements.dimensions));
    let elements = elements.map(element).collect::<Option<_>>()?;
    Some(ArrayValue { element_oid, dimensions, elements })
}

fn range(type_oid: u32, bound: u32, bytes: &[u8]) -> Option<RangeValue> {
    let parts = Bounds::of(bound, bytes)?;
    let values = [parts.lower, parts.upper].into_iter().flatten().map(element).collect::<Option<_>>()?;
    Some(RangeValue { type_oid, bounds: parts.flags, values })
}

/// A part of a value, which as the contract has it is neither an array nor a range itself.
fn element(value: WireValue<'_>) -> Option<Scalar> {
    value.bytes.map_or(Some(Scalar::Null), |bytes| scalar(value.type_oid, bytes))
}

#[cfg(test)]
mod tests;
