// Contract guest for `wasi:keyvalue`, for both engines: runs what a JSON command says, so that cases need no code.
// `../../README.md` is the protocol.

import { Cas, increment, swap } from "wasi:keyvalue/atomics@0.2.0-draft2";
import { deleteMany, getMany, setMany } from "wasi:keyvalue/batch@0.2.0-draft2";
import { open } from "wasi:keyvalue/store@0.2.0-draft2";
import { answer, itemBytes, required } from "../../shared/javascript/commands.js";
import { contractError, int64 } from "../../shared/javascript/engines.js";
import { Chunks } from "../../shared/javascript/replies.js";
import { encode, shown } from "../../shared/javascript/text.js";

const value = (found) => (found == null ? null : shown(found));

const item = (command) => [required(command, "key"), itemBytes(command)];

/** Swaps by a handle: nothing when that is done, a fresh handle when somebody was faster. */
const trySwap = (handle, value) => {
  try {
    return swap(handle, value);
  } catch (thrown) {
    const error = contractError(thrown);
    if (error?.tag === "cas-failed") return error.val;
    // The bucket's error is what others throw.
    if (error?.tag === "store-error") throw Object.assign(new Error("swapping failed"), { payload: error.val });
    throw thrown;
  }
};

/** Swaps a value, perhaps after somebody else has set another; tries again with the handle of the failure when told. */
const cas = (bucket, command) => {
  const [key, bytes] = item(command);
  const handle = Cas.new(bucket, key);
  const before = value(handle.current());
  if (command.meanwhile !== undefined) bucket.set(key, encode(command.meanwhile));
  const fresh = trySwap(handle, bytes);
  if (!fresh) return { swapped: true, before };
  const failed = { failed: true, before, current: value(fresh.current()) };
  return command.again && !trySwap(fresh, bytes) ? { ...failed, swapped: true } : failed;
};

const run = (path, command) => {
  const bucket = open(command.bucket ?? "cache");
  const key = () => required(command, "key");
  const { keys = [], items = [] } = command;
  switch (path) {
    case "/open":
      return { opened: true };
    case "/get":
      return { value: value(bucket.get(key())) };
    case "/set":
      bucket.set(...item(command));
      return { stored: true };
    case "/delete":
      bucket.delete(key());
      return { deleted: true };
    case "/exists":
      return { exists: bucket.exists(key()) };
    case "/list-keys": {
      const page = bucket.listKeys(command.cursor);
      return { keys: page.keys, cursor: page.cursor ?? null };
    }
    case "/increment":
      return { sum: increment(bucket, key(), int64(command.delta ?? 1)) };
    case "/cas":
      return cas(bucket, command);
    case "/get-many":
      return { entries: getMany(bucket, keys).map((found) => (found ? [found[0], shown(found[1])] : null)) };
    case "/set-many":
      setMany(bucket, items.map(item));
      return { stored: true };
    case "/delete-many":
      deleteMany(bucket, keys);
      return { deleted: true };
    default:
      return undefined;
  }
};

export const httpHandler = {
  Chunks,
  handle: ({ path }, body) => answer(body, (command) => run(path, command)),
};
