// Contract guest for `config` and `log`, for both engines; `../../README.md` lists what it answers.

import { get } from "wharf:platform/config@0.1.0";
import { log } from "wharf:platform/log@0.1.0";
import { Malformed, answer } from "../../shared/javascript/commands.js";
import { Chunks, json, notFound } from "../../shared/javascript/replies.js";
import { parameters } from "../../shared/javascript/requests.js";

const LEVELS = ["trace", "debug", "info", "warn", "error"];

const logged = () => json({ logged: true });

const write = ({ level = "info", message = "", fields = [] }) => {
  if (!LEVELS.includes(level)) throw new Malformed("no such level");
  log(level, message, fields);
  return { logged: true };
};

const flood = ({ n = 1000, size = 100 }) => {
  const message = "x".repeat(Number(size));
  for (let left = Number(n); left > 0; left -= 1) log("info", message, []);
  return logged();
};

const handle = (request, body) => {
  const query = parameters(request.query);
  switch (request.path) {
    case "/config": {
      const key = query.key ?? "";
      return json({ key, value: get(key) ?? null });
    }
    case "/log":
      return answer(body, write);
    case "/log/levels":
      for (const level of LEVELS) log(level, "a line at every level", [["level", level]]);
      return logged();
    case "/log/flood":
      return flood(query);
    case "/log/panic":
      throw new Error("asked to panic here");
    default:
      return notFound();
  }
};

export const httpHandler = { Chunks, handle };
