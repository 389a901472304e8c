// Abuse of time, memory, stack and host calls.

import { get } from "wharf:platform/config@0.1.0";
import { Bucket } from "wharf:platform/kv@0.1.0";
import { log } from "wharf:platform/log@0.1.0";
import { text } from "../../shared/javascript/replies.js";

/** Burns CPU without end. */
export const spinForEver = () => {
  for (;;);
};

/** Burns so many milliseconds by the clock. */
export const burn = (ms) => {
  const end = Date.now() + ms;
  while (Date.now() < end);
};

export const spin = (ms) => {
  burn(ms);
  return text("spun");
};

/** Takes memory, and touches it, until there is none. */
export const grow = () => {
  const blocks = [];
  for (;;) blocks.push(new Uint8Array(1 << 20).fill(1));
};

/** Fills the same block again and again: each fill is a single instruction. */
export const fill = (mebibytes) => {
  const block = new Uint8Array(mebibytes << 20);
  for (let byte = 0; ; byte = (byte + 1) & 0xff) block.fill(byte);
};

/** Calls itself until the stack ends. */
export const recurse = () => [recurse()];

/** Calls the host `n` times. */
export const hostCalls = (kind, n) => {
  const bucket = Bucket.open("cache");
  const call = {
    kv: () => bucket.get("key"),
    log: () => log("debug", "a storm", []),
    random: () => Math.random(),
  }[kind];
  const once = call ?? (() => get("key"));
  for (let left = n; left > 0; left -= 1) once();
  return text("called");
};

/** Handles that nothing drops: what is held here, no collector takes. */
const held = [];

export const leak = (handles) => {
  for (let left = handles; left > 0; left -= 1) held.push(Bucket.open("cache"));
  return text("leaked");
};
