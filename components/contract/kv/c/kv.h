// The parts of the contract guest for `kv`.
#pragma once

#include "../../shared/c/json.h"

/// One command, and what comes of it.
typedef struct {
  json_in *command;
  wharf_bucket_t bucket;
  json_doc *doc;
  /// An object, so far without members.
  json_out *answer;
  /// The contract's error: an answer to compare.
  wharf_kv_error_t error;
  /// What is wrong with the command itself, or NULL: 400.
  const char *problem;
} call_t;

// What commands hold, as the contract has it. Each returns false, and sets the call's problem, when it is not there or no
// such thing. Values live as long as the command.

bool read_key(call_t *call, json_in *object, service_string_t *key);
bool read_keys(call_t *call, service_list_string_t *keys);
bool read_condition(call_t *call, json_in *object, wharf_platform_kv_condition_t *condition);
bool read_item(call_t *call, json_in *object, wharf_platform_kv_put_item_t *item);
bool read_check(call_t *call, json_in *object, wharf_platform_kv_check_t *check);
bool read_mutation(call_t *call, json_in *object, wharf_platform_kv_mutation_t *mutation);
service_option_u64_t ttl_of(json_in *object);

json_out *json_entry(json_doc *doc, const wharf_platform_kv_entry_t *entry);
json_out *json_optional_entry(json_doc *doc, const wharf_platform_kv_option_entry_t *entry);
json_out *json_error(json_doc *doc, const wharf_kv_error_t *error);
json_out *json_features(json_doc *doc, wharf_platform_kv_features_t features);
