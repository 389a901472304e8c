// Keys, values, conditions and errors as JSON.

#include "kv.h"

#include <string.h>

static bool refuse(call_t *call, const char *problem) {
  call->problem = problem;
  return false;
}

bool read_key(call_t *call, json_in *object, service_string_t *key) {
  return text_of(yyjson_obj_get(object, "key"), key) || refuse(call, "`key` is missing");
}

bool read_keys(call_t *call, service_list_string_t *keys) {
  return texts_of(yyjson_obj_get(call->command, "keys"), keys) || refuse(call, "a key is text");
}

/// `condition`: "always", "if-absent", "if-present", or a number for that version.
bool read_condition(call_t *call, json_in *object, wharf_platform_kv_condition_t *condition) {
  json_in *wanted = yyjson_obj_get(object, "condition");
  if (yyjson_is_uint(wanted)) {
    condition->tag = WHARF_PLATFORM_KV_CONDITION_IF_VERSION;
    condition->val.if_version = yyjson_get_uint(wanted);
  } else if (!wanted || yyjson_equals_str(wanted, "always")) {
    condition->tag = WHARF_PLATFORM_KV_CONDITION_ALWAYS;
  } else if (yyjson_equals_str(wanted, "if-absent")) {
    condition->tag = WHARF_PLATFORM_KV_CONDITION_IF_ABSENT;
  } else if (yyjson_equals_str(wanted, "if-present")) {
    condition->tag = WHARF_PLATFORM_KV_CONDITION_IF_PRESENT;
  } else {
    return refuse(call, "no such condition");
  }
  return true;
}

bool read_item(call_t *call, json_in *object, wharf_platform_kv_put_item_t *item) {
  item->ttl_ms = ttl_of(object);
  if (!item_value(object, &item->value)) return refuse(call, "`value`, `hex` or `size` is missing");
  return read_key(call, object, &item->key);
}

bool read_check(call_t *call, json_in *object, wharf_platform_kv_check_t *check) {
  return read_key(call, object, &check->key) && read_condition(call, object, &check->condition);
}

bool read_mutation(call_t *call, json_in *object, wharf_platform_kv_mutation_t *mutation) {
  const char *op = member_text(object, "op", "");
  if (strcmp(op, "put") == 0) {
    mutation->tag = WHARF_PLATFORM_KV_MUTATION_PUT;
    return read_item(call, object, &mutation->val.put);
  }
  if (strcmp(op, "delete") == 0) {
    mutation->tag = WHARF_PLATFORM_KV_MUTATION_DELETE;
    return read_key(call, object, &mutation->val.delete_);
  }
  if (strcmp(op, "increment") == 0) {
    mutation->tag = WHARF_PLATFORM_KV_MUTATION_INCREMENT;
    mutation->val.increment.delta = member_integer(object, "delta", 1);
    return read_key(call, object, &mutation->val.increment.key);
  }
  return refuse(call, "a mutation's `op` is put, delete or increment");
}

service_option_u64_t ttl_of(json_in *object) {
  json_in *ttl = yyjson_obj_get(object, "ttl_ms");
  return (service_option_u64_t){yyjson_is_uint(ttl), yyjson_get_uint(ttl)};
}

/// `value` when it is text, otherwise `hex`.
json_out *json_entry(json_doc *doc, const wharf_platform_kv_entry_t *entry) {
  json_out *members = yyjson_mut_obj(doc);
  service_string_t text = {entry->value.ptr, entry->value.len};
  if (wharf_is_utf8(text)) {
    yyjson_mut_obj_add_val(doc, members, "value", json_text(doc, text));
  } else {
    yyjson_mut_obj_add_val(doc, members, "hex", json_hex(doc, entry->value));
  }
  yyjson_mut_obj_add_uint(doc, members, "version", entry->version);
  bool expires = entry->expires_at.is_some;
  yyjson_mut_obj_add_val(doc, members, "expires_at",
                         expires ? yyjson_mut_uint(doc, entry->expires_at.val) : yyjson_mut_null(doc));
  return members;
}

json_out *json_optional_entry(json_doc *doc, const wharf_platform_kv_option_entry_t *entry) {
  return entry->is_some ? json_entry(doc, &entry->val) : yyjson_mut_null(doc);
}

json_out *json_error(json_doc *doc, const wharf_kv_error_t *error) {
  json_out *members = yyjson_mut_obj(doc);
  yyjson_mut_obj_add_str(doc, members, "case", wharf_kv_error_case(error));
  if (error->tag != WHARF_PLATFORM_KV_ERROR_TIMEOUT) // all others have a text, in the same place
    yyjson_mut_obj_add_val(doc, members, "text", json_text(doc, error->val.other));
  return members;
}

json_out *json_features(json_doc *doc, wharf_platform_kv_features_t features) {
  static const struct {
    const char *name;
    wharf_platform_kv_features_t bit;
  } ALL[] = {
      {"conditions", WHARF_PLATFORM_KV_FEATURES_CONDITIONS}, {"ttl", WHARF_PLATFORM_KV_FEATURES_TTL},
      {"counters", WHARF_PLATFORM_KV_FEATURES_COUNTERS},     {"transactions", WHARF_PLATFORM_KV_FEATURES_TRANSACTIONS},
      {"ordered", WHARF_PLATFORM_KV_FEATURES_ORDERED},       {"watch", WHARF_PLATFORM_KV_FEATURES_WATCH},
      {"durable", WHARF_PLATFORM_KV_FEATURES_DURABLE},       {"linearizable", WHARF_PLATFORM_KV_FEATURES_LINEARIZABLE},
  };
  json_out *names = yyjson_mut_arr(doc);
  for (size_t i = 0; i < sizeof ALL / sizeof *ALL; i++)
    if (features & ALL[i].bit) yyjson_mut_arr_add_str(doc, names, ALL[i].name);
  return names;
}
