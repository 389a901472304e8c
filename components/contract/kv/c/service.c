// Contract guest for `kv`: runs what a JSON command says, so that cases need no code.
// `../../README.md` is the protocol.

#include "kv.h"

// Commands: each adds to the answer and returns true, or returns false with the call's error or problem.

static bool open_bucket(call_t *call) { return yyjson_mut_obj_add_true(call->doc, call->answer, "opened"); }

static bool features(call_t *call) {
  json_out *names = json_features(call->doc, wharf_platform_kv_method_bucket_features(call->bucket));
  return yyjson_mut_obj_add_val(call->doc, call->answer, "features", names);
}

static bool get(call_t *call) {
  service_string_t key;
  wharf_platform_kv_option_entry_t entry;
  if (!read_key(call, call->command, &key)) return false;
  if (!wharf_platform_kv_method_bucket_get(call->bucket, &key, &entry, &call->error)) return false;
  return yyjson_mut_obj_add_val(call->doc, call->answer, "entry", json_optional_entry(call->doc, &entry));
}

static bool get_many(call_t *call) {
  service_list_string_t keys;
  wharf_platform_kv_list_option_entry_t found;
  if (!read_keys(call, &keys)) return false;
  if (!wharf_platform_kv_method_bucket_get_many(call->bucket, &keys, &found, &call->error)) return false;
  json_out *entries = yyjson_mut_obj_add_arr(call->doc, call->answer, "entries");
  for (size_t i = 0; i < found.len; i++) yyjson_mut_arr_append(entries, json_optional_entry(call->doc, &found.ptr[i]));
  return true;
}

static bool add_version(call_t *call, wharf_platform_kv_option_version_t version) {
  json_out *number = version.is_some ? yyjson_mut_uint(call->doc, version.val) : yyjson_mut_null(call->doc);
  return yyjson_mut_obj_add_val(call->doc, call->answer, "version", number);
}

static bool put(call_t *call) {
  wharf_platform_kv_put_item_t item;
  wharf_platform_kv_condition_t condition;
  wharf_platform_kv_option_version_t version;
  if (!read_item(call, call->command, &item) || !read_condition(call, call->command, &condition)) return false;
  if (!wharf_platform_kv_method_bucket_put(call->bucket, &item, &condition, &version, &call->error)) return false;
  return add_version(call, version);
}

static bool put_many(call_t *call) {
  json_in *list = yyjson_obj_get(call->command, "items"), *item;
  wharf_platform_kv_list_put_item_t items = {wharf_allocate(yyjson_arr_size(list) * sizeof *items.ptr), 0};
  size_t index, count;
  yyjson_arr_foreach(list, index, count, item) {
    if (!read_item(call, item, &items.ptr[items.len++])) return false;
  }
  if (!wharf_platform_kv_method_bucket_put_many(call->bucket, &items, &call->error)) return false;
  return yyjson_mut_obj_add_true(call->doc, call->answer, "stored");
}

static bool delete_key(call_t *call) {
  service_string_t key;
  wharf_platform_kv_condition_t condition;
  bool deleted;
  if (!read_key(call, call->command, &key) || !read_condition(call, call->command, &condition)) return false;
  if (!wharf_platform_kv_method_bucket_delete(call->bucket, &key, &condition, &deleted, &call->error)) return false;
  return yyjson_mut_obj_add_bool(call->doc, call->answer, "deleted", deleted);
}

static bool increment(call_t *call) {
  wharf_platform_kv_increment_item_t item = {.delta = member_integer(call->command, "delta", 1)};
  int64_t initial = member_integer(call->command, "initial", 0), sum;
  service_option_u64_t ttl = ttl_of(call->command);
  uint64_t *given = ttl.is_some ? &ttl.val : NULL;
  if (!read_key(call, call->command, &item.key)) return false;
  if (!wharf_platform_kv_method_bucket_increment(call->bucket, &item, initial, given, &sum, &call->error)) return false;
  return yyjson_mut_obj_add_sint(call->doc, call->answer, "sum", sum);
}

/// A member's text, or none.
static service_option_string_t optional(json_in *command, const char *name) {
  service_option_string_t text;
  text.is_some = text_of(yyjson_obj_get(command, name), &text.val);
  return text;
}

static bool scan(call_t *call) {
  uint64_t limit = member_number(call->command, "limit", 100);
  wharf_platform_kv_scan_options_t options = {
      .start = optional(call->command, "start"),
      .end = optional(call->command, "end"),
      .reverse = member_is_true(call->command, "reverse"),
      .keys_only = member_is_true(call->command, "keys_only"),
      .limit = limit < UINT32_MAX ? (uint32_t)limit : UINT32_MAX,
      .cursor = optional(call->command, "cursor"),
  };
  text_of(yyjson_obj_get(call->command, "prefix"), &options.prefix);
  wharf_platform_kv_page_t page;
  if (!wharf_platform_kv_method_bucket_scan(call->bucket, &options, &page, &call->error)) return false;
  json_out *entries = yyjson_mut_obj_add_arr(call->doc, call->answer, "entries");
  for (size_t i = 0; i < page.entries.len; i++) {
    json_out *pair = yyjson_mut_arr_add_arr(call->doc, entries);
    yyjson_mut_arr_append(pair, json_text(call->doc, page.entries.ptr[i].f0));
    yyjson_mut_arr_append(pair, json_entry(call->doc, &page.entries.ptr[i].f1));
  }
  return yyjson_mut_obj_add_val(call->doc, call->answer, "next", json_optional_text(call->doc, page.next));
}

static bool transact(call_t *call) {
  json_in *conditions = yyjson_obj_get(call->command, "checks"), *condition;
  json_in *changes = yyjson_obj_get(call->command, "mutations"), *change;
  wharf_platform_kv_list_check_t checks = {wharf_allocate(yyjson_arr_size(conditions) * sizeof *checks.ptr), 0};
  wharf_platform_kv_list_mutation_t mutations = {wharf_allocate(yyjson_arr_size(changes) * sizeof *mutations.ptr), 0};
  wharf_platform_kv_option_version_t version;
  size_t index, count;
  yyjson_arr_foreach(conditions, index, count, condition) {
    if (!read_check(call, condition, &checks.ptr[checks.len++])) return false;
  }
  yyjson_arr_foreach(changes, index, count, change) {
    if (!read_mutation(call, change, &mutations.ptr[mutations.len++])) return false;
  }
  if (!wharf_platform_kv_method_bucket_transact(call->bucket, &checks, &mutations, &version, &call->error))
    return false;
  return add_version(call, version);
}

static const struct {
  const char *path;
  bool (*run)(call_t *call);
} COMMANDS[] = {
    {"/open", open_bucket}, {"/features", features}, {"/get", get},           {"/get-many", get_many},
    {"/put", put},          {"/put-many", put_many}, {"/delete", delete_key}, {"/increment", increment},
    {"/scan", scan},        {"/transact", transact},
};

/// Opens the bucket of a command. Its name is any text, of which `wharf_kv_open` would see what is before a zero byte.
static bool open_named(call_t *call) {
  service_string_t name;
  if (!text_of(yyjson_obj_get(call->command, "bucket"), &name)) name = wharf_text("cache");
  wharf_platform_kv_own_bucket_t own;
  if (!wharf_platform_kv_static_bucket_open(&name, &own, &call->error)) return false;
  call->bucket = wharf_platform_kv_borrow_bucket(own);
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
    yyjson_mut_obj_add_val(call.doc, call.answer, "error", json_error(call.doc, &call.error));
    reply_with(reply, call.doc, call.answer);
  }
}
