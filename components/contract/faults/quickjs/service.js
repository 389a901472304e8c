// Contract guest that misbehaves on demand, for both engines; `../../README.md` lists how.

import { Chunks, notFound, text } from "../../shared/javascript/replies.js";
import { parameters } from "../../shared/javascript/requests.js";
import { fill, grow, hostCalls, leak, recurse, spin, spinForEver } from "./abuse.js";
import * as replies from "./replies.js";

/** Requests that this instance has answered. */
let count = 0;

const explode = () => {
  throw new Error("asked to panic here");
};

const handle = (request) => {
  const query = parameters(request.query);
  const number = (name, usual) => Number(query[name] ?? usual);
  switch (request.path) {
    case "/fine":
      return text("fine");
    case "/count":
      return text(`${count++}`);
    case "/loop":
      return spinForEver();
    case "/spin":
      return spin(number("ms", 50));
    case "/trap":
      // No reply: the binding ends the instance.
      return undefined;
    case "/panic":
      return explode();
    case "/grow":
      return grow();
    case "/fill":
      return fill(number("mib", 16));
    case "/recurse":
      return recurse();
    case "/hostcalls":
      return hostCalls(query.kind, number("n", Number.POSITIVE_INFINITY));
    case "/leak":
      return leak(number("n", 1000));
    case "/bad-header":
      return replies.badHeader(query.kind);
    case "/bad-status":
      return replies.badStatus(number("code", 99));
    case "/hop-header":
      return replies.hopHeaders();
    case "/wrong-length":
      return replies.wrongLength(number("length", 5));
    case "/many-headers":
      return replies.manyHeaders(number("n", 1000));
    case "/huge-header":
      return replies.hugeHeader(number("n", 1_000_000));
    case "/huge-reply":
      return replies.hugeReply(number("mib", 16));
    case "/slow-stream":
      return replies.slowStream(number("n", 10), number("ms", 20));
    case "/stream-trap":
      return replies.streamThen(number("after", 2), explode);
    case "/stream-loop":
      return replies.streamThen(number("after", 2), spinForEver);
    case "/stream-empty":
      return replies.streamEmpty();
    default:
      return notFound();
  }
};

export const httpHandler = { Chunks, handle };
