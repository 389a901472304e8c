// JSON to the contract's types and back.

#include "http_client.h"

#include <string.h>

enum {
  /// How many bytes of a stream to ask for at once.
  PIECE = 65536,
  /// How many bytes of a body are shown.
  SHOWN = 1000,
};

static bool parse_fields(json_in *list, wharf_headers_t *fields) {
  json_in *field;
  size_t index, all;
  yyjson_arr_foreach(list, index, all, field) {
    const char *name = yyjson_get_str(yyjson_arr_get(field, 0)), *value = yyjson_get_str(yyjson_arr_get(field, 1));
    if (!name || !value) return false;
    wharf_add_header(fields, name, value);
  }
  return true;
}

/// The text of `body`, or `size` times x.
static service_list_u8_t parse_body(json_in *command) {
  const char *text = member_text(command, "body", NULL);
  if (text) return (service_list_u8_t){(uint8_t *)text, strlen(text)};
  size_t size = (size_t)member_number(command, "size", 0);
  return (service_list_u8_t){memset(wharf_allocate(size), 'x', size), size};
}

bool parse_request(json_in *command, outgoing_t *request, const char **problem) {
  *request = (outgoing_t){
      .method = wharf_text(member_text(command, "method", "GET")),
      .url = wharf_text(member_text(command, "url", "")),
      .body = {WHARF_PLATFORM_HTTP_TYPES_BODY_BYTES, {.bytes = parse_body(command)}},
      .timeout_ms = {yyjson_is_uint(yyjson_obj_get(command, "timeout_ms")), member_u32(command, "timeout_ms", 0)},
  };
  *problem = !yyjson_is_str(yyjson_obj_get(command, "url")) ? "`url` is missing"
             : !parse_fields(yyjson_obj_get(command, "headers"), &request->headers) ? "`headers` is no list of pairs"
                                                                                   : NULL;
  return !*problem;
}

static json_out *show_fields(json_doc *doc, wharf_headers_t fields) {
  json_out *shown = yyjson_mut_arr(doc);
  for (size_t i = 0; i < fields.len; i++) {
    json_out *field = yyjson_mut_arr_add_arr(doc, shown);
    yyjson_mut_arr_append(field, json_text(doc, fields.ptr[i].f0));
    yyjson_mut_arr_append(field, json_lossy(doc, fields.ptr[i].f1));
  }
  return shown;
}

/// A body by value.
static void add_whole(json_doc *doc, json_out *shown, service_list_u8_t bytes) {
  yyjson_doc *parsed = yyjson_read((char *)bytes.ptr, bytes.len, 0);
  json_out *json = parsed ? yyjson_val_mut_copy(doc, yyjson_doc_get_root(parsed)) : yyjson_mut_null(doc);
  service_list_u8_t head = {bytes.ptr, bytes.len < SHOWN ? bytes.len : SHOWN};
  yyjson_mut_obj_add_str(doc, shown, "kind", "bytes");
  yyjson_mut_obj_add_uint(doc, shown, "bytes", bytes.len);
  yyjson_mut_obj_add_val(doc, shown, "head", json_lossy(doc, head));
  yyjson_mut_obj_add_val(doc, shown, "json", json);
  yyjson_mut_obj_add_null(doc, shown, "broken");
  yyjson_mut_obj_add_null(doc, shown, "trailers");
}

/// A body that is read `most` times, or to its end, and then dropped.
static void add_pieces(json_doc *doc, json_out *shown, wharf_platform_http_types_own_body_reader_t own, uint64_t most) {
  wharf_platform_http_types_borrow_body_reader_t reader = wharf_platform_http_types_borrow_body_reader(own);
  uint64_t bytes = 0;
  service_list_u8_t piece, head = {wharf_allocate(SHOWN), 0};
  json_out *broken = yyjson_mut_null(doc);
  for (uint64_t reads = 0; reads < most; reads++) {
    wharf_error_t error;
    if (!wharf_platform_http_types_method_body_reader_read(reader, PIECE, &piece, &error)) {
      broken = yyjson_mut_str(doc, wharf_error_case(&error));
      break;
    }
    if (!piece.len) break;
    size_t room = SHOWN - head.len, taken = piece.len < room ? piece.len : room;
    memcpy(head.ptr + head.len, piece.ptr, taken);
    head.len += taken;
    bytes += piece.len;
    service_list_u8_free(&piece);
  }
  wharf_headers_t trailers;
  bool has_trailers = wharf_platform_http_types_method_body_reader_trailers(reader, &trailers);
  wharf_platform_http_types_body_reader_drop_own(own);
  yyjson_mut_obj_add_str(doc, shown, "kind", "streamed");
  yyjson_mut_obj_add_uint(doc, shown, "bytes", bytes);
  yyjson_mut_obj_add_val(doc, shown, "head", json_lossy(doc, head));
  yyjson_mut_obj_add_val(doc, shown, "broken", broken);
  yyjson_mut_obj_add_val(doc, shown, "trailers", has_trailers ? show_fields(doc, trailers) : yyjson_mut_null(doc));
}

static json_out *show_error(json_doc *doc, const wharf_error_t *error) {
  json_out *shown = json_object(doc, "case", yyjson_mut_str(doc, wharf_error_case(error)));
  yyjson_mut_obj_add_val(doc, shown, "text", json_text(doc, wharf_error_text(error)));
  return json_object(doc, "error", shown);
}

json_out *show_result(json_doc *doc, result_t *result, json_in *command) {
  if (result->is_err) return show_error(doc, &result->val.err);
  wharf_platform_http_client_response_t *response = &result->val.ok;
  json_out *shown = json_object(doc, "status", yyjson_mut_uint(doc, response->status));
  yyjson_mut_obj_add_val(doc, shown, "headers", show_fields(doc, response->headers));
  if (response->body.tag == WHARF_PLATFORM_HTTP_TYPES_BODY_BYTES)
    add_whole(doc, shown, response->body.val.bytes);
  else
    add_pieces(doc, shown, response->body.val.streamed, member_number(command, "reads", UINT64_MAX));
  return shown;
}
