// Contract guest for `wasi:keyvalue`: runs what a JSON command says, so that cases need no code.
// `../../README.md` is the protocol.

#include "../../shared/c/json.h"

/// One command, and what comes of it.
typedef struct {
  json_in *command;
  wasi_keyvalue_store_borrow_bucket_t bucket;
  json_doc *doc;
  /// An object, so far without members.
  json_out *answer;
  /// The interface's error: an answer to compare.
  wasi_keyvalue_store_error_t error;
  /// What is wrong with the command itself, or NULL: 400.
  const char *problem;
} call_t;

// Keys, values and errors

static bool refuse(call_t *call, const char *problem) {
  call->problem = problem;
  return false;
}

static bool read_key(call_t *call, json_in *object, service_string_t *key) {
  return text_of(yyjson_obj_get(object, "key"), key) || refuse(call, "`key` is missing");
}

static bool read_keys(call_t *call, service_list_string_t *keys) {
  return texts_of(yyjson_obj_get(call->command, "keys"), keys) || refuse(call, "a key is text");
}

static bool read_item(call_t *call, json_in *object, service_tuple2_string_list_u8_t *item) {
  if (!item_value(object, &item->f1)) return refuse(call, "`value`, `hex` or `size` is missing");
  return read_key(call, object, &item->f0);
}

static json_out *optional_value(json_doc *doc, service_option_list_u8_t value) {
  return value.is_some ? json_bytes(doc, value.val) : yyjson_mut_null(doc);
}

static json_out *json_error(json_doc *doc, const wasi_keyvalue_store_error_t *error) {
  static const char *const CASES[] = {
      [WASI_KEYVALUE_STORE_ERROR_NO_SUCH_STORE] = "no-such-store",
      [WASI_KEYVALUE_STORE_ERROR_ACCESS_DENIED] = "access-denied",
      [WASI_KEYVALUE_STORE_ERROR_OTHER] = "other",
  };
  json_out *members = yyjson_mut_obj(doc);
  yyjson_mut_obj_add_str(doc, members, "case", CASES[error->tag]);
  if (error->tag == WASI_KEYVALUE_STORE_ERROR_OTHER)
    yyjson_mut_obj_add_val(doc, members, "text", json_text(doc, error->val.other));
  return members;
}

// Commands: each adds to the answer and returns true, or returns false with the call's error or problem.

static bool open_bucket(call_t *call) { return yyjson_mut_obj_add_true(call->doc, call->answer, "opened"); }

static bool get(call_t *call) {
  service_string_t key;
  service_option_list_u8_t value;
  if (!read_key(call, call->command, &key)) return false;
  if (!wasi_keyvalue_store_method_bucket_get(call->bucket, &key, &value, &call->error)) return false;
  return yyjson_mut_obj_add_val(call->doc, call->answer, "value", optional_value(call->doc, value));
}

static bool set(call_t *call) {
  service_tuple2_string_list_u8_t item;
  if (!read_item(call, call->command, &item)) return false;
  if (!wasi_keyvalue_store_method_bucket_set(call->bucket, &item.f0, &item.f1, &call->error)) return false;
  return yyjson_mut_obj_add_true(call->doc, call->answer, "stored");
}

static bool delete_key(call_t *call) {
  service_string_t key;
  if (!read_key(call, call->command, &key)) return false;
  if (!wasi_keyvalue_store_method_bucket_delete(call->bucket, &key, &call->error)) return false;
  return yyjson_mut_obj_add_true(call->doc, call->answer, "deleted");
}

static bool exists(call_t *call) {
  service_string_t key;
  bool there;
  if (!read_key(call, call->command, &key)) return false;
  if (!wasi_keyvalue_store_method_bucket_exists(call->bucket, &key, &there, &call->error)) return false;
  return yyjson_mut_obj_add_bool(call->doc, call->answer, "exists", there);
}

static bool list_keys(call_t *call) {
  service_string_t cursor;
  bool goes_on = text_of(yyjson_obj_get(call->command, "cursor"), &cursor);
  wasi_keyvalue_store_key_response_t page;
  if (!wasi_keyvalue_store_method_bucket_list_keys(call->bucket, goes_on ? &cursor : NULL, &page, &call->error))
    return false;
  json_out *keys = yyjson_mut_obj_add_arr(call->doc, call->answer, "keys");
  for (size_t i = 0; i < page.keys.len; i++) yyjson_mut_arr_append(keys, json_text(call->doc, page.keys.ptr[i]));
  return yyjson_mut_obj_add_val(call->doc, call->answer, "cursor", json_optional_text(call->doc, page.cursor));
}

static bool increment(call_t *call) {
  service_string_t key;
  int64_t delta = member_integer(call->command, "delta", 1), sum;
  if (!read_key(call, call->command, &key)) return false;
  if (!wasi_keyvalue_atomics_increment(call->bucket, &key, delta, &sum, &call->error)) return false;
  return yyjson_mut_obj_add_sint(call->doc, call->answer, "sum", sum);
}

/// Adds what the handle holds.
static bool add_current(call_t *call, const char *name, wasi_keyvalue_atomics_own_cas_t handle) {
  service_option_list_u8_t value;
  wasi_keyvalue_atomics_borrow_cas_t cas = wasi_keyvalue_atomics_borrow_cas(handle);
  if (!wasi_keyvalue_atomics_method_cas_current(cas, &value, &call->error)) return false;
  return yyjson_mut_obj_add_val(call->doc, call->answer, name, optional_value(call->doc, value));
}

/// Swaps, and says so; or gives another handle instead, when somebody was faster.
static bool swap(call_t *call, wasi_keyvalue_atomics_own_cas_t *handle, service_list_u8_t *value, bool *swapped) {
  wasi_keyvalue_atomics_cas_error_t error;
  *swapped = wasi_keyvalue_atomics_swap(*handle, value, &error);
  if (*swapped) return yyjson_mut_obj_add_true(call->doc, call->answer, "swapped");
  if (error.tag == WASI_KEYVALUE_ATOMICS_CAS_ERROR_STORE_ERROR) {
    call->error = error.val.store_error;
    return false;
  }
  *handle = error.val.cas_failed;
  return true;
}

/// Swaps a value, perhaps after somebody else has set another; tries again with the handle of the failure when told.
static bool compare_and_swap(call_t *call) {
  service_tuple2_string_list_u8_t item;
  service_string_t meanwhile;
  wasi_keyvalue_atomics_own_cas_t handle;
  bool swapped;
  if (!read_item(call, call->command, &item)) return false;
  if (!wasi_keyvalue_atomics_static_cas_new(call->bucket, &item.f0, &handle, &call->error)) return false;
  if (!add_current(call, "before", handle)) return false;
  if (text_of(yyjson_obj_get(call->command, "meanwhile"), &meanwhile)) {
    service_list_u8_t theirs = {meanwhile.ptr, meanwhile.len};
    if (!wasi_keyvalue_store_method_bucket_set(call->bucket, &item.f0, &theirs, &call->error)) return false;
  }
  if (!swap(call, &handle, &item.f1, &swapped)) return false;
  if (swapped) return true;
  yyjson_mut_obj_add_true(call->doc, call->answer, "failed");
  if (!add_current(call, "current", handle)) return false;
  return !member_is_true(call->command, "again") || swap(call, &handle, &item.f1, &swapped);
}

static bool get_many(call_t *call) {
  service_list_string_t keys;
  service_list_option_tuple2_string_list_u8_t found;
  if (!read_keys(call, &keys)) return false;
  if (!wasi_keyvalue_batch_get_many(call->bucket, &keys, &found, &call->error)) return false;
  json_out *entries = yyjson_mut_obj_add_arr(call->doc, call->answer, "entries");
  for (size_t i = 0; i < found.len; i++) {
    if (!found.ptr[i].is_some) {
      yyjson_mut_arr_add_null(call->doc, entries);
      continue;
    }
    json_out *pair = yyjson_mut_arr_add_arr(call->doc, entries);
    yyjson_mut_arr_append(pair, json_text(call->doc, found.ptr[i].val.f0));
    yyjson_mut_arr_append(pair, json_bytes(call->doc, found.ptr[i].val.f1));
  }
  return true;
}

static bool set_many(call_t *call) {
  json_in *list = yyjson_obj_get(call->command, "items"), *item;
  service_list_tuple2_string_list_u8_t items = {wharf_allocate(yyjson_arr_size(list) * sizeof *items.ptr), 0};
  size_t index, count;
  yyjson_arr_foreach(list, index, count, item) {
    if (!read_item(call, item, &items.ptr[items.len++])) return false;
  }
  if (!wasi_keyvalue_batch_set_many(call->bucket, &items, &call->error)) return false;
  return yyjson_mut_obj_add_true(call->doc, call->answer, "stored");
}

static bool delete_many(call_t *call) {
  service_list_string_t keys;
  if (!read_keys(call, &keys)) return false;
  if (!wasi_keyvalue_batch_delete_many(call->bucket, &keys, &call->error)) return false;
  return yyjson_mut_obj_add_true(call->doc, call->answer, "deleted");
}

static const struct {
  const char *path;
  bool (*run)(call_t *call);
} COMMANDS[] = {
    {"/open", open_bucket},
    {"/get", get},
    {"/set", set},
    {"/delete", delete_key},
    {"/exists", exists},
    {"/list-keys", list_keys},
    {"/increment", increment},
    {"/cas", compare_and_swap},
    {"/get-many", get_many},
    {"/set-many", set_many},
    {"/delete-many", delete_many},
};

/// Opens the bucket of a command.
static bool open_named(call_t *call) {
  service_string_t name;
  if (!text_of(yyjson_obj_get(call->command, "bucket"), &name)) name = wharf_text("cache");
  wasi_keyvalue_store_own_bucket_t own;
  if (!wasi_keyvalue_store_open(&name, &own, &call->error)) return false;
  call->bucket = wasi_keyvalue_store_borrow_bucket(own);
  return true;
}

void wharf_handle(const wharf_request_t *request, wharf_body_t *body, wharf_reply_t *reply) {
  bool (*run)(call_t *call) = NULL;
  for (size_t i = 0; i < sizeof COMMANDS / sizeof *COMMANDS; i++)
    if (wharf_equals(request->path, COMMANDS[i].path)) run = COMMANDS[i].run;
  if (!run) {
    reply_no_route(reply);
    return;
  }
  call_t call = {.command = read_command(body, reply)};
  if (!call.command) return;
  call.doc = yyjson_mut_doc_new(NULL);
  call.answer = yyjson_mut_obj(call.doc);
  if (open_named(&call) && run(&call)) {
    reply_with(reply, call.doc, call.answer);
  } else if (call.problem) {
    wharf_reply_text(reply, 400, call.problem);
  } else {
    json_out *answer = yyjson_mut_obj(call.doc);
    yyjson_mut_obj_add_val(call.doc, answer, "error", json_error(call.doc, &call.error));
    reply_with(reply, call.doc, answer);
  }
}
