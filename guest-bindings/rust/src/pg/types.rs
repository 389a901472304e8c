//! Small types for what Rust has no type of its own.

use super::convert::{scalar, user_text};
use super::{FromPg, Mismatch, PgValue, Scalar, ToPg};
#[cfg(feature = "json")]
use super::{WireValue, wire::oid};
use crate::time::{Date, Timestamp};
use std::fmt;

/// A UUID as canonical text. (Feature `uuid` reads and writes `uuid::Uuid`.)
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid(pub String);

/// An exact decimal number as text. (Feature `rust_decimal` reads and writes `Decimal`.)
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Numeric(pub String);

/// Microseconds since midnight: a Postgres `time`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimeOfDay(pub u64);

/// The label of a Postgres enum.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label(pub String);

/// A parameter as text that the server reads as whatever type it expects, like a quoted literal.
///
/// ```no_run
/// # use wharf_guest::{PgClient, Result, pg::Untyped};
/// # fn near(pg: &PgClient) -> Result<()> {
/// pg.query("select name from places where area @> $1", &[&Untyped("(1,2)")])?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Untyped<'a>(pub &'a str);

/// A `json` or `jsonb` column as a type of the service's own.
///
/// ```no_run
/// # use wharf_guest::{PgClient, Result, pg::Json};
/// # fn settings(pg: &PgClient) -> Result<()> {
/// let Json(tags) = pg.query_value::<Json<Vec<String>>>("select tags from posts where id = 1", &[])?;
/// pg.execute("update posts set tags = $1 where id = 2", &[&Json(&tags)])?;
/// # Ok(()) }
/// ```
#[cfg(feature = "json")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Json<T>(pub T);

scalar!(Uuid, "Uuid", v => Scalar::Uuid(v.0.clone()), Scalar::Uuid(v) => Self(v));
scalar!(Numeric, "Numeric", v => Scalar::Numeric(v.0.clone()), Scalar::Numeric(v) => Self(v));
scalar!(TimeOfDay, "TimeOfDay", v => Scalar::Time(v.0), Scalar::Time(v) => Self(v));
scalar!(Date, "Date", v => Scalar::Date(v.0), Scalar::Date(v) => Self(v));
scalar!(Timestamp, "Timestamp", v => Scalar::Timestamptz(v.0),
    Scalar::Timestamptz(v) | Scalar::Timestamp(v) => Self(v));

impl ToPg for Untyped<'_> {
    fn to_pg(&self) -> PgValue {
        PgValue::Scalar(Scalar::Untyped(self.0.to_owned()))
    }
}

impl ToPg for Label {
    fn to_pg(&self) -> PgValue {
        Untyped(&self.0).to_pg()
    }
}

impl FromPg for Label {
    fn from_pg(value: PgValue) -> Result<Self, Mismatch> {
        match value {
            PgValue::Scalar(Scalar::Text(text)) => Ok(Self(text)),
            // An enum's binary format is its label.
            other => user_text(&other, "Label").map(Self),
        }
    }
}

#[cfg(feature = "json")]
impl<T: serde::Serialize> ToPg for Json<T> {
    /// A value that JSON cannot express (a map whose keys are no strings) becomes text that the server refuses.
    fn to_pg(&self) -> PgValue {
        let text = serde_json::to_string(&self.0).unwrap_or_else(|error| format!("no JSON: {error}"));
        PgValue::Scalar(Scalar::Jsonb(text))
    }
}

#[cfg(feature = "json")]
impl<T: serde::de::DeserializeOwned> FromPg for Json<T> {
    fn from_pg(value: PgValue) -> Result<Self, Mismatch> {
        match value {
            PgValue::Scalar(Scalar::Json(text) | Scalar::Jsonb(text)) => parse(&text).map(Self),
            other => Err(Mismatch::new("Json", &other)),
        }
    }

    fn from_wire(value: WireValue<'_>) -> Result<Self, Mismatch> {
        match (value.type_oid, value.text()) {
            (oid::JSON | oid::JSONB, Some(text)) => parse(text).map(Self),
            _ => Self::from_pg(value.decode()?),
        }
    }
}

#[cfg(feature = "json")]
fn parse<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, Mismatch> {
    serde_json::from_str(text)
        .map_err(|error| Mismatch { expected: "Json", actual: format!("JSON that does not fit: {error}") })
}

#[cfg(feature = "json")]
impl ToPg for serde_json::Value {
    fn to_pg(&self) -> PgValue {
        Json(self).to_pg()
    }
}

#[cfg(feature = "json")]
impl FromPg for serde_json::Value {
    fn from_pg(value: PgValue) -> Result<Self, Mismatch> {
        Json::from_pg(value).map(|Json(value)| value)
    }

    fn from_wire(value: WireValue<'_>) -> Result<Self, Mismatch> {
        Json::from_wire(value).map(|Json(value)| value)
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Numeric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pg::RawValue;

    #[test]
    fn an_enum_is_read_from_its_binary_form() {
        let raw =
            |bytes: &[u8]| PgValue::Scalar(Scalar::Raw(RawValue { type_oid: 16_500, bytes: bytes.into() }));
        assert_eq!(Label::from_pg(raw(b"happy")), Ok(Label("happy".into())));
        assert!(Label::from_pg(raw(&[0xff])).is_err());
        assert!(matches!(Label("sad".into()).to_pg(), PgValue::Scalar(Scalar::Untyped(_))));
    }

    #[test]
    fn both_timestamps_are_read_and_the_one_with_a_zone_is_written() {
        assert_eq!(Timestamp::from_pg(PgValue::Scalar(Scalar::Timestamp(5))), Ok(Timestamp(5)));
        assert_eq!(Timestamp::from_pg(Timestamp(5).to_pg()), Ok(Timestamp(5)));
        assert!(Date::from_pg(Timestamp(5).to_pg()).is_err());
    }

    #[cfg(feature = "json")]
    #[test]
    fn json_columns_become_any_type() {
        assert_eq!(Json::<Vec<i32>>::from_pg(Json([1, 2]).to_pg()), Ok(Json(vec![1, 2])));
        let error = Json::<bool>::from_pg(Json([1]).to_pg()).unwrap_err();
        assert!(error.actual.starts_with("JSON that does not fit"), "{error:?}");
    }
}
