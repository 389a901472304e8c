//! Raw rows as JSON: each value as hexadecimal text beside its column's OID, or null.

use crate::{
    run::{Answer, Failure, batches, open, statement, statements},
    values::{columns, hex},
};
use wharf_guest::{
    bindings::wharf::platform::pg_client::{Column, Cursor, RawRowSet, RawRows},
    serde_json::{Value, json},
};

pub(crate) fn query(command: &Value) -> Answer {
    let (sql, params) = statement(command)?;
    row_set(&open(command)?.query_raw(sql, &params)?)
}

pub(crate) fn pipeline(command: &Value) -> Answer {
    row_sets(&open(command)?.pipeline_raw(&statements(command)?)?)
}

pub(crate) fn cursor(command: &Value) -> Answer {
    let (sql, params) = statement(command)?;
    drain(&open(command)?.cursor(sql, &params)?, command)
}

/// Reads a cursor as `run::drain` does, in raw batches.
pub(crate) fn drain(cursor: &Cursor, command: &Value) -> Answer {
    let columns = cursor.columns();
    let mut all = Vec::new();
    let batches = batches(command, |most| {
        let batch = cursor.next_raw(most)?;
        let batch = rows(&columns, &batch)?;
        let count = batch.len();
        all.extend(batch);
        Ok(count)
    })?;
    Ok(json!({"columns": crate::values::columns(&columns), "batches": batches, "rows": all}))
}

pub(crate) fn row_set(set: &RawRowSet) -> Answer {
    let rows = rows(&set.columns, &set.rows)?;
    Ok(json!({"columns": columns(&set.columns), "rows": rows, "affected": set.affected}))
}

pub(crate) fn row_sets(sets: &[RawRowSet]) -> Answer {
    Ok(json!({"results": sets.iter().map(row_set).collect::<Result<Vec<_>, _>>()?}))
}

/// Takes the bytes apart as the contract says that they lie; all of them must belong to a row.
fn rows(columns: &[Column], raw: &RawRows) -> Result<Vec<Value>, Failure> {
    let mut rest = raw.bytes.as_slice();
    let mut rows = Vec::new();
    for number in 0..raw.count {
        let row = columns.iter().map(|column| value(&mut rest, column.type_oid)).collect::<Option<Value>>();
        rows.push(row.ok_or_else(|| format!("row {number} of {} is cut off", raw.count))?);
    }
    if rest.is_empty() { Ok(rows) } else { Err(format!("{} bytes after the last row", rest.len()).into()) }
}

fn value(rest: &mut &[u8], oid: u32) -> Option<Value> {
    let (length, after) = rest.split_first_chunk()?;
    *rest = after;
    let length = i32::from_be_bytes(*length);
    if length == -1 {
        return Some(Value::Null);
    }
    let (bytes, after) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    *rest = after;
    Some(json!({"oid": oid, "bytes": hex(bytes)}))
}
