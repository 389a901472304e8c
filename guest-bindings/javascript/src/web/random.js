// `Math.random` for QuickJS: the engine's own begins at the same place in every instance, as it was seeded when the
// component was built. Like any other it is not for secrets.

const state = new Uint32Array(4);

/** Begins anew from a text that no other instance has. */
export const seed = (text) => {
  let hash = 0x811c9dc5;
  const next = (word) => Math.imul(hash ^ word, 0x01000193) ^ (hash >>> 15);
  for (let lane = 0; lane < state.length; lane += 1) {
    for (let at = 0; at < text.length; at += 1) hash = next(text.charCodeAt(at) + lane);
    state[lane] = hash;
  }
};

/** sfc32. */
const word = () => {
  const sum = state[0] + state[1] + state[3];
  state[3] += 1;
  state[0] = state[1] ^ (state[1] >>> 9);
  state[1] = state[2] + (state[2] << 3);
  state[2] = ((state[2] << 21) | (state[2] >>> 11)) + sum;
  return sum >>> 0;
};

if ("__cqjs" in globalThis) Math.random = () => ((word() >>> 5) * 0x4000000 + (word() >>> 6)) / 2 ** 53;
