mod cases;

use serde_json::{Value, json};
use wharf_host::Host;

use crate::support::{Database, post};

use cases::{Case, SETUP, of_kind, ranges, raws, scalars};

fn array(element: u32, dimensions: &Value, elements: &[Value]) -> Value {
    json!({"type": "array", "element_oid": element, "dimensions": dimensions, "elements": elements})
}

fn raw(oid: u32, hex: &str) -> Value {
    json!({"type": "raw", "oid": oid, "value": hex})
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// What the server says of a case's type and value.
struct Facts {
    oid: u32,
    list_oid: u32,
    /// Of the column itself: a domain's column says that it has the base type.
    base_oid: u32,
    /// In text and in binary, alone and in an array.
    text: [String; 2],
    hex: [String; 2],
}

/// Makes a table of the case's type with the server's own rows.
async fn prepare(database: &Database, table: &str, (ty, literal, _): &Case) -> Facts {
    let value = format!("{}::{ty}", quoted(literal));
    let setup = format!(
        "create table {table} (how text, value {ty}, list {ty}[]);
         insert into {table} values ('server', {value}, array_fill({value}, array[2,2], array[0,-2])),
            ('mixed', null, array[null, {value}]::{ty}[]), ('empty', null, '{{}}')"
    );
    database.watcher.batch_execute(&setup).await.unwrap_or_else(|error| panic!("{setup}: {error:?}"));
    // A column of a domain says that it has the domain's base type.
    let facts = format!(
        "with recursive types as (select pg_type.*, 0 as depth from pg_type where oid = (select atttypid
                from pg_attribute where attrelid = '{table}'::regclass and attname = 'value')
            union all select p.*, t.depth + 1 from types t join pg_type p on p.oid = t.typbasetype)
         select t.oid, t.typarray, b.oid, format(case t.oid when b.oid then '%s(value)' else '%s(value::%s)' end,
            b.typsend, b.oid::regtype)
         from types t, types b where t.depth = 0 and b.typtype <> 'd'"
    );
    let row = database.watcher.query_one(&facts, &[]).await.unwrap();
    let send: String = row.get(3);
    let both = format!(
        "select value::text, list::text, encode({send}, 'hex'), encode(array_send(list), 'hex')
         from {table} where how = 'server'"
    );
    let own = database.watcher.query_one(&both, &[]).await.unwrap();
    Facts {
        oid: row.get(0),
        list_oid: row.get(1),
        base_oid: row.get(2),
        text: [own.get(0), own.get(1)],
        hex: [own.get(2), own.get(3)],
    }
}

async fn rows(host: &Host, path: &str, sql: &str) -> Value {
    let answer = post(host, path, json!({"sql": sql})).await;
    assert!(answer["error"].is_null(), "{sql}: {answer}");
    answer["rows"].clone()
}

/// As text, which tells -0 from 0. The parser of the answer rounds some numbers, and so it must here.
fn assert_same(found: &Value, expected: &Value, what: &str) {
    let expected: Value = serde_json::from_str(&expected.to_string()).unwrap();
    assert_eq!(found.to_string(), expected.to_string(), "{what}");
}

async fn check(database: &Database, host: &Host, number: usize, case: &Case) {
    let (table, (ty, literal, value)) = (format!("case_{number}"), case);
    let what = format!("{ty} {literal}");
    let facts = prepare(database, &table, case).await;
    let in_array = || raw(facts.oid, &facts.hex[0]);
    let (value, element) = match value {
        Value::Null => (raw(facts.base_oid, &facts.hex[0]), raw(facts.base_oid, &facts.hex[0])),
        range if range["type"] == "range" => {
            let mut range = range.clone();
            range["oid"] = json!(facts.oid);
            (range, in_array())
        }
        scalar => (scalar.clone(), scalar.clone()),
    };
    let nothing = json!({"type": "null"});
    let filled = array(facts.oid, &json!([[2, 0], [2, -2]]), &vec![element.clone(); 4]);
    let mixed = array(facts.oid, &json!([[2, 1]]), &[nothing.clone(), element.clone()]);
    let empty = array(facts.oid, &json!([]), &[]);

    // From the server.
    let all = format!("select value, list from {table} order by how desc");
    let expected = json!([[value, filled], [nothing, mixed], [nothing, empty]]);
    assert_same(&rows(host, "/query", &all).await, &expected, &what);
    let found = rows(host, "/query-raw", &all).await;
    let bytes = [&found[0][0]["bytes"], &found[0][1]["bytes"]];
    assert_eq!(bytes, [&json!(facts.hex[0]), &json!(facts.hex[1])], "{what}");
    assert_eq!(found[1][0], Value::Null, "{what}");

    // To the server.
    let untyped = |text: &str| of_kind("untyped", json!(text));
    for (how, one, many) in [
        ("in", value, filled),
        ("in mixed", nothing.clone(), mixed),
        ("in empty", nothing.clone(), empty),
        ("in raw", raw(facts.oid, &facts.hex[0]), raw(facts.list_oid, &facts.hex[1])),
        ("in untyped", untyped(&facts.text[0]), untyped(&facts.text[1])),
        ("in null", nothing.clone(), nothing),
    ] {
        let sql = format!("insert into {table} (how, value, list) values ($1, $2, $3)");
        let params = json!([{"type": "text", "value": how}, one, many]);
        let answer = post(host, "/execute", json!({"sql": sql, "params": params})).await;
        assert_eq!(answer["affected"], 1, "{what}, {how}: {answer}");
    }
    let wrong = format!(
        "select coalesce(string_agg(concat_ws(' ', i.how, i.value::text, i.list::text), '; '), '')
         from {table} i left join {table} s on s.how = case i.how when 'in mixed' then 'mixed'
            when 'in empty' then 'empty' when 'in null' then 'none' else 'server' end
         where i.how like 'in%' and (i.value::text is distinct from s.value::text
            or i.list::text is distinct from s.list::text)"
    );
    let wrong: String = database.watcher.query_one(&wrong, &[]).await.unwrap().get(0);
    assert_eq!(wrong, "", "{what}: stored otherwise than {:?}", facts.text);
    assert_eq!(database.count(&format!("select count(*) from {table} where how like 'in%'")).await, 6);
}

async fn check_all(cases: &[Case]) {
    let database = Database::start().await;
    if let Err(error) = database.watcher.batch_execute(SETUP).await {
        panic!(
            "{error:?}; citext comes with the server's package on Debian, with `postgresql-contrib` elsewhere"
        );
    }
    let host = database.host_with("pool_connections=1").await;
    for (number, case) in cases.iter().enumerate() {
        check(&database, &host, number, case).await;
    }
}

#[tokio::test]
async fn values_with_a_case_of_their_own_come_and_go_as_the_server_has_them() {
    check_all(&scalars()).await;
}

#[tokio::test]
async fn ranges_come_and_go_as_the_server_has_them() {
    check_all(&ranges()).await;
}

#[tokio::test]
async fn values_without_a_case_come_and_go_as_the_servers_bytes() {
    check_all(&raws()).await;
}
