// Transactions, step by step: a stack of a transaction and its savepoints.

#include "pg_client.h"

#include <stdlib.h>
#include <string.h>

void drop_transaction(transaction_t transaction) { wharf_platform_pg_client_transaction_drop_own(transaction); }

static void push(run_t *run, transaction_t transaction) {
  run->open = realloc(run->open, (run->count + 1) * sizeof transaction);
  if (!run->open) __builtin_trap();
  run->open[run->count++] = transaction;
}

/// Takes the transaction of this step out of the stack.
static transaction_t take(run_t *run) {
  size_t depth = (size_t)(run->transaction - run->open);
  transaction_t taken = run->open[depth];
  memmove(run->open + depth, run->open + depth + 1, (--run->count - depth) * sizeof taken);
  return taken;
}

static wharf_platform_pg_client_borrow_transaction_t current(const run_t *run) {
  return wharf_platform_pg_client_borrow_transaction(*run->transaction);
}

static json_out *savepoint(run_t *run, json_in *step) {
  (void)step;
  transaction_t savepoint;
  pg_error_t error;
  if (!wharf_platform_pg_client_method_transaction_savepoint(current(run), &savepoint, &error))
    return show_error(run->doc, &error);
  push(run, savepoint);
  return json_object(run->doc, "opened", yyjson_mut_uint(run->doc, run->count));
}

static json_out *commit(run_t *run, json_in *step) {
  (void)step;
  pg_error_t error;
  if (!wharf_platform_pg_client_method_transaction_commit(current(run), &error)) return show_error(run->doc, &error);
  return json_object(run->doc, "committed", yyjson_mut_true(run->doc));
}

static json_out *rollback(run_t *run, json_in *step) {
  (void)step;
  pg_error_t error;
  if (!wharf_platform_pg_client_method_transaction_rollback(current(run), &error)) return show_error(run->doc, &error);
  return json_object(run->doc, "rolled_back", yyjson_mut_true(run->doc));
}

static json_out *drop(run_t *run, json_in *step) {
  (void)step;
  drop_transaction(take(run));
  return json_object(run->doc, "dropped", yyjson_mut_true(run->doc));
}

/// Forgets the handle: what a garbage-collected guest does that ends before its collector runs.
static json_out *leak(run_t *run, json_in *step) {
  (void)step;
  take(run);
  return json_object(run->doc, "leaked", yyjson_mut_true(run->doc));
}

static json_out *outside(run_t *run, json_in *step) {
  run->transaction = NULL;
  return query(run, step);
}

static json_out *trap(run_t *run, json_in *step) {
  (void)run, (void)step;
  __builtin_trap();
}

/// Burns CPU until the host has had enough.
static json_out *spin(run_t *run, json_in *step) {
  (void)run, (void)step;
  for (volatile unsigned rounds = 0;;) rounds++;
}

/// Runs one step on the transaction at its `depth` (0 is the outermost), by default the innermost.
static json_out *run_step(run_t *run, json_in *step) {
  static const named_operation_t ON_TRANSACTION[] = {
      {"savepoint", savepoint}, {"commit", commit}, {"rollback", rollback}, {"drop", drop}, {"leak", leak}, {0},
  };
  static const named_operation_t ELSEWHERE[] = {{"outside", outside}, {"trap", trap}, {"loop", spin}, {0}};
  const char *op = member_text(step, "op", "");
  operation_t *operation = find_operation(ELSEWHERE, op);
  if (operation) return operation(run, step);
  operation = find_operation(ON_TRANSACTION, op);
  if (!operation) operation = find_operation(CALLS, op);
  if (!operation) return wrong(run, "no step `%s`", op);
  uint64_t depth = member_number(step, "depth", run->count - 1);
  if (depth >= run->count) return wrong(run, "nothing is open at the depth of `%s`", op);
  run->transaction = &run->open[depth];
  return operation(run, step);
}

static wharf_platform_pg_client_isolation_t parse_isolation(run_t *run, const char *name) {
  static const char *const LEVELS[] = {
      [WHARF_PLATFORM_PG_CLIENT_ISOLATION_SERVER_DEFAULT] = "server-default",
      [WHARF_PLATFORM_PG_CLIENT_ISOLATION_READ_COMMITTED] = "read-committed",
      [WHARF_PLATFORM_PG_CLIENT_ISOLATION_REPEATABLE_READ] = "repeatable-read",
      [WHARF_PLATFORM_PG_CLIENT_ISOLATION_SERIALIZABLE] = "serializable",
  };
  for (size_t i = 0; i < sizeof LEVELS / sizeof *LEVELS; i++)
    if (strcmp(LEVELS[i], name) == 0) return (wharf_platform_pg_client_isolation_t)i;
  wrong(run, "no isolation level `%s`", name);
  return WHARF_PLATFORM_PG_CLIENT_ISOLATION_SERVER_DEFAULT;
}

/// Begins a transaction and runs the `steps`; each answers with its own result or error, and the next one runs all the
/// same. What is still open at the end is dropped, innermost first.
json_out *transaction(run_t *run, json_in *command) {
  json_in *steps = yyjson_obj_get(command, "steps"), *step;
  if (!yyjson_is_arr(steps)) return wrong(run, "`steps` is missing");
  wharf_platform_pg_client_transaction_options_t options = {
      .isolation = parse_isolation(run, member_text(command, "isolation", "server-default")),
      .read_only = member_is_true(command, "read_only"),
      .deferrable = member_is_true(command, "deferrable"),
      .timeout_ms = {yyjson_is_uint(yyjson_obj_get(command, "transaction_timeout_ms")),
                     member_u32(command, "transaction_timeout_ms", 0)},
  };
  if (run->problem) return NULL;
  transaction_t outermost;
  pg_error_t error;
  if (!wharf_platform_pg_client_method_database_begin(run->database, &options, &outermost, &error))
    return show_error(run->doc, &error);
  push(run, outermost);
  json_out *results = yyjson_mut_arr(run->doc);
  size_t index, count;
  yyjson_arr_foreach(steps, index, count, step) {
    yyjson_mut_arr_append(results, run_step(run, step));
    if (run->problem) break;
  }
  while (run->count) drop_transaction(run->open[--run->count]);
  return json_object(run->doc, "results", results);
}
