// Contract guest for `kv-watcher`: writes down what it is called with, and fails when it is told to.
// `../../README.md` is the protocol.

#include "../../shared/c/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/// The bucket of the manifest's `[[watch]]`.
#define WATCHED "watched"
/// Where events and attempts are written down.
#define EVENTS "events"

/// What a failed call comes to: the guest has no way around it.
static void insist(bool done, const wharf_kv_error_t *error) {
  if (!done) wharf_panic(wharf_kv_error_case(error));
}

static wharf_bucket_t open_bucket(const char *name) {
  wharf_bucket_t bucket;
  wharf_kv_error_t error;
  insist(wharf_kv_open(name, &bucket, &error), &error);
  return bucket;
}

static int64_t next_number(wharf_bucket_t bucket, service_string_t key) {
  int64_t number;
  wharf_kv_error_t error;
  insist(wharf_kv_increment(bucket, key, 1, &number, &error), &error);
  return number;
}

// What the watcher is called with

/// Adds an event behind the others. Keys sort as text, so their numbers have leading zeros.
static void record(json_out *event) {
  wharf_bucket_t events = open_bucket(EVENTS);
  char key[32];
  snprintf(key, sizeof key, "event/%010lld", (long long)next_number(events, wharf_text("count")));
  service_list_u8_t value;
  value.ptr = (uint8_t *)yyjson_mut_val_write(event, 0, &value.len);
  wharf_kv_error_t error;
  insist(wharf_kv_put(events, wharf_text(key), value, 0, &error), &error);
}

/// Whether this key is to fail for the first time.
static bool is_first(service_string_t key) {
  static const char PREFIX[] = "attempts/";
  service_string_t attempts = {wharf_allocate(strlen(PREFIX) + key.len), strlen(PREFIX) + key.len};
  memcpy(attempts.ptr, PREFIX, strlen(PREFIX));
  memcpy(attempts.ptr + strlen(PREFIX), key.ptr, key.len);
  return next_number(open_bucket(EVENTS), attempts) == 1;
}

static void spin(void) {
  for (volatile unsigned rounds = 0;; rounds++) {
  }
}

bool exports_wharf_platform_kv_watcher_on_change(service_string_t *bucket, service_string_t *key,
                                                 exports_wharf_platform_kv_watcher_entry_t *entry,
                                                 service_string_t *error) {
  json_doc *doc = yyjson_mut_doc_new(NULL);
  json_out *event = yyjson_mut_obj(doc);
  service_string_t value = entry ? (service_string_t){entry->value.ptr, entry->value.len} : (service_string_t){0};
  bool is_text = entry && is_utf8(entry->value);
  yyjson_mut_obj_add_val(doc, event, "bucket", json_text(doc, *bucket));
  if (entry && !is_text) yyjson_mut_obj_add_val(doc, event, "hex", json_hex(doc, entry->value));
  yyjson_mut_obj_add_val(doc, event, "key", json_text(doc, *key));
  if (is_text) yyjson_mut_obj_add_val(doc, event, "value", json_text(doc, value));
  if (!entry) yyjson_mut_obj_add_null(doc, event, "value");
  yyjson_mut_obj_add_bool(doc, event, "version", entry && entry->version > 0);
  record(event);
  if (wharf_equals(value, "error") && is_first(*key)) {
    *error = wharf_text_copy("asked to fail here");
    return false;
  }
  if (wharf_equals(value, "trap") && is_first(*key)) abort();
  if (wharf_equals(value, "loop") && is_first(*key)) spin();
  return true;
}

bool exports_wharf_platform_kv_watcher_on_watching(service_string_t *bucket, bool gap, service_string_t *error) {
  (void)error;
  json_doc *doc = yyjson_mut_doc_new(NULL);
  json_out *event = yyjson_mut_obj(doc);
  yyjson_mut_obj_add_val(doc, event, "bucket", json_text(doc, *bucket));
  yyjson_mut_obj_add_bool(doc, event, "gap", gap);
  record(event);
  return true;
}

// What the service is asked

/// Calls `visit` for every entry of the events whose key has that prefix.
static void scan_events(const char *prefix, bool keys_only,
                        void (*visit)(void *state, service_string_t key, service_list_u8_t value), void *state) {
  wharf_bucket_t events = open_bucket(EVENTS);
  wharf_platform_kv_scan_options_t options = {.prefix = wharf_text(prefix), .keys_only = keys_only, .limit = 1000};
  wharf_platform_kv_page_t page;
  wharf_kv_error_t error;
  do {
    insist(wharf_platform_kv_method_bucket_scan(events, &options, &page, &error), &error);
    for (size_t i = 0; i < page.entries.len; i++) visit(state, page.entries.ptr[i].f0, page.entries.ptr[i].f1.value);
    options.cursor = page.next;
  } while (page.next.is_some);
}

/// The events that are asked for.
typedef struct {
  json_doc *doc;
  json_out *events;
  /// All of them, or those of one key.
  service_option_string_t key;
} asked_t;

static void add_event(void *state, service_string_t number, service_list_u8_t value) {
  (void)number;
  asked_t *asked = state;
  json_in *event = yyjson_doc_get_root(yyjson_read((char *)value.ptr, value.len, 0));
  json_in *key = yyjson_obj_get(event, "key");
  if (!asked->key.is_some || yyjson_equals_strn(key, (char *)asked->key.val.ptr, asked->key.val.len))
    yyjson_mut_arr_append(asked->events, yyjson_val_mut_copy(asked->doc, event));
}

/// `/events?key=w/a`
static void list_events(const wharf_request_t *request, wharf_reply_t *reply) {
  asked_t asked = {.doc = yyjson_mut_doc_new(NULL)};
  asked.key.is_some = wharf_query_param(request, "key", &asked.key.val);
  json_out *answer = yyjson_mut_obj(asked.doc);
  asked.events = yyjson_mut_obj_add_arr(asked.doc, answer, "events");
  scan_events("event/", false, add_event, &asked);
  reply_with(reply, asked.doc, answer);
}

/// `{"key", "value": text or "hex": hexadecimal, "ttl_ms"}`
static void put(wharf_body_t *body, wharf_reply_t *reply) {
  json_in *command = read_command(body, reply);
  service_string_t key;
  service_list_u8_t value;
  if (!command) return;
  if (!text_of(yyjson_obj_get(command, "key"), &key) || !item_value(command, &value)) {
    wharf_reply_text(reply, 400, "`key`, and `value` or `hex`, is missing");
    return;
  }
  wharf_kv_error_t error;
  insist(wharf_kv_put(open_bucket(WATCHED), key, value, member_number(command, "ttl_ms", 0), &error), &error);
  reply_done(reply, "stored");
}

/// `{"key"}`
static void delete_key(wharf_body_t *body, wharf_reply_t *reply) {
  json_in *command = read_command(body, reply);
  service_string_t key;
  if (!command) return;
  if (!text_of(yyjson_obj_get(command, "key"), &key)) {
    wharf_reply_text(reply, 400, "`key` is missing");
    return;
  }
  bool deleted;
  wharf_kv_error_t error;
  insist(wharf_kv_delete(open_bucket(WATCHED), key, &deleted, &error), &error);
  json_doc *doc = yyjson_mut_doc_new(NULL);
  json_out *answer = yyjson_mut_obj(doc);
  yyjson_mut_obj_add_bool(doc, answer, "deleted", deleted);
  reply_with(reply, doc, answer);
}

static void forget(void *state, service_string_t key, service_list_u8_t value) {
  (void)value;
  bool deleted;
  wharf_kv_error_t error;
  insist(wharf_kv_delete(*(wharf_bucket_t *)state, key, &deleted, &error), &error);
}

/// Forgets all events and attempts.
static void clear(wharf_reply_t *reply) {
  wharf_bucket_t events = open_bucket(EVENTS);
  scan_events("", true, forget, &events);
  reply_done(reply, "cleared");
}

void wharf_handle(const wharf_request_t *request, wharf_body_t *body, wharf_reply_t *reply) {
  bool is_get = wharf_equals(request->method, "GET"), is_post = wharf_equals(request->method, "POST");
  if (is_get && wharf_equals(request->path, "/events")) {
    list_events(request, reply);
  } else if (is_post && wharf_equals(request->path, "/put")) {
    put(body, reply);
  } else if (is_post && wharf_equals(request->path, "/delete")) {
    delete_key(body, reply);
  } else if (is_post && wharf_equals(request->path, "/clear")) {
    clear(reply);
  } else {
    reply_no_route(reply);
  }
}
