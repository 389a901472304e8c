// Short links: a Hono app on a bucket.

import { errorOf, type Info, service, stream } from "wharf-guest";
import type * as kv from "wharf:platform/kv@0.1.0";
import { Hono } from "hono";
import { HTTPException } from "hono/http-exception";

import { add, all, remove, visit } from "./store.js";

const app = new Hono<{ Bindings: Info }>().basePath("/links");

app.get("/", (c) => c.json([...all()]));

app.post("/", async (c) => {
  const { url } = await c.req.json<{ url?: unknown }>().catch(() => ({ url: undefined }));
  if (typeof url !== "string" || !/^https?:/.test(url) || !URL.canParse(url)) {
    throw new HTTPException(400, { message: "send a JSON object whose `url` is an address of http or https\n" });
  }
  const link = add(new URL(url).href);
  console.info(`link ${link.id}, for request ${c.env.requestId}`);
  return c.json(link, 201, { location: `/links/${link.id}` });
});

/** All links as lines of text, however many: the client takes them as they are read. */
app.get("/export.csv", () => {
  function* lines() {
    yield "id,visits,url\n";
    for (const { id, visits, url } of all()) yield `${id},${visits},${url}\n`;
  }
  return stream(lines(), { headers: { "content-type": "text/csv; charset=utf-8" } });
});

app.get("/:id", (c) => {
  const url = visit(c.req.param("id"));
  return url === undefined ? c.notFound() : c.redirect(url);
});

app.delete("/:id", (c) => (remove(c.req.param("id")) ? c.body(null, 204) : c.notFound()));

app.onError((error, c) => {
  if (error instanceof HTTPException) return error.getResponse();
  const failed = errorOf<kv.Error>(error);
  // Certainly not applied: the client may try again.
  if (failed?.tag === "unavailable")
    return c.text("the links cannot be reached; try again\n", 503, { "retry-after": "1" });
  console.error(error);
  return c.text("something went wrong\n", 500);
});

// Hono makes its matcher when it is first asked: now, while the component is built, and not again for each request.
app.router.match("GET", "/");

export const httpHandler = service(app.fetch);
