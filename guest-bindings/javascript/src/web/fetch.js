// `Headers`, `Request`, `Response` and `FormData` over the contract's messages. Of the standard they leave out what has no
// meaning here (modes, caches, redirects that are followed, abort signals) and forms of several parts.

import { bytesOf, decode, encode, fromLatin1, joined, toLatin1 } from "./text.js";
import { URLSearchParams as Pairs } from "./url.js";

const NAME = /^[!#$%&'*+.^_`|~0-9a-z-]+$/;
const HOST = /^(\[[\da-f:.]+\]|[\w.-]+)(:\d{1,5})?$/i;
const PIECE = 65536;

export class Headers {
  // In the order of the wire. Values are text of the characters 0 to 255, or bytes until somebody asks for them.
  #fields = [];

  constructor(init = []) {
    if (init instanceof Headers) {
      this.#fields = init.#fields.map((field) => [...field]);
      return;
    }
    const pairs = typeof init[Symbol.iterator] === "function" ? init : Object.entries(init);
    for (const [name, value] of pairs) this.append(name, value);
  }

  /** Of the contract's fields. */
  static received(fields) {
    const headers = new Headers();
    headers.#fields = fields;
    return headers;
  }

  /** As the contract's fields. */
  static sent(headers) {
    return headers.#fields.map(([name, value]) => [name, typeof value === "string" ? fromLatin1(value) : value]);
  }

  #values(name) {
    const key = String(name).toLowerCase();
    const found = this.#fields.filter((field) => field[0] === key);
    return found.map((field) => (typeof field[1] === "string" ? field[1] : (field[1] = toLatin1(field[1]))));
  }

  append(name, value) {
    const key = String(name).toLowerCase();
    const text = String(value).trim();
    if (!NAME.test(key)) throw new TypeError(`\`${name}\` is no name of a header`);
    if (/[^\t\x20-\x7e\x80-\xff]/.test(text)) throw new TypeError(`the header \`${name}\` cannot have this value`);
    this.#fields.push([key, text]);
  }

  set(name, value) {
    const key = String(name).toLowerCase();
    const at = this.#fields.findIndex((field) => field[0] === key);
    this.append(name, value);
    const field = this.#fields.pop();
    this.delete(key);
    this.#fields.splice(at < 0 ? this.#fields.length : at, 0, field);
  }

  delete(name) {
    const key = String(name).toLowerCase();
    this.#fields = this.#fields.filter((field) => field[0] !== key);
  }

  has(name) {
    return this.#values(name).length > 0;
  }

  get(name) {
    const values = this.#values(name);
    return values.length > 0 ? values.join(", ") : null;
  }

  getSetCookie() {
    return this.#values("set-cookie");
  }

  forEach(call) {
    for (const [name, value] of this) call(value, name, this);
  }

  *entries() {
    for (const name of [...new Set(this.#fields.map((field) => field[0]))].sort()) {
      if (name === "set-cookie") for (const value of this.getSetCookie()) yield [name, value];
      else yield [name, this.get(name)];
    }
  }

  *keys() {
    for (const [name] of this) yield name;
  }

  *values() {
    for (const [, value] of this) yield value;
  }

  [Symbol.iterator]() {
    return this.entries();
  }
}

/** The client's fault when its body is read: what a service answers that does not catch it. */
export class BodyError extends Error {
  constructor(status, text, payload) {
    super(text);
    this.status = status;
    this.payload = payload;
  }

  /** Hono asks errors for this. */
  getResponse() {
    return new Response(this.message, { status: this.status });
  }
}

const FAULTS = {
  "limit-exceeded": [413, "the request's body is too large"],
  timeout: [408, "the request's body did not arrive in time"],
  "connection-lost": [400, "the request's body broke off"],
};

/** A body of the contract that comes in pieces. */
class Incoming {
  constructor(reader) {
    this.reader = reader;
  }

  *[Symbol.iterator]() {
    try {
      for (let piece = this.reader.read(PIECE); piece.length > 0; piece = this.reader.read(PIECE)) yield piece;
    } catch (thrown) {
      const error = thrown?.payload ?? thrown;
      const fault = FAULTS[error?.tag];
      throw fault ? new BodyError(...fault, error) : thrown;
    }
  }
}

/** Of the contract's body. */
const received = (body) => (body.tag === "bytes" ? body.val : new Incoming(body.val));

// What is behind the streams that `body` gave away, as long as nobody has read them: it need not be copied.
const untouched = new WeakMap();

const streamOf = (content) => {
  const pieces = async function* () {
    untouched.delete(stream);
    yield* content instanceof Uint8Array ? [content] : content;
  };
  const stream = ReadableStream.from(pieces());
  untouched.set(stream, content);
  return stream;
};

/** What a message keeps of what it is given, and the content type that follows from it. */
const contentOf = (content) => {
  if (content === null || content instanceof Uint8Array || content instanceof Incoming) return [content];
  if (content instanceof ArrayBuffer || ArrayBuffer.isView(content)) return [bytesOf(content)];
  if (content instanceof URLSearchParams || content instanceof FormData) {
    return [encode(String(content)), "application/x-www-form-urlencoded;charset=UTF-8"];
  }
  if (content instanceof ReadableStream && content.locked) throw new TypeError("the body has a reader");
  const iterable = typeof content === "object" && (Symbol.iterator in content || Symbol.asyncIterator in content);
  if (iterable) return [untouched.get(content) ?? content];
  return [encode(String(content)), "text/plain;charset=UTF-8"];
};

/** A piece of a body as bytes. */
export const pieceOf = (piece) => (typeof piece === "string" ? encode(piece) : bytesOf(piece));

/** What `Request` and `Response` have in common. */
export class Message {
  // Null, bytes, or something to iterate: what comes in, a stream, a generator.
  #content;
  #body;
  bodyUsed = false;

  constructor(content, headers) {
    this.headers = headers;
    const [kept, type] = contentOf(content ?? null);
    this.#content = kept;
    if (type && !headers.has("content-type")) headers.append("content-type", type);
  }

  get body() {
    const content = this.#content;
    if (content === null || content instanceof ReadableStream) return content;
    return (this.#body ??= streamOf(content));
  }

  /** For the one who reads it. */
  static take(message) {
    const [content, body] = [message.#content, message.#body];
    if (message.bodyUsed || (body ?? content)?.locked) throw new TypeError("the body was read already");
    message.bodyUsed = content !== null;
    return body && !untouched.has(body) ? body : content;
  }

  /** As a body of the contract's replies, or what there is to iterate. */
  static sent(message) {
    const content = Message.take(message);
    if (content === null) return { tag: "bytes", val: new Uint8Array() };
    if (content instanceof Uint8Array) return { tag: "bytes", val: content };
    return content instanceof Incoming ? { tag: "reader", val: content.reader } : { tag: "streamed", val: content };
  }

  /** For a second message with the same. */
  static share(message) {
    const content = message.#content;
    if (content !== null && !(content instanceof Uint8Array)) {
      throw new TypeError("a body that comes in pieces cannot be cloned");
    }
    return content;
  }

  async bytes() {
    const content = Message.take(this);
    if (content === null) return new Uint8Array();
    if (content instanceof Uint8Array) return content;
    const pieces = [];
    for await (const piece of content) pieces.push(pieceOf(piece));
    return joined(pieces);
  }

  async arrayBuffer() {
    const { buffer, byteOffset, length } = await this.bytes();
    return buffer.slice(byteOffset, byteOffset + length);
  }

  async text() {
    return decode(await this.bytes(), true).replace(/^\ufeff/, "");
  }

  async json() {
    return JSON.parse(await this.text());
  }

  async formData() {
    const type = this.headers.get("content-type") ?? "";
    if (!/^application\/x-www-form-urlencoded\b/i.test(type))
      throw new BodyError(415, `\`${type}\` is no form that is read here`);
    const form = new FormData();
    for (const [name, value] of new URLSearchParams(await this.text())) form.append(name, value);
    return form;
  }
}

export class Request extends Message {
  constructor(input, init = {}) {
    const from = input instanceof Request ? input : undefined;
    super("body" in init ? init.body : from && Message.take(from), new Headers(init.headers ?? from?.headers));
    const method = String(init.method ?? from?.method ?? "GET");
    this.method = /^(get|head|post|put|delete|options)$/i.test(method) ? method.toUpperCase() : method;
    this.url = from?.url ?? new URL(input).href;
  }

  /** Of the contract's request. Clients may send no host, or anything for one: `new URL` of the address works all the same. */
  static received({ method, scheme, authority, path, query, headers }, body) {
    const host = HOST.test(authority) ? authority : "localhost";
    const search = typeof query === "string" ? `?${query}` : "";
    const from = Object.create(Request.prototype, {
      method: { value: method },
      url: { value: `${scheme}://${host}${path}${search}` },
    });
    const content = body.tag === "streamed" ? new Incoming(body.val) : body.val.length > 0 ? body.val : null;
    return new Request(from, { body: content, headers: Headers.received(headers) });
  }

  /** A body that is no JSON is the client's fault. */
  async json() {
    const text = await this.text();
    try {
      return JSON.parse(text);
    } catch {
      throw new BodyError(400, "the request's body is no JSON");
    }
  }

  clone() {
    const { method, headers } = this;
    return new Request(this.url, { method, headers, body: Message.share(this) });
  }
}

export class Response extends Message {
  constructor(body = null, { status = 200, statusText = "", headers } = {}) {
    super(body, new Headers(headers));
    if (!(status >= 200 && status <= 599)) throw new RangeError(`a response cannot have the status ${status}`);
    this.status = status;
    this.statusText = statusText;
  }

  get ok() {
    return this.status < 300;
  }

  static json(value, init = {}) {
    const headers = new Headers(init.headers);
    if (!headers.has("content-type")) headers.set("content-type", "application/json");
    return new Response(JSON.stringify(value), { ...init, headers });
  }

  static redirect(url, status = 302) {
    return new Response(null, { status, headers: { location: String(url) } });
  }

  clone() {
    const { status, statusText, headers } = this;
    return new Response(Message.share(this), { status, statusText, headers });
  }
}

/** Names and texts; there are no files. */
export class FormData extends Pairs {}
