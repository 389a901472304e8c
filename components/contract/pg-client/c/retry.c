// A transaction that runs again after a collision.

#include "pg_client.h"

/// Whether another attempt may succeed: a serialization failure, or a deadlock.
static bool collided(const pg_error_t *error) {
  return error->tag == WHARF_PLATFORM_PG_CLIENT_ERROR_DB &&
         (wharf_equals(error->val.db.sqlstate, "40001") || wharf_equals(error->val.db.sqlstate, "40P01"));
}

/// Runs the statements in one serializable transaction.
static bool attempt(const run_t *run, json_in *list, pg_error_t *error) {
  wharf_platform_pg_client_transaction_options_t options = {
      .isolation = WHARF_PLATFORM_PG_CLIENT_ISOLATION_SERIALIZABLE,
  };
  transaction_t own;
  if (!wharf_platform_pg_client_method_database_begin(run->database, &options, &own, error)) return false;
  wharf_platform_pg_client_borrow_transaction_t transaction = wharf_platform_pg_client_borrow_transaction(own);
  bool done = true;
  yyjson_arr_iter items = yyjson_arr_iter_with(list);
  for (json_in *item; done && (item = yyjson_arr_iter_next(&items));) {
    service_string_t sql = wharf_text(yyjson_is_str(item) ? yyjson_get_str(item) : "");
    wharf_platform_pg_client_list_pg_value_t params = {0};
    uint64_t affected;
    done = wharf_platform_pg_client_method_transaction_execute(transaction, &sql, &params, &affected, error);
  }
  done = done && wharf_platform_pg_client_method_transaction_commit(transaction, error);
  drop_transaction(own);
  return done;
}

/// Runs `sql`, a list, until its statements did not collide with others, or `attempts` times (default 5).
json_out *retry(run_t *run, json_in *command) {
  json_in *list = yyjson_obj_get(command, "sql");
  if (!yyjson_is_arr(list)) return wrong(run, "`sql` is missing");
  uint64_t most = member_number(command, "attempts", 5), tried = 0;
  pg_error_t error;
  while (!attempt(run, list, &error))
    if (++tried >= most || !collided(&error)) return show_error(run->doc, &error);
  return json_object(run->doc, "attempts", yyjson_mut_uint(run->doc, tried + 1));
}
