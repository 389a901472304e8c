//! Parameters: values to what the statement expects.

use bytes::{BufMut, BytesMut};
use tokio_postgres::types::{Format, IsNull, Kind, ToSql, Type};
use wharf_pg_wire::{EPOCH_DAYS, EPOCH_MICROS};

use crate::bindings::wharf::platform::pg_client::{
    ArrayValue, Error, PgValue, RangeBounds, RangeValue, Scalar,
};

use super::literal;

/// A parameter, ready to be sent.
#[derive(Clone, PartialEq)]
pub(crate) enum Encoded {
    Null,
    Binary(Vec<u8>),
    /// Read by the server like a quoted literal.
    Text(String),
}

impl std::fmt::Debug for Encoded {
    /// Leaves the value out: the driver writes parameters into its log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Binary(bytes) => write!(f, "{} bytes", bytes.len()),
            Self::Text(text) => write!(f, "{} bytes of text", text.len()),
        }
    }
}

impl ToSql for Encoded {
    fn to_sql(
        &self,
        _: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Self::Null => return Ok(IsNull::Yes),
            Self::Binary(bytes) => out.put_slice(bytes),
            Self::Text(text) => out.put_slice(text.as_bytes()),
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        if matches!(self, Self::Text(_)) { Format::Text } else { Format::Binary }
    }

    tokio_postgres::types::to_sql_checked!();
}

/// All parameters of a statement, or which one does not fit and why.
pub(crate) fn encode_all(params: &[PgValue], types: &[Type]) -> Result<Vec<Encoded>, Error> {
    if params.len() != types.len() {
        let why = format!("the statement has {} parameters, but {} were given", types.len(), params.len());
        return Err(Error::InvalidArgument(why));
    }
    let encode = |(index, (value, ty)): (usize, (&PgValue, &Type))| {
        encode(value, ty).map_err(|why| {
            Error::InvalidArgument(format!("parameter ${} of type {}: {why}", index + 1, ty.name()))
        })
    };
    params.iter().zip(types).enumerate().map(encode).collect()
}

/// Why values of one of the contract's cases, e.g. `int8` or `text[]`, do not fit a parameter of a type.
/// A number that fits only sometimes is found to fit; so is every case that is not known.
pub(crate) fn misfit(case: &str, ty: &Type) -> Option<String> {
    let sample = match case.strip_suffix("[]") {
        Some(element) => {
            let elements = vec![literal::sample(element)?];
            PgValue::Array(ArrayValue { element_oid: 0, dimensions: Vec::new(), elements })
        }
        None => PgValue::Scalar(literal::sample(case)?),
    };
    encode(&sample, ty).err()
}

/// Why a value does not fit its parameter.
type Misfit = String;

fn encode(value: &PgValue, ty: &Type) -> Result<Encoded, Misfit> {
    match (value, ty.kind()) {
        (PgValue::Scalar(scalar), _) => encode_scalar(scalar, ty),
        (_, Kind::Domain(base)) => encode(value, base),
        (PgValue::Array(array), Kind::Array(element)) => encode_array(array, element),
        (PgValue::Array(_), _) => Err("an array was given".to_owned()),
        (PgValue::Range(range), Kind::Range(bound)) => encode_range(range, bound),
        (PgValue::Range(_), _) => Err("a range was given".to_owned()),
    }
}

fn encode_scalar(scalar: &Scalar, ty: &Type) -> Result<Encoded, Misfit> {
    if let Kind::Domain(base) = ty.kind()
        && !matches!(scalar, Scalar::Raw(raw) if raw.type_oid == ty.oid())
    {
        // Alone or in an array, a domain is sent as what it is made of.
        return encode_scalar(scalar, base);
    }
    match scalar {
        Scalar::Null => Ok(Encoded::Null),
        Scalar::Untyped(text) => Ok(Encoded::Text(text.clone())),
        Scalar::Raw(raw) if raw.type_oid == ty.oid() || raw.type_oid == 0 => {
            Ok(Encoded::Binary(raw.bytes.clone()))
        }
        Scalar::Raw(raw) => Err(format!("a raw value of the type with OID {} was given", raw.type_oid)),
        _ => match binary(scalar, ty)? {
            Some(bytes) => Ok(Encoded::Binary(bytes)),
            None => as_text(scalar, ty).map(Encoded::Text),
        },
    }
}

/// The binary form, where the value's own type is the expected one, or a number fits exactly.
fn binary(scalar: &Scalar, ty: &Type) -> Result<Option<Vec<u8>>, Misfit> {
    if let Some(number) = integer(scalar) {
        return integer_as(number, ty);
    }
    Ok(Some(match (scalar, ty) {
        (Scalar::Boolean(value), &Type::BOOL) => vec![u8::from(*value)],
        (Scalar::Float4(value), &Type::FLOAT4) => value.to_be_bytes().to_vec(),
        (Scalar::Float4(value), &Type::FLOAT8) => f64::from(*value).to_be_bytes().to_vec(),
        (Scalar::Float8(value), &Type::FLOAT8) => value.to_be_bytes().to_vec(),
        (Scalar::Bytea(bytes), &Type::BYTEA) => bytes.clone(),
        (Scalar::Text(text), &Type::TEXT | &Type::VARCHAR | &Type::BPCHAR | &Type::NAME)
        | (Scalar::Json(text), &Type::JSON) => text.clone().into_bytes(),
        (Scalar::Jsonb(text), &Type::JSONB) => [&[1], text.as_bytes()].concat(),
        (Scalar::Date(days), &Type::DATE) => date(*days)?.to_be_bytes().to_vec(),
        (Scalar::Time(micros), &Type::TIME) => time(*micros)?.to_be_bytes().to_vec(),
        (Scalar::Timetz(time_tz), &Type::TIMETZ) => {
            let west = time_tz.offset_secs.checked_neg().ok_or("the offset is out of range")?;
            [&time(time_tz.micros)?.to_be_bytes()[..], &west.to_be_bytes()].concat()
        }
        (Scalar::Timestamp(micros), &Type::TIMESTAMP) | (Scalar::Timestamptz(micros), &Type::TIMESTAMPTZ) => {
            instant(*micros)?.to_be_bytes().to_vec()
        }
        (Scalar::Interval(i), &Type::INTERVAL) => {
            [&i.micros.to_be_bytes()[..], &i.days.to_be_bytes(), &i.months.to_be_bytes()].concat()
        }
        _ => return Ok(None),
    }))
}

fn integer(scalar: &Scalar) -> Option<i64> {
    match scalar {
        Scalar::Int2(n) => Some(i64::from(*n)),
        Scalar::Int4(n) => Some(i64::from(*n)),
        Scalar::Int8(n) => Some(*n),
        Scalar::Oid(n) => Some(i64::from(*n)),
        _ => None,
    }
}

fn integer_as(n: i64, ty: &Type) -> Result<Option<Vec<u8>>, Misfit> {
    let out_of_range = |_| format!("{n} is out of range");
    Ok(Some(match *ty {
        Type::INT2 => i16::try_from(n).map_err(out_of_range)?.to_be_bytes().to_vec(),
        Type::INT4 => i32::try_from(n).map_err(out_of_range)?.to_be_bytes().to_vec(),
        Type::INT8 => n.to_be_bytes().to_vec(),
        Type::OID => u32::try_from(n).map_err(out_of_range)?.to_be_bytes().to_vec(),
        _ => return Ok(None),
    }))
}

fn date(days: i32) -> Result<i32, Misfit> {
    match days {
        i32::MIN | i32::MAX => Ok(days),
        _ => days.checked_sub(EPOCH_DAYS).ok_or_else(|| "the date is out of range".to_owned()),
    }
}

fn time(micros: u64) -> Result<i64, Misfit> {
    i64::try_from(micros).map_err(|_range| "the time is out of range".to_owned())
}

fn instant(micros: i64) -> Result<i64, Misfit> {
    match micros {
        i64::MIN | i64::MAX => Ok(micros),
        _ => micros.checked_sub(EPOCH_MICROS).ok_or_else(|| "the instant is out of range".to_owned()),
    }
}

/// The text form, where it means the same: text and what the contract carries as text suit any type
/// that reads it; numbers suit wider numbers, and text.
fn as_text(scalar: &Scalar, ty: &Type) -> Result<String, Misfit> {
    let is_text = [Type::TEXT, Type::VARCHAR, Type::BPCHAR, Type::NAME].contains(ty) || ty.name() == "citext";
    let is_wide = [Type::FLOAT4, Type::FLOAT8, Type::NUMERIC].contains(ty);
    let suits = match scalar {
        Scalar::Text(_) => *ty != Type::BYTEA,
        Scalar::Numeric(_) => is_wide || is_text || [Type::INT2, Type::INT4, Type::INT8].contains(ty),
        Scalar::Int2(_) | Scalar::Int4(_) | Scalar::Int8(_) | Scalar::Oid(_) => is_wide,
        Scalar::Float4(_) | Scalar::Float8(_) => is_wide,
        Scalar::Uuid(_) => is_text || *ty == Type::UUID,
        Scalar::Json(_) | Scalar::Jsonb(_) => is_text || [Type::JSON, Type::JSONB].contains(ty),
        Scalar::Inet(_) | Scalar::Cidr(_) => is_text || [Type::INET, Type::CIDR].contains(ty),
        Scalar::Macaddr(_) => is_text || [Type::MACADDR, Type::MACADDR8].contains(ty),
        _ => false,
    };
    literal::of(scalar).filter(|_| suits).ok_or_else(|| format!("{} was given", literal::name(scalar)))
}

/// Binary when every element is, else a literal.
fn encode_array(array: &ArrayValue, element: &Type) -> Result<Encoded, Misfit> {
    let dimensions = literal::dimensions(array)?;
    let elements = array.elements.iter().enumerate();
    let elements: Vec<Encoded> = elements
        .map(|(index, scalar)| {
            encode_scalar(scalar, element).map_err(|why| format!("element {}: {why}", index + 1))
        })
        .collect::<Result<_, _>>()?;
    if elements.iter().any(|element| matches!(element, Encoded::Text(_))) {
        return literal::array(&dimensions, &array.elements).map(Encoded::Text);
    }
    let mut out = Vec::new();
    out.put_u32(u32::try_from(dimensions.len()).map_err(|_range| "it has too many dimensions")?);
    out.put_u32(u32::from(elements.contains(&Encoded::Null)));
    out.put_u32(element.oid());
    for (length, lower_bound) in &dimensions {
        out.put_u32(*length);
        out.put_i32(*lower_bound);
    }
    for element in &elements {
        put_value(&mut out, element)?;
    }
    Ok(Encoded::Binary(out))
}

fn put_value(out: &mut Vec<u8>, value: &Encoded) -> Result<(), Misfit> {
    match value {
        Encoded::Null => out.put_i32(-1),
        Encoded::Binary(bytes) => {
            out.put_i32(i32::try_from(bytes.len()).map_err(|_range| "an element is too large")?);
            out.put_slice(bytes);
        }
        Encoded::Text(_) => return Err("text among binary values".to_owned()),
    }
    Ok(())
}

fn encode_range(range: &RangeValue, bound: &Type) -> Result<Encoded, Misfit> {
    let has = |flag| range.bounds.contains(flag);
    if has(RangeBounds::EMPTY) {
        return Ok(Encoded::Binary(vec![1]));
    }
    let expected = usize::from(has(RangeBounds::LOWER)) + usize::from(has(RangeBounds::UPPER));
    if range.values.len() != expected {
        return Err(format!("its flags name {expected} bounds, but it has {}", range.values.len()));
    }
    let values: Vec<Encoded> =
        range.values.iter().map(|value| encode_scalar(value, bound)).collect::<Result<_, _>>()?;
    if values.iter().any(|value| matches!(value, Encoded::Text(_))) {
        return literal::range(range).map(Encoded::Text);
    }
    let flags = [
        (has(RangeBounds::LOWER_INCLUSIVE), 2),
        (has(RangeBounds::UPPER_INCLUSIVE), 4),
        (!has(RangeBounds::LOWER), 8),
        (!has(RangeBounds::UPPER), 16),
    ];
    let mut out = vec![flags.iter().filter(|(set, _)| *set).map(|(_, flag)| flag).sum()];
    for value in &values {
        put_value(&mut out, value)?;
    }
    Ok(Encoded::Binary(out))
}

#[cfg(test)]
mod tests {
    use super::{ArrayValue, Encoded, Error, Kind, PgValue, Scalar, Type, encode_all};
    use crate::bindings::wharf::platform::pg_client::RawValue;

    fn one(value: Scalar, ty: Type) -> Result<Encoded, String> {
        encode_all(&[PgValue::Scalar(value)], &[ty]).map(|mut all| all.remove(0)).map_err(|error| match error
        {
            Error::InvalidArgument(why) => why,
            other => format!("{other:?}"),
        })
    }

    #[test]
    fn numbers_fit_where_they_are_exact() {
        assert_eq!(one(Scalar::Int8(7), Type::INT2), Ok(Encoded::Binary(vec![0, 7])));
        assert_eq!(one(Scalar::Int4(7), Type::NUMERIC), Ok(Encoded::Text("7".into())));
        assert_eq!(one(Scalar::Int4(7), Type::FLOAT8), Ok(Encoded::Text("7".into())));
        let error = one(Scalar::Int8(70_000), Type::INT2).unwrap_err();
        assert_eq!(error, "parameter $1 of type int2: 70000 is out of range");
        let error = one(Scalar::Boolean(true), Type::INT4).unwrap_err();
        assert_eq!(error, "parameter $1 of type int4: a boolean was given");
    }

    #[test]
    fn text_is_read_by_the_server_as_what_it_expects() {
        let text = || Scalar::Text("2024-01-01".into());
        assert_eq!(one(text(), Type::DATE), Ok(Encoded::Text("2024-01-01".into())));
        assert_eq!(one(text(), Type::TEXT), Ok(Encoded::Binary(b"2024-01-01".to_vec())));
    }

    #[test]
    fn an_array_of_what_has_only_a_text_form_is_a_literal() {
        let elements = vec![Scalar::Numeric("1.5".into()), Scalar::Null];
        let array = PgValue::Array(ArrayValue { element_oid: 0, dimensions: vec![], elements });
        let encoded = encode_all(&[array], &[Type::NUMERIC_ARRAY]).unwrap();
        assert_eq!(encoded, [Encoded::Text("{\"1.5\",NULL}".into())]);
    }

    #[test]
    fn a_domain_takes_what_its_base_takes_alone_and_in_arrays() {
        let of = |oid, kind| Type::new("small".to_owned(), oid, kind, "public".to_owned());
        let small = of(90_000, Kind::Domain(Type::INT4));
        let raw = |oid| Scalar::Raw(RawValue { type_oid: oid, bytes: vec![0, 0, 0, 7] });
        for scalar in [Scalar::Int8(7), raw(0), raw(23), raw(90_000)] {
            let seven = Encoded::Binary(vec![0, 0, 0, 7]);
            assert_eq!(one(scalar.clone(), small.clone()), Ok(seven), "{scalar:?}");
            let array = ArrayValue { element_oid: 0, dimensions: vec![], elements: vec![scalar] };
            let list = of(90_001, Kind::Array(small.clone()));
            let encoded = encode_all(&[PgValue::Array(array)], &[list]).unwrap();
            assert!(
                matches!(&encoded[..], [Encoded::Binary(bytes)] if bytes.ends_with(&[0, 0, 0, 4, 0, 0, 0, 7]))
            );
        }
        assert!(one(raw(25), small).is_err());
    }

    #[test]
    fn cases_are_compared_with_types() {
        for (case, ty, fits) in [
            ("int8", Type::INT4, true),
            ("int8", Type::TEXT, false),
            ("text", Type::DATE, true),
            ("text", Type::BYTEA, false),
            ("boolean", Type::INT4, false),
            ("text[]", Type::TEXT_ARRAY, true),
            ("text[]", Type::TEXT, false),
            ("text", Type::TEXT_ARRAY, true),
            ("int8", Type::INT8_ARRAY, false),
            ("any", Type::INT4, true),
        ] {
            assert_eq!(super::misfit(case, &ty).is_none(), fits, "{case} for {ty}");
        }
    }

    #[test]
    fn the_number_of_parameters_is_checked() {
        assert!(matches!(encode_all(&[], &[Type::INT4]), Err(Error::InvalidArgument(_))));
    }
}
