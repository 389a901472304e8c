// Contract guest for middleware: stands around the `http` guest; `../../../README.md` lists what it adds.

#include "../../../../../guest-bindings/c/wharf.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

static void to_upper_case(service_list_u8_t *piece) {
  for (size_t i = 0; i < piece->len; i++) piece->ptr[i] = (uint8_t)toupper(piece->ptr[i]);
}

/// Tells in trailers what passed, beside the trailers that were there.
typedef struct {
  wharf_stream_t inner;
  size_t pieces, bytes;
} count_t;

static bool next_counted(void *state, service_option_list_u8_t *piece, wharf_error_t *error) {
  count_t *count = state;
  if (!count->inner.next(count->inner.state, piece, error)) return false;
  if (piece->is_some) {
    count->pieces++;
    count->bytes += piece->val.len;
  }
  return true;
}

static void add_counts(void *state, wharf_headers_t *trailers) {
  count_t *count = state;
  if (count->inner.trailers) count->inner.trailers(count->inner.state, trailers);
  char number[16];
  snprintf(number, sizeof number, "%zu", count->pieces);
  wharf_add_header(trailers, "x-pieces", number);
  snprintf(number, sizeof number, "%zu", count->bytes);
  wharf_add_header(trailers, "x-bytes", number);
}

static void drop_count(void *state) {
  count_t *count = state;
  if (count->inner.drop) count->inner.drop(count->inner.state);
  free(count);
}

static void count_body(wharf_reply_t *reply) {
  count_t *count = wharf_allocate(sizeof *count);
  *count = (count_t){.inner = wharf_take_stream(reply)};
  wharf_set_header(&reply->headers, "trailer", "x-chunks, x-pieces, x-bytes");
  wharf_reply_stream(reply, reply->status, (wharf_stream_t){next_counted, add_counts, drop_count, count});
}

void wharf_wrap(wharf_request_t *request, wharf_body_t *body, wharf_reply_t *reply) {
  if (wharf_equals(request->path, "/stop")) {
    wharf_reply_text(reply, 200, "stopped here");
    return;
  }
  const char *name = wharf_config("middleware");
  if (!name) name = "c";
  service_string_t value;
  bool upper = wharf_query_param(request, "upper", &value), count = wharf_query_param(request, "count", &value);
  wharf_set_header(&request->headers, "x-middleware", name);
  wharf_set_annotation(request, "middleware", name);
  wharf_next(request, body, reply);
  wharf_set_header(&reply->headers, "x-middleware", name);
  if (upper)
    wharf_map_pieces(reply, to_upper_case);
  else if (count)
    count_body(reply);
}
