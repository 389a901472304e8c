use serde_json::{Value, json};

use crate::support::{Database, post};

const SETUP: &str = "create type mood as enum ('sad', 'it''s \"fine\"');
    create domain small as int4 check (value < 1000);
    create domain ints as int4[] check (cardinality(value) < 4);
    create domain span as int4range;
    create table stored (number serial, text text)";

fn of(kind: &str, value: impl Into<Value>) -> Value {
    json!({"type": kind, "value": value.into()})
}

fn list(elements: &[Value]) -> Value {
    json!({"type": "array", "elements": elements})
}

fn range(bounds: &[&str], values: &[Value]) -> Value {
    json!({"type": "range", "bounds": bounds, "values": values})
}

#[tokio::test]
async fn a_parameter_fits_every_type_that_can_hold_it() {
    let database = Database::start().await;
    database.watcher.batch_execute(SETUP).await.unwrap();
    let host = database.host_with("pool_connections=1").await;
    let closed = ["lower", "lower-inclusive", "upper", "upper-inclusive"];
    for (ty, value, text) in [
        ("int2", of("int8", "32767"), "32767"),
        ("int2", of("oid", 7), "7"),
        ("int4", of("int2", -7), "-7"),
        ("int4", of("int8", "-2147483648"), "-2147483648"),
        ("int8", of("int4", 7), "7"),
        ("int8", of("numeric", "12345678901"), "12345678901"),
        ("oid", of("int8", "4294967295"), "4294967295"),
        ("float4", of("int4", 16_777_216), "1.6777216e+07"),
        ("float8", of("int8", "9007199254740992"), "9.007199254740992e+15"),
        ("float8", of("float4", 0.5), "0.5"),
        ("float8", of("numeric", "0.1"), "0.1"),
        ("float4", of("float8", 0.1), "0.1"),
        ("numeric", of("int8", "-9223372036854775808"), "-9223372036854775808"),
        ("numeric", of("float8", 0.1), "0.1"),
        ("numeric", of("float8", "-inf"), "-Infinity"),
        ("numeric", of("float4", "NaN"), "NaN"),
        ("numeric(6,2)", of("numeric", "1.005"), "1.01"),
        ("text", of("numeric", "1.50"), "1.50"),
        ("text", of("uuid", "01234567-89ab-cdef-0123-456789abcdef"), "01234567-89ab-cdef-0123-456789abcdef"),
        ("text", of("json", "{}"), "{}"),
        ("date", of("text", "2024-02-29"), "2024-02-29"),
        ("timestamptz", of("text", "1970-01-01 00:00:00+00"), "1970-01-01 00:00:00+00"),
        ("interval", of("text", "1 day"), "1 day"),
        ("bool", of("text", "yes"), "true"),
        ("jsonb", of("json", "{\"a\":1}"), "{\"a\": 1}"),
        ("json", of("jsonb", "{\"a\":1}"), "{\"a\":1}"),
        ("inet", of("cidr", "10.0.0.0/8"), "10.0.0.0/8"),
        ("cidr", of("inet", "10.0.0.0/8"), "10.0.0.0/8"),
        ("macaddr8", of("macaddr", "08:00:2b:01:02:03"), "08:00:2b:ff:fe:01:02:03"),
        ("mood", of("text", "it's \"fine\""), "it's \"fine\""),
        ("mood", of("untyped", "sad"), "sad"),
        ("small", of("int8", "999"), "999"),
        ("int4[]", list(&[of("int8", "1"), json!({"type": "null"}), of("int2", 3)]), "{1,NULL,3}"),
        ("int4[]", of("untyped", "[2:3]={1,2}"), "[2:3]={1,2}"),
        ("numeric[]", list(&[of("int4", 1), of("numeric", "2.50"), of("untyped", "3")]), "{1,2.50,3}"),
        (
            "text[]",
            list(&[of("text", "NULL"), of("text", ""), of("text", "a\"b,c\\")]),
            r#"{"NULL","","a\"b,c\\"}"#,
        ),
        (
            "mood[]",
            list(&[of("text", "it's \"fine\""), json!({"type": "null"})]),
            r#"{"it's \"fine\"",NULL}"#,
        ),
        ("date[]", list(&[of("date", 0), of("date", -1)]), "{1970-01-01,1969-12-31}"),
        ("small[]", list(&[of("int8", "7")]), "{7}"),
        ("ints", list(&[of("int8", "1"), of("int4", 2)]), "{1,2}"),
        ("ints", of("untyped", "{}"), "{}"),
        ("span", range(&closed, &[of("int8", "1"), of("int4", 4)]), "[1,5)"),
        ("numrange", range(&closed, &[of("int4", 1), of("numeric", "4.50")]), "[1,4.50]"),
        (
            "tstzrange",
            range(&["lower"], &[of("untyped", "1970-01-01 00:00:00+00")]),
            "(\"1970-01-01 00:00:00+00\",)",
        ),
        ("int4multirange", of("untyped", "{[1,3),[5,7)}"), "{[1,3),[5,7)}"),
        ("int4", of("untyped", " 7 "), "7"),
        ("int4", json!({"type": "raw", "oid": 23, "value": "00000007"}), "7"),
        ("int4", json!({"type": "raw", "oid": 0, "value": "00000007"}), "7"),
    ] {
        let sql = format!("insert into stored (text) values (cast($1 as {ty})::text) returning number");
        let answer = post(&host, "/query", json!({"sql": sql, "params": [value]})).await;
        let number = &answer["rows"][0][0]["value"];
        assert!(number.is_number(), "{ty} {value}: {answer}");
        let stored = format!("select text from stored where number = {number}");
        let stored: Option<String> = database.watcher.query_one(&stored, &[]).await.unwrap().get(0);
        assert_eq!(stored.as_deref(), Some(text), "{ty} {value}");
    }
}

#[tokio::test]
async fn a_parameter_that_fits_nothing_is_named_with_its_type_and_why() {
    let database = Database::start().await;
    database.watcher.batch_execute(SETUP).await.unwrap();
    let host = database.host_with("pool_connections=1").await;
    let west = json!({"type": "timetz", "value": {"micros": "0", "offset_secs": i32::MIN}});
    for (ty, value, name, why) in [
        ("int2", of("int8", "32768"), "int2", "32768 is out of range"),
        ("int4", of("int8", "-2147483649"), "int4", "-2147483649 is out of range"),
        ("oid", of("int4", -1), "oid", "-1 is out of range"),
        ("oid", of("int8", "4294967296"), "oid", "4294967296 is out of range"),
        ("int4", of("boolean", true), "int4", "a boolean was given"),
        ("int4", of("float8", 1.0), "int4", "a float was given"),
        ("text", of("int4", 1), "text", "an integer was given"),
        ("bool", of("int4", 1), "bool", "an integer was given"),
        ("bytea", of("text", "x"), "bytea", "text was given"),
        ("text", of("bytea", "00"), "text", "a bytea was given"),
        ("timestamptz", of("timestamp", "0"), "timestamptz", "a timestamp was given"),
        ("timestamp", of("timestamptz", "0"), "timestamp", "a timestamptz was given"),
        ("timestamp", of("date", 0), "timestamp", "a date was given"),
        ("interval", of("time", "0"), "interval", "a time was given"),
        ("date", of("date", -2_147_483_647), "date", "the date is out of range"),
        ("time", of("time", "9223372036854775808"), "time", "the time is out of range"),
        ("timetz", west, "timetz", "the offset is out of range"),
        ("timestamp", of("timestamp", "-9223372036854775807"), "timestamp", "the instant is out of range"),
        ("small", of("int8", "2147483648"), "small", "2147483648 is out of range"),
        ("int4", list(&[of("int4", 1)]), "int4", "an array was given"),
        ("int4", range(&["empty"], &[]), "int4", "a range was given"),
        ("int4range", range(&["lower"], &[]), "int4range", "1 bounds, but it has 0"),
        ("int2[]", list(&[of("int4", 1), of("int4", 70_000)]), "int2[]", "element 2: 70000 is out of range"),
        ("int4", json!({"type": "raw", "oid": 25, "value": "00"}), "int4", "OID 25"),
        (
            "int4[]",
            json!({"type": "array", "dimensions": [[2, 1], [2, 1]], "elements": [of("int4", 1)]}),
            "int4[]",
            "do not multiply to its 1 elements",
        ),
    ] {
        let sql = format!("insert into stored (text) values ($1::text), (cast($2 as {ty})::text)");
        let params = json!([of("text", "first"), value]);
        let answer = post(&host, "/query", json!({"sql": sql, "params": params})).await;
        assert_eq!(answer["error"]["case"], "invalid-argument", "{ty} {value}: {answer}");
        let text = answer["error"]["text"].as_str().unwrap();
        for part in ["parameter $2 of type", name.trim_end_matches("[]"), why] {
            assert!(text.contains(part), "`{text}` does not have `{part}`");
        }
    }
    assert_eq!(database.count("select count(*) from stored").await, 0);
    for (params, count) in [(json!([]), 0), (json!([of("int4", 1), of("int4", 2)]), 2)] {
        let answer = post(&host, "/query", json!({"sql": "select $1::int4", "params": params})).await;
        let expected = format!("the statement has 1 parameters, but {count} were given");
        assert_eq!(answer["error"]["text"], expected, "{answer}");
    }
}

#[tokio::test]
async fn what_only_the_server_can_refuse_is_its_own_error() {
    let database = Database::start().await;
    database.watcher.batch_execute(SETUP).await.unwrap();
    let host = database.host_with("pool_connections=1").await;
    for (ty, value, sqlstate) in [
        ("int4", of("untyped", "seven"), "22P02"),
        ("int4", of("numeric", "1.5"), "22P02"),
        ("float4", of("float8", 1e300), "22003"),
        ("uuid", of("uuid", "nonsense"), "22P02"),
        ("jsonb", of("jsonb", "{"), "22P02"),
        ("mood", of("text", "happy"), "22P02"),
        ("small", of("int4", 1_000), "23514"),
        ("ints", list(&vec![of("int4", 1); 4]), "23514"),
        ("time", of("time", "86400000001"), "22008"),
        ("char(2)", of("untyped", "\0"), "22021"),
        ("text", of("text", "a\0b"), "22021"),
        ("date", of("untyped", "a\0b"), "22021"),
        ("int4", json!({"type": "raw", "oid": 23, "value": "00"}), "08P01"),
        ("mood", json!({"type": "raw", "oid": 0, "value": "ff"}), "22021"),
        ("int4range", range(&["lower", "upper"], &[of("int4", 2), of("int4", 1)]), "22000"),
    ] {
        let sql = format!("select cast($1 as {ty})");
        let answer = post(&host, "/query", json!({"sql": sql, "params": [value]})).await;
        assert_eq!(answer["error"]["sqlstate"], sqlstate, "{ty} {value}: {answer}");
    }
    let answer = post(&host, "/query", json!({"sql": "select 1::int4"})).await;
    assert_eq!(answer["rows"][0][0]["value"], 1, "{answer}");
}

#[tokio::test]
async fn arrays_of_arrays_by_another_name_come_as_the_servers_bytes_and_go_back() {
    let database = Database::start().await;
    database.watcher.batch_execute(SETUP).await.unwrap();
    let host = database.host_with("pool_connections=1").await;
    let lists = "create table lists (how text, one ints, many ints[]);
        insert into lists values ('server', '{1,NULL,3}', array['{1,2}', null, '{}']::ints[])";
    database.watcher.batch_execute(lists).await.unwrap();
    let rows = post(&host, "/query", json!({"sql": "select one, many from lists"})).await["rows"].clone();
    let one = &rows[0][0];
    assert_eq!(
        (&one["type"], &one["element_oid"], &one["dimensions"]),
        (&json!("array"), &json!(23), &json!([[3, 1]]))
    );
    let many = &rows[0][1];
    assert_eq!((&many["type"], &many["elements"][1]["type"]), (&json!("array"), &json!("null")));
    let insert = "insert into lists values ('host', $1, $2)";
    let answer = post(&host, "/execute", json!({"sql": insert, "params": [one, many]})).await;
    assert_eq!(answer["affected"], 1, "what was read cannot be written: {answer}");
    let equal = "select count(distinct (one::text, many::text)) from lists";
    assert_eq!(database.count(equal).await, 1);
}
