// Contract guest for the guards of routes, for both engines: its handler tells what they found out; `../../README.md`
// lists its routes.

import { contractError } from "../../shared/javascript/engines.js";
import { Chunks, json, text } from "../../shared/javascript/replies.js";
import { pieces } from "../../shared/javascript/requests.js";

/** The status of a body that cannot be read to its end, by the error's case. */
const STATUSES = { "limit-exceeded": 413, timeout: 408 };

const handle = ({ method, path, pathParams, annotations }, body) => {
  let length = 0;
  try {
    for (const piece of pieces(body)) length += piece.length;
  } catch (thrown) {
    const error = contractError(thrown);
    if (error === undefined) throw thrown;
    return text(`the body ended early: ${error.tag}`, [], STATUSES[error.tag] ?? 400);
  }
  return json({ method, path, path_params: pathParams, annotations, body_bytes: length });
};

export const httpHandler = { Chunks, handle };
