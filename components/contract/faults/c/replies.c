// Replies that no handler should give.

#include "faults.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static service_list_u8_t filled(size_t size) {
  return (service_list_u8_t){memset(wharf_allocate(size), 'x', size), size};
}

/// `/bad-header?kind=name|empty|break|null|pseudo`
void bad_header(const wharf_request_t *request, wharf_reply_t *reply) {
  service_string_t kind = wharf_text("name");
  wharf_query_param(request, "kind", &kind);
  wharf_reply_text(reply, 200, "never seen");
  if (wharf_equals(kind, "empty")) {
    wharf_add_header(&reply->headers, "", "value");
  } else if (wharf_equals(kind, "break")) {
    wharf_add_header(&reply->headers, "x-value", "one\r\nx-injected: two");
  } else if (wharf_equals(kind, "null")) {
    service_list_u8_t value = filled(3);
    value.ptr[1] = 0;
    wharf_add_header_bytes(&reply->headers, "x-value", value);
  } else if (wharf_equals(kind, "pseudo")) {
    wharf_add_header(&reply->headers, ":status", "200");
  } else {
    wharf_add_header(&reply->headers, "not a name", "value");
  }
}

/// Fields that belong to the host's connection.
void hop_headers(wharf_reply_t *reply) {
  wharf_reply_text(reply, 200, "hop");
  wharf_add_header(&reply->headers, "connection", "close");
  wharf_add_header(&reply->headers, "transfer-encoding", "gzip");
  wharf_add_header(&reply->headers, "keep-alive", "timeout=1");
  wharf_add_header(&reply->headers, "upgrade", "h2c");
}

/// A `content-length` that does not fit the nine bytes of the body.
void wrong_length(size_t length, wharf_reply_t *reply) {
  char digits[24];
  snprintf(digits, sizeof digits, "%zu", length);
  wharf_reply_text(reply, 200, "nine byte");
  wharf_add_header(&reply->headers, "content-length", digits);
}

void many_headers(size_t count, wharf_reply_t *reply) {
  wharf_reply_text(reply, 200, "many");
  for (size_t i = 0; i < count; i++) {
    char name[24];
    snprintf(name, sizeof name, "x-%zu", i);
    wharf_add_header(&reply->headers, name, "value");
  }
}

void huge_header(size_t bytes, wharf_reply_t *reply) {
  wharf_reply_text(reply, 200, "huge");
  wharf_add_header_bytes(&reply->headers, "x-huge", filled(bytes));
}

/// What a stream does, piece by piece.
typedef struct {
  size_t made, last, millis, mebibytes;
  /// What comes instead of piece `last`; NULL for the end.
  void (*end)(void);
} pieces_t;

typedef bool next_t(void *state, service_option_list_u8_t *piece, wharf_error_t *error);

static void stream(wharf_reply_t *reply, next_t *next, pieces_t pieces) {
  pieces_t *state = wharf_allocate(sizeof pieces);
  *state = pieces;
  wharf_reply_stream(reply, 200, (wharf_stream_t){.next = next, .drop = free, .state = state});
}

/// The pieces `piece 0`, `piece 1`, ..., each after some CPU.
static bool next_line(void *state, service_option_list_u8_t *piece, wharf_error_t *error) {
  (void)error;
  pieces_t *pieces = state;
  if (pieces->made == pieces->last) {
    if (pieces->end) pieces->end();
    return true;
  }
  burn(pieces->millis);
  char *text;
  int length = asprintf(&text, "piece %zu\n", pieces->made++);
  *piece = (service_option_list_u8_t){true, {(uint8_t *)text, (size_t)length}};
  return true;
}

void slow_stream(size_t pieces, size_t millis, wharf_reply_t *reply) {
  stream(reply, next_line, (pieces_t){.last = pieces, .millis = millis});
}

void stream_trap(size_t after, wharf_reply_t *reply) {
  stream(reply, next_line, (pieces_t){.last = after, .end = abort});
}

void stream_loop(size_t after, wharf_reply_t *reply) {
  stream(reply, next_line, (pieces_t){.last = after, .end = spin_for_ever});
}

static bool next_huge(void *state, service_option_list_u8_t *piece, wharf_error_t *error) {
  (void)error;
  pieces_t *pieces = state;
  if (pieces->made++ == 0) *piece = (service_option_list_u8_t){true, filled(pieces->mebibytes << 20)};
  return true;
}

/// More than the host takes in one call; `wharf_reply_bytes` would cut it.
void huge_reply(size_t mebibytes, wharf_reply_t *reply) {
  stream(reply, next_huge, (pieces_t){.mebibytes = mebibytes});
}

static bool next_empty(void *state, service_option_list_u8_t *piece, wharf_error_t *error) {
  (void)state, (void)error;
  piece->is_some = true;
  return true;
}

/// Pieces for ever, all empty: the binding must not hand them on, and the CPU limit ends it.
void stream_empty(wharf_reply_t *reply) { stream(reply, next_empty, (pieces_t){0}); }
