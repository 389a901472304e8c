// Raw rows as JSON: each value as hexadecimal text beside its column's OID, or null.

import { Malformed } from "../../shared/javascript/commands.js";
import { hex } from "../../shared/javascript/text.js";
import { columns } from "./values.js";

export const rawRowSet = (set) => ({
  columns: columns(set.columns),
  rows: rawRows(set.columns, set.rows),
  affected: Number(set.affected),
});

/** Takes the bytes apart as the contract says that they lie; all of them must belong to a row. */
export const rawRows = (columns, { count, bytes }) => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  const value = ({ typeOid }) => {
    const length = view.getInt32(at);
    at += 4;
    if (length === -1) return null;
    if (length < 0 || at + length > bytes.length) throw new RangeError("a value is cut off");
    at += length;
    return { oid: typeOid, bytes: hex(bytes.subarray(at - length, at)) };
  };
  const row = (number) => {
    try {
      return columns.map(value);
    } catch {
      throw new Malformed(`row ${number} of ${count} is cut off`);
    }
  };
  const rows = Array.from({ length: count }, (_, number) => row(number));
  if (at < bytes.length) throw new Malformed(`${bytes.length - at} bytes after the last row`);
  return rows;
};
