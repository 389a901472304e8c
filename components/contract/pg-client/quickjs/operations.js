// What a database and a transaction have in common: statements, cursors and COPY.

import { required } from "../../shared/javascript/commands.js";
import { using } from "../../shared/javascript/engines.js";
import { fnv1a } from "../../shared/javascript/hash.js";
import { encode, head } from "../../shared/javascript/text.js";
import { rawRows, rawRowSet } from "./raw.js";
import { columns, parameter, row, rowSet } from "./values.js";

/** How much of what was read is shown. */
const HEAD = 1000;

export const sql = (command) => required(command, "sql");

const statement = (command) => ({ sql: sql(command), params: (command.params ?? []).map(parameter) });

const statements = (command) => required(command, "statements", Array.isArray).map(statement);

/**
 * Calls `next` for `batch` rows at a time, until it has none or was called `batches` times; tells how many rows it had
 * each time, and all of them.
 */
const drain = (next, { batch = 100, batches = Number.POSITIVE_INFINITY }) => {
  const [lengths, all] = [[], []];
  while (lengths.length < batches && lengths.at(-1) !== 0) {
    const rows = next(batch);
    lengths.push(rows.length);
    all.push(...rows);
  }
  return { batches: lengths, rows: all };
};

const cursor = (on, command) => {
  const { sql, params } = statement(command);
  return using(on.cursor(sql, params), (cursor) => ({
    ...drain((most) => cursor.next(most).map(row), command),
    columns: columns(cursor.columns()),
  }));
};

const cursorRaw = (on, command) => {
  const { sql, params } = statement(command);
  return using(on.cursor(sql, params), (cursor) => {
    const described = cursor.columns();
    const read = drain((most) => rawRows(described, cursor.nextRaw(most)), command);
    return { ...read, columns: columns(described) };
  });
};

/** Writes the `chunks`, `repeat` times over, then finishes or drops the writer. */
const copyIn = (on, command) =>
  using(on.copyIn(sql(command)), (writer) => {
    const { chunks = [], repeat = 1, finish = true } = command;
    const encoded = chunks.map(encode);
    for (let left = repeat; left > 0; left -= 1) for (const chunk of encoded) writer.write(chunk);
    return finish ? { stored: Number(writer.finish()) } : { dropped: true };
  });

/** Reads at most `max` bytes at a time to the end, or `reads` times. */
const copyOut = (on, command) =>
  using(on.copyOut(sql(command)), (reader) => {
    const { max = 65536, reads: most = Number.POSITIVE_INFINITY } = command;
    const hash = fnv1a();
    let [bytes, reads, shown] = [0, 0, new Uint8Array()];
    while (reads < most) {
      const chunk = reader.read(max);
      if (chunk.length === 0) break;
      reads += 1;
      bytes += chunk.length;
      hash.add(chunk);
      if (shown.length < HEAD) shown = Uint8Array.of(...shown, ...chunk.subarray(0, HEAD - shown.length));
    }
    return { bytes, fnv1a: hash.digits(), reads, head: head(shown, HEAD) };
  });

/** By name; each takes a database or a transaction, and the command. */
export const OPERATIONS = {
  query(on, command) {
    const { sql, params } = statement(command);
    return rowSet(on.query(sql, params));
  },
  execute(on, command) {
    const { sql, params } = statement(command);
    return { affected: Number(on.execute(sql, params)) };
  },
  pipeline: (on, command) => ({ results: on.pipeline(statements(command)).map(rowSet) }),
  "query-raw"(on, command) {
    const { sql, params } = statement(command);
    return rawRowSet(on.queryRaw(sql, params));
  },
  "pipeline-raw": (on, command) => ({ results: on.pipelineRaw(statements(command)).map(rawRowSet) }),
  cursor,
  "cursor-raw": cursorRaw,
  "copy-in": copyIn,
  "copy-out": copyOut,
};
