// Values of JavaScript on their way to PostgreSQL and back.

import assert from "node:assert/strict";
import test from "node:test";

import { execute, query, transaction } from "../src/pg.js";

const scalar = (tag, ...val) => ({ tag: "scalar", val: val.length > 0 ? { tag, val: val[0] } : { tag } });

test("parameters go as the server can read them", () => {
  const sent = [];
  const database = { execute: (_, params) => sent.push(...params) };
  execute(database, "", null, true, 7, 1n, "a", new Date(0), { a: 1 }, Uint8Array.of(255));
  execute(database, "", [], ["a", 'b"\\', null], [[1], [2]], [Uint8Array.of(1, 255)], [{ a: 1 }]);
  assert.deepEqual(sent, [
    scalar("null"),
    scalar("boolean", true),
    scalar("untyped", "7"),
    scalar("untyped", "1"),
    scalar("untyped", "a"),
    scalar("untyped", "1970-01-01T00:00:00.000Z"),
    scalar("untyped", '{"a":1}'),
    scalar("bytea", Uint8Array.of(255)),
    scalar("untyped", "{}"),
    scalar("untyped", '{"a","b\\"\\\\",NULL}'),
    scalar("untyped", '{{"1"},{"2"}}'),
    scalar("untyped", '{"\\\\x01ff"}'),
    scalar("untyped", '{"{\\"a\\":1}"}'),
  ]);
});

test("rows are objects of plain values", () => {
  const array = (elements, ...lengths) => ({
    tag: "array",
    val: { elementOid: 23, dimensions: lengths.map((length) => ({ length, lowerBound: 1 })), elements },
  });
  const numbers = [1, 2, 3, 4].map((val) => ({ tag: "int4", val }));
  const cases = {
    none: [scalar("null"), null],
    number: [scalar("int4", 7), 7],
    exact: [scalar("numeric", "1.50"), "1.50"],
    json: [scalar("jsonb", '{"a":1}'), { a: 1 }],
    date: [scalar("date", 1), "1970-01-02"],
    time: [scalar("time", 3_723_004_000), "01:02:03.004"],
    local: [scalar("timestamp", 86_400_001_000), "1970-01-02T00:00:00.001"],
    instant: [scalar("timestamptz", 86_400_001_000n), new Date(86_400_001)],
    empty: [array([]), []],
    list: [array(numbers, 4), [1, 2, 3, 4]],
    table: [
      array(numbers, 2, 2),
      [
        [1, 2],
        [3, 4],
      ],
    ],
    range: [
      { tag: "range", val: { typeOid: 3904, bounds: { lower: true }, values: [numbers[0]] } },
      { typeOid: 3904, bounds: { lower: true }, values: [1] },
    ],
  };
  const columns = Object.keys(cases).map((name) => ({ name, typeOid: 0 }));
  const rows = [Object.values(cases).map(([value]) => value)];
  const [row] = query({ query: () => ({ columns, rows }) }, "");
  assert.deepEqual(row, Object.fromEntries(Object.entries(cases).map(([name, [, value]]) => [name, value])));
});

test("a transaction commits or is undone, and is closed", async () => {
  const happened = [];
  const database = {
    begin: (options) => {
      happened.push(options.isolation);
      return { commit: () => happened.push("committed"), [Symbol.dispose]: () => happened.push("closed") };
    },
  };
  assert.equal(await transaction(database, async () => 7, { isolation: "serializable" }), 7);
  const failing = () => {
    throw new Error("no");
  };
  await assert.rejects(transaction(database, failing), /no/);
  assert.deepEqual(happened, ["serializable", "committed", "closed", "server-default", "closed"]);
});
