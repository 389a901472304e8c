// Types of `index.js`, by hand. Those of the contract are generated; see the README for how to have both.

/** What the host knows of a request beside the message itself; with Hono it is `c.env`. */
export interface Info {
  /** What the route's pattern captured. */
  params: Record<string, string>;
  /** What the route's guards found out; no client can send it. */
  annotations: Record<string, string>;
  remoteAddr: string;
  /** 0 when a proxy did not report it. */
  remotePort: number;
  /** Also in logs and in the response field `x-request-id`. */
  requestId: string;
  /** Unix time in milliseconds. */
  receivedAt: number;
  /** When the host gives up: Unix time in milliseconds. */
  deadline: number;
}

export type Handler = (request: Request, info: Info) => Response | Promise<Response>;

/** What `export const httpHandler` is: for the host. */
export interface HttpHandler {
  readonly Chunks: unknown;
  readonly handle: (request: never, body: never) => unknown;
}

/** Makes a handler what the service answers requests with. Who uses Hono gives it `app.fetch`. */
export function service(fetch: Handler): HttpHandler;

/**
 * An `async` function as a plain one of the contract: for what a service exports beside its handler, e.g.
 * `export const guard = { check: awaited(async (request) => ...) }`.
 */
export function awaited<Args extends unknown[], Result>(
  work: (...args: Args) => Result | Promise<Result>,
): (...args: Args) => Result;

type Piece = string | Uint8Array;
type Trailers = HeadersInit | void;

/**
 * A response in pieces, which are asked for while the client takes them; best 16 to 64 KiB each. What a generator returns are
 * the trailers.
 */
export function stream(
  pieces: Iterable<Piece, Trailers> | AsyncIterable<Piece, Trailers>,
  init?: ResponseInit,
): Response;

/**
 * The error of the contract that a capability threw, e.g. `errorOf<kv.Error>(thrown)?.tag === "unavailable"`; undefined for
 * anything else that was thrown. Which type it is depends on what was called: there is no way to see.
 */
export function errorOf<Error extends { tag: string } = { tag: string; val?: unknown }>(
  thrown: unknown,
): Error | undefined;

/** A `Database` or a `Transaction` of `wharf:platform/pg-client@0.1.0`. */
interface Queried {
  query(sql: string, params: never[]): unknown;
  execute(sql: string, params: never[]): unknown;
}

/**
 * What a statement may be given. Texts, numbers and dates go as text, which the server reads as the type that it expects; arrays
 * as arrays; other objects as JSON.
 */
export type Param =
  string | number | bigint | boolean | null | undefined | Date | Uint8Array | readonly Param[] | object;

/**
 * Runs one statement on a database or in a transaction; its rows, by the names of their columns. JSON is parsed, `timestamptz` is a
 * `Date`, dates and times without a zone are ISO texts (to the
 * millisecond), `numeric` is text, arrays are arrays; what has no type in JavaScript is as
 * the contract has it. `Row` is what you know of the statement: nothing checks it.
 */
export function query<Row = Record<string, unknown>>(on: Queried, sql: string, ...values: Param[]): Row[];

/** Runs one statement, and tells how many rows it affected. */
export function execute(on: Queried, sql: string, ...values: Param[]): number;

/** Commits what `work` did when it returns, and undoes it when it throws. */
export function transaction<Held, Result>(
  database: { begin(options: never): Held },
  work: (held: Held) => Result | Promise<Result>,
  options?: {
    isolation?: "server-default" | "read-committed" | "repeatable-read" | "serializable";
    readOnly?: boolean;
    deferrable?: boolean;
    timeoutMs?: number;
  },
): Promise<Result>;
