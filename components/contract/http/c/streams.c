// Replies that are pulled.

#include "http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/// A reply of `n` pieces of `size` letters, `a` in the first, with trailers and faults on demand.
typedef struct {
  size_t made, n, size, fail, trap;
  bool trailers;
} chunks_t;

static service_option_list_u8_t filled(char letter, size_t size) {
  service_option_list_u8_t piece = {true, {wharf_allocate(size), size}};
  memset(piece.val.ptr, letter, size);
  return piece;
}

static bool next_chunk(void *state, service_option_list_u8_t *piece, wharf_error_t *error) {
  chunks_t *chunks = state;
  if (chunks->made == chunks->fail) {
    error->tag = WHARF_PLATFORM_HTTP_TYPES_ERROR_OTHER;
    error->val.other = wharf_text_copy("asked to fail here");
    return false;
  }
  if (chunks->made == chunks->trap) __builtin_trap();
  if (chunks->made < chunks->n) *piece = filled((char)('a' + chunks->made++ % 26), chunks->size);
  return true;
}

static void add_trailers(void *state, wharf_headers_t *trailers) {
  chunks_t *chunks = state;
  if (!chunks->trailers) return;
  char made[16];
  snprintf(made, sizeof made, "%zu", chunks->made);
  wharf_add_header(trailers, "x-chunks", made);
}

static void stream(wharf_reply_t *reply, wharf_stream_t kind, chunks_t chunks) {
  kind.state = wharf_allocate(sizeof chunks);
  memcpy(kind.state, &chunks, sizeof chunks);
  kind.drop = free;
  wharf_reply_stream(reply, 200, kind);
}

/// `/stream?n=3&size=4&trailers=1&fail=2&trap=2`
void stream_chunks(const wharf_request_t *request, wharf_reply_t *reply) {
  chunks_t chunks = {
      .n = wharf_query_number(request, "n", 3),
      .size = wharf_query_number(request, "size", 4),
      .fail = wharf_query_number(request, "fail", SIZE_MAX),
      .trap = wharf_query_number(request, "trap", SIZE_MAX),
      .trailers = wharf_query_number(request, "trailers", 0) == 1,
  };
  wharf_add_header(&reply->headers, "content-type", "text/plain; charset=utf-8");
  stream(reply, (wharf_stream_t){.next = next_chunk, .trailers = add_trailers}, chunks);
}

static bool next_endless(void *state, service_option_list_u8_t *piece, wharf_error_t *error) {
  (void)error;
  *piece = filled('x', ((chunks_t *)state)->size);
  return true;
}

/// `/stream/endless?size=16`
void stream_endless(const wharf_request_t *request, wharf_reply_t *reply) {
  chunks_t chunks = {.size = wharf_query_number(request, "size", 16)};
  stream(reply, (wharf_stream_t){.next = next_endless}, chunks);
}

static bool next_event(void *state, service_option_list_u8_t *piece, wharf_error_t *error) {
  (void)error;
  chunks_t *events = state;
  if (events->made == events->n) return true;
  char *text;
  int length = asprintf(&text, "id: %zu\ndata: event %zu\n\n", events->made, events->made);
  events->made++;
  *piece = (service_option_list_u8_t){true, {(uint8_t *)text, (size_t)length}};
  return true;
}

/// `/events?n=3`: server-sent events.
void stream_events(const wharf_request_t *request, wharf_reply_t *reply) {
  chunks_t events = {.n = wharf_query_number(request, "n", 3)};
  wharf_add_header(&reply->headers, "content-type", "text/event-stream");
  wharf_add_header(&reply->headers, "cache-control", "no-cache");
  stream(reply, (wharf_stream_t){.next = next_event}, events);
}
