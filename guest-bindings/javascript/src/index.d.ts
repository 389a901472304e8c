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
export function errorOf<Error extends { tag: string } = { tag: string; val?: unknown }>(thrown: unknown): Error | undefined;
