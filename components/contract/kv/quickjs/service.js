// Contract guest for `kv`, for both engines: runs what a JSON command says. `../../README.md` is the protocol.

import { Bucket } from "wharf:platform/kv@0.1.0";
import { Malformed, answer, itemBytes, required } from "../../shared/javascript/commands.js";
import { int64, uint32 } from "../../shared/javascript/engines.js";
import { Chunks } from "../../shared/javascript/replies.js";
import { member } from "../../shared/javascript/text.js";

const optional = (number) => (number === undefined ? undefined : int64(number));

const item = (command) => ({
  key: required(command, "key"),
  value: itemBytes(command),
  ttlMs: optional(command.ttl_ms),
});

/** `condition`: "always", "if-absent", "if-present", or a number for that version. */
const condition = ({ condition = "always" }) => {
  if (typeof condition === "number") return { tag: "if-version", val: int64(condition) };
  if (["always", "if-absent", "if-present"].includes(condition)) return { tag: condition };
  throw new Malformed(`no condition ${condition}`);
};

const check = (command) => ({ key: required(command, "key"), condition: condition(command) });

const increment = (command) => ({ key: required(command, "key"), delta: int64(command.delta ?? 1) });

const mutation = (command) => {
  switch (command.op) {
    case "put":
      return { tag: "put", val: item(command) };
    case "delete":
      return { tag: "delete", val: required(command, "key") };
    case "increment":
      return { tag: "increment", val: increment(command) };
    default:
      throw new Malformed("a mutation's `op` is put, delete or increment");
  }
};

const page = ({ prefix = "", start, end, reverse = false, keys_only = false, limit = 100, cursor }) => ({
  prefix,
  start,
  end,
  reverse,
  keysOnly: keys_only,
  limit: uint32(limit),
  cursor,
});

// Versions and instants are below 2^53: numbers hold them.
const number = (integer) => (integer == null ? null : Number(integer));

const entry = (found) =>
  found ? { ...member(found.value), version: number(found.version), expires_at: number(found.expiresAt) } : null;

const run = (path, command) => {
  const bucket = Bucket.open(command.bucket ?? "cache");
  const key = () => required(command, "key");
  switch (path) {
    case "/open":
      return { opened: true };
    case "/features":
      return { features: Object.entries(bucket.features()).flatMap(([name, has]) => (has ? [name] : [])) };
    case "/get":
      return { entry: entry(bucket.get(key())) };
    case "/get-many":
      return { entries: bucket.getMany(command.keys ?? []).map(entry) };
    case "/put":
      return { version: number(bucket.put(item(command), condition(command))) };
    case "/put-many":
      bucket.putMany((command.items ?? []).map(item));
      return { stored: true };
    case "/delete":
      return { deleted: bucket.delete(key(), condition(command)) };
    case "/increment":
      return { sum: bucket.increment(increment(command), int64(command.initial ?? 0), optional(command.ttl_ms)) };
    case "/scan": {
      const { entries, next } = bucket.scan(page(command));
      return { entries: entries.map(([key, found]) => [key, entry(found)]), next: next ?? null };
    }
    case "/transact": {
      const [checks, mutations] = [(command.checks ?? []).map(check), (command.mutations ?? []).map(mutation)];
      return { version: number(bucket.transact(checks, mutations)) };
    }
    default:
      return undefined;
  }
};

export const httpHandler = {
  Chunks,
  handle: ({ path }, body) => answer(body, (command) => run(path, command)),
};
