// The handler: plain JavaScript against the contract (wit/http-handler.wit), run by QuickJS inside the component.

// QuickJS has no TextEncoder and no TextDecoder.
const encode = (text) => Uint8Array.from(unescape(encodeURIComponent(text)), (char) => char.charCodeAt(0));
const decode = (bytes) => decodeURIComponent(escape(String.fromCharCode(...bytes)));

// A body that is pulled piece by piece; the contract calls the class `chunks`.
class Chunks {
  constructor(pieces) {
    this.pieces = pieces;
  }
  next() {
    const { done, value } = this.pieces.next();
    return done ? undefined : encode(value);
  }
  trailers() {
    return undefined;
  }
}

const plain = [["content-type", encode("text/plain; charset=utf-8")]];
const text = (status, words) => ({ status, headers: plain, body: { tag: "bytes", val: encode(words) } });
const stream = (pieces) => ({ status: 200, headers: plain, body: { tag: "streamed", val: new Chunks(pieces) } });

function* squares(upTo) {
  for (let n = 1; n <= upTo; n += 1) yield `${n} squared is ${n * n}\n`;
}

export const httpHandler = {
  Chunks,
  handle(request) {
    const [, id] = request.headers.find(([name]) => name === "x-request-id") ?? [];
    switch (request.path) {
      case "/composed":
        return text(200, `JavaScript answers request ${id ? decode(id) : "without an id"}\n`);
      case "/composed/squares":
        return stream(squares(5));
      default:
        return text(404, "there is nothing here\n");
    }
  },
};
