//! COPY, in and out.

use crate::run::{Answer, Failure, open};
use wharf_guest::{
    bindings::wharf::platform::pg_client::{CopyReader, CopyWriter},
    serde_json::{Value, json},
};

/// How much of what was read is shown.
const HEAD: usize = 1_000;

pub(crate) fn copy_in(command: &Value) -> Answer {
    feed(open(command)?.copy_in(sql(command)?)?, command)
}

pub(crate) fn copy_out(command: &Value) -> Answer {
    drain(&open(command)?.copy_out(sql(command)?)?, command)
}

pub(crate) fn sql(command: &Value) -> Result<&str, Failure> {
    command.get("sql").and_then(Value::as_str).ok_or_else(|| "`sql` is missing".to_owned().into())
}

/// Writes the `chunks`, `repeat` times (default 1), then finishes or drops the writer.
pub(crate) fn feed(writer: CopyWriter, command: &Value) -> Answer {
    let chunks = command.get("chunks").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    for _ in 0..command.get("repeat").and_then(Value::as_u64).unwrap_or(1) {
        for chunk in chunks.iter().filter_map(Value::as_str) {
            writer.write(chunk.as_bytes())?;
        }
    }
    if command.get("finish").and_then(Value::as_bool).unwrap_or(true) {
        return Ok(json!({"stored": writer.finish()?}));
    }
    drop(writer);
    Ok(json!({"dropped": true}))
}

/// Reads at most `max` bytes at a time (default 65,536) to the end, or `reads` times.
pub(crate) fn drain(reader: &CopyReader, command: &Value) -> Answer {
    let number = |name| command.get(name).and_then(Value::as_u64);
    let max = number("max").map_or(65_536, |max| u32::try_from(max).unwrap_or(u32::MAX));
    let most = number("reads").unwrap_or(u64::MAX);
    let (mut bytes, mut hash, mut reads, mut head) = (0, 0x811c_9dc5_u32, 0, Vec::new());
    while reads < most {
        let chunk = reader.read(max)?;
        if chunk.is_empty() {
            break;
        }
        reads += 1;
        bytes += chunk.len();
        hash = chunk.iter().fold(hash, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
        head.extend(chunk.iter().take(HEAD.saturating_sub(head.len())));
    }
    let head = String::from_utf8_lossy(&head);
    Ok(json!({"bytes": bytes, "fnv1a": format!("{hash:08x}"), "reads": reads, "head": head}))
}
