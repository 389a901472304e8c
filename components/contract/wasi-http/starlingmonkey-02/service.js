// Contract guest for `wasi:http/incoming-handler@0.2`; `../../README.md` lists what it answers.

import { getStderr } from "wasi:cli/stderr@0.2.12";
import { getStdout } from "wasi:cli/stdout@0.2.12";
import { handle as send } from "wasi:http/outgoing-handler@0.2.12";
import {
  Fields,
  IncomingBody,
  OutgoingBody,
  OutgoingRequest,
  OutgoingResponse,
  ResponseOutparam,
} from "wasi:http/types@0.2.12";
import { Bucket } from "wharf:platform/kv@0.1.0";
import { contractError, drop, int64, using } from "../../shared/javascript/engines.js";
import { parameters } from "../../shared/javascript/requests.js";
import { encode, shown } from "../../shared/javascript/text.js";

/** How many bytes to read at once. */
const PIECE = int64(65536);

/** Begins a response, and gives its body. */
const begin = (out, status = 200) => {
  const fields = new Fields();
  fields.append("x-guest", encode("wasi-02"));
  fields.append("trailer", encode("x-sum"));
  const response = new OutgoingResponse(fields);
  response.setStatusCode(status);
  const body = response.body();
  ResponseOutparam.set(out, { tag: "ok", val: response });
  return body;
};

/** Writes pieces as there is room for them. */
const write = (stream, pieces) => {
  for (const piece of pieces) {
    for (let rest = piece; rest.length > 0; ) {
      const room = Number(stream.checkWrite());
      if (room === 0) using(stream.subscribe(), (ready) => ready.block());
      stream.write(rest.subarray(0, room));
      rest = rest.subarray(room);
    }
    stream.blockingFlush();
  }
};

/** Answers with pieces; the body has an end only when there was one to them. */
const respond = (out, pieces, { status, trailers } = {}) => {
  const body = begin(out, status);
  try {
    using(body.write(), (stream) => write(stream, pieces));
  } catch {
    return drop(body);
  }
  OutgoingBody.finish(body, trailers);
};

const respondText = (out, words, options) => respond(out, [encode(words)], options);

const json = (out, value) => respondText(out, JSON.stringify(value));

/** What a body holds, piece by piece, to its end. */
function* pieces(message) {
  const body = message.consume();
  const stream = body.stream();
  try {
    for (;;) yield stream.blockingRead(PIECE);
  } catch (thrown) {
    if (contractError(thrown)?.tag !== "closed") throw thrown;
  }
  drop(stream);
  drop(IncomingBody.finish(body));
}

/** Everything that a guest gets to know about a request. */
const echo = (request) => {
  const [method, scheme] = [request.method(), request.scheme()];
  return {
    method: method.tag === "other" ? method.val : method.tag.toUpperCase(),
    scheme: scheme?.tag === "other" ? scheme.val : scheme?.tag.toLowerCase(),
    authority: request.authority(),
    target: request.pathWithQuery(),
    headers: using(request.headers(), (headers) =>
      Object.fromEntries(headers.entries().map(([name, value]) => [name, shown(value)])),
    ),
  };
};

function* letters(n, size, fail) {
  for (let index = 0; index < n; index += 1) {
    if (index === fail) throw new Error("asked to fail here");
    yield new Uint8Array(size).fill(97 + (index % 26));
  }
}

const trailers = (out) => {
  const fields = new Fields();
  fields.append("x-sum", encode("42"));
  respondText(out, "with trailers", { trailers: fields });
};

/** Counts in a bucket: a capability of Wharf's beside WASI. */
const count = () => {
  const item = { key: "wasi-http-starlingmonkey-02", delta: int64(1) };
  return Bucket.open("contract").increment(item, int64(0), undefined);
};

/** Asks `to` for `path`. */
const ask = ({ to = "example.com", path = "/" }) => {
  const request = new OutgoingRequest(new Fields());
  request.setScheme({ tag: "HTTP" });
  request.setAuthority(to);
  request.setPathWithQuery(path);
  try {
    return received(send(request, undefined));
  } catch (thrown) {
    const error = contractError(thrown);
    if (error === undefined) throw thrown;
    return { error: named(error) };
  }
};

const received = (pending) => {
  using(pending.subscribe(), (ready) => ready.block());
  const answer = pending.get().val;
  if (answer.tag === "err") return { error: named(answer.val) };
  const response = answer.val;
  let bytes = 0;
  for (const piece of pieces(response)) bytes += piece.length;
  return { status: response.status(), bytes };
};

/** The name that Rust's bindings have for an error, which the cases expect. */
const named = ({ tag }) => {
  const words = tag.split("-").map((word) => word[0].toUpperCase() + word.slice(1).toLowerCase());
  return `ErrorCode::${words.join("")}`;
};

const print = (out) => {
  getStdout().blockingWriteAndFlush(encode("printed by the guest\n"));
  getStderr().blockingWriteAndFlush(encode("without an end"));
  respondText(out, "printed");
};

const handle = (request, out) => {
  const target = request.pathWithQuery() ?? "";
  const [path, ...rest] = target.split("?");
  const query = parameters(rest.join("?"));
  const number = (name, usual) => (name in query ? Number(query[name]) : usual);
  switch (path) {
    case "/text":
      return respondText(out, "Hello, World!");
    case "/empty":
      return respond(out, [], { status: 204 });
    case "/big":
      return respond(out, [new Uint8Array(number("n", 0)).fill(0x78)]);
    case "/echo":
      return json(out, echo(request));
    case "/body":
      return respond(out, pieces(request));
    case "/stream":
      return respond(out, letters(number("n", 3), number("size", 4), number("fail")));
    case "/trailers":
      return trailers(out);
    case "/error":
      return ResponseOutparam.set(out, { tag: "err", val: { tag: "internal-error", val: "on purpose" } });
    case "/nothing":
      return undefined;
    case "/trap":
      throw new Error("asked to trap here");
    case "/spin":
      for (;;);
    case "/kv":
      return respondText(out, `${count()}`);
    case "/behind":
      respondText(out, "done");
      return void count();
    case "/outgoing":
      return json(out, ask(query));
    case "/print":
      return print(out);
    default:
      return respondText(out, "no such route in the contract guest", { status: 404 });
  }
};

export const incomingHandler = { handle };
