// Makes the engine's global scope that of a `fetch` handler, as far as it is not.

import "./promise.js";

import { console } from "./console.js";
import { FormData, Headers, Request, Response } from "./fetch.js";
import { ReadableStream, TransformStream, WritableStream } from "./streams.js";
import { TextDecoder, TextEncoder } from "./text.js";
import { URL, URLSearchParams } from "./url.js";

const missing = { console, TextDecoder, TextEncoder, URL, URLSearchParams };
for (const [name, value] of Object.entries(missing)) globalThis[name] ??= value;
// A service makes replies of these, so those of StarlingMonkey make way.
Object.assign(globalThis, { FormData, Headers, ReadableStream, Request, Response, TransformStream, WritableStream });
