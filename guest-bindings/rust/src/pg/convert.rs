//! Between Rust's types and the contract's values.

use super::array::misfit;
use super::wire::{self, Elements, fixed, oid};
use super::{ArrayValue, Dimension, Interval, PgValue, Scalar, TimeTz, WireValue};
use std::{borrow::Cow, net::IpAddr};

/// A parameter of a statement.
///
/// ```
/// use wharf_guest::pg::{PgValue, ToPg};
///
/// struct UserId(i64);
///
/// impl ToPg for UserId {
///     fn to_pg(&self) -> PgValue {
///         self.0.to_pg()
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a Postgres parameter",
    label = "implements no `ToPg`",
    note = "for JSON use `pg::Json(&value)`, for a Postgres enum `pg::Label`, for any other type `pg::Untyped(text)`"
)]
pub trait ToPg {
    /// The value as the contract has it.
    fn to_pg(&self) -> PgValue;
}

/// What a column can be turned into.
///
/// ```
/// use wharf_guest::pg::{FromPg, Mismatch, PgValue};
///
/// struct UserId(i64);
///
/// impl FromPg for UserId {
///     fn from_pg(value: PgValue) -> Result<Self, Mismatch> {
///         i64::from_pg(value).map(Self)
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be read from a Postgres column",
    label = "implements no `FromPg`",
    note = "a column that may be null wants an `Option`; a JSON column can be any type through `pg::Json<T>`"
)]
pub trait FromPg: Sized {
    /// Takes the value, or tells why it does not fit.
    ///
    /// # Errors
    /// When the value is of another type, or null.
    fn from_pg(value: PgValue) -> Result<Self, Mismatch>;

    /// The same from the bytes that the server sent. Worth overriding only to save the value in between;
    /// whatever it cannot read is left to [`from_pg`](Self::from_pg).
    ///
    /// # Errors
    /// As [`from_pg`](Self::from_pg), and when the bytes are not of their type.
    fn from_wire(value: WireValue<'_>) -> Result<Self, Mismatch> {
        Self::from_pg(value.decode()?)
    }
}

/// A value is not what was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// What was asked for, e.g. `i64`.
    pub expected: &'static str,
    /// What is there, e.g. `text`.
    pub actual: String,
}

impl Mismatch {
    /// Says that `value` is not an `expected`.
    #[must_use]
    pub fn new(expected: &'static str, value: &PgValue) -> Self {
        Self { expected, actual: name(value) }
    }
}

/// What Postgres calls the type of a value.
fn name(value: &PgValue) -> String {
    match value {
        PgValue::Scalar(scalar) => scalar_name(scalar).to_owned(),
        PgValue::Array(array) if array.dimensions.len() > 1 => {
            format!("an array of {} dimensions", array.dimensions.len())
        }
        PgValue::Array(array) => match array.elements.iter().find(|element| !matches!(element, Scalar::Null))
        {
            Some(element) => format!("an array of {}", scalar_name(element)),
            None => "an array".to_owned(),
        },
        PgValue::Range(_) => "a range".to_owned(),
    }
}

fn scalar_name(scalar: &Scalar) -> &'static str {
    match scalar {
        Scalar::Null => "null",
        Scalar::Boolean(_) => "bool",
        Scalar::Int2(_) => "int2",
        Scalar::Int4(_) => "int4",
        Scalar::Int8(_) => "int8",
        Scalar::Oid(_) => "oid",
        Scalar::Float4(_) => "float4",
        Scalar::Float8(_) => "float8",
        Scalar::Numeric(_) => "numeric",
        Scalar::Text(_) | Scalar::Untyped(_) => "text",
        Scalar::Bytea(_) => "bytea",
        Scalar::Uuid(_) => "uuid",
        Scalar::Json(_) => "json",
        Scalar::Jsonb(_) => "jsonb",
        Scalar::Date(_) => "date",
        Scalar::Time(_) => "time",
        Scalar::Timetz(_) => "timetz",
        Scalar::Timestamp(_) => "timestamp",
        Scalar::Timestamptz(_) => "timestamptz",
        Scalar::Interval(_) => "interval",
        Scalar::Inet(_) => "inet",
        Scalar::Cidr(_) => "cidr",
        Scalar::Macaddr(_) => "macaddr",
        Scalar::Raw(_) => "a type of its own",
    }
}

/// Implements `ToPg` for a type and a case of `Scalar`, and `FromPg` for the cases that it reads. Those after
/// the semicolon are read from the wire without a value in between.
macro_rules! scalar {
    ($type:ty, $name:literal, $value:ident => $to:expr, $($case:pat => $from:expr),+
        $(; $($oid:pat => $read:expr),+)?) => {
        impl $crate::pg::ToPg for $type {
            fn to_pg(&self) -> $crate::pg::PgValue {
                let $value = self;
                $crate::pg::PgValue::Scalar($to)
            }
        }

        impl $crate::pg::FromPg for $type {
            fn from_pg(value: $crate::pg::PgValue) -> Result<Self, $crate::pg::Mismatch> {
                match value {
                    $($crate::pg::PgValue::Scalar($case) => Ok($from),)+
                    other => Err($crate::pg::Mismatch::new($name, &other)),
                }
            }

            $(
                fn from_wire(value: $crate::pg::WireValue<'_>) -> Result<Self, $crate::pg::Mismatch> {
                    let bytes = value.bytes.unwrap_or_default();
                    let read: Option<Self> = match value.type_oid {
                        _ if value.bytes.is_none() => None,
                        $($oid => $read(bytes),)+
                        _ => None,
                    };
                    // What is wrong, or another case, is found out the long way.
                    read.map_or_else(|| Self::from_pg(value.decode()?), Ok)
                }
            )?
        }
    };
}
pub(super) use scalar;

/// Reads a number of a fixed size and widens it.
macro_rules! number {
    ($type:ty) => {
        |bytes| fixed(bytes).map(|bytes| <$type>::from_be_bytes(bytes).into())
    };
}

scalar!(bool, "bool", v => Scalar::Boolean(*v), Scalar::Boolean(v) => v; oid::BOOL => wire::bool);
scalar!(i16, "i16", v => Scalar::Int2(*v), Scalar::Int2(v) => v; oid::INT2 => number!(i16));
scalar!(i32, "i32", v => Scalar::Int4(*v), Scalar::Int2(v) => v.into(), Scalar::Int4(v) => v;
    oid::INT4 => number!(i32), oid::INT2 => number!(i16));
scalar!(i64, "i64", v => Scalar::Int8(*v),
    Scalar::Int2(v) => v.into(), Scalar::Int4(v) => v.into(), Scalar::Int8(v) => v, Scalar::Oid(v) => v.into();
    oid::INT8 => number!(i64), oid::INT4 => number!(i32), oid::INT2 => number!(i16), oid::OID => number!(u32));
scalar!(u32, "u32 (an oid)", v => Scalar::Oid(*v), Scalar::Oid(v) => v; oid::OID => number!(u32));
scalar!(f32, "f32", v => Scalar::Float4(*v), Scalar::Float4(v) => v; oid::FLOAT4 => number!(f32));
scalar!(f64, "f64", v => Scalar::Float8(*v), Scalar::Float4(v) => v.into(), Scalar::Float8(v) => v;
    oid::FLOAT8 => number!(f64), oid::FLOAT4 => number!(f32));
scalar!(Vec<u8>, "Vec<u8> (a bytea)", v => Scalar::Bytea(v.clone()), Scalar::Bytea(v) => v;
    oid::BYTEA => |bytes: &[u8]| Some(bytes.to_vec()));
scalar!(Interval, "Interval", v => Scalar::Interval(*v), Scalar::Interval(v) => v);
scalar!(TimeTz, "TimeTz", v => Scalar::Timetz(*v), Scalar::Timetz(v) => v);

impl ToPg for String {
    fn to_pg(&self) -> PgValue {
        self.as_str().to_pg()
    }
}

impl FromPg for String {
    fn from_pg(value: PgValue) -> Result<Self, Mismatch> {
        match value {
            PgValue::Scalar(
                Scalar::Text(text)
                | Scalar::Numeric(text)
                | Scalar::Uuid(text)
                | Scalar::Json(text)
                | Scalar::Jsonb(text)
                | Scalar::Inet(text)
                | Scalar::Cidr(text)
                | Scalar::Macaddr(text),
            ) => Ok(text),
            other => user_text(&other, "String"),
        }
    }

    fn from_wire(value: WireValue<'_>) -> Result<Self, Mismatch> {
        value.text().map_or_else(|| Self::from_pg(value.decode()?), |text| Ok(text.to_owned()))
    }
}

/// The text of a type that the database defines: an enum's label, a citext.
pub(super) fn user_text(value: &PgValue, expected: &'static str) -> Result<String, Mismatch> {
    match value {
        PgValue::Scalar(Scalar::Raw(raw)) => WireValue::from(raw).text().map(str::to_owned),
        _ => None,
    }
    .ok_or_else(|| Mismatch::new(expected, value))
}

impl ToPg for IpAddr {
    fn to_pg(&self) -> PgValue {
        PgValue::Scalar(Scalar::Inet(self.to_string()))
    }
}

impl FromPg for IpAddr {
    fn from_pg(value: PgValue) -> Result<Self, Mismatch> {
        match &value {
            PgValue::Scalar(Scalar::Inet(text)) => text.parse().ok(),
            _ => None,
        }
        .ok_or_else(|| Mismatch::new("IpAddr (an inet without a network mask)", &value))
    }
}

impl ToPg for str {
    fn to_pg(&self) -> PgValue {
        PgValue::Scalar(Scalar::Text(self.to_owned()))
    }
}

impl ToPg for Cow<'_, str> {
    fn to_pg(&self) -> PgValue {
        (**self).to_pg()
    }
}

impl ToPg for [u8] {
    fn to_pg(&self) -> PgValue {
        PgValue::Scalar(Scalar::Bytea(self.to_owned()))
    }
}

impl<T: ToPg + ?Sized> ToPg for &T {
    fn to_pg(&self) -> PgValue {
        (**self).to_pg()
    }
}

impl<T: ToPg> ToPg for Option<T> {
    fn to_pg(&self) -> PgValue {
        self.as_ref().map_or(PgValue::Scalar(Scalar::Null), ToPg::to_pg)
    }
}

impl<T: FromPg> FromPg for Option<T> {
    fn from_pg(value: PgValue) -> Result<Self, Mismatch> {
        match value {
            PgValue::Scalar(Scalar::Null) => Ok(None),
            value => T::from_pg(value).map(Some),
        }
    }

    fn from_wire(value: WireValue<'_>) -> Result<Self, Mismatch> {
        value.bytes.is_some().then(|| T::from_wire(value)).transpose()
    }
}

impl ToPg for PgValue {
    fn to_pg(&self) -> PgValue {
        self.clone()
    }
}

impl FromPg for PgValue {
    fn from_pg(value: PgValue) -> Result<Self, Mismatch> {
        Ok(value)
    }
}

impl<T: ToPg> ToPg for [T] {
    fn to_pg(&self) -> PgValue {
        array(self.iter().map(ToPg::to_pg))
    }
}

impl<T: ToPg> ToPg for Vec<T> {
    fn to_pg(&self) -> PgValue {
        self.as_slice().to_pg()
    }
}

impl<T: ToPg, const N: usize> ToPg for [T; N] {
    fn to_pg(&self) -> PgValue {
        self.as_slice().to_pg()
    }
}

/// An array of these; arrays among them become its inner dimensions. Where they differ in size it gets an element
/// too many, which the host refuses.
fn array(values: impl ExactSizeIterator<Item = PgValue>) -> PgValue {
    let outer = dimension(values.len());
    let mut inner = None;
    let mut elements = Vec::with_capacity(values.len());
    for value in values {
        match value {
            PgValue::Scalar(scalar) => elements.push(scalar),
            PgValue::Array(array) => {
                let dimensions = match array.dimensions.as_slice() {
                    [] => vec![dimension(array.elements.len())],
                    _ => array.dimensions,
                };
                let size = |all: &[Dimension]| all.iter().map(|one| one.length).collect::<Vec<_>>();
                let fits =
                    inner.as_ref().is_none_or(|first: &Vec<Dimension>| size(first) == size(&dimensions));
                inner.get_or_insert(dimensions);
                elements.extend(array.elements);
                if !fits {
                    elements.push(misfit());
                }
            }
            PgValue::Range(_) => elements.push(misfit()),
        }
    }
    let dimensions = inner.map_or_else(Vec::new, |inner| std::iter::once(outer).chain(inner).collect());
    PgValue::Array(ArrayValue { element_oid: 0, dimensions, elements })
}

fn dimension(length: usize) -> Dimension {
    Dimension { length: u32::try_from(length).unwrap_or(u32::MAX), lower_bound: 1 }
}

/// What a `Vec` wants.
const FLAT: &str = "Vec (an array of one dimension)";

impl<T: FromPg> FromPg for Vec<T> {
    fn from_pg(value: PgValue) -> Result<Self, Mismatch> {
        match value {
            PgValue::Array(array) if array.dimensions.len() <= 1 => {
                array.elements.into_iter().map(|element| T::from_pg(PgValue::Scalar(element))).collect()
            }
            PgValue::Scalar(Scalar::Raw(raw)) => Self::from_wire(WireValue::from(&raw)),
            other => Err(Mismatch::new(FLAT, &other)),
        }
    }

    /// Also reads arrays of types that the database defines (enums, composites), whose bytes tell what they are.
    fn from_wire(value: WireValue<'_>) -> Result<Self, Mismatch> {
        match elements(value) {
            Some(elements) if elements.dimensions.len() <= 1 => elements.map(T::from_wire).collect(),
            _ => Err(value.mismatch(FLAT)),
        }
    }
}

/// The elements of a value that may be an array, if it is one.
pub(super) fn elements(value: WireValue<'_>) -> Option<Elements<'_>> {
    value.bytes.filter(|_| oid::may_be_array(value.type_oid)).and_then(Elements::of)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scalar(scalar: Scalar) -> PgValue {
        PgValue::Scalar(scalar)
    }

    #[test]
    fn integers_widen_and_never_narrow() {
        assert_eq!(i64::from_pg(scalar(Scalar::Int2(7))), Ok(7));
        assert_eq!(f64::from_pg(scalar(Scalar::Float4(0.5))), Ok(0.5));
        let error = i32::from_pg(scalar(Scalar::Int8(7))).unwrap_err();
        assert_eq!((error.expected, error.actual.as_str()), ("i32", "int8"));
    }

    #[test]
    fn null_needs_an_option() {
        assert_eq!(Option::<i32>::from_pg(scalar(Scalar::Null)), Ok(None));
        assert_eq!(Option::<i32>::from_pg(scalar(Scalar::Int4(1))), Ok(Some(1)));
        assert_eq!(i32::from_pg(scalar(Scalar::Null)).unwrap_err().actual, "null");
        assert!(matches!(None::<&str>.to_pg(), PgValue::Scalar(Scalar::Null)));
    }

    #[test]
    fn bytes_are_bytea_and_other_slices_arrays() {
        assert!(matches!([1_u8, 2][..].to_pg(), PgValue::Scalar(Scalar::Bytea(_))));
        assert!(matches!(vec![1_u8].to_pg(), PgValue::Scalar(Scalar::Bytea(_))));
        let PgValue::Array(array) = ["a", "b"].to_pg() else { panic!("not an array") };
        assert!(array.dimensions.is_empty() && array.elements.len() == 2);
        assert_eq!(Vec::<String>::from_pg(PgValue::Array(array)).unwrap(), ["a", "b"]);
    }

    #[test]
    fn nested_slices_are_arrays_of_more_dimensions() {
        let PgValue::Array(array) = vec![vec![1, 2, 3], vec![4, 5, 6]].to_pg() else {
            panic!("not an array")
        };
        let lengths: Vec<_> = array.dimensions.iter().map(|dimension| dimension.length).collect();
        assert_eq!((lengths, array.elements.len()), (vec![2, 3], 6));
        assert!(Vec::<i32>::from_pg(PgValue::Array(array)).is_err(), "two dimensions are no Vec<i32>");
    }

    #[test]
    fn a_null_element_needs_an_option_too() {
        let with_null = || vec![Some(1), None].to_pg();
        assert_eq!(Vec::<Option<i32>>::from_pg(with_null()), Ok(vec![Some(1), None]));
        assert!(Vec::<i32>::from_pg(with_null()).is_err());
        assert_eq!(Mismatch::new("x", &with_null()).actual, "an array of int4");
    }

    #[test]
    fn addresses_travel_as_inet() {
        let address: IpAddr = "10.0.0.1".parse().unwrap();
        assert_eq!(IpAddr::from_pg(address.to_pg()), Ok(address));
        assert!(IpAddr::from_pg(scalar(Scalar::Inet("10.0.0.0/8".into()))).is_err());
    }
}
