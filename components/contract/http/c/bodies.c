// Request bodies: described, echoed, or read in part.

#include "http.h"

#include "../../shared/c/fnv1a.h"

#include <stdio.h>
#include <string.h>

/// What came of a body.
typedef struct {
  size_t bytes, pieces;
  uint32_t hash;
  json_out *trailers, *error;
} seen_t;

/// Reads a streamed body to its end, at most `most` bytes at a time.
static void read_pieces(const wharf_body_t *body, uint32_t most, json_doc *doc, seen_t *seen) {
  wharf_platform_http_types_borrow_body_reader_t reader =
      wharf_platform_http_types_borrow_body_reader(body->val.streamed);
  for (;;) {
    service_list_u8_t piece;
    wharf_error_t error;
    if (!wharf_platform_http_types_method_body_reader_read(reader, most, &piece, &error)) {
      seen->error = yyjson_mut_str(doc, wharf_error_case(&error));
      break;
    }
    if (!piece.len) break;
    seen->bytes += piece.len;
    seen->pieces++;
    seen->hash = fnv1a(seen->hash, piece);
    service_list_u8_free(&piece);
  }
  wharf_headers_t trailers;
  if (wharf_platform_http_types_method_body_reader_trailers(reader, &trailers)) seen->trailers = fields(doc, trailers);
}

void describe_body(const wharf_request_t *request, wharf_body_t *body, wharf_reply_t *reply) {
  json_doc *doc = yyjson_mut_doc_new(NULL);
  seen_t seen = {.hash = FNV1A, .trailers = yyjson_mut_null(doc), .error = yyjson_mut_null(doc)};
  bool streamed = body->tag == WHARF_PLATFORM_HTTP_TYPES_BODY_STREAMED;
  if (streamed) {
    read_pieces(body, (uint32_t)wharf_query_number(request, "piece", 65536), doc, &seen);
  } else {
    seen.bytes = body->val.bytes.len;
    seen.pieces = 1;
    seen.hash = fnv1a(seen.hash, body->val.bytes);
  }
  char digits[9];
  snprintf(digits, sizeof digits, "%08x", (unsigned)seen.hash);
  json_out *answer = yyjson_mut_obj(doc);
  yyjson_mut_obj_add_str(doc, answer, "kind", streamed ? "streamed" : "bytes");
  yyjson_mut_obj_add_uint(doc, answer, "bytes", seen.bytes);
  yyjson_mut_obj_add_uint(doc, answer, "pieces", seen.pieces);
  yyjson_mut_obj_add_str(doc, answer, "fnv1a", digits);
  yyjson_mut_obj_add_val(doc, answer, "trailers", seen.trailers);
  yyjson_mut_obj_add_val(doc, answer, "error", seen.error);
  reply_with(reply, doc, answer);
}

/// The same bytes and type back, through the guest's memory.
void echo_body(const wharf_request_t *request, wharf_body_t *body, wharf_reply_t *reply) {
  service_list_u8_t bytes;
  wharf_error_t error;
  if (!wharf_read_body(body, &bytes, &error)) {
    wharf_reply_text(reply, wharf_body_status(&error), "the body broke off");
    return;
  }
  const service_list_u8_t *type = wharf_header(request, "content-type");
  char *copy = type ? wharf_c_string((service_string_t){type->ptr, type->len}) : NULL;
  wharf_add_header(&reply->headers, "content-type", copy ? copy : "application/octet-stream");
  wharf_reply_bytes(reply, 200, bytes);
}

/// Reads only some of the body, and leaves the rest.
void read_partly(const wharf_request_t *request, wharf_body_t *body, wharf_reply_t *reply) {
  size_t wanted = wharf_query_number(request, "n", 1), bytes = 0;
  if (body->tag == WHARF_PLATFORM_HTTP_TYPES_BODY_BYTES) bytes = body->val.bytes.len;
  while (body->tag == WHARF_PLATFORM_HTTP_TYPES_BODY_STREAMED && bytes < wanted) {
    service_list_u8_t piece;
    wharf_error_t error;
    if (!wharf_platform_http_types_method_body_reader_read(
            wharf_platform_http_types_borrow_body_reader(body->val.streamed), 65536, &piece, &error)) {
      wharf_reply_text(reply, wharf_body_status(&error), "the body broke off");
      return;
    }
    if (!piece.len) break;
    bytes += piece.len;
    service_list_u8_free(&piece);
  }
  char text[64];
  snprintf(text, sizeof text, "read at least %zu", bytes < wanted ? bytes : wanted);
  wharf_reply_text(reply, 200, text);
}
