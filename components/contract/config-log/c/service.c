// Contract guest for `config` and `log`; `../../README.md` lists what it answers.

#include "../../shared/c/json.h"

#include <string.h>

static const char *const LEVELS[] = {
    [WHARF_PLATFORM_LOG_LEVEL_TRACE] = "trace", [WHARF_PLATFORM_LOG_LEVEL_DEBUG] = "debug",
    [WHARF_PLATFORM_LOG_LEVEL_INFO] = "info",   [WHARF_PLATFORM_LOG_LEVEL_WARN] = "warn",
    [WHARF_PLATFORM_LOG_LEVEL_ERROR] = "error",
};
enum { LEVEL_COUNT = sizeof LEVELS / sizeof *LEVELS };

/// `/config?key=greeting`
static void config(const wharf_request_t *request, wharf_reply_t *reply) {
  service_string_t key = {0};
  service_option_string_t value = {0};
  wharf_query_param(request, "key", &key);
  value.is_some = wharf_platform_config_get(&key, &value.val);
  json_doc *doc = yyjson_mut_doc_new(NULL);
  json_out *answer = yyjson_mut_obj(doc);
  yyjson_mut_obj_add_val(doc, answer, "key", json_text(doc, key));
  yyjson_mut_obj_add_val(doc, answer, "value", json_optional_text(doc, value));
  reply_with(reply, doc, answer);
}

/// Of `[["name", "value"], ...]` those that are pairs of text.
static service_list_tuple2_string_string_t fields_of(json_in *line) {
  json_in *list = yyjson_obj_get(line, "fields"), *pair;
  service_list_tuple2_string_string_t fields = {wharf_allocate(yyjson_arr_size(list) * sizeof *fields.ptr), 0};
  size_t index, count;
  yyjson_arr_foreach(list, index, count, pair) {
    service_tuple2_string_string_t *field = &fields.ptr[fields.len];
    fields.len += text_of(yyjson_arr_get(pair, 0), &field->f0) && text_of(yyjson_arr_get(pair, 1), &field->f1);
  }
  return fields;
}

/// `{"level": "info", "message": "...", "fields": [["name", "value"]]}`
static void write_line(wharf_body_t *body, wharf_reply_t *reply) {
  json_in *line = read_command(body, reply);
  if (!line) return;
  const char *name = member_text(line, "level", "info");
  wharf_level_t level = 0;
  while (level < LEVEL_COUNT && strcmp(LEVELS[level], name) != 0) level++;
  if (level == LEVEL_COUNT) {
    wharf_reply_text(reply, 400, "no such level");
    return;
  }
  service_string_t message = {0};
  text_of(yyjson_obj_get(line, "message"), &message);
  service_list_tuple2_string_string_t fields = fields_of(line);
  wharf_platform_log_log(level, &message, &fields);
  reply_done(reply, "logged");
}

static void log_every_level(wharf_reply_t *reply) {
  service_string_t message = wharf_text("a line at every level");
  for (wharf_level_t level = 0; level < LEVEL_COUNT; level++) {
    service_tuple2_string_string_t field = {wharf_text("level"), wharf_text(LEVELS[level])};
    service_list_tuple2_string_string_t fields = {&field, 1};
    wharf_platform_log_log(level, &message, &fields);
  }
  reply_done(reply, "logged");
}

/// `/log/flood?n=1000&size=100`
static void flood(const wharf_request_t *request, wharf_reply_t *reply) {
  int size = (int)wharf_query_number(request, "size", 100);
  char *letters = memset(wharf_allocate((size_t)size), 'x', (size_t)size);
  for (size_t left = wharf_query_number(request, "n", 1000); left > 0; left--)
    wharf_log(WHARF_PLATFORM_LOG_LEVEL_INFO, "%.*s", size, letters);
  reply_done(reply, "logged");
}

void wharf_handle(const wharf_request_t *request, wharf_body_t *body, wharf_reply_t *reply) {
  if (wharf_equals(request->path, "/config")) {
    config(request, reply);
  } else if (wharf_equals(request->path, "/log")) {
    write_line(body, reply);
  } else if (wharf_equals(request->path, "/log/levels")) {
    log_every_level(reply);
  } else if (wharf_equals(request->path, "/log/flood")) {
    flood(request, reply);
  } else if (wharf_equals(request->path, "/log/panic")) {
    wharf_panic("asked to panic here");
  } else {
    reply_no_route(reply);
  }
}
