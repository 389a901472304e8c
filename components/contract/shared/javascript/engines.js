// Where QuickJS and StarlingMonkey bind the contract differently.

/** What a function of the contract returned as an error; none for any other exception. */
export const contractError = (thrown) => thrown?.payload;

/** Drops a resource now: neither engine does before its collector runs, and QuickJS never does. */
export const drop = (resource) => (resource[Symbol.dispose] ?? resource[Symbol.for("dispose")]).call(resource);

/** Uses a resource and drops it, however that ends. */
export const using = (resource, use) => {
  try {
    return use(resource);
  } finally {
    drop(resource);
  }
};

/** A 64-bit integer for the contract: QuickJS takes numbers, exact to 2^53, StarlingMonkey BigInts. */
export const int64 = "wit" in globalThis ? Number : BigInt;

/** A `u32` for the contract: QuickJS takes what fits an `s32`, and both engines take the same bits as one. */
export const uint32 = (number) => number | 0;
