// Values as JSON: `{"type": "int4", "value": 7}`. Numbers that a double cannot hold travel as text.

#include "pg_client.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef wharf_platform_pg_client_scalar_t scalar_t;
typedef wharf_platform_pg_client_list_scalar_t scalars_t;

/// The case of a scalar; the generated names are long.
#define SCALAR(name) WHARF_PLATFORM_PG_CLIENT_SCALAR_##name

static const char *const TYPES[] = {
    [SCALAR(NULL)] = "null",
    [SCALAR(BOOLEAN)] = "boolean",
    [SCALAR(INT2)] = "int2",
    [SCALAR(INT4)] = "int4",
    [SCALAR(INT8)] = "int8",
    [SCALAR(OID)] = "oid",
    [SCALAR(FLOAT4)] = "float4",
    [SCALAR(FLOAT8)] = "float8",
    [SCALAR(NUMERIC)] = "numeric",
    [SCALAR(TEXT)] = "text",
    [SCALAR(BYTEA)] = "bytea",
    [SCALAR(UUID)] = "uuid",
    [SCALAR(JSON)] = "json",
    [SCALAR(JSONB)] = "jsonb",
    [SCALAR(DATE)] = "date",
    [SCALAR(TIME)] = "time",
    [SCALAR(TIMETZ)] = "timetz",
    [SCALAR(TIMESTAMP)] = "timestamp",
    [SCALAR(TIMESTAMPTZ)] = "timestamptz",
    [SCALAR(INTERVAL)] = "interval",
    [SCALAR(INET)] = "inet",
    [SCALAR(CIDR)] = "cidr",
    [SCALAR(MACADDR)] = "macaddr",
    [SCALAR(RAW)] = "raw",
    [SCALAR(UNTYPED)] = "untyped",
};
enum { TYPE_COUNT = sizeof TYPES / sizeof *TYPES };

/// The flags of a range, lowest bit first.
static const char *const BOUNDS[] = {"empty", "lower", "lower-inclusive", "upper", "upper-inclusive"};
enum { BOUND_COUNT = sizeof BOUNDS / sizeof *BOUNDS };

// Out

static json_out *number_text(json_doc *doc, int64_t number) {
  char text[24];
  snprintf(text, sizeof text, "%lld", (long long)number);
  return yyjson_mut_strcpy(doc, text);
}

/// JSON has no numbers for what is not finite.
static json_out *show_float(json_doc *doc, double number, json_out *finite) {
  if (isnan(number)) return yyjson_mut_str(doc, "NaN");
  if (isinf(number)) return yyjson_mut_str(doc, number > 0 ? "inf" : "-inf");
  return finite;
}

static json_out *show_interval(json_doc *doc, wharf_platform_pg_client_interval_t interval) {
  json_out *shown = json_object(doc, "months", yyjson_mut_sint(doc, interval.months));
  yyjson_mut_obj_add_sint(doc, shown, "days", interval.days);
  yyjson_mut_obj_add_val(doc, shown, "micros", number_text(doc, interval.micros));
  return shown;
}

static json_out *show_timetz(json_doc *doc, wharf_platform_pg_client_time_tz_t time) {
  json_out *shown = json_object(doc, "micros", number_text(doc, (int64_t)time.micros));
  yyjson_mut_obj_add_sint(doc, shown, "offset_secs", time.offset_secs);
  return shown;
}

static json_out *show_content(json_doc *doc, const scalar_t *scalar) {
  switch (scalar->tag) {
  case SCALAR(BOOLEAN): return yyjson_mut_bool(doc, scalar->val.boolean);
  case SCALAR(INT2): return yyjson_mut_sint(doc, scalar->val.int2);
  case SCALAR(INT4): return yyjson_mut_sint(doc, scalar->val.int4);
  case SCALAR(INT8): return number_text(doc, scalar->val.int8);
  case SCALAR(OID): return yyjson_mut_uint(doc, scalar->val.oid);
  case SCALAR(FLOAT4): return show_float(doc, scalar->val.float4, yyjson_mut_float(doc, scalar->val.float4));
  case SCALAR(FLOAT8): return show_float(doc, scalar->val.float8, yyjson_mut_double(doc, scalar->val.float8));
  case SCALAR(BYTEA): return json_hex(doc, scalar->val.bytea);
  case SCALAR(DATE): return yyjson_mut_sint(doc, scalar->val.date);
  case SCALAR(TIME): return number_text(doc, (int64_t)scalar->val.time);
  case SCALAR(TIMETZ): return show_timetz(doc, scalar->val.timetz);
  case SCALAR(TIMESTAMP): return number_text(doc, scalar->val.timestamp);
  case SCALAR(TIMESTAMPTZ): return number_text(doc, scalar->val.timestamptz);
  case SCALAR(INTERVAL): return show_interval(doc, scalar->val.interval);
  case SCALAR(RAW): return json_hex(doc, scalar->val.raw.bytes);
  default: return json_text(doc, scalar->val.text); // the others are text, too
  }
}

static json_out *show_scalar(json_doc *doc, const scalar_t *scalar) {
  json_out *shown = json_object(doc, "type", yyjson_mut_str(doc, TYPES[scalar->tag]));
  if (scalar->tag == SCALAR(NULL)) return shown;
  if (scalar->tag == SCALAR(RAW)) yyjson_mut_obj_add_uint(doc, shown, "oid", scalar->val.raw.type_oid);
  yyjson_mut_obj_add_val(doc, shown, "value", show_content(doc, scalar));
  return shown;
}

static json_out *show_scalars(json_doc *doc, scalars_t scalars) {
  json_out *shown = yyjson_mut_arr(doc);
  for (size_t i = 0; i < scalars.len; i++) yyjson_mut_arr_append(shown, show_scalar(doc, &scalars.ptr[i]));
  return shown;
}

static json_out *show_array(json_doc *doc, const wharf_platform_pg_client_array_value_t *array) {
  json_out *shown = json_object(doc, "type", yyjson_mut_str(doc, "array"));
  yyjson_mut_obj_add_uint(doc, shown, "element_oid", array->element_oid);
  json_out *dimensions = yyjson_mut_obj_add_arr(doc, shown, "dimensions");
  for (size_t i = 0; i < array->dimensions.len; i++) {
    json_out *dimension = yyjson_mut_arr_add_arr(doc, dimensions);
    yyjson_mut_arr_add_uint(doc, dimension, array->dimensions.ptr[i].length);
    yyjson_mut_arr_add_sint(doc, dimension, array->dimensions.ptr[i].lower_bound);
  }
  yyjson_mut_obj_add_val(doc, shown, "elements", show_scalars(doc, array->elements));
  return shown;
}

static json_out *show_range(json_doc *doc, const wharf_platform_pg_client_range_value_t *range) {
  json_out *shown = json_object(doc, "type", yyjson_mut_str(doc, "range"));
  yyjson_mut_obj_add_uint(doc, shown, "oid", range->type_oid);
  json_out *bounds = yyjson_mut_obj_add_arr(doc, shown, "bounds");
  for (size_t i = 0; i < BOUND_COUNT; i++)
    if (range->bounds & 1 << i) yyjson_mut_arr_add_str(doc, bounds, BOUNDS[i]);
  yyjson_mut_obj_add_val(doc, shown, "values", show_scalars(doc, range->values));
  return shown;
}

static json_out *show_value(json_doc *doc, const wharf_platform_pg_client_pg_value_t *value) {
  switch (value->tag) {
  case WHARF_PLATFORM_PG_CLIENT_PG_VALUE_ARRAY: return show_array(doc, &value->val.array);
  case WHARF_PLATFORM_PG_CLIENT_PG_VALUE_RANGE: return show_range(doc, &value->val.range);
  default: return show_scalar(doc, &value->val.scalar);
  }
}

json_out *show_row(json_doc *doc, const wharf_platform_pg_client_row_t *row) {
  json_out *shown = yyjson_mut_arr(doc);
  for (size_t i = 0; i < row->len; i++) yyjson_mut_arr_append(shown, show_value(doc, &row->ptr[i]));
  return shown;
}

json_out *show_columns(json_doc *doc, const columns_t *columns) {
  json_out *shown = yyjson_mut_arr(doc);
  for (size_t i = 0; i < columns->len; i++) {
    json_out *column = yyjson_mut_arr_add_obj(doc, shown);
    yyjson_mut_obj_add_val(doc, column, "name", json_text(doc, columns->ptr[i].name));
    yyjson_mut_obj_add_uint(doc, column, "oid", columns->ptr[i].type_oid);
  }
  return shown;
}

json_out *show_row_set(json_doc *doc, const wharf_platform_pg_client_row_set_t *set) {
  json_out *shown = json_object(doc, "columns", show_columns(doc, &set->columns));
  json_out *rows = yyjson_mut_obj_add_arr(doc, shown, "rows");
  for (size_t i = 0; i < set->rows.len; i++) yyjson_mut_arr_append(rows, show_row(doc, &set->rows.ptr[i]));
  yyjson_mut_obj_add_uint(doc, shown, "affected", set->affected);
  return shown;
}

static void add_db_error(json_doc *doc, json_out *shown, const wharf_platform_pg_client_db_error_t *db) {
  yyjson_mut_obj_add_val(doc, shown, "sqlstate", json_text(doc, db->sqlstate));
  yyjson_mut_obj_add_val(doc, shown, "severity", json_text(doc, db->severity));
  yyjson_mut_obj_add_val(doc, shown, "message", json_text(doc, db->message));
  yyjson_mut_obj_add_val(doc, shown, "detail", json_optional_text(doc, db->detail));
  yyjson_mut_obj_add_val(doc, shown, "hint", json_optional_text(doc, db->hint));
  json_out *position = db->position.is_some ? yyjson_mut_uint(doc, db->position.val) : yyjson_mut_null(doc);
  yyjson_mut_obj_add_val(doc, shown, "position", position);
  yyjson_mut_obj_add_val(doc, shown, "context", json_optional_text(doc, db->context));
  yyjson_mut_obj_add_val(doc, shown, "schema", json_optional_text(doc, db->schema));
  yyjson_mut_obj_add_val(doc, shown, "table", json_optional_text(doc, db->table));
  yyjson_mut_obj_add_val(doc, shown, "column", json_optional_text(doc, db->column));
  yyjson_mut_obj_add_val(doc, shown, "data_type", json_optional_text(doc, db->data_type));
  yyjson_mut_obj_add_val(doc, shown, "constraint", json_optional_text(doc, db->constraint));
}

json_out *show_error(json_doc *doc, const pg_error_t *error) {
  static const char *const CASES[] = {
      [WHARF_PLATFORM_PG_CLIENT_ERROR_UNAVAILABLE] = "unavailable",
      [WHARF_PLATFORM_PG_CLIENT_ERROR_POOL_EXHAUSTED] = "pool-exhausted",
      [WHARF_PLATFORM_PG_CLIENT_ERROR_CONNECTION_LOST] = "connection-lost",
      [WHARF_PLATFORM_PG_CLIENT_ERROR_DENIED] = "denied",
      [WHARF_PLATFORM_PG_CLIENT_ERROR_TIMEOUT] = "timeout",
      [WHARF_PLATFORM_PG_CLIENT_ERROR_CANCELLED] = "cancelled",
      [WHARF_PLATFORM_PG_CLIENT_ERROR_LIMIT_EXCEEDED] = "limit-exceeded",
      [WHARF_PLATFORM_PG_CLIENT_ERROR_INVALID_ARGUMENT] = "invalid-argument",
      [WHARF_PLATFORM_PG_CLIENT_ERROR_TRANSACTION_CLOSED] = "transaction-closed",
      [WHARF_PLATFORM_PG_CLIENT_ERROR_DB] = "db",
      [WHARF_PLATFORM_PG_CLIENT_ERROR_OTHER] = "other",
  };
  json_out *shown = json_object(doc, "case", yyjson_mut_str(doc, CASES[error->tag]));
  switch (error->tag) {
  case WHARF_PLATFORM_PG_CLIENT_ERROR_POOL_EXHAUSTED:
  case WHARF_PLATFORM_PG_CLIENT_ERROR_TIMEOUT:
  case WHARF_PLATFORM_PG_CLIENT_ERROR_CANCELLED:
  case WHARF_PLATFORM_PG_CLIENT_ERROR_TRANSACTION_CLOSED: break;
  case WHARF_PLATFORM_PG_CLIENT_ERROR_DB: add_db_error(doc, shown, &error->val.db); break;
  default: yyjson_mut_obj_add_val(doc, shown, "text", json_text(doc, error->val.other)); // as all others have it
  }
  return json_object(doc, "error", shown);
}

// In

json_out *wrong(run_t *run, const char *format, ...) {
  va_list values;
  va_start(values, format);
  if (!run->problem && vasprintf(&run->problem, format, values) < 0) __builtin_trap();
  va_end(values);
  return NULL;
}

/// A value as it is written, text without its quotes.
static const char *written(json_in *value) {
  if (yyjson_is_str(value)) return yyjson_get_str(value);
  const char *json = yyjson_val_write(value, 0, NULL);
  return json ? json : "nothing";
}

/// A whole number, written as such or as text.
static int64_t whole(run_t *run, json_in *value, int64_t least, int64_t most) {
  const char *text = written(value);
  char *end;
  errno = 0;
  int64_t number = strtoll(text, &end, 10);
  if (end == text || *end || errno || number < least || number > most) wrong(run, "%s is no number that fits", text);
  return number;
}

/// Any number, written as such or as text.
static double real(run_t *run, json_in *value) {
  const char *text = written(value);
  char *end;
  double number = strtod(text, &end);
  if (end == text || *end) wrong(run, "%s is no number", text);
  return number;
}

static service_string_t text(run_t *run, json_in *value) {
  if (!yyjson_is_str(value)) wrong(run, "%s is no text", written(value));
  return (service_string_t){(uint8_t *)yyjson_get_str(value), yyjson_get_len(value)};
}

static service_list_u8_t bytes(run_t *run, json_in *value) {
  service_list_u8_t bytes = {0};
  if (!yyjson_is_str(value) || !parse_hex(yyjson_get_str(value), &bytes))
    wrong(run, "%s is not hexadecimal", written(value));
  return bytes;
}

static uint32_t oid(run_t *run, json_in *value) { return (uint32_t)whole(run, value, 0, UINT32_MAX); }

static scalar_t parse_scalar(run_t *run, json_in *json) {
  const char *type = member_text(json, "type", "");
  json_in *value = yyjson_obj_get(json, "value");
  scalar_t scalar = {0};
  while (scalar.tag < TYPE_COUNT && strcmp(TYPES[scalar.tag], type) != 0) scalar.tag++;
  switch (scalar.tag) {
  case SCALAR(NULL): break;
  case SCALAR(BOOLEAN):
    if (!yyjson_is_bool(value)) wrong(run, "%s is neither true nor false", written(value));
    scalar.val.boolean = yyjson_is_true(value);
    break;
  case SCALAR(INT2): scalar.val.int2 = (int16_t)whole(run, value, INT16_MIN, INT16_MAX); break;
  case SCALAR(INT4): scalar.val.int4 = (int32_t)whole(run, value, INT32_MIN, INT32_MAX); break;
  case SCALAR(INT8): scalar.val.int8 = whole(run, value, INT64_MIN, INT64_MAX); break;
  case SCALAR(OID): scalar.val.oid = oid(run, value); break;
  case SCALAR(FLOAT4): scalar.val.float4 = (float)real(run, value); break;
  case SCALAR(FLOAT8): scalar.val.float8 = real(run, value); break;
  case SCALAR(BYTEA): scalar.val.bytea = bytes(run, value); break;
  case SCALAR(DATE): scalar.val.date = (int32_t)whole(run, value, INT32_MIN, INT32_MAX); break;
  case SCALAR(TIME): scalar.val.time = (uint64_t)whole(run, value, 0, INT64_MAX); break;
  case SCALAR(TIMETZ):
    scalar.val.timetz.micros = (uint64_t)whole(run, yyjson_obj_get(value, "micros"), 0, INT64_MAX);
    scalar.val.timetz.offset_secs = (int32_t)whole(run, yyjson_obj_get(value, "offset_secs"), INT32_MIN, INT32_MAX);
    break;
  case SCALAR(TIMESTAMP): scalar.val.timestamp = whole(run, value, INT64_MIN, INT64_MAX); break;
  case SCALAR(TIMESTAMPTZ): scalar.val.timestamptz = whole(run, value, INT64_MIN, INT64_MAX); break;
  case SCALAR(INTERVAL):
    scalar.val.interval.months = (int32_t)whole(run, yyjson_obj_get(value, "months"), INT32_MIN, INT32_MAX);
    scalar.val.interval.days = (int32_t)whole(run, yyjson_obj_get(value, "days"), INT32_MIN, INT32_MAX);
    scalar.val.interval.micros = whole(run, yyjson_obj_get(value, "micros"), INT64_MIN, INT64_MAX);
    break;
  case SCALAR(RAW):
    scalar.val.raw.type_oid = oid(run, yyjson_obj_get(json, "oid"));
    scalar.val.raw.bytes = bytes(run, value);
    break;
  case TYPE_COUNT: wrong(run, "no type `%s`", type); break;
  default: scalar.val.text = text(run, value); // the others are text, too
  }
  return scalar;
}

static scalars_t parse_scalars(run_t *run, json_in *list) {
  size_t count = yyjson_arr_size(list), index, all;
  scalars_t scalars = {wharf_allocate(count * sizeof(scalar_t)), count};
  json_in *item;
  yyjson_arr_foreach(list, index, all, item) scalars.ptr[index] = parse_scalar(run, item);
  return scalars;
}

/// An OID that may be missing: then the statement decides.
static uint32_t optional_oid(run_t *run, json_in *value) { return value ? oid(run, value) : 0; }

static wharf_platform_pg_client_array_value_t parse_array(run_t *run, json_in *json) {
  json_in *list = yyjson_obj_get(json, "dimensions"), *item;
  size_t count = yyjson_arr_size(list), index, all;
  wharf_platform_pg_client_array_value_t array = {
      .element_oid = optional_oid(run, yyjson_obj_get(json, "element_oid")),
      .dimensions = {wharf_allocate(count * sizeof(wharf_platform_pg_client_dimension_t)), count},
      .elements = parse_scalars(run, yyjson_obj_get(json, "elements")),
  };
  yyjson_arr_foreach(list, index, all, item) {
    array.dimensions.ptr[index] = (wharf_platform_pg_client_dimension_t){
        .length = (uint32_t)whole(run, yyjson_arr_get(item, 0), 0, UINT32_MAX),
        .lower_bound = (int32_t)whole(run, yyjson_arr_get(item, 1), INT32_MIN, INT32_MAX),
    };
  }
  return array;
}

static wharf_platform_pg_client_range_value_t parse_range(run_t *run, json_in *json) {
  wharf_platform_pg_client_range_value_t range = {
      .type_oid = optional_oid(run, yyjson_obj_get(json, "oid")),
      .values = parse_scalars(run, yyjson_obj_get(json, "values")),
  };
  json_in *bounds = yyjson_obj_get(json, "bounds"), *bound;
  size_t index, all;
  yyjson_arr_foreach(bounds, index, all, bound) {
    for (size_t i = 0; i < BOUND_COUNT; i++)
      if (yyjson_equals_str(bound, BOUNDS[i])) range.bounds |= 1 << i;
  }
  return range;
}

static wharf_platform_pg_client_pg_value_t parse_value(run_t *run, json_in *json) {
  const char *type = member_text(json, "type", "");
  if (strcmp(type, "array") == 0)
    return (wharf_platform_pg_client_pg_value_t){
        .tag = WHARF_PLATFORM_PG_CLIENT_PG_VALUE_ARRAY,
        .val.array = parse_array(run, json),
    };
  if (strcmp(type, "range") == 0)
    return (wharf_platform_pg_client_pg_value_t){
        .tag = WHARF_PLATFORM_PG_CLIENT_PG_VALUE_RANGE,
        .val.range = parse_range(run, json),
    };
  return (wharf_platform_pg_client_pg_value_t){
      .tag = WHARF_PLATFORM_PG_CLIENT_PG_VALUE_SCALAR,
      .val.scalar = parse_scalar(run, json),
  };
}

wharf_platform_pg_client_list_pg_value_t parse_params(run_t *run, json_in *command) {
  json_in *list = yyjson_obj_get(command, "params"), *item;
  size_t count = yyjson_arr_size(list), index, all;
  wharf_platform_pg_client_list_pg_value_t params = {
      wharf_allocate(count * sizeof(wharf_platform_pg_client_pg_value_t)), count};
  yyjson_arr_foreach(list, index, all, item) params.ptr[index] = parse_value(run, item);
  return params;
}
