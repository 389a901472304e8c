// Errors of the contract as JSON.

const orNull = (part) => part ?? null;

const database = (error) => ({
  case: "db",
  sqlstate: error.sqlstate,
  severity: error.severity,
  message: error.message,
  detail: orNull(error.detail),
  hint: orNull(error.hint),
  position: orNull(error.position),
  context: orNull(error.context),
  schema: orNull(error.schema),
  table: orNull(error.table),
  column: orNull(error.column),
  data_type: orNull(error.dataType),
  constraint: orNull(error.constraint),
});

/** Some cases have no text. */
export const showError = ({ tag, val }) => (tag === "db" ? database(val) : { case: tag, text: val });
