//! Bytes as a server sends them, and as none does.

use super::WireValue;
use crate::pg::{Array, Composite, FromPg, Label, Mismatch, Multirange, Numeric, PgValue, Range, Scalar};
use std::ops::Bound;

fn bytes(hex: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(digit).collect()
}

fn decode(type_oid: u32, hex: &str) -> Result<PgValue, Mismatch> {
    WireValue { type_oid, bytes: Some(&bytes(hex)) }.decode()
}

fn read<T: FromPg>(type_oid: u32, hex: &str) -> Result<T, Mismatch> {
    T::from_wire(WireValue { type_oid, bytes: Some(&bytes(hex)) })
}

/// OIDs of scalar types, what PostgreSQL 15 sends for a value, and how that shows.
const SCALARS: [(u32, &str, &str); 29] = [
    (16, "01", "Boolean(true)"),
    (21, "8000", "Int2(-32768)"),
    (23, "7fffffff", "Int4(2147483647)"),
    (20, "0020000000000001", "Int8(9007199254740993)"),
    (26, "ffffffff", "Oid(4294967295)"),
    (700, "3fc00000", "Float4(1.5)"),
    (701, "bff8000000000000", "Float8(-1.5)"),
    (1700, "000600044000000604d2162e23340d801ed20001", "Numeric(\"-12345678901234567890.000100\")"),
    (1700, "00000000f0000020", "Numeric(\"-Infinity\")"),
    (25, "68c3a9", "Text(\"hé\")"),
    (705, "78", "Text(\"x\")"),
    (17, "00ff", "Bytea([0, 255])"),
    (2950, "0123456789abcdef0123456789abcdef", "Uuid(\"01234567-89ab-cdef-0123-456789abcdef\")"),
    (114, "5b5d", "Json(\"[]\")"),
    (3802, "017b2261223a20317d", "Jsonb(\"{\\\"a\\\": 1}\")"),
    (1082, "ffffd532", "Date(-1)"),
    (1082, "7fffffff", "Date(2147483647)"),
    (1083, "00000000000f4241", "Time(1000001)"),
    (1266, "00000000d693a400ffffe3e0", "Timetz(TimeTz { micros: 3600000000, offset-secs: 7200 })"),
    (1114, "fffca2fec4c82001", "Timestamp(1)"),
    (1184, "8000000000000000", "Timestamptz(-9223372036854775808)"),
    (1186, "00000000000000030000000200000001", "Interval(Interval { months: 1, days: 2, micros: 3 })"),
    (869, "0380001020010db8000000000000000000000001", "Inet(\"2001:db8::1\")"),
    (869, "021000040a010000", "Inet(\"10.1.0.0/16\")"),
    (650, "022001040a000001", "Cidr(\"10.0.0.1/32\")"),
    (829, "08002b010203", "Macaddr(\"08:00:2b:01:02:03\")"),
    (600, "0102", "Raw(RawValue { type-oid: 600, bytes: [1, 2] })"),
    // The year 294276, which Unix microseconds do not reach.
    (
        1114,
        "7fffe29909c76000",
        "Raw(RawValue { type-oid: 1114, bytes: [127, 255, 226, 153, 9, 199, 96, 0] })",
    ),
    (16385, "6861", "Raw(RawValue { type-oid: 16385, bytes: [104, 97] })"),
];

/// `[1:2][0:1]={{1,NULL},{3,4}}`
const MATRIX: &str = "000000020000000100000017000000020000000100000002000000000000000400000001ffffffff\
                      00000004000000030000000400000004";
/// `{}` of text
const NO_TEXTS: &str = "000000000000000000000019";
/// `{happy,NULL}` of an enum
const MOODS: &str = "0000000100000001000040010000000200000001000000056861707079ffffffff";
/// `[1,5)` and `(,1.5]`
const INTS: &str = "0200000004000000010000000400000005";
const NUMBERS: &str = "0c0000000c000200000000000100011388";
/// `{[1,5)}`
const RANGES: &str = "000000010000000000000f40000000010000000100000011\
                      0200000004000000010000000400000005";
/// `{[1,3),[5,)}`
const MULTIRANGE: &str = "000000020000001102000000040000000100000004000000030000000912\
                          0000000400000005";
/// `(7,x)`, and an array of one such
const PAIR: &str = "00000002000000170000000400000007000000190000000178";
const PAIRS: &str = "0000000100000000000040070000000100000001000000190000000200000017\
                     0000000400000007000000190000000178";

#[test]
fn what_a_server_sends_is_read() {
    for (oid, hex, shown) in SCALARS {
        let PgValue::Scalar(scalar) = decode(oid, hex).unwrap() else { panic!("OID {oid} is a scalar") };
        assert_eq!(format!("{scalar:?}"), format!("Scalar::{shown}"), "OID {oid}");
    }
}

#[test]
fn arrays_keep_their_dimensions_and_nulls() {
    let matrix: Array<Option<i32>> = read(1007, MATRIX).unwrap();
    assert_eq!(matrix.elements, [Some(1), None, Some(3), Some(4)]);
    let sizes: Vec<_> = matrix.dimensions.iter().map(|size| (size.length, size.lower_bound)).collect();
    assert_eq!(sizes, [(2, 1), (2, 0)]);
    assert!(read::<Vec<Option<i32>>>(1007, MATRIX).is_err(), "two dimensions are no Vec");
    assert_eq!(read::<Vec<String>>(1009, NO_TEXTS), Ok(vec![]));
    let PgValue::Array(array) = decode(1007, MATRIX).unwrap() else { panic!("not an array") };
    assert_eq!((array.element_oid, array.elements.len()), (23, 4));
}

#[test]
fn types_that_the_database_defines_are_known_by_their_bytes() {
    assert_eq!(read(16_385, "6861707079"), Ok("happy".to_owned()));
    assert_eq!(read(16_385, "6861707079"), Ok(Label("happy".to_owned())));
    assert_eq!(read(16_384, MOODS), Ok(vec![Some(Label("happy".to_owned())), None]));
    assert!(read::<String>(16_391, PAIR).is_err(), "a composite is no text");
    assert!(read::<Vec<String>>(16_385, "6861707079").is_err(), "text is no array");
    assert!(read::<String>(600, "6861").is_err(), "a point is no text");
}

#[test]
fn ranges_and_multiranges_are_read() {
    assert_eq!(read(3904, INTS), Ok(Range::from(1..5)));
    assert_eq!(read::<Range<i32>>(3904, "01"), Ok(Range::Empty));
    let upper = Bound::Included(Numeric("1.5".to_owned()));
    assert_eq!(read(3906, NUMBERS), Ok(Range::Between(Bound::Unbounded, upper)));
    assert_eq!(read(3905, RANGES), Ok(vec![Range::from(1..5)]));
    assert_eq!(read(4451, MULTIRANGE), Ok(Multirange(vec![Range::from(1..3), Range::from(5..)])));
    let value = decode(3905, RANGES).unwrap();
    assert_eq!(Vec::from_pg(value), Ok(vec![Range::from(1..5)]));
    assert!(read::<Range<i32>>(16_500, INTS).is_err(), "nothing tells what it bounds");
}

#[test]
fn composites_are_read_field_by_field() {
    let pair: Composite = read(16_391, PAIR).unwrap();
    assert_eq!((pair.get(0), pair.get(1)), (Ok(7), Ok("x".to_owned())));
    assert!(pair.get::<i32>(2).is_err() && pair.get::<bool>(0).is_err());
    assert_eq!(read(16_390, PAIRS), Ok(vec![pair.clone()]));
    assert_eq!(read(2249, PAIR), Ok(pair));
}

#[test]
fn null_has_no_type() {
    let null = WireValue { type_oid: 600, bytes: None };
    assert!(matches!(null.decode(), Ok(PgValue::Scalar(Scalar::Null))));
    assert_eq!(Option::<bool>::from_wire(null), Ok(None));
    assert_eq!(i32::from_wire(null).unwrap_err().actual, "null");
}

/// Reads bytes as everything; what matters is that it returns.
fn read_as_all(type_oid: u32, bytes: &[u8]) {
    let value = WireValue { type_oid, bytes: Some(bytes) };
    let _ = value.decode();
    let _ = i64::from_wire(value);
    let _ = String::from_wire(value);
    let _ = Vec::<u8>::from_wire(value);
    let _ = Vec::<Option<String>>::from_wire(value);
    let _ = Array::<i32>::from_wire(value);
    let _ = Range::<i32>::from_wire(value);
    let _ = Multirange::<Numeric>::from_wire(value);
    let _ = Vec::<Composite>::from_wire(value);
    #[cfg(feature = "json")]
    let _ = crate::pg::Json::<Vec<i32>>::from_wire(value);
}

#[test]
fn bytes_cut_off_are_an_error_where_the_type_has_a_size_of_its_own() {
    const ANY_LENGTH: [u32; 6] = [25, 705, 17, 600, 114, 16_385];
    for (oid, hex, _) in SCALARS.into_iter().filter(|(oid, ..)| !ANY_LENGTH.contains(oid)) {
        let whole = bytes(hex);
        for length in 0..whole.len() {
            let cut = WireValue { type_oid: oid, bytes: Some(&whole[..length]) };
            // What is left of a jsonb is text all the same.
            assert!(cut.decode().is_err() || oid == 3802 && length > 0, "{length} bytes of OID {oid}");
        }
        let longer = [whole, vec![0]].concat();
        let longer = WireValue { type_oid: oid, bytes: Some(&longer) };
        assert!(longer.decode().is_err() || oid == 3802, "too many bytes of OID {oid}");
    }
    for (oid, hex) in [(1007, MATRIX), (16_384, MOODS), (3905, RANGES), (16_390, PAIRS)] {
        let whole = bytes(hex);
        for length in 0..whole.len() {
            let cut = WireValue { type_oid: oid, bytes: Some(&whole[..length]) };
            assert!(Vec::<PgValue>::from_wire(cut).is_err(), "{length} bytes of OID {oid}");
        }
    }
}

#[test]
fn no_bytes_make_a_panic() {
    let parts = [MATRIX, NO_TEXTS, MOODS, INTS, NUMBERS, RANGES, MULTIRANGE, PAIR, PAIRS];
    let oids = [16, 20, 1007, 1009, 16_384, 3904, 3905, 3906, 4451, 2249, 2287, 1700, 869, 3802];
    let samples: Vec<_> = SCALARS.map(|(_, hex, _)| hex).into_iter().chain(parts).map(bytes).collect();
    for sample in &samples {
        for oid in oids.into_iter().chain(SCALARS.map(|(oid, ..)| oid)) {
            for at in 0..sample.len() {
                read_as_all(oid, &sample[..at]);
                for byte in [0, 1, 0x7f, 0x80, 0xff] {
                    let mut changed = sample.clone();
                    changed[at] = byte;
                    read_as_all(oid, &changed);
                }
            }
        }
    }
}

#[test]
fn a_hostile_array_cannot_ask_for_more_than_it_brings() {
    let head = "0000000200000000000000177fffffff000000017fffffff00000001";
    assert!(read::<Vec<i32>>(1007, head).is_err() && read::<Array<i32>>(1007, head).is_err());
    assert!(read::<Composite>(2249, "ffffffff").is_err());
    assert!(read::<Multirange<i32>>(4451, "ffffffff").is_err());
}
