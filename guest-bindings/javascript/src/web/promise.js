// Promises for QuickJS, which runs no jobs while it answers a plain `func` of the contract: what follows an `await`
// would never happen. These have a queue of their own, and `settle` runs it to the end. `wharf build` compiles `async`
// functions to them. That is enough because capabilities answer at once: no promise ever waits for the host.

const Native = globalThis.Promise;
const jobs = [];
let waking = false;

const enqueue = (job) => {
  jobs.push(job);
  // While a module is evaluated the engine does run its jobs.
  if (!waking) Native.resolve().then(drain);
  waking = true;
};

const drain = () => {
  waking = false;
  for (let batch = jobs.splice(0); batch.length > 0; batch = jobs.splice(0)) for (const job of batch) job();
};

/** Instead of an executor: the promise is decided from within. */
const LATER = () => {};

class Promise {
  #state = "pending";
  #value;
  #reactions = [];

  constructor(executor) {
    if (executor === LATER) return;
    const { resolve, reject } = this.#settlers();
    try {
      executor(resolve, reject);
    } catch (error) {
      reject(error);
    }
  }

  /** The two functions that decide this promise; only the first call of either counts. */
  #settlers() {
    let decided = false;
    const once = (decide) => (value) => {
      if (decided) return;
      decided = true;
      decide(value);
    };
    return { resolve: once((value) => this.#resolve(value)), reject: once((error) => this.#settle("rejected", error)) };
  }

  #resolve(value) {
    if (value === this) return this.#settle("rejected", new TypeError("a promise cannot wait for itself"));
    if (Object(value) !== value) return this.#settle("fulfilled", value);
    const { resolve, reject } = this.#settlers();
    try {
      const { then } = value;
      if (typeof then !== "function") return this.#settle("fulfilled", value);
      enqueue(() => {
        try {
          then.call(value, resolve, reject);
        } catch (error) {
          reject(error);
        }
      });
    } catch (error) {
      reject(error);
    }
  }

  #settle(state, value) {
    this.#state = state;
    this.#value = value;
    for (const reaction of this.#reactions) enqueue(reaction);
    this.#reactions = undefined;
  }

  then(onFulfilled, onRejected) {
    const Class = this.constructor;
    const next = new Promise(LATER);
    const reaction = () => {
      const fulfilled = this.#state === "fulfilled";
      const handler = fulfilled ? onFulfilled : onRejected;
      try {
        if (typeof handler === "function") next.#resolve(handler(this.#value));
        else if (fulfilled) next.#settle("fulfilled", this.#value);
        else next.#settle("rejected", this.#value);
      } catch (error) {
        next.#settle("rejected", error);
      }
    };
    if (this.#state === "pending") this.#reactions.push(reaction);
    else enqueue(reaction);
    return Class === Promise ? next : new Class((resolve) => resolve(next));
  }

  catch(onRejected) {
    return this.then(undefined, onRejected);
  }

  finally(onFinally) {
    if (typeof onFinally !== "function") return this.then();
    const Class = this.constructor;
    return this.then(
      (value) => Class.resolve(onFinally()).then(() => value),
      (error) =>
        Class.resolve(onFinally()).then(() => {
          throw error;
        }),
    );
  }

  get [Symbol.toStringTag]() {
    return "Promise";
  }

  static get [Symbol.species]() {
    return this;
  }

  static resolve(value) {
    if (value instanceof Promise && value.constructor === this) return value;
    if (this !== Promise) return new this((resolve) => resolve(value));
    const promise = new Promise(LATER);
    promise.#resolve(value);
    return promise;
  }

  static reject(error) {
    return new this((_, reject) => reject(error));
  }

  static withResolvers() {
    let resolve, reject;
    const promise = new this((...settlers) => ([resolve, reject] = settlers));
    return { promise, resolve, reject };
  }

  static try(work, ...args) {
    return new this((resolve) => resolve(work(...args)));
  }

  static race(values) {
    return new this((resolve, reject) => {
      for (const value of values) this.resolve(value).then(resolve, reject);
    });
  }

  static all(values) {
    return this.#gather(values, (waiting, keep, reject) => waiting.then(keep, reject));
  }

  static allSettled(values) {
    const fulfilled = (value) => ({ status: "fulfilled", value });
    const rejected = (reason) => ({ status: "rejected", reason });
    return this.#gather(values, (waiting, keep) => waiting.then(fulfilled, rejected).then(keep));
  }

  static any(values) {
    return new this((resolve, reject) => {
      const errors = this.#gather(values, (waiting, keep) => waiting.then(resolve, keep));
      errors.then((all) => reject(new AggregateError(all, "all promises were rejected")));
    });
  }

  /** What `wait` keeps of each value, in their order. */
  static #gather(values, wait) {
    return new this((resolve, reject) => {
      const kept = [];
      let left = 1;
      const done = () => {
        left -= 1;
        if (left === 0) resolve(kept);
      };
      let index = 0;
      for (const value of values) {
        const at = index++;
        left += 1;
        wait(this.resolve(value), (result) => done((kept[at] = result)), reject);
      }
      done();
    });
  }

  /** Runs what waits, and returns what the promise came to, or throws it. */
  static settle(value) {
    const promise = Promise.resolve(value);
    drain();
    if (promise.#state === "fulfilled") return promise.#value;
    if (promise.#state === "rejected") throw promise.#value;
    throw new Error("the service waits for something that never happens");
  }
}

// StarlingMonkey runs its jobs until the promise of an export is settled.
const quickjs = "__cqjs" in globalThis;
export const settle = quickjs ? Promise.settle : (value) => value;
delete Promise.settle;
if (quickjs) Object.assign(globalThis, { Promise, queueMicrotask: enqueue });
