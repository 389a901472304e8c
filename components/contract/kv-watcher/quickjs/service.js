// Contract guest for `kv-watcher`, for both engines: writes down what it is called with, and fails when it is told to.
// `../../README.md` is the protocol.

import { Bucket } from "wharf:platform/kv@0.1.0";
import { answer, itemBytes, required } from "../../shared/javascript/commands.js";
import { int64 } from "../../shared/javascript/engines.js";
import { clear, events, fail, fails, increment, record } from "../../shared/javascript/events.js";
import { Chunks, json, notFound } from "../../shared/javascript/replies.js";
import { parameters } from "../../shared/javascript/requests.js";
import { member } from "../../shared/javascript/text.js";

const watched = () => Bucket.open("watched");

const put = (command) => {
  const { ttl_ms } = command;
  const ttlMs = ttl_ms === undefined ? undefined : int64(ttl_ms);
  watched().put({ key: required(command, "key"), value: itemBytes(command), ttlMs }, { tag: "always" });
  return { stored: true };
};

const remove = (command) => ({ deleted: watched().delete(required(command, "key"), { tag: "always" }) });

const forget = () => {
  clear();
  return json({ cleared: true });
};

const handle = ({ method, path, query }, body) => {
  const { key } = parameters(query);
  switch (`${method} ${path}`) {
    case "GET /events":
      return json({ events: events().filter((event) => key === undefined || event.key === key) });
    case "POST /put":
      return answer(body, put);
    case "POST /delete":
      return answer(body, remove);
    case "POST /clear":
      return forget();
    default:
      return notFound();
  }
};

const onWatching = (bucket, gap) => record({ bucket, gap });

const onChange = (bucket, key, entry) => {
  const shown = entry ? member(entry.value) : { value: null };
  record({ bucket, key, ...shown, version: Number(entry?.version ?? 0) > 0 });
  // Only the first time for each key.
  if (fails(shown.value) && increment(`attempts/${key}`) === 1) fail(shown.value);
};

export const httpHandler = { Chunks, handle };
export const kvWatcher = { onWatching, onChange };
