// Wharf services in JavaScript: `fetch` handlers as exports of the contract. The capabilities are used as they are, from
// `wharf:platform/kv@0.1.0` and so on.

import "./web/globals.js";

import { log } from "wharf:platform/log@0.1.0";

import { Headers, Message, pieceOf, Request } from "./web/fetch.js";
import { settle } from "./web/promise.js";
import { seed } from "./web/random.js";

export { execute, query, transaction } from "./pg.js";

const MIB = 1024 * 1024;

/** The error of the contract that a capability threw, as `{ tag, val }`; undefined for anything else. */
export const errorOf = (thrown) => {
  // QuickJS and StarlingMonkey wrap it in an `Error`; what a service throws itself may be bare.
  const error = thrown?.payload ?? thrown;
  return typeof error?.tag === "string" ? error : undefined;
};

/** A response in pieces, which are asked for while the client takes them. What a generator returns are the trailers. */
export const stream = (pieces, init) => new Response(pieces, init);

/** The contract's resource for a reply that is pulled. */
class Chunks {
  #pieces;
  #trailers;

  constructor(pieces) {
    this.#pieces = pieces[Symbol.asyncIterator]?.() ?? pieces[Symbol.iterator]();
  }

  next() {
    return settle(this.#next());
  }

  async #next() {
    try {
      for (;;) {
        const { done, value } = await this.#pieces.next();
        if (done) {
          this.#trailers = value && Headers.sent(new Headers(value));
          return undefined;
        }
        const piece = pieceOf(value);
        if (piece.length > 0) return piece;
      }
    } catch (error) {
      if (errorOf(error) === undefined) complain(error);
      throw error;
    }
  }

  trailers() {
    return this.#trailers;
  }
}

function* inPieces(bytes) {
  for (let at = 0; at < bytes.length; at += MIB) yield bytes.subarray(at, at + MIB);
}

const replyOf = (response) => {
  if (!(response instanceof Response)) throw new TypeError("the handler returned no Response");
  const headers = Headers.sent(response.headers);
  const { tag, val } = Message.sent(response);
  const long = tag === "bytes" && val.length > 4 * MIB;
  if (long) headers.push(["content-length", pieceOf(String(val.length))]);
  const body =
    tag === "streamed" || long ? { tag: "streamed", val: new Chunks(long ? inPieces(val) : val) } : { tag, val };
  return { status: response.status, headers, body };
};

/** Logs what is about to end the instance. */
const complain = (error) => {
  const location = /\(?(\S+:\d+)(?::\d+)?\)?\s*$/m.exec(error?.stack ?? "")?.[1] ?? "";
  log("error", "the service panicked", [
    ["message", String(error)],
    ["location", location],
  ]);
};

/** What the host knows of a request beside the message itself. */
const infoOf = ({ pathParams, annotations, remoteAddr, remotePort, requestId, receivedAt, deadline }) => ({
  params: Object.fromEntries(pathParams),
  annotations: Object.fromEntries(annotations),
  remoteAddr,
  remotePort,
  requestId,
  receivedAt: Number(receivedAt),
  deadline: Number(deadline),
});

const answer = async (fetch, head, body) => {
  try {
    seed(head.requestId);
    return replyOf(await fetch(Request.received(head, body), infoOf(head)));
  } catch (error) {
    if (typeof error?.getResponse === "function") return replyOf(error.getResponse());
    complain(error);
    throw error;
  }
};

/** An `async` function as a plain one of the contract: for what a service exports beside its handler. */
export const awaited =
  (work) =>
  (...args) =>
    settle(work(...args));

/** The contract's `http-handler`, of a function that takes a `Request` and what else is known of it. */
export const service = (fetch) => ({ Chunks, handle: awaited((head, body) => answer(fetch, head, body)) });
