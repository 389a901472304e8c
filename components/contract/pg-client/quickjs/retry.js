// A transaction that runs again after a collision with another one.

import { Malformed } from "../../shared/javascript/commands.js";
import { contractError, using } from "../../shared/javascript/engines.js";

/** What PostgreSQL calls a collision: serialization_failure and deadlock_detected. */
const COLLISIONS = ["40001", "40P01"];

const SERIALIZABLE = { isolation: "serializable", readOnly: false, deferrable: false };

/** Runs `sql`, a list, in a serializable transaction, at most `attempts` times. */
export const retry = (database, { sql, attempts: most = 5 }) => {
  if (!Array.isArray(sql)) throw new Malformed("`sql` is missing");
  for (let attempts = 1; ; attempts += 1) {
    try {
      using(database.begin(SERIALIZABLE), (transaction) => {
        for (const statement of sql) transaction.execute(statement, []);
        transaction.commit();
      });
      return { attempts };
    } catch (thrown) {
      const error = contractError(thrown);
      if (attempts >= most || error?.tag !== "db" || !COLLISIONS.includes(error.val.sqlstate)) throw thrown;
    }
  }
};
