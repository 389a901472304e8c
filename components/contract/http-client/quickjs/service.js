// Contract guest for `http-client`, for both engines: sends what a JSON command says, so that cases need no code.
// `../../README.md` is the protocol.

import { send, sendMany } from "wharf:platform/http-client@0.1.0";
import { answer, required, showError } from "../../shared/javascript/commands.js";
import { contractError, drop } from "../../shared/javascript/engines.js";
import { Chunks, bytes, json, reply } from "../../shared/javascript/replies.js";
import { decode, encode, fields, head } from "../../shared/javascript/text.js";

/** How many bytes of a stream to ask for at once. */
const PIECE = 65536;
/** How many bytes of a body are shown. */
const SHOWN = 1000;

const outgoing = (command) => {
  const { method = "GET", headers = [], body, size = 0, timeout_ms } = command;
  return {
    method,
    url: required(command, "url"),
    headers: headers.map(([name, value]) => [name, encode(value)]),
    body: bytes(body === undefined ? new Uint8Array(size).fill(0x78) : encode(body)),
    timeoutMs: timeout_ms,
  };
};

/** What `call` gives or throws, as the contract's result. */
const attempt = (call) => {
  try {
    return { tag: "ok", val: call() };
  } catch (thrown) {
    const val = contractError(thrown);
    if (val === undefined) throw thrown;
    return { tag: "err", val };
  }
};

/** The response, with its body read as far as `reads` says. */
const shown = ({ tag, val }, reads) => {
  if (tag === "err") return { error: showError(val) };
  const { status, headers, body } = val;
  const read = body.tag === "bytes" ? value(body.val) : stream(body.val, reads);
  return { status, headers: fields(headers), kind: body.tag, ...read };
};

const value = (bytes) => {
  const shown = { bytes: bytes.length, head: head(bytes, SHOWN), broken: null, trailers: null };
  try {
    return { ...shown, json: JSON.parse(decode(bytes)) };
  } catch {
    return { ...shown, json: null };
  }
};

const stream = (reader, reads = Number.POSITIVE_INFINITY) => {
  let [length, start, broken] = [0, new Uint8Array(), null];
  for (let left = reads; left > 0; left -= 1) {
    const { tag, val } = attempt(() => reader.read(PIECE));
    if (tag === "err") broken = val.tag;
    if (tag === "err" || val.length === 0) break;
    length += val.length;
    if (start.length < SHOWN) start = Uint8Array.of(...start, ...val.subarray(0, SHOWN - start.length));
  }
  const trailers = fields(reader.trailers());
  drop(reader);
  return { bytes: length, head: head(start, SHOWN), broken, trailers };
};

const sendOne = (command) => shown(attempt(() => send(outgoing(command))), command.reads);

const sendAll = ({ requests = [] }) => ({
  answers: sendMany(requests.map(outgoing)).map((answer, index) => shown(answer, requests[index].reads)),
});

/** Sends one request many times, one after another, until an error. */
const repeat = (command) => {
  const { times = 1 } = command;
  let last = null;
  for (let done = 0; done < times; done += 1) {
    last = sendOne(command);
    if (last.error) return { done, last };
  }
  return { done: times, last };
};

/** Sends a body on, as it comes. */
const handOn = ({ headers }, body) => {
  const field = (name) => headers.find(([other]) => other === name)?.[1];
  const [url, method] = [field("x-url"), field("x-method")];
  const request = {
    method: method ? decode(method) : "POST",
    url: url ? decode(url) : "",
    headers: [],
    body,
  };
  return attempt(() => send(request));
};

/** Answers with what the server answered. */
const pass = ({ tag, val }) => {
  if (tag === "err") return json({ error: showError(val) }, 502);
  const { status, body } = val;
  return reply(body.tag === "bytes" ? body : { tag: "reader", val: body.val }, [], status);
};

const COMMANDS = { "/send": sendOne, "/send-many": sendAll, "/repeat": repeat };

const handle = (request, body) => {
  switch (request.path) {
    case "/upload":
      return json(shown(handOn(request, body)));
    case "/pass":
      return pass(handOn(request, body));
    default:
      return answer(body, (command) => COMMANDS[request.path]?.(command));
  }
};

export const httpHandler = { Chunks, handle };
