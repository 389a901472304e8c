//! Values as PostgreSQL writes them in text.

use std::fmt::Write;

use crate::bindings::wharf::platform::pg_client::{
    ArrayValue, Interval, RangeBounds, RangeValue, Scalar, TimeTz,
};

/// The text form, where the contract's value is one or a number.
pub(super) fn of(scalar: &Scalar) -> Option<String> {
    Some(match scalar {
        Scalar::Boolean(value) => value.to_string(),
        Scalar::Int2(n) => n.to_string(),
        Scalar::Int4(n) => n.to_string(),
        Scalar::Int8(n) => n.to_string(),
        Scalar::Oid(n) => n.to_string(),
        Scalar::Float4(n) => float(f64::from(*n), n.to_string()),
        Scalar::Float8(n) => float(*n, n.to_string()),
        Scalar::Numeric(text)
        | Scalar::Text(text)
        | Scalar::Uuid(text)
        | Scalar::Json(text)
        | Scalar::Jsonb(text)
        | Scalar::Inet(text)
        | Scalar::Cidr(text)
        | Scalar::Macaddr(text)
        | Scalar::Untyped(text) => text.clone(),
        _ => return None,
    })
}

fn float(value: f64, shortest: String) -> String {
    match value {
        value if value.is_nan() => "NaN".to_owned(),
        f64::INFINITY => "Infinity".to_owned(),
        f64::NEG_INFINITY => "-Infinity".to_owned(),
        _ => shortest,
    }
}

/// What kind of value it is, for errors.
pub(super) fn name(scalar: &Scalar) -> &'static str {
    match scalar {
        Scalar::Null => "null",
        Scalar::Boolean(_) => "a boolean",
        Scalar::Int2(_) | Scalar::Int4(_) | Scalar::Int8(_) | Scalar::Oid(_) => "an integer",
        Scalar::Float4(_) | Scalar::Float8(_) => "a float",
        Scalar::Numeric(_) => "a numeric",
        Scalar::Text(_) | Scalar::Untyped(_) => "text",
        Scalar::Bytea(_) => "a bytea",
        Scalar::Uuid(_) => "a uuid",
        Scalar::Json(_) | Scalar::Jsonb(_) => "json",
        Scalar::Date(_) => "a date",
        Scalar::Time(_) | Scalar::Timetz(_) => "a time",
        Scalar::Timestamp(_) => "a timestamp",
        Scalar::Timestamptz(_) => "a timestamptz",
        Scalar::Interval(_) => "an interval",
        Scalar::Inet(_) | Scalar::Cidr(_) => "a network address",
        Scalar::Macaddr(_) => "a MAC address",
        Scalar::Raw(_) => "a raw value",
    }
}

/// A value of a case, by the case's name; none for a name that is not one.
pub(super) fn sample(case: &str) -> Option<Scalar> {
    let text = String::new;
    Some(match case {
        "boolean" => Scalar::Boolean(true),
        "int2" => Scalar::Int2(1),
        "int4" => Scalar::Int4(1),
        "int8" => Scalar::Int8(1),
        "oid" => Scalar::Oid(1),
        "float4" => Scalar::Float4(1.0),
        "float8" => Scalar::Float8(1.0),
        "numeric" => Scalar::Numeric(text()),
        "text" => Scalar::Text(text()),
        "bytea" => Scalar::Bytea(Vec::new()),
        "uuid" => Scalar::Uuid(text()),
        "json" => Scalar::Json(text()),
        "jsonb" => Scalar::Jsonb(text()),
        "date" => Scalar::Date(0),
        "time" => Scalar::Time(0),
        "timetz" => Scalar::Timetz(TimeTz { micros: 0, offset_secs: 0 }),
        "timestamp" => Scalar::Timestamp(0),
        "timestamptz" => Scalar::Timestamptz(0),
        "interval" => Scalar::Interval(Interval { months: 0, days: 0, micros: 0 }),
        "inet" => Scalar::Inet(text()),
        "cidr" => Scalar::Cidr(text()),
        "macaddr" => Scalar::Macaddr(text()),
        _ => return None,
    })
}

/// Dimensions of one array: the server's own bound. `nested` calls itself once for each.
const MOST_DIMENSIONS: usize = 6;

/// Length and lower bound of each dimension, checked against the number of elements.
pub(super) fn dimensions(array: &ArrayValue) -> Result<Vec<(u32, i32)>, String> {
    let count = array.elements.len();
    if array.dimensions.len() > MOST_DIMENSIONS {
        return Err(format!(
            "it has {} dimensions; at most {MOST_DIMENSIONS} are taken",
            array.dimensions.len()
        ));
    }
    if array.dimensions.is_empty() {
        let length = u32::try_from(count).map_err(|_range| "it has too many elements")?;
        return Ok(if count == 0 { Vec::new() } else { vec![(length, 1)] });
    }
    let lengths = array.dimensions.iter().map(|dimension| usize::try_from(dimension.length).ok());
    let product = lengths.reduce(|all, one| all?.checked_mul(one?)).flatten();
    if product != Some(count) {
        return Err(format!("its dimensions do not multiply to its {count} elements"));
    }
    Ok(array.dimensions.iter().map(|dimension| (dimension.length, dimension.lower_bound)).collect())
}

/// `{1,NULL}`, or `[0:1]={...}` where a dimension does not begin at 1.
pub(super) fn array(dimensions: &[(u32, i32)], elements: &[Scalar]) -> Result<String, String> {
    let mut text = String::new();
    if dimensions.iter().any(|(_, lower_bound)| *lower_bound != 1) {
        for (length, lower_bound) in dimensions {
            let upper = i64::from(*lower_bound) + i64::from(*length) - 1;
            let _ = write!(text, "[{lower_bound}:{upper}]");
        }
        text.push('=');
    }
    let lengths: Vec<usize> =
        dimensions.iter().map(|(length, _)| usize::try_from(*length).unwrap_or(usize::MAX)).collect();
    nested(&mut text, &lengths, elements)?;
    Ok(text)
}

fn nested(text: &mut String, lengths: &[usize], elements: &[Scalar]) -> Result<(), String> {
    text.push('{');
    match lengths {
        [_, inner @ ..] if !inner.is_empty() => {
            let size: usize = inner.iter().product();
            for (index, part) in elements.chunks(size.max(1)).enumerate() {
                if index > 0 {
                    text.push(',');
                }
                nested(text, inner, part)?;
            }
        }
        _ => {
            for (index, element) in elements.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                item(text, element)?;
            }
        }
    }
    text.push('}');
    Ok(())
}

fn item(text: &mut String, element: &Scalar) -> Result<(), String> {
    if matches!(element, Scalar::Null) {
        text.push_str("NULL");
        return Ok(());
    }
    let value =
        of(element).ok_or_else(|| format!("{} stands among values without a binary form", name(element)))?;
    quote(text, &value);
    Ok(())
}

fn quote(text: &mut String, value: &str) {
    text.push('"');
    for c in value.chars() {
        if matches!(c, '"' | '\\') {
            text.push('\\');
        }
        text.push(c);
    }
    text.push('"');
}

/// `["1","5")`; an absent bound is left out.
pub(super) fn range(range: &RangeValue) -> Result<String, String> {
    let has = |flag| range.bounds.contains(flag);
    let mut values = range.values.iter();
    let mut text = String::from(if has(RangeBounds::LOWER_INCLUSIVE) { "[" } else { "(" });
    if has(RangeBounds::LOWER) {
        item(&mut text, values.next().ok_or("its lower bound is missing")?)?;
    }
    text.push(',');
    if has(RangeBounds::UPPER) {
        item(&mut text, values.next().ok_or("its upper bound is missing")?)?;
    }
    text.push(if has(RangeBounds::UPPER_INCLUSIVE) { ']' } else { ')' });
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::{Scalar, array};

    #[test]
    fn array_literals_quote_nest_and_keep_their_lower_bounds() {
        let text = |value: &str| Scalar::Text(value.to_owned());
        let four = [text("a"), text("b\"c"), Scalar::Null, text("d\\")];
        assert_eq!(array(&[(4, 1)], &four).unwrap(), r#"{"a","b\"c",NULL,"d\\"}"#);
        assert_eq!(array(&[(2, 1), (2, 1)], &four).unwrap(), r#"{{"a","b\"c"},{NULL,"d\\"}}"#);
        assert_eq!(array(&[(1, 0)], &four[..1]).unwrap(), r#"[0:0]={"a"}"#);
        assert_eq!(array(&[], &[]).unwrap(), "{}");
    }
}
