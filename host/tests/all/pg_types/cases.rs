//! What is tried: types, literals, and the contract's values.

use serde_json::{Value, json};

/// A type, a literal of it, and what the contract makes of that; null where it is handed on as it is.
pub(super) type Case = (&'static str, String, Value);

/// Types without a case of their own, and those that only stand in arrays.
pub(super) const SETUP: &str = r#"create extension if not exists citext;
    create type mood as enum ('sad', 'it''s "fine"', 'a,b\c {d}');
    create domain small as int4 check (value < 1000);
    create domain smaller as small check (value < 100);
    create domain name_of as text check (value <> '');
    create domain feeling as mood;
    create type pair as (n int4, t text);
    create type nested as (p pair, list int4[], at timestamptz);
    create type text_range as range (subtype = text);
    create type small_range as range (subtype = int2);"#;

pub(super) fn of_kind(kind: &str, value: impl Into<Value>) -> Value {
    json!({"type": kind, "value": value.into()})
}

fn range(ty: &'static str, literal: &str, bounds: &[&str], kind: &str, values: &[Value]) -> Case {
    let values: Vec<Value> = values.iter().map(|value| of_kind(kind, value.clone())).collect();
    // The OID is filled in when it is known.
    (ty, literal.to_owned(), json!({"type": "range", "bounds": bounds, "values": values}))
}

/// Types whose value has a case of its own, by that case.
pub(super) fn scalars() -> Vec<Case> {
    let tricky = "a,b \"c\" \\d {e}'f'\n\té ☃ NULL";
    let digits = format!("-{}.{}", "9876543210".repeat(60), "0123456789".repeat(40));
    let longest = "n".repeat(63);
    let of = |kind: &'static str, ty: &'static str, values: &[(&str, Value)]| -> Vec<Case> {
        let case = |(text, value): &(&str, Value)| (ty, (*text).to_owned(), of_kind(kind, value.clone()));
        values.iter().map(case).collect()
    };
    let same = |kind: &'static str, ty: &'static str, values: &[&str]| -> Vec<Case> {
        values.iter().map(|text| (ty, (*text).to_owned(), of_kind(kind, json!(text)))).collect()
    };
    let numbers = [
        of("boolean", "bool", &[("true", json!(true)), ("false", json!(false))]),
        of("int2", "int2", &[("-32768", json!(i16::MIN)), ("32767", json!(i16::MAX))]),
        of(
            "int4",
            "int4",
            &[("-2147483648", json!(i32::MIN)), ("2147483647", json!(i32::MAX)), ("0", json!(0))],
        ),
        same("int8", "int8", &["-9223372036854775808", "9223372036854775807", "9007199254740993"]),
        of("oid", "oid", &[("0", json!(0)), ("4294967295", json!(u32::MAX))]),
        of(
            "float4",
            "float4",
            &[("NaN", json!("NaN")), ("Infinity", json!("inf")), ("-Infinity", json!("-inf"))],
        ),
        of(
            "float4",
            "float4",
            &[("-0", json!(-0.0)), ("0.1", json!(0.1)), ("3.4028235e+38", json!(3.402_823_5e38))],
        ),
        of("float4", "float4", &[("1e-45", json!(1e-45)), ("16777216", json!(16_777_216.0))]),
        of(
            "float8",
            "float8",
            &[("NaN", json!("NaN")), ("Infinity", json!("inf")), ("-Infinity", json!("-inf"))],
        ),
        of(
            "float8",
            "float8",
            &[("-0", json!(-0.0)), ("0.1", json!(0.1)), ("0.30000000000000004", json!(0.1 + 0.2))],
        ),
        of("float8", "float8", &[("1.7976931348623157e+308", json!(f64::MAX)), ("5e-324", json!(5e-324))]),
        same(
            "numeric",
            "numeric",
            &["NaN", "Infinity", "-Infinity", "0", "0.00", "1.500", "-0.000120", &digits],
        ),
        same("numeric", "numeric", &["10000", "100000000.00010000", "-9999", "0.0000000001"]),
        of("numeric", "numeric(6,2)", &[("-1234.5", json!("-1234.50"))]),
    ];
    let texts = [
        same("text", "text", &["", tricky, "NULL", " spaces "]),
        same("text", "varchar", &["", tricky]),
        same("text", "varchar(7)", &["1234567"]),
        of("text", "char(5)", &[("ab", json!("ab   ")), ("12345", json!("12345"))]),
        same("text", "name", &["", &longest]),
        same("text", "citext", &["HeLLo", tricky]),
        of("bytea", "bytea", &[("", json!("")), (r"\x00ff5c27", json!("00ff5c27"))]),
        same(
            "uuid",
            "uuid",
            &["00000000-0000-0000-0000-000000000000", "01234567-89ab-cdef-fedc-ba9876543210"],
        ),
        same("json", "json", &["{\"a\" : [1,  2.50, null, \"\\u00e9\"]}", "null", "\"x\""]),
        same("jsonb", "jsonb", &["{\"a\": [1, 2.50, null, \"é ☃\"]}", "null"]),
        same(
            "inet",
            "inet",
            &["10.0.0.1", "10.1.2.3/8", "0.0.0.0/0", "::1", "2001:db8::1/64", "::ffff:1.2.3.4"],
        ),
        same("cidr", "cidr", &["10.0.0.0/8", "10.0.0.1/32", "2001:db8::/32", "::/0"]),
        same("macaddr", "macaddr", &["08:00:2b:01:02:03", "ff:ff:ff:ff:ff:ff"]),
    ];
    let domains = [
        of("int4", "small", &[("999", json!(999))]),
        of("int4", "smaller", &[("-7", json!(-7))]),
        same("text", "name_of", &[tricky]),
    ];
    [numbers.concat(), texts.concat(), domains.concat(), times()].concat()
}

fn times() -> Vec<Case> {
    let of = |kind: &'static str, ty: &'static str, values: &[(&str, Value)]| -> Vec<Case> {
        let case = |(text, value): &(&str, Value)| (ty, (*text).to_owned(), of_kind(kind, value.clone()));
        values.iter().map(case).collect()
    };
    let (past, future) = (json!("-9223372036854775808"), json!("9223372036854775807"));
    let zoned = |micros: &str, offset: i32| json!({"micros": micros, "offset_secs": offset});
    let span =
        |months: i32, days: i32, micros: &str| json!({"months": months, "days": days, "micros": micros});
    [
        of(
            "date",
            "date",
            &[("infinity", json!(i32::MAX)), ("-infinity", json!(i32::MIN)), ("1970-01-01", json!(0))],
        ),
        of("date", "date", &[("2024-02-29", json!(19_782)), ("0044-03-15 BC", json!(-735_160))]),
        of("date", "date", &[("5874897-12-31", json!(2_145_042_905)), ("4714-11-24 BC", json!(-2_440_588))]),
        of("time", "time", &[("00:00:00", json!("0")), ("23:59:59.999999", json!("86399999999"))]),
        of("time", "time", &[("24:00:00", json!("86400000000"))]),
        of("timetz", "timetz", &[("01:00:00.000001+02", zoned("3600000001", 7_200))]),
        of("timetz", "timetz", &[("24:00:00-15:59:59", zoned("86400000000", -57_599))]),
        of("timestamp", "timestamp", &[("infinity", future.clone()), ("-infinity", past.clone())]),
        of(
            "timestamp",
            "timestamp",
            &[("1969-12-31 23:59:59.999999", json!("-1")), ("1970-01-01", json!("0"))],
        ),
        of("timestamp", "timestamp", &[("0044-03-15 12:00:00.000001 BC", json!("-63517780799999999"))]),
        of("timestamptz", "timestamptz", &[("infinity", future), ("-infinity", past)]),
        of("timestamptz", "timestamptz", &[("1970-01-01 02:00:00.000001+02", json!("1"))]),
        of("timestamptz", "timestamptz", &[("4714-11-24 00:00:00+00 BC", json!("-210866803200000000"))]),
        of(
            "interval",
            "interval",
            &[("1 mon 2 days 00:00:00.000003", span(1, 2, "3")), ("0", span(0, 0, "0"))],
        ),
        of("interval", "interval", &[("-14 mons +3 days -00:00:01", span(-14, 3, "-1000000"))]),
    ]
    .concat()
}

pub(super) fn ranges() -> Vec<Case> {
    const LOW: [&str; 2] = ["lower", "lower-inclusive"];
    const HALF: [&str; 3] = ["lower", "lower-inclusive", "upper"];
    vec![
        range("int4range", "empty", &["empty"], "int4", &[]),
        range("int4range", "(,)", &[], "int4", &[]),
        range("int4range", "[1,5)", &HALF, "int4", &[json!(1), json!(5)]),
        range("int4range", "[-7,)", &LOW, "int4", &[json!(-7)]),
        range("int4range", "(,9)", &["upper"], "int4", &[json!(9)]),
        range(
            "int8range",
            "[1,9223372036854775807)",
            &HALF,
            "int8",
            &[json!("1"), json!("9223372036854775807")],
        ),
        range(
            "numrange",
            "(1.50,2.5]",
            &["lower", "upper", "upper-inclusive"],
            "numeric",
            &[json!("1.50"), json!("2.5")],
        ),
        range("daterange", "[1970-01-02,infinity)", &HALF, "date", &[json!(1), json!(i32::MAX)]),
        range("tsrange", "[1970-01-01,)", &LOW, "timestamp", &[json!("0")]),
        range(
            "tstzrange",
            "[-infinity,1970-01-01 00:00:00+00]",
            &["lower", "lower-inclusive", "upper", "upper-inclusive"],
            "timestamptz",
            &[json!("-9223372036854775808"), json!("0")],
        ),
        range("text_range", r#"["a,b","c""d\\e")"#, &HALF, "text", &[json!("a,b"), json!("c\"d\\e")]),
        range(
            "small_range",
            "[1,32767]",
            &["lower", "lower-inclusive", "upper", "upper-inclusive"],
            "int2",
            &[json!(1), json!(32_767)],
        ),
    ]
}

/// Types without a case: the server's bytes, both ways.
pub(super) fn raws() -> Vec<Case> {
    [
        ("mood", "sad"),
        ("mood", "it's \"fine\""),
        ("mood", "a,b\\c {d}"),
        ("feeling", "sad"),
        ("pair", r#"(1,"a,""b""")"#),
        ("pair", "(,)"),
        ("nested", r#"("(7,x)","{1,NULL,3}","1970-01-01 00:00:00+00")"#),
        ("int4multirange", "{}"),
        ("int4multirange", "{[1,3),[5,8)}"),
        ("nummultirange", "{(,1.5],[2.5,)}"),
        ("point", "(1,2)"),
        ("bit varying", "10110"),
        ("macaddr8", "08:00:2b:01:02:03:04:05"),
        ("tsvector", "'a':1 'b'"),
        ("money", "12.34"),
        ("\"char\"", "x"),
        // Beyond what microseconds since 1970 can tell.
        ("timestamp", "294276-12-31 23:59:59.999999"),
        ("timestamptz", "294276-12-31 23:59:59.999999+00"),
    ]
    .map(|(ty, literal)| (ty, literal.to_owned(), Value::Null))
    .to_vec()
}
