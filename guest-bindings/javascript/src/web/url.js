// `URL` and `URLSearchParams` for QuickJS. Addresses of http and https with names and IPv4 as they are written: international
// ones are refused. Other schemes are taken apart at the same places.

const PORTS = { "http:": "80", "https:": "443" };
const USER = "(?:([^/?#@:]*)(?::([^/?#@]*))?@)?";
const HOST = "(\\[[0-9a-f:.]+\\]|[\\w.~!$&'()*+,;=-]+)(?::(\\d*))?";
const PATTERN = new RegExp(`^([a-z][a-z0-9+.-]*:)//${USER}${HOST}([/?#].*)?$`, "i");

/** Percent-encodes what may not stand there; sequences that are encoded already stay. */
const clean = (text, forbidden) =>
  text.toWellFormed().replace(forbidden, (part) => (part === "'" ? "%27" : encodeURIComponent(part)));
const OF_PATH = /[^!-~]|["<>`{}^]/gu;
const OF_QUERY = /[^!-~]|["<>']/gu;

const withoutDots = (path) => {
  const kept = [];
  const segments = path.split("/").slice(1);
  segments.forEach((segment, index) => {
    const plain = segment.replace(/%2e/gi, ".");
    if (plain === "..") kept.pop();
    else if (plain !== ".") kept.push(segment);
    if (/^\.\.?$/.test(plain) && index === segments.length - 1) kept.push("");
  });
  return `/${kept.join("/")}`;
};

export class URL {
  #path;
  #search;
  #params;
  #fragment;

  constructor(url, base) {
    // Browsers take a backslash for a slash, so whoever checks a host has to.
    const text = String(url)
      .trim()
      .replace(/[\t\r\n]/g, "")
      .replace(/^[^?#]*/, (start) => start.replaceAll("\\", "/"));
    const whole = /^[a-z][a-z0-9+.-]*:/i.test(text) || base === undefined ? text : resolved(text, new URL(base));
    const [, protocol, username = "", password = "", host, port = "", rest = ""] = PATTERN.exec(whole) ?? [];
    if (protocol === undefined || Number(port) > 65535) throw new TypeError(`\`${text}\` is no URL`);
    this.protocol = protocol.toLowerCase();
    this.username = username;
    this.password = password;
    this.hostname = host.toLowerCase();
    this.port = port === "" || Number(port) === Number(PORTS[this.protocol]) ? "" : String(Number(port));
    const [, path, query = "", fragment = ""] = /^([^?#]*)(\?[^#]*)?(#.*)?$/s.exec(rest);
    this.pathname = path;
    this.search = query;
    this.hash = fragment;
  }

  get pathname() {
    return this.#path;
  }

  set pathname(value) {
    this.#path = withoutDots(
      clean(
        String(value)
          .replaceAll("\\", "/")
          .replace(/^(?!\/)/, "/"),
        OF_PATH,
      ),
    );
  }

  get search() {
    const text = this.#params ? String(this.#params) : this.#search;
    return text && `?${text}`;
  }

  set search(value) {
    this.#search = clean(String(value).replace(/^\?/, ""), OF_QUERY);
    this.#params = undefined;
  }

  get hash() {
    return this.#fragment && `#${this.#fragment}`;
  }

  set hash(value) {
    this.#fragment = clean(String(value).replace(/^#/, ""), OF_PATH);
  }

  /** Once it was asked for, the query is what these write. */
  get searchParams() {
    return (this.#params ??= new URLSearchParams(this.#search));
  }

  get host() {
    return this.port ? `${this.hostname}:${this.port}` : this.hostname;
  }

  get origin() {
    return `${this.protocol}//${this.host}`;
  }

  get href() {
    const secret = this.password && `:${this.password}`;
    const user = this.username || secret ? `${this.username}${secret}@` : "";
    return `${this.protocol}//${user}${this.host}${this.pathname}${this.search}${this.hash}`;
  }

  toString() {
    return this.href;
  }

  toJSON() {
    return this.href;
  }

  static canParse(url, base) {
    return URL.parse(url, base) !== null;
  }

  static parse(url, base) {
    try {
      return new URL(url, base);
    } catch {
      return null;
    }
  }
}

const resolved = (text, base) => {
  if (text.startsWith("//")) return base.protocol + text;
  if (text.startsWith("/")) return base.origin + text;
  if (text.startsWith("?")) return base.origin + base.pathname + text;
  if (text.startsWith("#")) return base.origin + base.pathname + base.search + text;
  if (text === "") return base.origin + base.pathname + base.search;
  return base.origin + base.pathname.replace(/[^/]*$/, text);
};

const decoded = (text) => {
  const plain = text.replaceAll("+", " ");
  try {
    return decodeURIComponent(plain);
  } catch {
    return new TextDecoder().decode(percent(plain));
  }
};

/** The bytes of text in which some sequences are no UTF-8. */
const percent = (text) => {
  const encoded = encodeURI(text).replaceAll("%25", "%");
  return Uint8Array.from(encoded.match(/%[0-9a-f]{2}|[^]/gi) ?? [], (part) =>
    part.length === 3 ? parseInt(part.slice(1), 16) : part.charCodeAt(0),
  );
};

const encoded = (text) =>
  encodeURIComponent(text.toWellFormed()).replace(/%20|[!'()~]/g, (part) =>
    part === "%20" ? "+" : `%${part.charCodeAt(0).toString(16).toUpperCase()}`,
  );

export class URLSearchParams {
  #pairs = [];

  constructor(init = "") {
    if (typeof init === "string") {
      const parts = init.replace(/^\?/, "").split("&").filter(Boolean);
      this.#pairs = parts.map((part) => {
        const [name, ...value] = part.split("=");
        return [decoded(name), decoded(value.join("="))];
      });
    } else {
      const pairs = typeof init[Symbol.iterator] === "function" ? init : Object.entries(init);
      for (const [name, value] of pairs) this.append(name, value);
    }
  }

  get size() {
    return this.#pairs.length;
  }

  append(name, value) {
    this.#pairs.push([String(name), String(value)]);
  }

  get(name) {
    return this.#pairs.find(([key]) => key === name)?.[1] ?? null;
  }

  getAll(name) {
    return this.#pairs.filter(([key]) => key === name).map(([, value]) => value);
  }

  has(name, value) {
    return this.#pairs.some(([key, text]) => key === name && (value === undefined || text === value));
  }

  set(name, value) {
    const first = this.#pairs.find(([key]) => key === name);
    if (first) first[1] = String(value);
    else this.append(name, value);
    this.#pairs = this.#pairs.filter((pair) => pair[0] !== name || pair === first || !first);
  }

  delete(name, value) {
    this.#pairs = this.#pairs.filter(([key, text]) => key !== name || (value !== undefined && text !== value));
  }

  sort() {
    this.#pairs.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  }

  forEach(call) {
    for (const [name, value] of this) call(value, name, this);
  }

  *entries() {
    for (const [name, value] of this.#pairs) yield [name, value];
  }

  *keys() {
    for (const [name] of this.#pairs) yield name;
  }

  *values() {
    for (const [, value] of this.#pairs) yield value;
  }

  [Symbol.iterator]() {
    return this.entries();
  }

  toString() {
    return this.#pairs.map((pair) => pair.map(encoded).join("=")).join("&");
  }
}
