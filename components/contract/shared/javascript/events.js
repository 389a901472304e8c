// Events of the guests that the host calls by itself: what they were called with, kept in the bucket `events`.

import { Bucket } from "wharf:platform/kv@0.1.0";
import { log } from "wharf:platform/log@0.1.0";
import { int64 } from "./engines.js";
import { decode, encode } from "./text.js";

const open = () => Bucket.open("events");

/** Adds 1 to a number, and tells the sum. */
export const increment = (key) => Number(open().increment({ key, delta: int64(1) }, int64(0), undefined));

/** Adds an event behind the others. Its members are stored in alphabetical order, which cases rely on. */
export const record = (event) => {
  const sorted = Object.fromEntries(Object.entries(event).sort());
  // Keys sort as text, so their numbers have leading zeros.
  const key = `event/${`${increment("count")}`.padStart(10, "0")}`;
  open().put({ key, value: encode(JSON.stringify(sorted)), ttlMs: undefined }, { tag: "always" });
};

/** All events, in the order of the calls. */
export const events = () => [...entries("event/", false)].map(([, { value }]) => JSON.parse(decode(value)));

/** Forgets everything. */
export const clear = () => {
  for (const [key] of [...entries("", true)]) open().delete(key, { tag: "always" });
};

function* entries(prefix, keysOnly) {
  let cursor;
  do {
    const page = open().scan({ prefix, reverse: false, keysOnly, limit: 1000, cursor });
    yield* page.entries;
    cursor = page.next;
  } while (cursor != null);
}

const FAILURES = {
  error() {
    throw "asked to fail here";
  },
  /** An exception would not do: where a function returns text as its error, QuickJS makes one of it. */
  trap: () => log("no level at all", "", []),
  loop() {
    for (;;);
  },
};

/** Fails as it is told to: `error`, `trap` or `loop`. */
export const fail = (how) => FAILURES[how]();

export const fails = (how) => Object.hasOwn(FAILURES, how);
