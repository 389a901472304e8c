// Contract guest for `http-types` and `http-handler`, for both engines; `../../README.md` lists what it answers.

import { contractError } from "../../shared/javascript/engines.js";
import { fnv1a } from "../../shared/javascript/hash.js";
import { Chunks, PLAIN, bytes, json, notFound, reply, streamed, text } from "../../shared/javascript/replies.js";
import { parameters, pieces, whole } from "../../shared/javascript/requests.js";
import { encode, fields } from "../../shared/javascript/text.js";

const echo = (request) =>
  json({
    method: request.method,
    scheme: request.scheme,
    authority: request.authority,
    path: request.path,
    query: request.query ?? null,
    path_params: request.pathParams,
    headers: fields(request.headers),
    annotations: request.annotations,
    remote_addr: request.remoteAddr,
    remote_port: request.remotePort,
    request_id: request.requestId,
    received_at: Number(request.receivedAt),
    deadline: Number(request.deadline),
  });

const status = (path) => {
  const code = path.slice("/status/".length);
  return /^\d+$/.test(code) ? text(`status ${code}`, [], Number(code)) : text("a status is a number", [], 400);
};

/** Reads the whole body and tells what came. */
const describe = (body, size) => {
  const hash = fnv1a();
  let [count, length, error] = [0, 0, null];
  try {
    for (const piece of pieces(body, size)) {
      count += 1;
      length += piece.length;
      hash.add(piece);
    }
  } catch (thrown) {
    error = contractError(thrown).tag;
  }
  return json({
    kind: body.tag,
    bytes: length,
    pieces: count,
    fnv1a: hash.digits(),
    trailers: body.tag === "bytes" ? null : fields(body.val.trailers()),
    error,
  });
};

const partly = (body, wanted) => {
  let length = 0;
  for (const piece of pieces(body)) {
    length += piece.length;
    if (length >= wanted) break;
  }
  return text(`read at least ${Math.min(length, wanted)}`);
};

function* letters(n, size, fail, trap) {
  for (let index = 0; index < n; index += 1) {
    // What the contract's function returns as an error is thrown; any other exception is a trap.
    if (index === fail) throw { tag: "other", val: "asked to fail here" };
    if (index === trap) throw new Error("asked to trap here");
    yield new Uint8Array(size).fill(97 + (index % 26));
  }
}

function* endless(size) {
  for (;;) yield new Uint8Array(size).fill(120);
}

function* events(n) {
  for (let index = 0; index < n; index += 1) yield encode(`id: ${index}\ndata: event ${index}\n\n`);
}

const repeated = (n) => {
  const both = Array.from({ length: n }, (_, index) => [
    ["x-repeated", encode(`${index}`)],
    ["set-cookie", encode(`c${index}=${index}`)],
  ]);
  return text("repeated", both.flat());
};

const stream = (query, number) => {
  const n = number("n", 3);
  const trailers = query.trailers === "1" ? () => [["x-chunks", encode(`${n}`)]] : undefined;
  return reply(streamed(letters(n, number("size", 4), number("fail"), number("trap")), trailers), [PLAIN]);
};

const handle = (request, body) => {
  const query = parameters(request.query);
  const number = (name, usual) => (name in query ? Number(query[name]) : usual);
  switch (request.path) {
    case "/text":
      return text("Hello, World!");
    case "/empty":
      return reply(bytes(new Uint8Array()), [], 204);
    case "/big":
      return reply(bytes(new Uint8Array(number("n", 0)).fill(120)));
    case "/headers/repeat":
      return repeated(number("n", 3));
    case "/headers/bytes":
      return reply(bytes(new Uint8Array()), [["x-latin", Uint8Array.of(0x63, 0x61, 0x66, 0xe9)]]);
    case "/body":
      return describe(body, number("piece", 65536));
    case "/body/echo": {
      const [, kind] = request.headers.find(([name]) => name === "content-type") ?? [];
      return reply(bytes(whole(body)), [["content-type", kind ?? encode("application/octet-stream")]]);
    }
    case "/body/hand-on":
      return reply(body.tag === "bytes" ? body : { tag: "reader", val: body.val });
    case "/body/ignore":
      return text("ignored");
    case "/body/partly":
      return partly(body, number("n", 1));
    case "/stream":
      return stream(query, number);
    case "/stream/endless":
      return reply(streamed(endless(number("size", 16))));
    case "/events":
      return reply(streamed(events(number("n", 3))), [
        ["content-type", encode("text/event-stream")],
        ["cache-control", encode("no-cache")],
      ]);
    default:
      if (request.path.startsWith("/status/")) return status(request.path);
      if (/^\/(echo|params\/)/.test(request.path)) return echo(request);
      return notFound();
  }
};

export const httpHandler = { Chunks, handle };
