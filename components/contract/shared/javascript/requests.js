// Requests: the parameters of their queries, and their bodies.

/** The parameters of a query, by name. */
export const parameters = (query) => {
  const pairs = (query ?? "").split("&").map((pair) => {
    const [name, ...value] = pair.split("=");
    return [name, decodeURIComponent(value.join("="))];
  });
  return Object.fromEntries(pairs);
};

/** The pieces of a body: one for bytes, of at most `size` bytes each otherwise. */
export function* pieces(body, size = 65536) {
  if (body.tag === "bytes") {
    yield body.val;
    return;
  }
  for (;;) {
    const piece = body.val.read(size);
    if (piece.length === 0) return;
    yield piece;
  }
}

/** All of a body. */
export const whole = (body) => {
  const read = [...pieces(body)];
  const all = new Uint8Array(read.reduce((length, piece) => length + piece.length, 0));
  let at = 0;
  for (const piece of read) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
};
