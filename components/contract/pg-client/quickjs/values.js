// Values as JSON: `{"type": "int4", "value": 7}`. Numbers that a double cannot hold travel as text.

import { Malformed, bytesOf } from "../../shared/javascript/commands.js";
import { int64, uint32 } from "../../shared/javascript/engines.js";
import { hex } from "../../shared/javascript/text.js";

/** The flags of a range by their names in JSON. */
const BOUNDS = {
  empty: "empty",
  lower: "lower",
  "lower-inclusive": "lowerInclusive",
  upper: "upper",
  "upper-inclusive": "upperInclusive",
};

export const columns = (columns) => columns.map(({ name, typeOid }) => ({ name, oid: typeOid }));

export const row = (row) => row.map(show);

export const rowSet = (set) => ({
  columns: columns(set.columns),
  rows: set.rows.map(row),
  affected: Number(set.affected),
});

const show = ({ tag, val }) => {
  switch (tag) {
    case "array":
      return {
        type: "array",
        element_oid: val.elementOid,
        dimensions: val.dimensions.map(({ length, lowerBound }) => [length, lowerBound]),
        elements: val.elements.map(showScalar),
      };
    case "range":
      return {
        type: "range",
        oid: val.typeOid,
        bounds: Object.keys(BOUNDS).filter((name) => val.bounds[BOUNDS[name]]),
        values: val.values.map(showScalar),
      };
    default:
      return showScalar(val);
  }
};

const showScalar = ({ tag, val }) => {
  switch (tag) {
    case "null":
      return { type: tag };
    case "int8":
    case "time":
    case "timestamp":
    case "timestamptz":
      return { type: tag, value: digits(val) };
    case "float4":
      return { type: tag, value: float(shortest(val)) };
    case "float8":
      return { type: tag, value: float(val) };
    case "bytea":
      return { type: tag, value: hex(val) };
    case "timetz":
      return { type: tag, value: { micros: digits(val.micros), offset_secs: val.offsetSecs } };
    case "interval":
      return { type: tag, value: { months: val.months, days: val.days, micros: digits(val.micros) } };
    case "oid":
      // QuickJS gives the upper half of them as negative numbers.
      return { type: tag, value: val >>> 0 };
    case "raw":
      return { type: tag, oid: val.typeOid, value: hex(val.bytes) };
    default:
      return { type: tag, value: val };
  }
};

/** All digits of a 64-bit integer, be it a number or a BigInt. */
const digits = (integer) => BigInt(integer).toString();

/** A number, or text for what JSON has no number for. */
const float = (number) => {
  if (Number.isNaN(number)) return "NaN";
  return Number.isFinite(number) ? number : number > 0 ? "inf" : "-inf";
};

/** The number of the fewest digits that is the same one in 32 bits. */
const shortest = (number) => {
  const candidates = [1, 2, 3, 4, 5, 6, 7, 8, 9].map((digits) => Number(number.toPrecision(digits)));
  return candidates.find((it) => Math.fround(it) === number) ?? number;
};

/** A parameter of a statement. */
export const parameter = (value) => {
  switch (value.type) {
    case "array":
      return {
        tag: "array",
        val: {
          elementOid: uint32(integer(value.element_oid ?? 0)),
          dimensions: (value.dimensions ?? []).map(dimension),
          elements: (value.elements ?? []).map(scalar),
        },
      };
    case "range":
      return {
        tag: "range",
        val: {
          typeOid: uint32(integer(value.oid ?? 0)),
          bounds: Object.fromEntries((value.bounds ?? []).map((name) => [BOUNDS[name], true])),
          values: (value.values ?? []).map(scalar),
        },
      };
    default:
      return { tag: "scalar", val: scalar(value) };
  }
};

const dimension = ([length, lowerBound]) => ({ length: uint32(integer(length)), lowerBound: integer(lowerBound) });

const scalar = (parameter) => {
  const { type, value } = parameter;
  const read = SCALARS[type];
  if (!read) throw new Malformed(`no type \`${type}\``);
  return { tag: type, val: read(value, parameter) };
};

const text = (value) => {
  if (typeof value !== "string") throw new Malformed(`text is wanted, not ${value}`);
  return value;
};

const boolean = (value) => {
  if (typeof value !== "boolean") throw new Malformed(`true or false is wanted, not ${value}`);
  return value;
};

/** A number that is written as such or as text. */
const number = (value) => {
  if (typeof value === "number") return value;
  const read = /^-?inf$/.test(value) ? Number(text(value).replace("inf", "Infinity")) : Number(text(value));
  if (Number.isNaN(read) && value !== "NaN") throw new Malformed(`${value} is no number`);
  return read;
};

const integer = (value) => {
  const read = number(value);
  if (!Number.isInteger(read)) throw new Malformed(`${value} is no whole number`);
  return read;
};

/** One of 64 bits, of which JavaScript's numbers may not hold all digits. */
const long = (value) => {
  if (!/^-?\d+$/.test(value)) throw new Malformed(`${value} is no whole number`);
  return int64(value);
};

/** What stands for each type that is neither an array nor a range. */
const SCALARS = {
  null: () => undefined,
  boolean,
  int2: integer,
  int4: integer,
  int8: long,
  oid: (value) => uint32(integer(value)),
  float4: number,
  float8: number,
  numeric: text,
  text,
  bytea: (value) => bytesOf(text(value)),
  uuid: text,
  json: text,
  jsonb: text,
  date: integer,
  time: long,
  timetz: ({ micros, offset_secs }) => ({ micros: long(micros), offsetSecs: integer(offset_secs) }),
  timestamp: long,
  timestamptz: long,
  interval: ({ months, days, micros }) => ({ months: integer(months), days: integer(days), micros: long(micros) }),
  inet: text,
  cidr: text,
  macaddr: text,
  raw: (value, { oid }) => ({ typeOid: uint32(integer(oid)), bytes: bytesOf(text(value)) }),
  untyped: text,
};
