// FNV-1a of 32 bits: enough to see that nothing was lost or swapped, and a few lines in any language.

/** A hash of the bytes that are added to it. */
export const fnv1a = () => {
  let hash = 0x811c9dc5;
  return {
    add(bytes) {
      for (let at = 0; at < bytes.length; at += 1) hash = Math.imul(hash ^ bytes[at], 0x01000193);
    },
    /** Eight digits in hexadecimal. */
    digits: () => (hash >>> 0).toString(16).padStart(8, "0"),
  };
};
