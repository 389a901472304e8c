// Guests that do what a JSON command says, so that cases need no code.

import { contractError } from "./engines.js";
import { json, notFound, text } from "./replies.js";
import { whole } from "./requests.js";
import { decode, encode, unhex } from "./text.js";

/** Why a command is none: 400. */
export class Malformed extends Error {}

/**
 * Answers what `run` makes of the command in a body, or 404 when that is nothing. An error of the contract is an
 * answer, too: what `show` makes of it.
 */
export const answer = (body, run, show = showError) => {
  try {
    const result = run(parse(decode(whole(body))));
    return result === undefined ? notFound() : json(result);
  } catch (thrown) {
    if (thrown instanceof Malformed) return text(thrown.message, [], 400);
    const error = contractError(thrown);
    if (error === undefined) throw thrown;
    return json({ error: show(error) });
  }
};

/** An error of the contract; some cases have no text. */
export const showError = ({ tag, val }) => ({ case: tag, text: val });

/** JSON, with BigInts for whole numbers that JavaScript's numbers do not hold. */
const parse = (written) => {
  const exact = (_, value, { source }) =>
    /^-?\d+$/.test(source) && !Number.isSafeInteger(value) ? BigInt(source) : value;
  try {
    return JSON.parse(written, exact);
  } catch {
    throw new Malformed("the command is no JSON");
  }
};

const isText = (value) => typeof value === "string";

/** A member that a command must have: text, unless `fits` says otherwise. */
export const required = (command, name, fits = isText) => {
  if (!fits(command[name])) throw new Malformed(`\`${name}\` is missing`);
  return command[name];
};

/** The bytes of an item: `value` (text), `hex`, or `size` for so many bytes of x. */
export const itemBytes = ({ value, hex, size }) => {
  if (typeof value === "string") return encode(value);
  if (typeof hex === "string") return bytesOf(hex);
  if (typeof size === "number") return new Uint8Array(size).fill(0x78);
  throw new Malformed("`value`, `hex` or `size` is missing");
};

/** The bytes of hexadecimal text. */
export const bytesOf = (hex) => {
  const bytes = unhex(hex);
  if (!bytes) throw new Malformed(`\`${hex}\` is not hexadecimal`);
  return bytes;
};
