// What `src/web` has of the web, beside what Node has: `npm test`, which needs nothing but Node 20.

import assert from "node:assert/strict";
import test from "node:test";

import * as fetched from "../src/web/fetch.js";
import * as streams from "../src/web/streams.js";
import * as text from "../src/web/text.js";
import * as addresses from "../src/web/url.js";

// Of the language of 2025, which QuickJS has.
Uint8Array.fromBase64 ??= (base64) => new Uint8Array(Buffer.from(base64, "base64"));
Uint8Array.prototype.toBase64 ??= function () {
  return Buffer.from(this).toString("base64");
};
Promise.withResolvers ??= function () {
  let resolve, reject;
  const promise = new Promise((...settlers) => ([resolve, reject] = settlers));
  return { promise, resolve, reject };
};

const theirs = {
  FormData,
  Headers,
  ReadableStream,
  Request,
  Response,
  TextDecoder,
  TextEncoder,
  TransformStream,
  URL,
  URLSearchParams,
  WritableStream,
};
const ours = { ...fetched, ...streams, ...text, ...addresses };

/** What a case comes to, or the kind of error that it ends with. */
const outcome = async (run, web) => {
  Object.assign(globalThis, web);
  try {
    return { value: await run(web) };
  } catch (error) {
    return { error: error.constructor.name };
  }
};

const same = (name, run) =>
  test(name, async () => assert.deepEqual(await outcome(run, ours), await outcome(run, theirs)));

const PARTS = [
  "href",
  "protocol",
  "username",
  "password",
  "host",
  "hostname",
  "port",
  "pathname",
  "search",
  "hash",
  "origin",
];
const ADDRESSES = [
  "http://example.com",
  "HTTP://User:Pa%20ss@EXAMPLE.com:80/a/../b/./c?x=1&y=a b#fr ag",
  "https://a.b/é?é#é",
  "http://a/b c/%2e%2e/d",
  "http://[::1]:8080/x",
  "http://a/?q=<>\"'`{}",
  "http://a//b//..//c",
  "http://a/b/..",
  "http://a\\b?\\",
  "http://a\\@b/",
  "http://a b/",
  "http://a/\tb\n",
  "http://a?x",
  "  http://a/%zz ",
  "http://a:99999/",
  "http://",
  "nonsense",
];
for (const address of ADDRESSES) same(`URL ${address}`, ({ URL }) => PARTS.map((part) => new URL(address)[part]));
for (const relative of ["/x?y", "x", "../x", "?q", "#h", "//o/p", "", "./", "https://z/"]) {
  same(`URL ${relative} from another`, ({ URL }) => new URL(relative, "http://a/b/c/d?z#f").href);
}
same("URL that is changed", ({ URL }) => {
  const url = new URL("http://a/?x=1 2");
  url.searchParams.append("y", "é");
  Object.assign(url, { hash: "q", pathname: "/p q", port: "81" });
  return url.href;
});

for (const query of ["a=1&b=2", "?a=%20+x&&=v&k", "a=%ff", "a=%E2%98%83%", "x=1=2", "%zz=1"]) {
  same(`URLSearchParams ${query}`, ({ URLSearchParams }) => {
    const pairs = new URLSearchParams(query);
    return [[...pairs], String(pairs), pairs.size];
  });
}
same("URLSearchParams that are changed", ({ URLSearchParams }) => {
  const pairs = new URLSearchParams({ a: "1 &é~!*()'", b: "2" });
  pairs.append("a", "3");
  pairs.set("b", "x");
  pairs.set("c", 1);
  pairs.sort();
  pairs.delete("a", "3");
  return [String(pairs), pairs.getAll("a"), pairs.get("z"), pairs.has("a"), pairs.has("a", "q")];
});

for (const words of ["", "abc", "é☃😀", "\ud800x", "\0\x7f\x80"]) {
  same(`TextEncoder ${JSON.stringify(words)}`, ({ TextEncoder }) => new TextEncoder().encode(words));
}
same("TextEncoder into what there is", ({ TextEncoder }) => new TextEncoder().encodeInto("é☃😀a", new Uint8Array(6)));
const BYTES = [
  "",
  "61",
  "ff",
  "e298",
  "e29841",
  "f09f9880",
  "f09f98",
  "f0808041",
  "c080",
  "eda080",
  "f580",
  "f4908080",
  "efbbbf61",
  "61c2",
  "c2c2a9",
];
for (const hex of BYTES) {
  same(`TextDecoder ${hex}`, ({ TextDecoder }) => new TextDecoder().decode(Buffer.from(hex, "hex")));
  same(`TextDecoder ${hex}, strictly`, ({ TextDecoder }) =>
    new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Buffer.from(hex, "hex")),
  );
}
same("TextDecoder of pieces", ({ TextDecoder }) => {
  const decoder = new TextDecoder();
  return ["e2", "98", "83f09f", ""].map((hex, at) => decoder.decode(Buffer.from(hex, "hex"), { stream: at < 3 }));
});

same("Headers", ({ Headers }) => {
  const headers = new Headers({ B: " x ", a: "1" });
  headers.append("a", "2");
  headers.append("Set-Cookie", "q=1");
  headers.append("set-cookie", "r=2");
  headers.set("A", "z");
  headers.append("a", "y");
  return [[...headers], headers.get("set-cookie"), headers.getSetCookie(), headers.get("nope"), headers.has("b")];
});
for (const init of [{ "a b": "1" }, { a: "é" }, { a: "x\ny" }, { a: "☃" }]) {
  same(`Headers ${JSON.stringify(init)}`, ({ Headers }) => [...new Headers(init)]);
}

same("Response", async ({ Response }) => {
  const response = new Response("é", { status: 201, headers: { a: "1" } });
  const copy = response.clone();
  return [
    response.status,
    response.ok,
    [...response.headers],
    await response.text(),
    await copy.text(),
    response.bodyUsed,
  ];
});
same("Response that is read twice", async ({ Response }) => {
  const response = new Response("a");
  await response.text();
  return response.text();
});
same("Response of JSON", async ({ Response }) => [
  [...Response.json({ a: 1 }).headers],
  await Response.json({ a: 1 }).json(),
]);
same("Response of what is no JSON", ({ Response }) => new Response("{").json());
same("Response of a form", async ({ Response }) => {
  const form = new Response(new URLSearchParams("a=1&b=%20"));
  return [[...form.headers], [...(await form.formData())]];
});
same("Response of a stream", async ({ Response }) => new Response(new Response("abc").body).text());
same("Response without such a status", ({ Response }) => new Response("", { status: 700 }));
same("Request", async ({ Request }) => {
  const request = new Request("http://a/b", { method: "post", body: "x", headers: { q: "1" } });
  const second = new Request(request, { headers: { z: "2" } });
  return [
    request.method,
    request.url,
    [...request.headers],
    second.method,
    [...second.headers],
    request.bodyUsed,
    await second.text(),
  ];
});

const all = async (stream) => {
  const pieces = [];
  for await (const piece of stream) pieces.push(piece);
  return pieces;
};
const made = ({ ReadableStream }, pieces) => {
  const left = [...pieces];
  return new ReadableStream({ pull: (to) => (left.length > 0 ? to.enqueue(left.shift()) : to.close()) });
};
same("ReadableStream", (web) => all(made(web, "abc")));
same("ReadableStream that fails", ({ ReadableStream }) =>
  all(new ReadableStream({ start: (to) => to.error(new TypeError("no")) })),
);
same("ReadableStream from a generator", ({ ReadableStream }) =>
  all(
    ReadableStream.from(
      (async function* () {
        yield* "abc";
      })(),
    ),
  ),
);
same("TransformStream", (web) => {
  const twice = new web.TransformStream({
    transform: (piece, to) => piece !== "b" && (to.enqueue(piece), to.enqueue(piece)),
    flush: (to) => to.enqueue("end"),
  });
  return all(made(web, "abc").pipeThrough(twice));
});
same("TransformStream that nobody reads to its end", async ({ TransformStream }) => {
  const happened = [];
  const { readable, writable } = new TransformStream();
  const writer = writable.getWriter();
  writer.closed.catch(() => {});
  const writing = (async () => {
    for (const piece of [1, 2, 3]) await writer.write(piece);
  })().catch(() => happened.push("failed"));
  const reader = readable.getReader();
  happened.push((await reader.read()).value);
  await reader.cancel("enough");
  await writing;
  return happened;
});
same("WritableStream", async (web) => {
  const written = [];
  await made(web, "ab").pipeTo(
    new web.WritableStream({ write: (piece) => void written.push(piece), close: () => void written.push("closed") }),
  );
  return written;
});
