// The promises that QuickJS gets, beside the engine's own.

import assert from "node:assert/strict";
import test from "node:test";

// As if this were QuickJS.
const Native = Promise;
globalThis.__cqjs = {};
const { settle } = await import("../src/web/promise.js");
const Ours = globalThis.Promise;
globalThis.Promise = Native;

/** `make` is given the class, and what it makes comes to the same for both. */
const same = (name, make) =>
  test(name, async () => {
    const native = await Native.resolve(make(Native)).then(
      (value) => ({ value }),
      (error) => ({ error: error?.name ?? error }),
    );
    let ours;
    try {
      ours = { value: settle(make(Ours)) };
    } catch (error) {
      ours = { error: error?.name ?? error };
    }
    assert.deepEqual(ours, native);
  });

same("jobs in their order", (P) => {
  const order = [];
  const say = (word) => () => order.push(word);
  P.resolve().then(say("a")).then(say("d"));
  new P((resolve) => resolve(P.resolve())).then(say("e"));
  P.reject().catch(say("b")).finally(say("f"));
  P.resolve().then(say("c"));
  return new P((resolve) =>
    P.resolve()
      .then(() => P.resolve())
      .then(() => P.resolve())
      .then(() => resolve(order)),
  );
});
same("all", (P) => P.all([1, P.resolve(2), { then: (resolve) => resolve(3) }]));
same("all of nothing", (P) => P.all([]));
same("all with an error", (P) => P.all([1, P.reject(2), P.reject(3)]));
same("allSettled", (P) => P.allSettled([1, P.reject(2)]));
same("any", (P) => P.any([P.reject(1), 2]));
same("any without one", (P) => P.any([P.reject(1)]));
same("race", (P) => P.race([new P(() => {}), 5]));
same("finally", (P) => P.resolve(1).finally(() => 2));
same("finally that throws", (P) =>
  P.reject(1).finally(() => {
    throw 3;
  }),
);
same(
  "an executor that throws",
  (P) =>
    new P(() => {
      throw 1;
    }),
);
same("only the first counts", (P) => new P((resolve, reject) => (resolve(1), reject(2), resolve(3))));
same("a `then` that throws", (P) =>
  P.resolve({
    then: () => {
      throw 1;
    },
  }),
);
same("a promise that waits for itself", (P) => {
  const promise = new P((resolve) => P.resolve().then(() => resolve(promise)));
  return promise;
});
same("what is passed on", (P) =>
  P.resolve(1)
    .then()
    .then(undefined, () => 2)
    .then((value) => [value]),
);
same("classes", (P) => {
  class Mine extends P {}
  return [Mine.resolve(1).then() instanceof Mine, P.resolve(1) instanceof Mine, String(P.resolve())];
});

test("what never happens is an error", () => {
  assert.throws(() => settle(new Ours(() => {})), /never happens/);
});
