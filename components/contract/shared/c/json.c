// JSON commands and answers; `json.h` says what each does.

#include "json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef EXPORTS_WHARF_PLATFORM_HTTP_HANDLER_REPLY_BODY_BYTES

json_in *read_command(wharf_body_t *body, wharf_reply_t *reply) {
  service_list_u8_t bytes;
  wharf_error_t error;
  if (!wharf_read_body(body, &bytes, &error)) {
    wharf_reply_text(reply, wharf_body_status(&error), "the body broke off");
    return NULL;
  }
  yyjson_doc *doc = yyjson_read((char *)bytes.ptr, bytes.len, 0);
  if (!doc) wharf_reply_text(reply, 400, "the body is no JSON");
  return yyjson_doc_get_root(doc);
}

void reply_with(wharf_reply_t *reply, json_doc *doc, json_out *answer) {
  yyjson_mut_doc_set_root(doc, answer);
  char *text = yyjson_mut_write(doc, 0, NULL);
  if (!text) __builtin_trap();
  wharf_reply_json(reply, 200, text);
}

void reply_done(wharf_reply_t *reply, const char *name) {
  json_doc *doc = yyjson_mut_doc_new(NULL);
  json_out *answer = yyjson_mut_obj(doc);
  yyjson_mut_obj_add_true(doc, answer, name);
  reply_with(reply, doc, answer);
}

void reply_no_route(wharf_reply_t *reply) { wharf_reply_text(reply, 404, "no such route in the contract guest"); }

#endif

const char *member_text(json_in *object, const char *name, const char *fallback) {
  const char *text = yyjson_get_str(yyjson_obj_get(object, name));
  return text ? text : fallback;
}

bool text_of(json_in *value, service_string_t *text) {
  *text = (service_string_t){(uint8_t *)yyjson_get_str(value), yyjson_get_len(value)};
  return yyjson_is_str(value);
}

bool texts_of(json_in *list, service_list_string_t *texts) {
  *texts = (service_list_string_t){wharf_allocate(yyjson_arr_size(list) * sizeof *texts->ptr), 0};
  json_in *value;
  size_t index, count;
  yyjson_arr_foreach(list, index, count, value) {
    if (!text_of(value, &texts->ptr[texts->len++])) return false;
  }
  return true;
}

uint64_t member_number(json_in *object, const char *name, uint64_t fallback) {
  json_in *member = yyjson_obj_get(object, name);
  return yyjson_is_uint(member) ? yyjson_get_uint(member) : fallback;
}

int64_t member_integer(json_in *object, const char *name, int64_t fallback) {
  json_in *member = yyjson_obj_get(object, name);
  bool fits = yyjson_is_sint(member) || (yyjson_is_uint(member) && yyjson_get_uint(member) <= INT64_MAX);
  return fits ? yyjson_get_sint(member) : fallback;
}

bool member_is_true(json_in *object, const char *name) { return yyjson_is_true(yyjson_obj_get(object, name)); }

uint32_t member_u32(json_in *object, const char *name, uint32_t fallback) {
  uint64_t number = member_number(object, name, fallback);
  return number < UINT32_MAX ? (uint32_t)number : UINT32_MAX;
}

json_out *json_object(json_doc *doc, const char *name, json_out *value) {
  json_out *object = yyjson_mut_obj(doc);
  yyjson_mut_obj_add_val(doc, object, name, value);
  return object;
}

json_out *json_text(json_doc *doc, service_string_t text) {
  return yyjson_mut_strn(doc, text.len ? (char *)text.ptr : "", text.len);
}

json_out *json_optional_text(json_doc *doc, service_option_string_t text) {
  return text.is_some ? json_text(doc, text.val) : yyjson_mut_null(doc);
}

json_out *json_lossy(json_doc *doc, service_list_u8_t bytes) {
  static const service_list_u8_t REPLACEMENT = {(uint8_t *)"\xef\xbf\xbd", 3};
  service_list_u8_t text = {wharf_allocate(REPLACEMENT.len * bytes.len), 0};
  for (size_t i = 0; i < bytes.len;) {
    uint8_t first = bytes.ptr[i];
    service_list_u8_t letter = {bytes.ptr + i, first < 0xc0 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4};
    bool valid = letter.len <= bytes.len - i && is_utf8(letter);
    i += valid ? letter.len : 1;
    if (!valid) letter = REPLACEMENT;
    memcpy(text.ptr + text.len, letter.ptr, letter.len);
    text.len += letter.len;
  }
  json_out *lossy = yyjson_mut_strncpy(doc, (char *)text.ptr, text.len);
  free(text.ptr);
  return lossy;
}

json_out *json_hex(json_doc *doc, service_list_u8_t bytes) {
  static const char DIGITS[] = "0123456789abcdef";
  char *text = wharf_allocate(2 * bytes.len);
  for (size_t i = 0; i < bytes.len; i++) {
    text[2 * i] = DIGITS[bytes.ptr[i] >> 4];
    text[2 * i + 1] = DIGITS[bytes.ptr[i] & 15];
  }
  json_out *hex = yyjson_mut_strncpy(doc, text, 2 * bytes.len);
  free(text);
  return hex;
}

bool is_utf8(service_list_u8_t bytes) { return wharf_is_utf8((service_string_t){bytes.ptr, bytes.len}); }

bool parse_hex(const char *text, service_list_u8_t *bytes) {
  size_t length = strlen(text);
  if (length % 2 || strspn(text, "0123456789abcdefABCDEF") != length) return false;
  *bytes = (service_list_u8_t){wharf_allocate(length / 2), length / 2};
  for (size_t i = 0; i < bytes->len; i++) {
    char digits[] = {text[2 * i], text[2 * i + 1], 0};
    bytes->ptr[i] = (uint8_t)strtoul(digits, NULL, 16);
  }
  return true;
}

json_out *json_bytes(json_doc *doc, service_list_u8_t bytes) {
  if (is_utf8(bytes)) return json_text(doc, (service_string_t){bytes.ptr, bytes.len});
  char *text;
  asprintf(&text, "hex:%s", yyjson_mut_get_str(json_hex(doc, bytes)));
  return yyjson_mut_str(doc, text);
}

json_out *json_pairs(json_doc *doc, service_list_tuple2_string_string_t pairs) {
  json_out *list = yyjson_mut_arr(doc);
  for (size_t i = 0; i < pairs.len; i++) {
    json_out *pair = yyjson_mut_arr_add_arr(doc, list);
    yyjson_mut_arr_append(pair, json_text(doc, pairs.ptr[i].f0));
    yyjson_mut_arr_append(pair, json_text(doc, pairs.ptr[i].f1));
  }
  return list;
}

bool item_value(json_in *item, service_list_u8_t *value) {
  service_string_t text;
  if (text_of(yyjson_obj_get(item, "value"), &text)) {
    *value = (service_list_u8_t){text.ptr, text.len};
    return true;
  }
  const char *hex = member_text(item, "hex", NULL);
  if (hex) return parse_hex(hex, value);
  json_in *size = yyjson_obj_get(item, "size");
  if (!yyjson_is_uint(size) || yyjson_get_uint(size) > SIZE_MAX) return false;
  value->len = (size_t)yyjson_get_uint(size);
  value->ptr = memset(wharf_allocate(value->len), 'x', value->len);
  return true;
}
