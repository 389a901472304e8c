// Calls on a database, and on a transaction in it.

#include "pg_client.h"

#include <string.h>

operation_t *find_operation(const named_operation_t *list, const char *name) {
  while (list->name && strcmp(list->name, name) != 0) list++;
  return list->run;
}

/// The statement's text and parameters.
statement_t parse_statement(run_t *run, json_in *command) {
  const char *sql = member_text(command, "sql", NULL);
  if (!sql) wrong(run, "`sql` is missing");
  return (statement_t){wharf_text(sql ? sql : ""), parse_params(run, command)};
}

wharf_platform_pg_client_list_statement_t parse_statements(run_t *run, json_in *command) {
  json_in *list = yyjson_obj_get(command, "statements"), *item;
  if (!yyjson_is_arr(list)) wrong(run, "`statements` is missing");
  size_t count = yyjson_arr_size(list), index, all;
  wharf_platform_pg_client_list_statement_t statements = {wharf_allocate(count * sizeof(statement_t)), count};
  yyjson_arr_foreach(list, index, all, item) statements.ptr[index] = parse_statement(run, item);
  return statements;
}

json_out *query(run_t *run, json_in *command) {
  statement_t statement = parse_statement(run, command);
  if (run->problem) return NULL;
  wharf_platform_pg_client_row_set_t set;
  pg_error_t error;
  if (!CALL(run, query, &statement.sql, &statement.params, &set, &error)) return show_error(run->doc, &error);
  return show_row_set(run->doc, &set);
}

static json_out *execute(run_t *run, json_in *command) {
  statement_t statement = parse_statement(run, command);
  if (run->problem) return NULL;
  uint64_t affected;
  pg_error_t error;
  if (!CALL(run, execute, &statement.sql, &statement.params, &affected, &error)) return show_error(run->doc, &error);
  return json_object(run->doc, "affected", yyjson_mut_uint(run->doc, affected));
}

static json_out *pipeline(run_t *run, json_in *command) {
  wharf_platform_pg_client_list_statement_t statements = parse_statements(run, command);
  if (run->problem) return NULL;
  wharf_platform_pg_client_list_row_set_t sets;
  pg_error_t error;
  if (!CALL(run, pipeline, &statements, &sets, &error)) return show_error(run->doc, &error);
  json_out *results = yyjson_mut_arr(run->doc);
  for (size_t i = 0; i < sets.len; i++) yyjson_mut_arr_append(results, show_row_set(run->doc, &sets.ptr[i]));
  return json_object(run->doc, "results", results);
}

json_out *read_cursor(run_t *run, json_in *command, next_rows_t *next) {
  statement_t statement = parse_statement(run, command);
  if (run->problem) return NULL;
  wharf_platform_pg_client_own_cursor_t own;
  pg_error_t error;
  if (!CALL(run, cursor, &statement.sql, &statement.params, &own, &error)) return show_error(run->doc, &error);
  wharf_platform_pg_client_borrow_cursor_t cursor = wharf_platform_pg_client_borrow_cursor(own);
  columns_t columns;
  wharf_platform_pg_client_method_cursor_columns(cursor, &columns);
  json_out *batches = yyjson_mut_arr(run->doc), *rows = yyjson_mut_arr(run->doc);
  uint64_t most = member_number(command, "batches", UINT64_MAX);
  bool done = true;
  for (size_t count = 1; done && count && yyjson_mut_arr_size(batches) < most;) {
    done = next(run, cursor, &columns, member_u32(command, "batch", 100), rows, &count, &error);
    yyjson_mut_arr_add_uint(run->doc, batches, count);
  }
  wharf_platform_pg_client_cursor_drop_own(own);
  if (!done) return show_error(run->doc, &error);
  json_out *answer = json_object(run->doc, "columns", show_columns(run->doc, &columns));
  yyjson_mut_obj_add_val(run->doc, answer, "batches", batches);
  yyjson_mut_obj_add_val(run->doc, answer, "rows", rows);
  return answer;
}

static bool next_rows(run_t *run, wharf_platform_pg_client_borrow_cursor_t cursor, const columns_t *columns,
                      uint32_t most, json_out *rows, size_t *count, pg_error_t *error) {
  (void)columns; // values say themselves of what type they are
  wharf_platform_pg_client_list_row_t batch;
  if (!wharf_platform_pg_client_method_cursor_next(cursor, most, &batch, error)) return false;
  for (size_t i = 0; i < batch.len; i++) yyjson_mut_arr_append(rows, show_row(run->doc, &batch.ptr[i]));
  *count = batch.len;
  return true;
}

static json_out *cursor(run_t *run, json_in *command) { return read_cursor(run, command, next_rows); }

const named_operation_t CALLS[] = {
    {"query", query},
    {"execute", execute},
    {"pipeline", pipeline},
    {"cursor", cursor},
    {"query-raw", query_raw},
    {"pipeline-raw", pipeline_raw},
    {"cursor-raw", cursor_raw},
    {"copy-in", copy_in},
    {"copy-out", copy_out},
    {0},
};

json_out *opened(run_t *run, json_in *command) {
  (void)command;
  return json_object(run->doc, "opened", yyjson_mut_true(run->doc));
}

json_out *prepare(run_t *run, json_in *command) {
  statement_t statement = parse_statement(run, command);
  if (run->problem) return NULL;
  wharf_platform_pg_client_statement_info_t info;
  pg_error_t error;
  if (!wharf_platform_pg_client_method_database_prepare(run->database, &statement.sql, &info, &error))
    return show_error(run->doc, &error);
  json_out *params = yyjson_mut_arr(run->doc);
  for (size_t i = 0; i < info.params.len; i++) yyjson_mut_arr_add_uint(run->doc, params, info.params.ptr[i]);
  json_out *answer = json_object(run->doc, "params", params);
  yyjson_mut_obj_add_val(run->doc, answer, "columns", show_columns(run->doc, &info.columns));
  return answer;
}

json_out *notify(run_t *run, json_in *command) {
  service_string_t channel = wharf_text(member_text(command, "channel", ""));
  service_string_t payload = wharf_text(member_text(command, "payload", ""));
  pg_error_t error;
  if (!wharf_platform_pg_client_method_database_notify(run->database, &channel, &payload, &error))
    return show_error(run->doc, &error);
  return json_object(run->doc, "notified", yyjson_mut_true(run->doc));
}
