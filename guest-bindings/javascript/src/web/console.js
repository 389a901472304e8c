// `console` as lines of the service's log.

import { log } from "wharf:platform/log@0.1.0";

const shown = (value) => {
  if (value instanceof Error) return `${value}\n${value.stack ?? ""}`.trimEnd();
  if (typeof value === "string" || typeof value === "function") return String(value);
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return String(value);
  }
};

const at =
  (level) =>
  (...values) =>
    log(level, values.map(shown).join(" "), []);

export const console = {
  trace: at("trace"),
  debug: at("debug"),
  log: at("info"),
  info: at("info"),
  warn: at("warn"),
  error: at("error"),
};
