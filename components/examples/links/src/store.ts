// The links and their counters in the bucket `links`: `link/ID` is an address, `visits/ID` a number, `last` the last id.

import { Bucket } from "wharf:platform/kv@0.1.0";

export interface Link {
  id: string;
  url: string;
  visits: number;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

const open = () => Bucket.open("links");

export function add(url: string): Link {
  const bucket = open();
  const id = bucket.increment({ key: "last", delta: 1 }, 0, null).toString(36);
  bucket.put({ key: `link/${id}`, value: encoder.encode(url) }, { tag: "always" });
  return { id, url, visits: 0 };
}

/** The address of a link that is followed, or undefined when there is none. */
export function visit(id: string): string | undefined {
  const bucket = open();
  const entry = bucket.get(`link/${id}`);
  if (!entry) return undefined;
  bucket.increment({ key: `visits/${id}`, delta: 1 }, 0, null);
  return decoder.decode(entry.value);
}

export function remove(id: string): boolean {
  const bucket = open();
  bucket.delete(`visits/${id}`, { tag: "always" });
  return bucket.delete(`link/${id}`, { tag: "always" });
}

/** All links in the order of their ids, page by page. */
export function* all(): Generator<Link> {
  const bucket = open();
  let cursor: string | null | undefined;
  do {
    const page = bucket.scan({ prefix: "link/", reverse: false, keysOnly: false, limit: 100, cursor });
    const ids = page.entries.map(([key]) => key.slice("link/".length));
    const visits = bucket.getMany(ids.map((id) => `visits/${id}`));
    for (const [index, [, { value }]] of page.entries.entries()) {
      const count = visits[index]?.value;
      yield { id: ids[index]!, url: decoder.decode(value), visits: count ? Number(decoder.decode(count)) : 0 };
    }
    cursor = page.next;
  } while (cursor);
}
