// Contract guest for `config` and `log`, for both engines; `../../README.md` lists what it answers.

import { get } from "wharf:platform/config@0.1.0";
import { log } from "wharf:platform/log@0.1.0";

const LEVELS = ["trace", "debug", "info", "warn", "error"];

// QuickJS has no TextEncoder and no TextDecoder.
const encode = (text) => Uint8Array.from(unescape(encodeURIComponent(text)), (char) => char.charCodeAt(0));
const decode = (bytes) => decodeURIComponent(escape(String.fromCharCode(...bytes)));

const answer = (status, type, text) => ({
  status,
  headers: [["content-type", encode(type)]],
  body: { tag: "bytes", val: encode(text) },
});
const json = (value) => answer(200, "application/json", JSON.stringify(value));
const logged = () => json({ logged: true });

/** One parameter of a query, or none. */
const parameter = (query, name) => {
  const pairs = (query ?? "").split("&").map((pair) => pair.split("="));
  const found = pairs.find(([key]) => key === name);
  return found && decodeURIComponent(found[1] ?? "");
};

const write = ({ level = "info", message = "", fields = [] }) => {
  if (!LEVELS.includes(level)) return answer(400, "text/plain", "no such level");
  log(level, message, fields);
  return logged();
};

const flood = (query) => {
  const message = "x".repeat(Number(parameter(query, "size") ?? 100));
  for (let left = Number(parameter(query, "n") ?? 1000); left > 0; left -= 1) log("info", message, []);
  return logged();
};

// Required of whoever exports the interface; this service makes no body piece by piece.
class Chunks {
  next() {}
  trailers() {}
}

export const httpHandler = {
  Chunks,
  handle({ path, query }, body) {
    switch (path) {
      case "/config": {
        const key = parameter(query, "key") ?? "";
        return json({ key, value: get(key) ?? null });
      }
      case "/log":
        return write(JSON.parse(decode(body.val)));
      case "/log/levels":
        for (const level of LEVELS) log(level, "a line at every level", [["level", level]]);
        return logged();
      case "/log/flood":
        return flood(query);
      case "/log/panic":
        throw new Error("asked to panic here");
      default:
        return answer(404, "text/plain", "no such route in the contract guest");
    }
  },
};
