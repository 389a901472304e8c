// What the contract guests in C share: JSON commands in, JSON answers out, over the vendored yyjson.
#pragma once

#include "../../../../guest-bindings/c/wharf.h"
#include "../../vendor/yyjson/yyjson.h"

typedef yyjson_val json_in;
typedef yyjson_mut_val json_out;
typedef yyjson_mut_doc json_doc;

#ifdef EXPORTS_WHARF_PLATFORM_HTTP_HANDLER_REPLY_BODY_BYTES // the world has a handler

/// The body as JSON, or NULL, and `reply` says why not.
json_in *read_command(wharf_body_t *body, wharf_reply_t *reply);
/// 200 with `answer`.
void reply_with(wharf_reply_t *reply, json_doc *doc, json_out *answer);
/// 200 with `{name: true}`.
void reply_done(wharf_reply_t *reply, const char *name);
/// 404, for paths that the contract guest does not have.
void reply_no_route(wharf_reply_t *reply);

#endif

/// A member's text, or `fallback`. A C string: commands hold no zero bytes that matter.
const char *member_text(json_in *object, const char *name, const char *fallback);
/// A value's text with all of its bytes, as long as the command lives; false when it is none.
bool text_of(json_in *value, service_string_t *text);
/// The same for every value of a list.
bool texts_of(json_in *list, service_list_string_t *texts);
/// A member that is a whole number of 0 or more, or `fallback`.
uint64_t member_number(json_in *object, const char *name, uint64_t fallback);
/// A member that is a whole number of 64 bits with a sign, or `fallback`.
int64_t member_integer(json_in *object, const char *name, int64_t fallback);
bool member_is_true(json_in *object, const char *name);
/// A member that is a whole number of 32 bits, or `fallback`; a larger one is the largest.
uint32_t member_u32(json_in *object, const char *name, uint32_t fallback);

/// An object with one member.
json_out *json_object(json_doc *doc, const char *name, json_out *value);
/// Text of the contract, which must outlive the answer.
json_out *json_text(json_doc *doc, service_string_t text);
/// The same, or null.
json_out *json_optional_text(json_doc *doc, service_option_string_t text);
json_out *json_hex(json_doc *doc, service_list_u8_t bytes);
/// Bytes as text, copied, with U+FFFD for what is no UTF-8.
json_out *json_lossy(json_doc *doc, service_list_u8_t bytes);
bool is_utf8(service_list_u8_t bytes);
/// What hexadecimal text stands for, from `malloc`; false when it is none.
bool parse_hex(const char *text, service_list_u8_t *bytes);
/// Bytes as text: `hex:` and their hexadecimal when they are no UTF-8. They must outlive the answer.
json_out *json_bytes(json_doc *doc, service_list_u8_t bytes);
/// `[[name, value]]`, which must outlive the answer.
json_out *json_pairs(json_doc *doc, service_list_tuple2_string_string_t pairs);

/// The value that an item of a bucket shall have: `value` (text), `hex`, or `size` for so many bytes of `x`. It lives as
/// long as the command; false when there is none of them.
bool item_value(json_in *item, service_list_u8_t *value);
