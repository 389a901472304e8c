// UTF-8 and hexadecimal. QuickJS has no TextEncoder and no TextDecoder: there `escape` and `unescape` do it.

/** The bytes of a text. */
export const encode = globalThis.TextEncoder
  ? (text) => new TextEncoder().encode(text)
  : (text) => bytesOf(unescape(encodeURIComponent(text)));

/** A byte for each character. */
const bytesOf = (text) => {
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < bytes.length; at += 1) bytes[at] = text.charCodeAt(at);
  return bytes;
};

/** The text that bytes are; throws when they are none. */
export const decode = globalThis.TextDecoder
  ? (bytes) => new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes)
  : (bytes) => decodeURIComponent(escape(characters(bytes)));

/** A character for each byte. In parts: a call takes some ten thousand arguments, not a million. */
const characters = (bytes) => {
  let text = "";
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return text;
};

/** The text that bytes are, or none. */
const textOf = (bytes) => {
  try {
    return decode(bytes);
  } catch {
    return undefined;
  }
};

/** The text, or `hex:` and the bytes in hexadecimal when they are none. */
export const shown = (bytes) => textOf(bytes) ?? `hex:${hex(bytes)}`;

/** Header fields as JSON, or null when there are none. */
export const fields = (headers) => headers?.map(([name, value]) => [name, shown(value)]) ?? null;

/** `value` with the text, or `hex` with the bytes in hexadecimal when they are none. */
export const member = (bytes) => {
  const value = textOf(bytes);
  return value === undefined ? { hex: hex(bytes) } : { value };
};

/** The first `length` bytes as text, without the character that the cut went through. */
export const head = (bytes, length) => {
  const cuts = [0, 1, 2, 3].map((less) => bytes.subarray(0, Math.min(length, bytes.length) - less));
  return cuts.map(textOf).find((text) => text !== undefined) ?? `hex:${hex(cuts[0])}`;
};

export const hex = (bytes) => [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");

/** The bytes that are written in hexadecimal; none when they are not. */
export const unhex = (text) => {
  if (!/^([0-9a-f]{2})*$/i.test(text)) return undefined;
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
};
