// Text as UTF-8, by functions of the engine's own: on QuickJS a loop over bytes takes some ten times as long.

const REPLACEMENT = "\ufffd";

/** Text of the characters 0 to 255 as so many bytes. */
export const fromLatin1 = (text) => Uint8Array.fromBase64(btoa(text));
export const toLatin1 = (bytes) => atob(bytes.toBase64());

export const encode = (text) =>
  fromLatin1(/^[\0-\x7f]*$/.test(text) ? text : unescape(encodeURIComponent(text.toWellFormed())));

/** Throws a TypeError for what is no UTF-8, unless it is `lenient`. */
export const decode = (bytes, lenient = false) => {
  const text = toLatin1(bytes);
  if (/^[\0-\x7f]*$/.test(text)) return text;
  try {
    return decodeURIComponent(escape(text));
  } catch {
    if (lenient) return replacing(text);
    throw new TypeError("the text is no UTF-8");
  }
};

// A character's bytes; or what began as one, for which the standard has one mark; or a byte that begins nothing.
const NEXT = "[\\x80-\\xbf]";
const THREE = `(?:\\xe0[\\xa0-\\xbf]|[\\xe1-\\xec\\xee\\xef]${NEXT}|\\xed[\\x80-\\x9f])`;
const FOUR = `(?:\\xf0[\\x90-\\xbf]|[\\xf1-\\xf3]${NEXT}|\\xf4[\\x80-\\x8f])`;
const WHOLE = `[\\0-\\x7f]|[\\xc2-\\xdf]${NEXT}|${THREE}${NEXT}|${FOUR}${NEXT}{2}`;
const SEQUENCE = new RegExp(`(${WHOLE})|${FOUR}${NEXT}?|${THREE}|[^]`, "g");

const replacing = (text) =>
  text.replace(SEQUENCE, (part, whole) => (whole ? decodeURIComponent(escape(part)) : REPLACEMENT));

export class TextEncoder {
  encoding = "utf-8";

  encode(text = "") {
    return encode(String(text));
  }

  encodeInto(text, target) {
    let [read, written] = [0, 0];
    for (const character of text) {
      const bytes = encode(character);
      if (written + bytes.length > target.length) break;
      target.set(bytes, written);
      read += character.length;
      written += bytes.length;
    }
    return { read, written };
  }
}

/** UTF-8 only. */
export class TextDecoder {
  encoding = "utf-8";
  #left = new Uint8Array();
  #begun = false;

  constructor(label = "utf-8", { fatal = false, ignoreBOM = false } = {}) {
    if (!/^\s*utf-?8\s*$/i.test(label)) throw new RangeError(`there is no decoder for \`${label}\``);
    this.fatal = fatal;
    this.ignoreBOM = ignoreBOM;
  }

  decode(input = new Uint8Array(), { stream = false } = {}) {
    const bytes = joined([this.#left, bytesOf(input)]);
    const whole = stream ? bytes.length - unfinished(bytes) : bytes.length;
    this.#left = bytes.slice(whole);
    let text = decode(bytes.subarray(0, whole), !this.fatal);
    if (!this.#begun && !this.ignoreBOM && text.startsWith("\ufeff")) text = text.slice(1);
    this.#begun = stream && (this.#begun || whole > 0);
    return text;
  }
}

/** How many bytes at the end are the beginning of a character. */
const unfinished = (bytes) => {
  for (let back = 1; back <= 3 && back <= bytes.length; back += 1) {
    const byte = bytes[bytes.length - back];
    if (byte >= 0xc0) return back < (byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2) ? back : 0;
    if (byte < 0x80) return 0;
  }
  return 0;
};

export const bytesOf = (data) =>
  ArrayBuffer.isView(data) ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : new Uint8Array(data);

export const joined = (pieces) => {
  const filled = pieces.filter((piece) => piece.length > 0);
  if (filled.length === 1) return filled[0];
  const all = new Uint8Array(filled.reduce((length, piece) => length + piece.length, 0));
  let at = 0;
  for (const piece of filled) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
};
