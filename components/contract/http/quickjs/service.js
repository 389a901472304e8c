// Contract guest for `http-types` and `http-handler`, for both engines; `../../README.md` lists what it answers.

// QuickJS has no TextEncoder and no TextDecoder.
const encode = (text) => Uint8Array.from(unescape(encodeURIComponent(text)), (char) => char.charCodeAt(0));
const decode = (bytes) => decodeURIComponent(escape(String.fromCharCode(...bytes)));

const PLAIN = ["content-type", encode("text/plain; charset=utf-8")];

const reply = (body, headers = [], status = 200) => ({ status, headers, body });
const bytes = (val) => ({ tag: "bytes", val });
const streamed = (pieces, trailers) => ({ tag: "streamed", val: new Chunks(pieces, trailers) });
const text = (words, headers = [], status = 200) => reply(bytes(encode(words)), [PLAIN, ...headers], status);
const json = (value) => reply(bytes(encode(JSON.stringify(value))), [["content-type", encode("application/json")]]);

/** A body that is pulled: pieces, and the trailers behind them. */
class Chunks {
  constructor(pieces, trailers) {
    this.pieces = pieces;
    this.after = trailers;
  }
  next() {
    const { done, value } = this.pieces.next();
    return done ? undefined : value;
  }
  trailers() {
    return this.after;
  }
}

/** The parameters of a query, by name. */
const parameters = (query) => {
  const pairs = (query ?? "").split("&").map((pair) => pair.split("="));
  return Object.fromEntries(pairs.map(([name, value = ""]) => [name, decodeURIComponent(value)]));
};

const hex = (value) => [...value].map((byte) => byte.toString(16).padStart(2, "0")).join("");

/** Header fields as JSON: values that are no UTF-8 as `hex:...`. */
const shown = (headers) =>
  headers?.map(([name, value]) => {
    try {
      return [name, decode(value)];
    } catch {
      return [name, `hex:${hex(value)}`];
    }
  }) ?? null;

const echo = (request) =>
  json({
    method: request.method,
    scheme: request.scheme,
    authority: request.authority,
    path: request.path,
    query: request.query ?? null,
    path_params: request.pathParams,
    headers: shown(request.headers),
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

function* pieces(body, size = 65536) {
  if (body.tag === "bytes") {
    yield body.val;
    return;
  }
  for (;;) {
    const piece = body.val.read(size);
    if (piece.length === 0) return;
    yield piece;
  }
}

const whole = (body) => {
  const read = [...pieces(body)];
  const all = new Uint8Array(read.reduce((length, piece) => length + piece.length, 0));
  let at = 0;
  for (const piece of read) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
};

/** Reads the whole body and tells what came. */
const describe = (body, size) => {
  // FNV-1a of 32 bits: enough to see that nothing was lost or swapped, and a few lines in any language.
  let [count, length, fnv, error] = [0, 0, 0x811c9dc5, null];
  try {
    for (const piece of pieces(body, size)) {
      count += 1;
      length += piece.length;
      for (let at = 0; at < piece.length; at += 1) fnv = Math.imul(fnv ^ piece[at], 0x01000193);
    }
  } catch (failed) {
    error = (failed.payload ?? failed).tag;
  }
  return json({
    kind: body.tag,
    bytes: length,
    pieces: count,
    fnv1a: (fnv >>> 0).toString(16).padStart(8, "0"),
    trailers: body.tag === "bytes" ? null : shown(body.val.trailers()),
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
  const fields = Array.from({ length: n }, (_, index) => [
    ["x-repeated", encode(`${index}`)],
    ["set-cookie", encode(`c${index}=${index}`)],
  ]);
  return text("repeated", fields.flat());
};

const stream = (query, number) => {
  const n = number("n", 3);
  const trailers = query.trailers === "1" ? [["x-chunks", encode(`${n}`)]] : undefined;
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
      return text("no such route in the contract guest", [], 404);
  }
};

export const httpHandler = { Chunks, handle };
