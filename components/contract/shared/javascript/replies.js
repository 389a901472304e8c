// What handlers answer: replies of `http-handler`, by value and piece by piece.

import { encode } from "./text.js";

export const PLAIN = ["content-type", encode("text/plain; charset=utf-8")];

export const bytes = (val) => ({ tag: "bytes", val });

/** A body that is pulled from an iterator of pieces; `trailers` is asked after the last. */
export const streamed = (pieces, trailers = () => undefined) => ({
  tag: "streamed",
  val: new Chunks(pieces, trailers),
});

export const reply = (body, headers = [], status = 200) => ({ status, headers, body });

export const text = (words, headers = [], status = 200) => reply(bytes(encode(words)), [PLAIN, ...headers], status);

/** JSON; BigInts are numbers in it. */
export const json = (value, status = 200) => {
  const written = JSON.stringify(value, (_, it) => (typeof it === "bigint" ? JSON.rawJSON(it) : it));
  return reply(bytes(encode(written)), [["content-type", encode("application/json")]], status);
};

export const notFound = () => text("no such route in the contract guest", [], 404);

/** The resource `chunks`; whoever exports `http-handler` exports it, too. */
export class Chunks {
  #pieces;
  #trailers;

  constructor(pieces, trailers) {
    this.#pieces = pieces;
    this.#trailers = trailers;
  }

  next() {
    for (;;) {
      const { done, value } = this.#pieces.next();
      // The contract knows no empty piece.
      if (done || value.length > 0) return value;
    }
  }

  trailers() {
    return this.#trailers();
  }
}
