// Contract guest for `pg-listener`: writes down what it is called with, and fails when it is told to. `../../README.md`
// is the protocol.

#include "../../shared/c/json.h"

#include <stdio.h>
#include <stdlib.h>

/// The channel of the manifest.
static const char CHANNEL[] = "contract_events";

static bool store(json_out *event, wharf_kv_error_t *error) {
  wharf_bucket_t events;
  int64_t number;
  if (!wharf_kv_open("events", &events, error)) return false;
  if (!wharf_kv_increment(events, wharf_text("count"), 1, &number, error)) return false;
  char key[32]; // keys sort as text, so their numbers have leading zeros
  snprintf(key, sizeof key, "event/%010lld", (long long)number);
  service_list_u8_t value;
  value.ptr = (uint8_t *)yyjson_mut_val_write(event, 0, &value.len);
  return wharf_kv_put(events, wharf_text(key), value, 0, error);
}

/// Adds an event behind the others.
static bool record(json_out *event, service_string_t *problem) {
  wharf_kv_error_t error;
  if (store(event, &error)) return true;
  *problem = wharf_text_copy(wharf_kv_error_case(&error));
  return false;
}

bool exports_wharf_platform_pg_listener_on_listening(service_string_t *database, bool missed,
                                                     service_string_t *problem) {
  json_doc *doc = yyjson_mut_doc_new(NULL);
  json_out *event = json_object(doc, "database", json_text(doc, *database));
  yyjson_mut_obj_add_bool(doc, event, "missed", missed);
  return record(event, problem);
}

bool exports_wharf_platform_pg_listener_on_notify(exports_wharf_platform_pg_listener_notification_t *notification,
                                                  service_string_t *problem) {
  json_doc *doc = yyjson_mut_doc_new(NULL);
  json_out *event = json_object(doc, "channel", json_text(doc, notification->channel));
  yyjson_mut_obj_add_val(doc, event, "database", json_text(doc, notification->database));
  yyjson_mut_obj_add_val(doc, event, "payload", json_text(doc, notification->payload));
  yyjson_mut_obj_add_bool(doc, event, "sender", notification->sender > 0);
  if (!record(event, problem)) return false;
  if (wharf_equals(notification->payload, "error")) {
    *problem = wharf_text_copy("asked to fail here");
    return false;
  }
  if (wharf_equals(notification->payload, "trap")) __builtin_trap();
  if (wharf_equals(notification->payload, "loop"))
    for (volatile unsigned rounds = 0;;) rounds++;
  return true;
}

/// Appends the events of one page, and goes on to the next.
static bool add_page(json_doc *doc, json_out *events, wharf_bucket_t bucket, wharf_platform_kv_scan_options_t *options,
                     wharf_kv_error_t *error) {
  wharf_platform_kv_page_t page;
  if (!wharf_platform_kv_method_bucket_scan(bucket, options, &page, error)) return false;
  for (size_t i = 0; i < page.entries.len; i++) {
    service_list_u8_t value = page.entries.ptr[i].f1.value;
    yyjson_doc *event = yyjson_read((char *)value.ptr, value.len, 0);
    yyjson_mut_arr_append(events, yyjson_val_mut_copy(doc, yyjson_doc_get_root(event)));
    yyjson_doc_free(event);
  }
  options->cursor = page.next;
  return true;
}

static void list_events(wharf_reply_t *reply) {
  json_doc *doc = yyjson_mut_doc_new(NULL);
  json_out *events = yyjson_mut_arr(doc);
  wharf_bucket_t bucket;
  wharf_kv_error_t error;
  wharf_platform_kv_scan_options_t options = {.prefix = wharf_text("event/"), .limit = 1000};
  bool done = wharf_kv_open("events", &bucket, &error);
  do done = done && add_page(doc, events, bucket, &options, &error);
  while (done && options.cursor.is_some);
  if (done)
    reply_with(reply, doc, json_object(doc, "events", events));
  else
    wharf_reply_text(reply, 500, wharf_kv_error_case(&error));
}

static void notify(wharf_body_t *body, wharf_reply_t *reply) {
  json_in *command = read_command(body, reply);
  if (!command) return;
  service_string_t name = wharf_text("main");
  service_string_t channel = wharf_text(member_text(command, "channel", CHANNEL));
  service_string_t payload = wharf_text(member_text(command, "payload", ""));
  wharf_platform_pg_client_own_database_t database;
  wharf_platform_pg_client_error_t error;
  if (wharf_platform_pg_client_static_database_open(&name, &database, &error) &&
      wharf_platform_pg_client_method_database_notify(wharf_platform_pg_client_borrow_database(database), &channel,
                                                      &payload, &error))
    reply_done(reply, "notified");
  else
    wharf_reply_text(reply, 500, "the database did not take it");
}

void wharf_handle(const wharf_request_t *request, wharf_body_t *body, wharf_reply_t *reply) {
  if (wharf_equals(request->method, "GET") && wharf_equals(request->path, "/events"))
    list_events(reply);
  else if (wharf_equals(request->method, "POST") && wharf_equals(request->path, "/notify"))
    notify(body, reply);
  else
    reply_no_route(reply);
}
