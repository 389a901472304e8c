// Raw rows as JSON: each value as hexadecimal text beside its column's OID, or null.

#include "pg_client.h"

/// The next `length` bytes; false when they are not all there.
static bool take(service_list_u8_t *rest, size_t length, service_list_u8_t *taken) {
  if (length > rest->len) return false;
  *taken = (service_list_u8_t){rest->ptr, length};
  *rest = (service_list_u8_t){rest->ptr + length, rest->len - length};
  return true;
}

/// The next value, or NULL when it is cut off.
static json_out *show_value(json_doc *doc, service_list_u8_t *rest, uint32_t oid) {
  service_list_u8_t length, bytes;
  if (!take(rest, 4, &length)) return NULL;
  uint32_t count = (uint32_t)length.ptr[0] << 24 | length.ptr[1] << 16 | length.ptr[2] << 8 | length.ptr[3];
  if (count == UINT32_MAX) return yyjson_mut_null(doc);
  if (!take(rest, count, &bytes)) return NULL;
  json_out *value = json_object(doc, "oid", yyjson_mut_uint(doc, oid));
  yyjson_mut_obj_add_val(doc, value, "bytes", json_hex(doc, bytes));
  return value;
}

/// Takes the bytes apart as the contract says that they lie; all of them must belong to a row.
static void add_rows(run_t *run, const columns_t *columns, const wharf_platform_pg_client_raw_rows_t *raw,
                     json_out *rows) {
  service_list_u8_t rest = raw->bytes;
  for (uint32_t number = 0; number < raw->count; number++) {
    json_out *row = yyjson_mut_arr_add_arr(run->doc, rows);
    for (size_t i = 0; i < columns->len; i++)
      if (!yyjson_mut_arr_append(row, show_value(run->doc, &rest, columns->ptr[i].type_oid)))
        wrong(run, "row %u of %u is cut off", (unsigned)number, (unsigned)raw->count);
  }
  if (rest.len) wrong(run, "%zu bytes after the last row", rest.len);
}

static json_out *show_raw_row_set(run_t *run, const wharf_platform_pg_client_raw_row_set_t *set) {
  json_out *rows = yyjson_mut_arr(run->doc);
  add_rows(run, &set->columns, &set->rows, rows);
  json_out *shown = json_object(run->doc, "columns", show_columns(run->doc, &set->columns));
  yyjson_mut_obj_add_val(run->doc, shown, "rows", rows);
  yyjson_mut_obj_add_uint(run->doc, shown, "affected", set->affected);
  return shown;
}

json_out *query_raw(run_t *run, json_in *command) {
  statement_t statement = parse_statement(run, command);
  if (run->problem) return NULL;
  wharf_platform_pg_client_raw_row_set_t set;
  pg_error_t error;
  if (!CALL(run, query_raw, &statement.sql, &statement.params, &set, &error)) return show_error(run->doc, &error);
  return show_raw_row_set(run, &set);
}

json_out *pipeline_raw(run_t *run, json_in *command) {
  wharf_platform_pg_client_list_statement_t statements = parse_statements(run, command);
  if (run->problem) return NULL;
  wharf_platform_pg_client_list_raw_row_set_t sets;
  pg_error_t error;
  if (!CALL(run, pipeline_raw, &statements, &sets, &error)) return show_error(run->doc, &error);
  json_out *results = yyjson_mut_arr(run->doc);
  for (size_t i = 0; i < sets.len; i++) yyjson_mut_arr_append(results, show_raw_row_set(run, &sets.ptr[i]));
  return json_object(run->doc, "results", results);
}

static bool next_raw(run_t *run, wharf_platform_pg_client_borrow_cursor_t cursor, const columns_t *columns,
                     uint32_t most, json_out *rows, size_t *count, pg_error_t *error) {
  wharf_platform_pg_client_raw_rows_t batch;
  if (!wharf_platform_pg_client_method_cursor_next_raw(cursor, most, &batch, error)) return false;
  add_rows(run, columns, &batch, rows);
  *count = batch.count;
  wharf_platform_pg_client_raw_rows_free(&batch);
  return true;
}

json_out *cursor_raw(run_t *run, json_in *command) { return read_cursor(run, command, next_raw); }
