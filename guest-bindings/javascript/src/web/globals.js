// Makes the engine's global scope that of a `fetch` handler, as far as it is not.

import "./promise.js";

import { console } from "./console.js";
import { FormData, Headers, Request, Response } from "./fetch.js";
import { ReadableStream, TransformStream, WritableStream } from "./streams.js";
import { TextDecoder, TextEncoder } from "./text.js";
import { URL, URLSearchParams } from "./url.js";

const missing = { console, ReadableStream, TextDecoder, TextEncoder, TransformStream, URL, URLSearchParams, WritableStream };
for (const [name, value] of Object.entries(missing)) globalThis[name] ??= value;
// A service makes replies of these, and no others.
Object.assign(globalThis, { FormData, Headers, Request, Response });
