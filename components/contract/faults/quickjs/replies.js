// Replies that no handler should give.

import { PLAIN, reply, streamed, text } from "../../shared/javascript/replies.js";
import { encode } from "../../shared/javascript/text.js";
import { burn } from "./abuse.js";

const BAD_HEADERS = {
  name: ["not a name", encode("value")],
  empty: ["", encode("value")],
  break: ["x-value", encode("one\r\nx-injected: two")],
  null: ["x-value", encode("a\0b")],
  pseudo: [":status", encode("200")],
};

export const badHeader = (kind) => text("never seen", [BAD_HEADERS[kind] ?? BAD_HEADERS.name]);

export const badStatus = (code) => text("never seen", [], code);

/** Fields that belong to the host's connection. */
export const hopHeaders = () => {
  const fields = { connection: "close", "transfer-encoding": "gzip", "keep-alive": "timeout=1", upgrade: "h2c" };
  return text("hop", Object.entries(fields).map(([name, value]) => [name, encode(value)]));
};

/** A `content-length` that does not fit the nine bytes of the body. */
export const wrongLength = (length) => text("nine byte", [["content-length", encode(`${length}`)]]);

export const manyHeaders = (count) => {
  const value = encode("value");
  return text("many", Array.from({ length: count }, (_, index) => [`x-${index}`, value]));
};

export const hugeHeader = (length) => text("huge", [["x-huge", new Uint8Array(length).fill(0x78)]]);

/** More than the host takes in one call. */
export const hugeReply = (mebibytes) => stream([new Uint8Array(mebibytes << 20).fill(0x78)]);

/** Burns `ms` milliseconds of CPU before each of `n` pieces. */
export const slowStream = (n, ms) => stream(slowly(n, ms));

function* slowly(n, ms) {
  for (let index = 0; index < n; index += 1) {
    burn(ms);
    yield piece(index);
  }
}

/** So many pieces, and then something else. */
export const streamThen = (after, end) => stream(then(after, end));

function* then(after, end) {
  for (let index = 0; index < after; index += 1) yield piece(index);
  end();
}

/** Pieces for ever, all empty: they are not handed on, and the CPU limit ends it. */
export const streamEmpty = () => stream(nothings());

function* nothings() {
  for (;;) yield new Uint8Array();
}

const piece = (index) => encode(`piece ${index}\n`);

const stream = (pieces) => reply(streamed(pieces[Symbol.iterator]()), [PLAIN]);
