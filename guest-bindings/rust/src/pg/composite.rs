//! Rows inside a column: composite types, and what `row(...)` gives.

use super::wire::{Reader, oid};
use super::{FromPg, Mismatch, PgValue, Scalar, WireValue};

/// A value of a composite type, or of a `record`.
///
/// ```no_run
/// use wharf_guest::{PgClient, Result, pg::{Composite, FromPg, Mismatch, PgValue}};
///
/// // create type address as (street text, number int4)
/// struct Address {
///     street: String,
///     number: Option<i32>,
/// }
///
/// impl FromPg for Address {
///     fn from_pg(value: PgValue) -> Result<Self, Mismatch> {
///         let fields = Composite::from_pg(value)?;
///         Ok(Self { street: fields.get(0)?, number: fields.get(1)? })
///     }
/// }
///
/// # fn main() -> Result<()> {
/// let homes: Vec<Address> = PgClient::open("main")?.query_value("select homes from users where id = 1", &[])?;
/// # Ok(()) }
/// ```
///
/// The server tells the fields' types and not their names. As a parameter write `row($1, $2)::address`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Composite {
    fields: Vec<(u32, Option<Vec<u8>>)>,
}

impl Composite {
    /// How many fields it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether it has no fields.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// One field, counted from 0.
    ///
    /// # Errors
    /// When there is no such field, or it does not fit `T`.
    pub fn get<T: FromPg>(&self, index: usize) -> Result<T, Mismatch> {
        let field = self.fields().nth(index).ok_or_else(|| Mismatch {
            expected: "a field at that position",
            actual: format!("{} fields, none at {index}", self.len()),
        })?;
        T::from_wire(field)
    }

    /// The fields as the server sent them.
    pub fn fields(&self) -> impl ExactSizeIterator<Item = WireValue<'_>> {
        self.fields.iter().map(|(type_oid, bytes)| WireValue { type_oid: *type_oid, bytes: bytes.as_deref() })
    }
}

impl FromPg for Composite {
    fn from_pg(value: PgValue) -> Result<Self, Mismatch> {
        match value {
            PgValue::Scalar(Scalar::Raw(raw)) => Self::from_wire(WireValue::from(&raw)),
            other => Err(Mismatch::new("Composite", &other)),
        }
    }

    fn from_wire(value: WireValue<'_>) -> Result<Self, Mismatch> {
        value
            .bytes
            .filter(|_| value.type_oid == oid::RECORD || oid::is_user_defined(value.type_oid))
            .and_then(fields)
            .map(|fields| Self { fields })
            .ok_or_else(|| value.mismatch("Composite"))
    }
}

/// Each field's type and bytes; none when the bytes are no composite.
fn fields(bytes: &[u8]) -> Option<Vec<(u32, Option<Vec<u8>>)>> {
    let mut rest = Reader(bytes);
    let count = u32::from_be_bytes(rest.take()?);
    let mut fields = Vec::new();
    for _ in 0..count {
        let type_oid = u32::from_be_bytes(rest.take()?);
        fields.push((type_oid, rest.value(type_oid)?.bytes.map(<[u8]>::to_vec)));
    }
    rest.end(fields)
}
