// Streams: what handlers and Hono's streaming helpers use of the standard. A stream makes its next piece when
// it is asked for it; there are no byte streams, no strategies and no `tee`.

export class ReadableStream {
  #source;
  #controller;
  #queue = [];
  #reads = [];
  #state = "open";
  #error;
  #busy = true;
  #again = false;
  #closed = Promise.withResolvers();
  locked = false;

  constructor(source = {}) {
    const stream = this;
    // Nobody has to ask for it.
    this.#closed.promise.catch(() => {});
    this.#source = source;
    this.#controller = {
      /** How many pieces are waited for, and not there. */
      get desiredSize() {
        return stream.#reads.length - stream.#queue.length;
      },
      enqueue: (piece) => this.#enqueue(piece),
      close: () => this.#close(),
      error: (error) => this.#fail(error),
    };
    Promise.resolve(source.start?.(this.#controller)).then(
      () => this.#rest(),
      (error) => this.#fail(error),
    );
  }

  /** A stream of what an iterable gives. */
  static from(iterable) {
    const pieces = iterable[Symbol.asyncIterator]?.() ?? iterable[Symbol.iterator]();
    return new ReadableStream({
      async pull(controller) {
        const { done, value } = await pieces.next();
        if (done) controller.close();
        else controller.enqueue(await value);
      },
      cancel: () => pieces.return?.(),
    });
  }

  #pull() {
    if (this.#state !== "open" || this.#reads.length === 0 || !this.#source.pull) return;
    this.#again = this.#busy;
    if (this.#busy) return;
    this.#busy = true;
    new Promise((resolve) => resolve(this.#source.pull(this.#controller))).then(
      () => this.#rest(),
      (error) => this.#fail(error),
    );
  }

  #rest() {
    this.#busy = false;
    if (this.#again || this.#reads.length > 0) this.#pull();
  }

  #enqueue(piece) {
    if (this.#state !== "open") throw new TypeError("the stream has ended");
    if (this.#reads.length > 0) this.#reads.shift().resolve({ done: false, value: piece });
    else this.#queue.push(piece);
  }

  #close() {
    if (this.#state !== "open") throw new TypeError("the stream has ended");
    this.#state = "closed";
    if (this.#queue.length === 0) this.#end();
  }

  #end() {
    for (const read of this.#reads.splice(0)) read.resolve({ done: true, value: undefined });
    this.#closed.resolve();
  }

  #fail(error) {
    if (this.#state !== "open") return;
    this.#state = "failed";
    this.#error = error;
    this.#queue.length = 0;
    for (const read of this.#reads.splice(0)) read.reject(error);
    this.#closed.reject(error);
  }

  #read() {
    if (this.#queue.length > 0) {
      const value = this.#queue.shift();
      if (this.#state === "closed" && this.#queue.length === 0) this.#end();
      return Promise.resolve({ done: false, value });
    }
    if (this.#state === "failed") return Promise.reject(this.#error);
    if (this.#state === "closed") return Promise.resolve({ done: true, value: undefined });
    const read = Promise.withResolvers();
    this.#reads.push(read);
    this.#pull();
    return read.promise;
  }

  async #cancel(reason) {
    if (this.#state === "failed") throw this.#error;
    if (this.#state === "closed" && this.#queue.length === 0) return;
    this.#state = "closed";
    this.#queue.length = 0;
    this.#end();
    await this.#source.cancel?.(reason);
  }

  cancel(reason) {
    return this.locked ? Promise.reject(new TypeError("the stream has a reader")) : this.#cancel(reason);
  }

  getReader() {
    if (this.locked) throw new TypeError("the stream has a reader");
    this.locked = true;
    return {
      closed: this.#closed.promise,
      read: () => this.#read(),
      cancel: (reason) => this.#cancel(reason),
      releaseLock: () => {
        this.locked = false;
      },
    };
  }

  async *[Symbol.asyncIterator]() {
    const reader = this.getReader();
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        yield value;
      }
    } finally {
      await reader.cancel().catch(() => {});
      reader.releaseLock();
    }
  }

  values() {
    return this[Symbol.asyncIterator]();
  }

  async pipeTo(target, { preventClose = false, preventAbort = false, preventCancel = false } = {}) {
    const reader = this.getReader();
    const writer = target.getWriter();
    const ended = (error) => [!preventCancel && reader.cancel(error), !preventAbort && writer.abort(error)];
    try {
      for (let next = await reader.read(); !next.done; next = await reader.read()) await writer.write(next.value);
      if (!preventClose) await writer.close();
    } catch (error) {
      await Promise.allSettled(ended(error));
      throw error;
    } finally {
      reader.releaseLock();
      writer.releaseLock();
    }
  }

  pipeThrough({ readable, writable }, options) {
    this.pipeTo(writable, options).catch(() => {});
    return readable;
  }
}

export class WritableStream {
  #sink;
  #last;
  #closed = Promise.withResolvers();
  #controller = { error: (error) => this.#fail(error) };
  locked = false;

  constructor(sink = {}) {
    this.#closed.promise.catch(() => {});
    this.#sink = sink;
    this.#last = Promise.resolve(sink.start?.(this.#controller));
  }

  #fail(error) {
    this.#last = Promise.reject(error);
    this.#last.catch(() => {});
    this.#closed.reject(error);
  }

  /** One after another; after an error all fail with it. */
  #then(work) {
    this.#last = this.#last.then(work);
    this.#last.catch((error) => this.#closed.reject(error));
    return this.#last;
  }

  getWriter() {
    if (this.locked) throw new TypeError("the stream has a writer");
    this.locked = true;
    return {
      desiredSize: 1,
      closed: this.#closed.promise,
      ready: Promise.resolve(),
      write: (piece) => this.#then(() => this.#sink.write?.(piece, this.#controller)),
      close: () => this.#then(async () => this.#closed.resolve(await this.#sink.close?.(this.#controller))),
      abort: async (reason) => {
        this.#fail(reason);
        await this.#sink.abort?.(reason);
      },
      releaseLock: () => {
        this.locked = false;
      },
    };
  }
}

export class TransformStream {
  constructor({ start, transform = (piece, to) => to.enqueue(piece), flush } = {}) {
    let to, from;
    let wanted = Promise.withResolvers();
    this.readable = new ReadableStream({
      start: (controller) => {
        to = controller;
      },
      pull: () => wanted.resolve(),
      cancel: (reason) => {
        const error = reason ?? new TypeError("nobody reads the stream");
        wanted.reject(error);
        from.error(error);
      },
    });
    to.terminate = () => to.close();
    this.writable = new WritableStream({
      start: (controller) => {
        from = controller;
        return start?.(to);
      },
      write: async (piece) => {
        await wanted.promise;
        await transform(piece, to);
        // Nobody waits any more: the next piece is made when somebody does.
        if (to.desiredSize <= 0) wanted = Promise.withResolvers();
      },
      close: async () => {
        await flush?.(to);
        to.close();
      },
      abort: (reason) => to.error(reason),
    });
  }
}
