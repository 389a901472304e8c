// Contract guest for `guard`, for both engines; `../../README.md` lists what it says of which request.

import { get } from "wharf:platform/config@0.1.0";
import { Bucket } from "wharf:platform/kv@0.1.0";
import { int64 } from "../../shared/javascript/engines.js";
import { bytes, PLAIN } from "../../shared/javascript/replies.js";
import { decode, encode } from "../../shared/javascript/text.js";

const refuse = (status, words, name, value) => ({
  tag: "answer",
  val: { status, headers: [PLAIN, [name, encode(value)]], body: bytes(encode(words)) },
});

const count = (key) => Bucket.open("cache").increment({ key, delta: int64(1) }, int64(0), undefined);

/** What a guard gets to know of a request, the members in alphabetical order. */
const seen = ({ method, path, query, pathParams, annotations, remoteAddr }) => ({
  id: value(pathParams, "id"),
  key: value(annotations, "api-key"),
  method,
  path,
  query: query ?? null,
  remote_addr: remoteAddr,
});

const value = (pairs, name) => pairs.find(([other]) => other === name)?.[1] ?? null;

const check = (request) => {
  const field = (name) => {
    const bytes = value(request.headers, name);
    return bytes === null ? null : decode(bytes);
  };
  const [trap, spin, why, user, key, see] = ["x-trap", "x-spin", "x-deny", "x-allow", "x-count", "x-see"].map(field);
  if (trap !== null) throw new Error("asked to trap here");
  while (spin !== null);
  if (why !== null) return refuse(403, `denied: ${why}`, "x-guard", "contract");
  if (user === null) return refuse(401, "say who you are: x-allow", "www-authenticate", "Contract");
  const annotations = [
    ["user", user],
    ["realm", get("realm")],
  ];
  if (key !== null) annotations.push(["count", `${count(key)}`]);
  if (see !== null) annotations.push(["seen", JSON.stringify(seen(request))]);
  return { tag: "allow", val: annotations };
};

export const guard = { check };
