// Contract guest for middleware, for both engines: stands around the `http` guest; `../../../README.md` lists what it
// adds.

import { get } from "wharf:platform/config@0.1.0";
import { handle as next } from "wharf:platform/http-handler@0.1.0";
import { Chunks, bytes, streamed, text } from "../../../shared/javascript/replies.js";
import { parameters, pieces } from "../../../shared/javascript/requests.js";
import { encode } from "../../../shared/javascript/text.js";

/** The fields or annotations with this one instead of those of its name. */
const replaced = (pairs, name, value) => [...pairs.filter(([other]) => other !== name), [name, value]];

/** The pieces of a body, and the trailers behind them. */
const opened = ({ tag, val }) => ({
  pieces: tag === "streamed" ? pulled(val) : pieces({ tag, val }),
  trailers: () => (tag === "bytes" ? undefined : (val.trailers() ?? undefined)),
});

function* pulled(chunks) {
  for (let piece = chunks.next(); piece != null; piece = chunks.next()) yield piece;
}

/** A body as it is. The chunks of the next handler are its own: ours pull them. */
const passed = (body) => {
  if (body.tag !== "streamed") return body;
  const { pieces, trailers } = opened(body);
  return streamed(pieces, trailers);
};

const upperCase = (piece) => piece.map((byte) => (byte >= 0x61 && byte <= 0x7a ? byte - 0x20 : byte));

/** A body with each piece in upper case; one by value stays one. */
const raised = (body) => {
  if (body.tag === "bytes") return bytes(upperCase(body.val));
  const { pieces, trailers } = opened(body);
  const upper = function* () {
    for (const piece of pieces) yield upperCase(piece);
  };
  return streamed(upper(), trailers);
};

/** A body that tells in trailers what passed, beside the trailers that were there. */
const counted = (body) => {
  const { pieces, trailers } = opened(body);
  let [count, length] = [0, 0];
  const counting = function* () {
    for (const piece of pieces) {
      count += 1;
      length += piece.length;
      yield piece;
    }
  };
  const own = () => [
    ["x-pieces", encode(`${count}`)],
    ["x-bytes", encode(`${length}`)],
  ];
  return streamed(counting(), () => [...(trailers() ?? []), ...own()]);
};

const handle = (request, body) => {
  if (request.path === "/stop") return text("stopped here");
  const name = get("middleware") ?? "javascript";
  const asked = parameters(request.query);
  const outgoing = {
    ...request,
    headers: replaced(request.headers, "x-middleware", encode(name)),
    annotations: replaced(request.annotations, "middleware", name),
  };
  const reply = next(outgoing, body);
  const headers = replaced(reply.headers, "x-middleware", encode(name));
  if ("upper" in asked) return { ...reply, headers, body: raised(reply.body) };
  if (!("count" in asked)) return { ...reply, headers, body: passed(reply.body) };
  const announced = replaced(headers, "trailer", encode("x-chunks, x-pieces, x-bytes"));
  return { ...reply, headers: announced, body: counted(reply.body) };
};

export const httpHandler = { Chunks, handle };
