// Contract guest for `pg-client`, for both engines: runs what a JSON command says. `../../README.md` is the protocol.

import { Database } from "wharf:platform/pg-client@0.1.0";
import { answer } from "../../shared/javascript/commands.js";
import { using } from "../../shared/javascript/engines.js";
import { Chunks } from "../../shared/javascript/replies.js";
import { showError } from "./errors.js";
import { OPERATIONS, sql } from "./operations.js";
import { retry } from "./retry.js";
import { transaction } from "./transaction.js";
import { columns } from "./values.js";

const open = ({ database: name = "main", timeout_ms }) => {
  const database = Database.open(name);
  if (timeout_ms !== undefined) database.setTimeout(timeout_ms);
  return database;
};

const notify = (database, { channel = "", payload = "" }) => {
  database.notify(channel, payload);
  return { notified: true };
};

const prepare = (database, command) => {
  const info = database.prepare(sql(command));
  return { params: [...info.params], columns: columns(info.columns) };
};

const COMMANDS = { ...OPERATIONS, open: () => ({ opened: true }), notify, prepare, retry, transaction };

const run = (path, command) => {
  const name = path.slice(1);
  if (!Object.hasOwn(COMMANDS, name)) return undefined;
  return using(open(command), (database) => COMMANDS[name](database, command));
};

export const httpHandler = {
  Chunks,
  handle: ({ path }, body) => answer(body, (command) => run(path, command), showError),
};
