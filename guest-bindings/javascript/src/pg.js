// PostgreSQL with values of JavaScript: parameters that the server reads as the types it expects, rows as objects.

const scalar = (tag, val) => ({ tag: "scalar", val: val === undefined ? { tag } : { tag, val } });

/** An array as PostgreSQL writes it. */
const literal = (value) => {
  if (value === null || value === undefined) return "NULL";
  if (Array.isArray(value)) return `{${value.map(literal)}}`;
  return `"${written(value).replace(/["\\]/g, "\\$&")}"`;
};

const written = (value) => {
  if (value instanceof Date) return value.toISOString();
  if (value instanceof Uint8Array) return `\\x${[...value].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
  return typeof value === "object" ? JSON.stringify(value) : String(value);
};

const param = (value) => {
  if (value === null || value === undefined) return scalar("null");
  if (typeof value === "boolean") return scalar("boolean", value);
  if (value instanceof Uint8Array) return scalar("bytea", value);
  return scalar("untyped", Array.isArray(value) ? literal(value) : written(value));
};

const time = (micros) => new Date(Number(micros) / 1000);

const READ = {
  null: () => null,
  json: JSON.parse,
  jsonb: JSON.parse,
  date: (days) =>
    time(days * 86_400_000_000)
      .toISOString()
      .slice(0, 10),
  time: (micros) => time(micros).toISOString().slice(11, 23),
  timestamp: (micros) => time(micros).toISOString().slice(0, 23),
  timestamptz: time,
};

const read = ({ tag, val }) => (READ[tag] ?? ((kept) => kept))(val);

/** The elements that `lengths` tells how to nest. */
const nested = ([, ...inner], elements) => {
  if (inner.length === 0) return elements;
  const size = inner.reduce((product, length) => product * length, 1);
  return Array.from({ length: elements.length / size }, (_, at) =>
    nested(inner, elements.slice(at * size, (at + 1) * size)),
  );
};

const valueOf = ({ tag, val }) => {
  if (tag === "scalar") return read(val);
  if (tag === "array")
    return nested(
      val.dimensions.map(({ length }) => length),
      val.elements.map(read),
    );
  return { ...val, values: val.values.map(read) };
};

/** Runs one statement on a database or in a transaction; its rows, by the names of their columns. */
export const query = (on, sql, ...values) => {
  const { columns, rows } = on.query(sql, values.map(param));
  return rows.map((row) => Object.fromEntries(row.map((value, at) => [columns[at].name, valueOf(value)])));
};

/** Runs one statement, and tells how many rows it affected. */
export const execute = (on, sql, ...values) => Number(on.execute(sql, values.map(param)));

const OPTIONS = { isolation: "server-default", readOnly: false, deferrable: false };

/** Commits what `work` did when it returns, and undoes it when it throws. */
export const transaction = async (database, work, options = {}) => {
  const held = database.begin({ ...OPTIONS, ...options });
  try {
    const result = await work(held);
    held.commit();
    return result;
  } finally {
    held[Symbol.dispose]?.();
  }
};
