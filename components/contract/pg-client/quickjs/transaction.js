// Transactions, step by step: a stack of a transaction and its savepoints.

import { Malformed, required } from "../../shared/javascript/commands.js";
import { contractError, drop } from "../../shared/javascript/engines.js";
import { showError } from "./errors.js";
import { OPERATIONS } from "./operations.js";

const ISOLATIONS = ["server-default", "read-committed", "repeatable-read", "serializable"];

const options = (command) => {
  const { isolation = "server-default", read_only = false, deferrable = false, transaction_timeout_ms } = command;
  if (!ISOLATIONS.includes(isolation)) throw new Malformed(`no isolation level \`${isolation}\``);
  return { isolation, readOnly: read_only, deferrable, timeoutMs: transaction_timeout_ms };
};

/**
 * Runs the `steps`; each answers with its own result or error, and the next one runs all the same. What is still open
 * at the end is dropped, innermost first.
 */
export const transaction = (database, command) => {
  const steps = required(command, "steps", Array.isArray);
  const stack = new Stack(database, database.begin(options(command)));
  try {
    return { results: steps.map((step) => stack.result(step)) };
  } finally {
    stack.dropAll();
  }
};

class Stack {
  #database;
  /** Outermost first. */
  #open;

  constructor(database, transaction) {
    this.#database = database;
    this.#open = [transaction];
  }

  dropAll() {
    while (this.#open.length > 0) drop(this.#open.pop());
  }

  /** What a step answers: an error of the contract, too. */
  result(step) {
    try {
      return this.#run(step);
    } catch (thrown) {
      const error = contractError(thrown);
      if (error === undefined) throw thrown;
      return { error: showError(error) };
    }
  }

  #run(step) {
    switch (step.op) {
      case "outside":
        return OPERATIONS.query(this.#database, step);
      case "savepoint":
        return { opened: this.#open.push(this.#at(step).savepoint()) };
      case "commit":
        this.#at(step).commit();
        return { committed: true };
      case "rollback":
        this.#at(step).rollback();
        return { rolled_back: true };
      case "drop":
        drop(this.#take(step));
        return { dropped: true };
      case "leak":
        this.#take(step);
        return { leaked: true };
      case "trap":
        throw new Error("asked to trap here");
      case "loop":
        for (;;);
      default:
        if (!Object.hasOwn(OPERATIONS, step.op)) throw new Malformed(`no step \`${step.op}\``);
        return OPERATIONS[step.op](this.#at(step), step);
    }
  }

  /** The transaction at `depth` (0 is the outermost), by default the innermost. */
  #at({ depth = this.#open.length - 1 }) {
    const transaction = this.#open[depth];
    if (!transaction) throw new Malformed(`nothing is open at depth ${depth}`);
    return transaction;
  }

  #take(step) {
    const transaction = this.#at(step);
    this.#open = this.#open.filter((other) => other !== transaction);
    return transaction;
  }
}
