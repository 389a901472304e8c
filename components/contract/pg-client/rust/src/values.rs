//! Values as JSON: `{"type": "int4", "value": 7}`. Numbers that a double cannot hold travel as text.

use wharf_guest::{
    bindings::wharf::platform::pg_client::{
        ArrayValue, Column, Dimension, Error, Interval, PgValue, RangeBounds, RangeValue, RawValue, RowSet,
        Scalar, TimeTz,
    },
    serde_json::{Value, json},
};

pub(crate) fn row_set(set: &RowSet) -> Value {
    json!({"columns": columns(&set.columns), "rows": set.rows.iter().map(|it| row(it)).collect::<Vec<_>>(), "affected": set.affected})
}

pub(crate) fn columns(columns: &[Column]) -> Value {
    columns.iter().map(|column| json!({"name": column.name, "oid": column.type_oid})).collect()
}

pub(crate) fn row(row: &[PgValue]) -> Value {
    row.iter().map(show).collect()
}

pub(crate) fn error(error: &Error) -> Value {
    let (case, text) = match error {
        Error::Unavailable(text) => ("unavailable", text),
        Error::PoolExhausted => return json!({"case": "pool-exhausted"}),
        Error::ConnectionLost(text) => ("connection-lost", text),
        Error::Denied(text) => ("denied", text),
        Error::Timeout => return json!({"case": "timeout"}),
        Error::Cancelled => return json!({"case": "cancelled"}),
        Error::LimitExceeded(text) => ("limit-exceeded", text),
        Error::InvalidArgument(text) => ("invalid-argument", text),
        Error::TransactionClosed => return json!({"case": "transaction-closed"}),
        Error::Other(text) => ("other", text),
        Error::Db(db) => {
            return json!({
                "case": "db",
                "sqlstate": db.sqlstate,
                "severity": db.severity,
                "message": db.message,
                "detail": db.detail,
                "hint": db.hint,
                "position": db.position,
                "context": db.context,
                "schema": db.schema,
                "table": db.table,
                "column": db.column,
                "data_type": db.data_type,
                "constraint": db.constraint,
            });
        }
    };
    json!({"case": case, "text": text})
}

fn show(value: &PgValue) -> Value {
    match value {
        PgValue::Scalar(scalar) => show_scalar(scalar),
        PgValue::Array(array) => json!({
            "type": "array",
            "element_oid": array.element_oid,
            "dimensions": array.dimensions.iter().map(|it| json!([it.length, it.lower_bound])).collect::<Vec<_>>(),
            "elements": array.elements.iter().map(show_scalar).collect::<Vec<_>>(),
        }),
        PgValue::Range(range) => json!({
            "type": "range",
            "oid": range.type_oid,
            "bounds": BOUNDS.iter().filter(|(_, bit)| range.bounds.contains(*bit)).map(|(name, _)| name).collect::<Vec<_>>(),
            "values": range.values.iter().map(show_scalar).collect::<Vec<_>>(),
        }),
    }
}

const BOUNDS: [(&str, RangeBounds); 5] = [
    ("empty", RangeBounds::EMPTY),
    ("lower", RangeBounds::LOWER),
    ("lower-inclusive", RangeBounds::LOWER_INCLUSIVE),
    ("upper", RangeBounds::UPPER),
    ("upper-inclusive", RangeBounds::UPPER_INCLUSIVE),
];

fn show_scalar(scalar: &Scalar) -> Value {
    let (kind, value) = match scalar {
        Scalar::Null => return json!({"type": "null"}),
        Scalar::Boolean(it) => ("boolean", json!(it)),
        Scalar::Int2(it) => ("int2", json!(it)),
        Scalar::Int4(it) => ("int4", json!(it)),
        Scalar::Int8(it) => ("int8", json!(it.to_string())),
        Scalar::Oid(it) => ("oid", json!(it)),
        Scalar::Float4(it) => ("float4", float(&it.to_string())),
        Scalar::Float8(it) => ("float8", float(&it.to_string())),
        Scalar::Numeric(it) => ("numeric", json!(it)),
        Scalar::Text(it) => ("text", json!(it)),
        Scalar::Bytea(it) => ("bytea", json!(hex(it))),
        Scalar::Uuid(it) => ("uuid", json!(it)),
        Scalar::Json(it) => ("json", json!(it)),
        Scalar::Jsonb(it) => ("jsonb", json!(it)),
        Scalar::Date(it) => ("date", json!(it)),
        Scalar::Time(it) => ("time", json!(it.to_string())),
        Scalar::Timetz(it) => {
            ("timetz", json!({"micros": it.micros.to_string(), "offset_secs": it.offset_secs}))
        }
        Scalar::Timestamp(it) => ("timestamp", json!(it.to_string())),
        Scalar::Timestamptz(it) => ("timestamptz", json!(it.to_string())),
        Scalar::Interval(it) => {
            ("interval", json!({"months": it.months, "days": it.days, "micros": it.micros.to_string()}))
        }
        Scalar::Inet(it) => ("inet", json!(it)),
        Scalar::Cidr(it) => ("cidr", json!(it)),
        Scalar::Macaddr(it) => ("macaddr", json!(it)),
        Scalar::Raw(it) => return json!({"type": "raw", "oid": it.type_oid, "value": hex(&it.bytes)}),
        Scalar::Untyped(it) => ("untyped", json!(it)),
    };
    json!({"type": kind, "value": value})
}

/// The shortest number that is this one; "NaN", "inf" and "-inf" as text.
fn float(text: &str) -> Value {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => json!(number),
        _ => json!(text),
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

/// The list of parameters, if there is one.
pub(crate) fn parse_all(params: Option<&Value>) -> Result<Vec<PgValue>, String> {
    params.and_then(Value::as_array).map_or(Ok(Vec::new()), |params| params.iter().map(parse).collect())
}

fn parse(value: &Value) -> Result<PgValue, String> {
    let scalars = |name| list(value, name).iter().map(parse_scalar).collect::<Result<Vec<_>, _>>();
    Ok(match kind(value)? {
        "array" => PgValue::Array(ArrayValue {
            element_oid: number(value.get("element_oid").unwrap_or(&json!(0)))?,
            dimensions: list(value, "dimensions").iter().map(dimension).collect::<Result<_, _>>()?,
            elements: scalars("elements")?,
        }),
        "range" => PgValue::Range(RangeValue {
            type_oid: number(value.get("oid").unwrap_or(&json!(0)))?,
            bounds: BOUNDS
                .iter()
                .filter(|(name, _)| list(value, "bounds").contains(&json!(name)))
                .fold(RangeBounds::empty(), |bounds, (_, bit)| bounds | *bit),
            values: scalars("values")?,
        }),
        _ => PgValue::Scalar(parse_scalar(value)?),
    })
}

fn parse_scalar(value: &Value) -> Result<Scalar, String> {
    let kind = kind(value)?;
    let it = value.get("value").unwrap_or(&Value::Null);
    let text = || it.as_str().map(str::to_owned).ok_or_else(|| format!("a `{kind}` wants text, not {it}"));
    let part = |name| it.get(name).unwrap_or(&Value::Null);
    Ok(match kind {
        "null" => Scalar::Null,
        "boolean" => {
            Scalar::Boolean(it.as_bool().ok_or_else(|| format!("a `boolean` is true or false, not {it}"))?)
        }
        "int2" => Scalar::Int2(number(it)?),
        "int4" => Scalar::Int4(number(it)?),
        "int8" => Scalar::Int8(number(it)?),
        "oid" => Scalar::Oid(number(it)?),
        "float4" => Scalar::Float4(number(it)?),
        "float8" => Scalar::Float8(number(it)?),
        "numeric" => Scalar::Numeric(text()?),
        "text" => Scalar::Text(text()?),
        "bytea" => Scalar::Bytea(bytes(&text()?)?),
        "uuid" => Scalar::Uuid(text()?),
        "json" => Scalar::Json(text()?),
        "jsonb" => Scalar::Jsonb(text()?),
        "date" => Scalar::Date(number(it)?),
        "time" => Scalar::Time(number(it)?),
        "timetz" => Scalar::Timetz(TimeTz {
            micros: number(part("micros"))?,
            offset_secs: number(part("offset_secs"))?,
        }),
        "timestamp" => Scalar::Timestamp(number(it)?),
        "timestamptz" => Scalar::Timestamptz(number(it)?),
        "interval" => Scalar::Interval(Interval {
            months: number(part("months"))?,
            days: number(part("days"))?,
            micros: number(part("micros"))?,
        }),
        "inet" => Scalar::Inet(text()?),
        "cidr" => Scalar::Cidr(text()?),
        "macaddr" => Scalar::Macaddr(text()?),
        "raw" => Scalar::Raw(RawValue {
            type_oid: number(value.get("oid").unwrap_or(&Value::Null))?,
            bytes: bytes(&text()?)?,
        }),
        "untyped" => Scalar::Untyped(text()?),
        other => return Err(format!("no type `{other}`")),
    })
}

fn kind(value: &Value) -> Result<&str, String> {
    value.get("type").and_then(Value::as_str).ok_or_else(|| format!("a value wants a `type`: {value}"))
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// A number, written as such or as text.
fn number<T: std::str::FromStr>(value: &Value) -> Result<T, String> {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    text.parse().map_err(|_| format!("{text} is no number that fits"))
}

fn dimension(value: &Value) -> Result<Dimension, String> {
    match value.as_array().map(Vec::as_slice) {
        Some([length, lower_bound]) => {
            Ok(Dimension { length: number(length)?, lower_bound: number(lower_bound)? })
        }
        _ => Err(format!("a dimension is [length, lower bound], not {value}")),
    }
}

fn bytes(hex: &str) -> Result<Vec<u8>, String> {
    let pairs = hex.as_bytes().chunks(2).map(|pair| {
        str::from_utf8(pair)
            .ok()
            .filter(|pair| pair.len() == 2)
            .and_then(|pair| u8::from_str_radix(pair, 16).ok())
    });
    pairs.collect::<Option<_>>().ok_or_else(|| format!("`{hex}` is not hexadecimal"))
}
