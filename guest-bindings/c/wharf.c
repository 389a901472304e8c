// What `wharf.h` declares, and the exports that a handler would otherwise write itself.

#include "wharf.h"

#include <ctype.h>
#include <errno.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *wharf_allocate(size_t size) {
  void *block = malloc(size ? size : 1);
  if (!block) __builtin_trap();
  return block;
}

/// Room for one more item behind `length` of them. A list doubles, or adding many would copy it as often.
static void *make_room(void *items, size_t length, size_t item_size) {
  if (!length) items = NULL; // an empty list has no memory, wherever it points
  size_t wanted = (length + 1) * item_size;
  if (malloc_usable_size(items) >= wanted) return items;
  void *moved = realloc(items, 2 * wanted);
  if (!moved) __builtin_trap();
  return moved;
}

/// Writes a number, and a zero byte, before `end`; returns where it begins. Without `printf`, which would be most of a small
/// service.
static char *decimal(size_t number, char *end) {
  *--end = 0;
  do *--end = (char)('0' + number % 10);
  while (number /= 10);
  return end;
}

// Text

service_string_t wharf_text(const char *text) { return (service_string_t){(uint8_t *)text, strlen(text)}; }

service_string_t wharf_text_copy(const char *text) {
  service_string_t borrowed = wharf_text(text);
  return (service_string_t){(uint8_t *)wharf_c_string(borrowed), borrowed.len};
}

char *wharf_c_string(service_string_t text) {
  char *copy = wharf_allocate(text.len + 1);
  memcpy(copy, text.ptr, text.len);
  copy[text.len] = 0;
  return copy;
}

bool wharf_equals(service_string_t text, const char *other) {
  return text.len == strlen(other) && memcmp(text.ptr, other, text.len) == 0;
}

bool wharf_starts_with(service_string_t text, const char *start) {
  size_t length = strlen(start);
  return text.len >= length && memcmp(text.ptr, start, length) == 0;
}

/// How many bytes the character has that begins here; 0 for what is no UTF-8.
static size_t character_length(const uint8_t *text, size_t left) {
  uint8_t first = text[0];
  size_t length = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
  if (length > left) return 0;
  for (size_t i = 1; i < length; i++)
    if ((text[i] & 0xc0) != 0x80) return 0;
  bool longer_than_needed = (first == 0xe0 && text[1] < 0xa0) || (first == 0xf0 && text[1] < 0x90);
  bool surrogate_or_beyond = (first == 0xed && text[1] >= 0xa0) || (first == 0xf4 && text[1] >= 0x90);
  return longer_than_needed || surrogate_or_beyond ? 0 : length;
}

bool wharf_is_utf8(service_string_t text) {
  for (size_t at = 0, length; at < text.len; at += length)
    if (!(length = character_length(text.ptr + at, text.len - at))) return false;
  return true;
}

char *wharf_json_string(service_string_t text) {
  static const char DIGITS[] = "0123456789abcdef";
  enum { LONGEST = 6 }; // of one byte: \u0000
  char *json = wharf_allocate(LONGEST * text.len + sizeof "\"\""), *end = json;
  *end++ = '"';
  for (size_t at = 0; at < text.len;) {
    const uint8_t *next = text.ptr + at;
    size_t length = character_length(next, text.len - at);
    if (!length) {
      end = stpcpy(end, "\\ufffd");
    } else if (*next < 0x20) {
      end = stpcpy(end, "\\u00");
      *end++ = DIGITS[*next >> 4];
      *end++ = DIGITS[*next & 15];
    } else {
      if (*next == '"' || *next == '\\') *end++ = '\\';
      memcpy(end, next, length);
      end += length;
    }
    at += length ? length : 1;
  }
  strcpy(end, "\"");
  return json;
}

// Requests

const service_list_u8_t *wharf_header(const wharf_request_t *request, const char *name) {
  for (size_t i = 0; i < request->headers.len; i++)
    if (wharf_equals(request->headers.ptr[i].f0, name)) return &request->headers.ptr[i].f1;
  return NULL;
}

static const service_string_t *find(service_list_tuple2_string_string_t pairs, const char *name) {
  for (size_t i = 0; i < pairs.len; i++)
    if (wharf_equals(pairs.ptr[i].f0, name)) return &pairs.ptr[i].f1;
  return NULL;
}

const service_string_t *wharf_path_param(const wharf_request_t *request, const char *name) {
  return find(request->path_params, name);
}

const service_string_t *wharf_annotation(const wharf_request_t *request, const char *name) {
  return find(request->annotations, name);
}

static int hex_digit(uint8_t letter) {
  if (letter >= '0' && letter <= '9') return letter - '0';
  letter |= 0x20;
  return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

/// Decodes `%41` and `+`; leaves a `%` that escapes nothing.
static service_string_t decode(service_string_t encoded) {
  service_string_t decoded = {wharf_allocate(encoded.len + 1), 0};
  for (size_t i = 0; i < encoded.len; i++) {
    uint8_t letter = encoded.ptr[i];
    if (letter == '+') letter = ' ';
    if (letter == '%' && i + 2 < encoded.len) {
      int high = hex_digit(encoded.ptr[i + 1]), low = hex_digit(encoded.ptr[i + 2]);
      if (high >= 0 && low >= 0) {
        letter = (uint8_t)(high << 4 | low);
        i += 2;
      }
    }
    decoded.ptr[decoded.len++] = letter;
  }
  decoded.ptr[decoded.len] = 0;
  return decoded;
}

/// Everything before the next `end`, or all that is left; `rest` then begins behind it.
static service_string_t split(service_string_t *rest, char end) {
  uint8_t *found = rest->len ? memchr(rest->ptr, end, rest->len) : NULL;
  service_string_t part = {rest->ptr, found ? (size_t)(found - rest->ptr) : rest->len};
  size_t taken = part.len + (found != NULL);
  *rest = (service_string_t){rest->ptr + taken, rest->len - taken};
  return part;
}

bool wharf_query_param(const wharf_request_t *request, const char *name, service_string_t *value) {
  service_string_t rest = request->query.is_some ? request->query.val : (service_string_t){0};
  while (rest.len) {
    service_string_t pair = split(&rest, '&');
    service_string_t key = decode(split(&pair, '='));
    bool found = wharf_equals(key, name);
    free(key.ptr);
    if (found) {
      *value = decode(pair);
      return true;
    }
  }
  return false;
}

size_t wharf_query_number(const wharf_request_t *request, const char *name, size_t fallback) {
  service_string_t text;
  if (!wharf_query_param(request, name, &text)) return fallback;
  char *end = (char *)text.ptr;
  errno = 0;
  unsigned long number = isdigit(*text.ptr) ? strtoul(end, &end, 10) : 0;
  bool fits = text.len && end == (char *)text.ptr + text.len && errno == 0;
  free(text.ptr);
  return fits ? number : fallback;
}

// Bodies

wharf_body_t wharf_take_body(wharf_body_t *body) {
  wharf_body_t taken = *body;
  *body = (wharf_body_t){.tag = WHARF_PLATFORM_HTTP_TYPES_BODY_BYTES};
  return taken;
}

static void append(service_list_u8_t *bytes, size_t *capacity, service_list_u8_t piece) {
  size_t wanted = bytes->len + piece.len;
  if (*capacity < wanted) {
    *capacity = 2 * *capacity > wanted ? 2 * *capacity : wanted;
    bytes->ptr = realloc(bytes->ptr, *capacity);
    if (!bytes->ptr) __builtin_trap();
  }
  memcpy(bytes->ptr + bytes->len, piece.ptr, piece.len);
  bytes->len = wanted;
}

bool wharf_read_body(wharf_body_t *body, service_list_u8_t *bytes, wharf_error_t *error) {
  enum { PIECE = 65536 };
  wharf_body_t taken = wharf_take_body(body);
  if (taken.tag == WHARF_PLATFORM_HTTP_TYPES_BODY_BYTES) {
    *bytes = taken.val.bytes;
    return true;
  }
  wharf_platform_http_types_own_body_reader_t own = taken.val.streamed;
  wharf_platform_http_types_borrow_body_reader_t reader = wharf_platform_http_types_borrow_body_reader(own);
  *bytes = (service_list_u8_t){0};
  service_list_u8_t piece;
  size_t capacity = 0;
  bool whole;
  while ((whole = wharf_platform_http_types_method_body_reader_read(reader, PIECE, &piece, error)) && piece.len) {
    append(bytes, &capacity, piece);
    service_list_u8_free(&piece);
  }
  if (!whole) service_list_u8_free(bytes);
  wharf_platform_http_types_body_reader_drop_own(own);
  return whole;
}

uint16_t wharf_body_status(const wharf_error_t *error) {
  switch (error->tag) {
  case WHARF_PLATFORM_HTTP_TYPES_ERROR_CONNECTION_LOST: return 400;
  case WHARF_PLATFORM_HTTP_TYPES_ERROR_TIMEOUT: return 408;
  case WHARF_PLATFORM_HTTP_TYPES_ERROR_LIMIT_EXCEEDED: return 413;
  default: return 500;
  }
}

const char *wharf_error_case(const wharf_error_t *error) {
  static const char *const CASES[] = {
      [WHARF_PLATFORM_HTTP_TYPES_ERROR_UNAVAILABLE] = "unavailable",
      [WHARF_PLATFORM_HTTP_TYPES_ERROR_CONNECTION_LOST] = "connection-lost",
      [WHARF_PLATFORM_HTTP_TYPES_ERROR_DENIED] = "denied",
      [WHARF_PLATFORM_HTTP_TYPES_ERROR_TIMEOUT] = "timeout",
      [WHARF_PLATFORM_HTTP_TYPES_ERROR_LIMIT_EXCEEDED] = "limit-exceeded",
      [WHARF_PLATFORM_HTTP_TYPES_ERROR_INVALID_ARGUMENT] = "invalid-argument",
      [WHARF_PLATFORM_HTTP_TYPES_ERROR_OTHER] = "other",
  };
  return CASES[error->tag];
}

service_string_t wharf_error_text(const wharf_error_t *error) {
  bool has_none = error->tag == WHARF_PLATFORM_HTTP_TYPES_ERROR_TIMEOUT;
  return has_none ? (service_string_t){0} : error->val.other; // all others have theirs in the same place
}

void wharf_add_header(wharf_headers_t *headers, const char *name, const char *value) {
  service_string_t copy = wharf_text_copy(value);
  wharf_add_header_bytes(headers, name, (service_list_u8_t){copy.ptr, copy.len});
}

void wharf_add_header_bytes(wharf_headers_t *headers, const char *name, service_list_u8_t value) {
  headers->ptr = make_room(headers->ptr, headers->len, sizeof *headers->ptr);
  headers->ptr[headers->len++] = (service_tuple2_string_list_u8_t){wharf_text_copy(name), value};
}

void wharf_remove_header(wharf_headers_t *headers, const char *name) {
  size_t kept = 0;
  for (size_t i = 0; i < headers->len; i++) {
    if (wharf_equals(headers->ptr[i].f0, name))
      service_tuple2_string_list_u8_free(&headers->ptr[i]);
    else
      headers->ptr[kept++] = headers->ptr[i];
  }
  headers->len = kept;
}

void wharf_set_header(wharf_headers_t *headers, const char *name, const char *value) {
  wharf_remove_header(headers, name);
  wharf_add_header(headers, name, value);
}

#ifdef WHARF_PLATFORM_LOG_LEVEL_TRACE

// Settings and logs

char *wharf_config(const char *key) {
  service_string_t name = wharf_text(key), value;
  return wharf_platform_config_get(&name, &value) ? wharf_c_string(value) : NULL;
}

void wharf_log(wharf_level_t level, const char *format, ...) {
  char *text;
  va_list values;
  va_start(values, format);
  int length = vasprintf(&text, format, values);
  va_end(values);
  if (length < 0) __builtin_trap();
  service_string_t message = {(uint8_t *)text, (size_t)length};
  for (size_t at = 0, step; at < message.len; at += step ? step : 1)
    if (!(step = character_length(message.ptr + at, message.len - at))) message.ptr[at] = '?';
  service_list_tuple2_string_string_t fields = {0};
  wharf_platform_log_log(level, &message, &fields);
  free(text);
}

void wharf_panic_at(const char *file, int line, const char *message) {
  char digits[24], *number = decimal((size_t)line, digits + sizeof digits);
  char *location = wharf_allocate(strlen(file) + strlen(":") + strlen(number) + 1);
  stpcpy(stpcpy(stpcpy(location, file), ":"), number);
  service_tuple2_string_string_t pairs[] = {
      {wharf_text("message"), wharf_text(message)},
      {wharf_text("location"), wharf_text(location)},
  };
  service_list_tuple2_string_string_t fields = {pairs, sizeof pairs / sizeof *pairs};
  service_string_t event = wharf_text("the service panicked");
  wharf_platform_log_log(WHARF_PLATFORM_LOG_LEVEL_ERROR, &event, &fields);
  __builtin_trap();
}

#endif

#ifdef WHARF_PLATFORM_KV_ERROR_UNAVAILABLE

// Buckets

static const wharf_platform_kv_condition_t ALWAYS = {.tag = WHARF_PLATFORM_KV_CONDITION_ALWAYS};

bool wharf_kv_open(const char *name, wharf_bucket_t *bucket, wharf_kv_error_t *error) {
  service_string_t text = wharf_text(name);
  wharf_platform_kv_own_bucket_t own;
  if (!wharf_platform_kv_static_bucket_open(&text, &own, error)) return false;
  *bucket = wharf_platform_kv_borrow_bucket(own);
  return true;
}

bool wharf_kv_get(wharf_bucket_t bucket, service_string_t key, service_list_u8_t *value, bool *found,
                  wharf_kv_error_t *error) {
  wharf_platform_kv_option_entry_t entry;
  if (!wharf_platform_kv_method_bucket_get(bucket, &key, &entry, error)) return false;
  *found = entry.is_some;
  *value = entry.is_some ? entry.val.value : (service_list_u8_t){0};
  return true;
}

bool wharf_kv_put(wharf_bucket_t bucket, service_string_t key, service_list_u8_t value, uint64_t ttl_ms,
                  wharf_kv_error_t *error) {
  wharf_platform_kv_put_item_t item = {key, value, {ttl_ms > 0, ttl_ms}};
  wharf_platform_kv_condition_t always = ALWAYS;
  wharf_platform_kv_option_version_t version;
  return wharf_platform_kv_method_bucket_put(bucket, &item, &always, &version, error);
}

bool wharf_kv_increment(wharf_bucket_t bucket, service_string_t key, int64_t delta, int64_t *sum,
                        wharf_kv_error_t *error) {
  wharf_platform_kv_increment_item_t item = {key, delta};
  return wharf_platform_kv_method_bucket_increment(bucket, &item, 0, NULL, sum, error);
}

bool wharf_kv_delete(wharf_bucket_t bucket, service_string_t key, bool *deleted, wharf_kv_error_t *error) {
  wharf_platform_kv_condition_t always = ALWAYS;
  return wharf_platform_kv_method_bucket_delete(bucket, &key, &always, deleted, error);
}

const char *wharf_kv_error_case(const wharf_kv_error_t *error) {
  static const char *const CASES[] = {
      [WHARF_PLATFORM_KV_ERROR_UNAVAILABLE] = "unavailable",
      [WHARF_PLATFORM_KV_ERROR_CONNECTION_LOST] = "connection-lost",
      [WHARF_PLATFORM_KV_ERROR_DENIED] = "denied",
      [WHARF_PLATFORM_KV_ERROR_TIMEOUT] = "timeout",
      [WHARF_PLATFORM_KV_ERROR_LIMIT_EXCEEDED] = "limit-exceeded",
      [WHARF_PLATFORM_KV_ERROR_INVALID_ARGUMENT] = "invalid-argument",
      [WHARF_PLATFORM_KV_ERROR_UNSUPPORTED] = "unsupported",
      [WHARF_PLATFORM_KV_ERROR_OTHER] = "other",
  };
  return CASES[error->tag];
}

#endif

#ifdef EXPORTS_WHARF_PLATFORM_GUARD_VERDICT_ALLOW

// Verdicts

void exports_wharf_platform_guard_check(wharf_request_t *request, wharf_verdict_t *verdict) {
  *verdict = (wharf_verdict_t){.tag = EXPORTS_WHARF_PLATFORM_GUARD_VERDICT_ANSWER, .val.answer.status = 403};
  wharf_check(request, verdict);
  wharf_platform_http_types_request_free(request);
}

void wharf_allow(wharf_verdict_t *verdict) {
  *verdict = (wharf_verdict_t){.tag = EXPORTS_WHARF_PLATFORM_GUARD_VERDICT_ALLOW};
}

void wharf_annotate(wharf_verdict_t *verdict, const char *name, service_string_t value) {
  service_list_tuple2_string_string_t *pairs = &verdict->val.allow;
  pairs->ptr = make_room(pairs->ptr, pairs->len, sizeof *pairs->ptr);
  service_string_t copy = {(uint8_t *)wharf_c_string(value), value.len};
  pairs->ptr[pairs->len++] = (service_tuple2_string_string_t){wharf_text_copy(name), copy};
}

void wharf_refuse(wharf_verdict_t *verdict, uint16_t status, const char *text) {
  service_string_t copy = wharf_text_copy(text);
  *verdict = (wharf_verdict_t){.tag = EXPORTS_WHARF_PLATFORM_GUARD_VERDICT_ANSWER};
  verdict->val.answer.status = status;
  verdict->val.answer.body.val.bytes = (service_list_u8_t){copy.ptr, copy.len};
  wharf_add_header(&verdict->val.answer.headers, "content-type", "text/plain; charset=utf-8");
}

#endif

#ifdef EXPORTS_WHARF_PLATFORM_HTTP_HANDLER_REPLY_BODY_BYTES

// Replies

void exports_wharf_platform_http_handler_handle(wharf_request_t *request, wharf_body_t *body, wharf_reply_t *reply) {
  *reply = (wharf_reply_t){.status = 200};
#ifdef WHARF_PLATFORM_HTTP_HANDLER_REPLY_BODY_BYTES
  wharf_wrap(request, body, reply);
#else
  wharf_handle(request, body, reply);
#endif
  if (body->tag == WHARF_PLATFORM_HTTP_TYPES_BODY_STREAMED)
    wharf_platform_http_types_body_reader_drop_own(body->val.streamed);
  wharf_platform_http_types_body_free(body);
  wharf_platform_http_types_request_free(request);
}

static void reply_whole(wharf_reply_t *reply, uint16_t status, const char *type, service_string_t text) {
  reply->status = status;
  wharf_add_header(&reply->headers, "content-type", type);
  wharf_reply_bytes(reply, status, (service_list_u8_t){text.ptr, text.len});
}

void wharf_reply_text(wharf_reply_t *reply, uint16_t status, const char *text) {
  reply_whole(reply, status, "text/plain; charset=utf-8", wharf_text_copy(text));
}

void wharf_reply_json(wharf_reply_t *reply, uint16_t status, char *json) {
  reply_whole(reply, status, "application/json", wharf_text(json));
}

void wharf_reply_hand_on(wharf_reply_t *reply, uint16_t status, wharf_body_t *body) {
  wharf_body_t taken = wharf_take_body(body);
  reply->status = status;
  if (taken.tag == WHARF_PLATFORM_HTTP_TYPES_BODY_BYTES) {
    reply->body.tag = EXPORTS_WHARF_PLATFORM_HTTP_HANDLER_REPLY_BODY_BYTES;
    reply->body.val.bytes = taken.val.bytes;
  } else {
    reply->body.tag = EXPORTS_WHARF_PLATFORM_HTTP_HANDLER_REPLY_BODY_READER;
    reply->body.val.reader = taken.val.streamed;
  }
}

// Bytes that are too many for one call

typedef struct {
  service_list_u8_t bytes;
  size_t sent;
} pieces_t;

static bool next_piece(void *state, service_option_list_u8_t *piece, wharf_error_t *error) {
  (void)error;
  enum { PIECE = 1 << 20 };
  pieces_t *pieces = state;
  size_t left = pieces->bytes.len - pieces->sent, length = left < PIECE ? left : PIECE;
  if (!length) return true;
  *piece = (service_option_list_u8_t){true, {wharf_allocate(length), length}};
  memcpy(piece->val.ptr, pieces->bytes.ptr + pieces->sent, length);
  pieces->sent += length;
  return true;
}

static void drop_pieces(void *state) {
  service_list_u8_free(&((pieces_t *)state)->bytes);
  free(state);
}

void wharf_reply_bytes(wharf_reply_t *reply, uint16_t status, service_list_u8_t bytes) {
  enum { WHOLE = 4 << 20 };
  reply->status = status;
  if (bytes.len <= WHOLE) {
    reply->body.tag = EXPORTS_WHARF_PLATFORM_HTTP_HANDLER_REPLY_BODY_BYTES;
    reply->body.val.bytes = bytes;
    return;
  }
  char length[24];
  wharf_add_header(&reply->headers, "content-length", decimal(bytes.len, length + sizeof length));
  pieces_t *pieces = wharf_allocate(sizeof *pieces);
  *pieces = (pieces_t){bytes, 0};
  wharf_reply_stream(reply, status, (wharf_stream_t){.next = next_piece, .drop = drop_pieces, .state = pieces});
}

// Streams: the contract's resource `chunks`

struct exports_wharf_platform_http_handler_chunks_t {
  wharf_stream_t stream;
};

void wharf_reply_stream(wharf_reply_t *reply, uint16_t status, wharf_stream_t stream) {
  exports_wharf_platform_http_handler_chunks_t *chunks = wharf_allocate(sizeof *chunks);
  chunks->stream = stream;
  reply->status = status;
  reply->body.tag = EXPORTS_WHARF_PLATFORM_HTTP_HANDLER_REPLY_BODY_STREAMED;
  reply->body.val.streamed = exports_wharf_platform_http_handler_chunks_new(chunks);
}

bool exports_wharf_platform_http_handler_method_chunks_next(exports_wharf_platform_http_handler_chunks_t *chunks,
                                                            service_option_list_u8_t *piece, wharf_error_t *error) {
  do { // the contract knows no empty piece
    *piece = (service_option_list_u8_t){0};
    if (!chunks->stream.next(chunks->stream.state, piece, error)) return false;
  } while (piece->is_some && !piece->val.len);
  return true;
}

bool exports_wharf_platform_http_handler_method_chunks_trailers(exports_wharf_platform_http_handler_chunks_t *chunks,
                                                                wharf_headers_t *trailers) {
  *trailers = (wharf_headers_t){0};
  if (chunks->stream.trailers) chunks->stream.trailers(chunks->stream.state, trailers);
  return trailers->len > 0;
}

void exports_wharf_platform_http_handler_chunks_destructor(exports_wharf_platform_http_handler_chunks_t *chunks) {
  if (chunks->stream.drop) chunks->stream.drop(chunks->stream.state);
  free(chunks);
}

// Bodies of replies, changed on their way

static wharf_platform_http_types_borrow_body_reader_t reader_of(void *state) {
  return wharf_platform_http_types_borrow_body_reader(*(wharf_platform_http_types_own_body_reader_t *)state);
}

static bool next_of_reader(void *state, service_option_list_u8_t *piece, wharf_error_t *error) {
  enum { PIECE = 65536 };
  if (!wharf_platform_http_types_method_body_reader_read(reader_of(state), PIECE, &piece->val, error)) return false;
  piece->is_some = piece->val.len > 0;
  return true;
}

static void trailers_of_reader(void *state, wharf_headers_t *trailers) {
  wharf_platform_http_types_method_body_reader_trailers(reader_of(state), trailers);
}

static void drop_reader(void *state) {
  wharf_platform_http_types_body_reader_drop_own(*(wharf_platform_http_types_own_body_reader_t *)state);
  free(state);
}

/// A copy, from `malloc`.
static void *keep(const void *value, size_t size) { return memcpy(wharf_allocate(size), value, size); }

wharf_stream_t wharf_take_stream(wharf_reply_t *reply) {
  exports_wharf_platform_http_handler_reply_body_t body = reply->body;
  reply->body = (exports_wharf_platform_http_handler_reply_body_t){
      .tag = EXPORTS_WHARF_PLATFORM_HTTP_HANDLER_REPLY_BODY_BYTES};
  wharf_remove_header(&reply->headers, "content-length");
  if (body.tag == EXPORTS_WHARF_PLATFORM_HTTP_HANDLER_REPLY_BODY_BYTES) {
    pieces_t pieces = {body.val.bytes, 0};
    return (wharf_stream_t){.next = next_piece, .drop = drop_pieces, .state = keep(&pieces, sizeof pieces)};
  }
  if (body.tag == EXPORTS_WHARF_PLATFORM_HTTP_HANDLER_REPLY_BODY_READER) {
    void *state = keep(&body.val.reader, sizeof body.val.reader);
    return (wharf_stream_t){next_of_reader, trailers_of_reader, drop_reader, state};
  }
  exports_wharf_platform_http_handler_chunks_t *chunks =
      exports_wharf_platform_http_handler_chunks_rep(body.val.streamed);
  wharf_stream_t stream = chunks->stream;
  chunks->stream = (wharf_stream_t){0};
  exports_wharf_platform_http_handler_chunks_drop_own(body.val.streamed);
  return stream;
}

typedef struct {
  wharf_stream_t inner;
  void (*change)(service_list_u8_t *piece);
} mapped_t;

static bool next_mapped(void *state, service_option_list_u8_t *piece, wharf_error_t *error) {
  mapped_t *mapped = state;
  if (!mapped->inner.next(mapped->inner.state, piece, error)) return false;
  if (piece->is_some) mapped->change(&piece->val);
  return true;
}

static void trailers_of_mapped(void *state, wharf_headers_t *trailers) {
  wharf_stream_t *inner = &((mapped_t *)state)->inner;
  if (inner->trailers) inner->trailers(inner->state, trailers);
}

static void drop_mapped(void *state) {
  wharf_stream_t *inner = &((mapped_t *)state)->inner;
  if (inner->drop) inner->drop(inner->state);
  free(state);
}

void wharf_map_pieces(wharf_reply_t *reply, void (*change)(service_list_u8_t *piece)) {
  if (reply->body.tag == EXPORTS_WHARF_PLATFORM_HTTP_HANDLER_REPLY_BODY_BYTES) {
    wharf_remove_header(&reply->headers, "content-length");
    if (reply->body.val.bytes.len) change(&reply->body.val.bytes);
    return;
  }
  mapped_t mapped = {wharf_take_stream(reply), change};
  void *state = keep(&mapped, sizeof mapped);
  wharf_reply_stream(reply, reply->status, (wharf_stream_t){next_mapped, trailers_of_mapped, drop_mapped, state});
}

#endif

#ifdef WHARF_PLATFORM_HTTP_HANDLER_REPLY_BODY_BYTES

// The next handler

void wharf_set_annotation(wharf_request_t *request, const char *name, const char *value) {
  service_list_tuple2_string_string_t *pairs = &request->annotations;
  size_t kept = 0;
  for (size_t i = 0; i < pairs->len; i++) {
    if (wharf_equals(pairs->ptr[i].f0, name))
      service_tuple2_string_string_free(&pairs->ptr[i]);
    else
      pairs->ptr[kept++] = pairs->ptr[i];
  }
  pairs->len = kept;
  pairs->ptr = make_room(pairs->ptr, pairs->len, sizeof *pairs->ptr);
  pairs->ptr[pairs->len++] = (service_tuple2_string_string_t){wharf_text_copy(name), wharf_text_copy(value)};
}

static wharf_platform_http_handler_borrow_chunks_t next_chunks(void *state) {
  return wharf_platform_http_handler_borrow_chunks(*(wharf_platform_http_handler_own_chunks_t *)state);
}

static bool next_of_next(void *state, service_option_list_u8_t *piece, wharf_error_t *error) {
  return wharf_platform_http_handler_method_chunks_next(next_chunks(state), piece, error);
}

static void trailers_of_next(void *state, wharf_headers_t *trailers) {
  wharf_platform_http_handler_method_chunks_trailers(next_chunks(state), trailers);
}

static void drop_next(void *state) {
  wharf_platform_http_handler_chunks_drop_own(*(wharf_platform_http_handler_own_chunks_t *)state);
  free(state);
}

void wharf_next(const wharf_request_t *request, wharf_body_t *body, wharf_reply_t *reply) {
  wharf_body_t taken = wharf_take_body(body);
  wharf_platform_http_handler_reply_t next;
  wharf_platform_http_handler_handle((wharf_request_t *)request, &taken, &next);
  if (taken.tag == WHARF_PLATFORM_HTTP_TYPES_BODY_BYTES) service_list_u8_free(&taken.val.bytes);
  *reply = (wharf_reply_t){.status = next.status, .headers = next.headers};
  switch (next.body.tag) {
  case WHARF_PLATFORM_HTTP_HANDLER_REPLY_BODY_BYTES:
    reply->body.tag = EXPORTS_WHARF_PLATFORM_HTTP_HANDLER_REPLY_BODY_BYTES;
    reply->body.val.bytes = next.body.val.bytes;
    break;
  case WHARF_PLATFORM_HTTP_HANDLER_REPLY_BODY_READER:
    reply->body.tag = EXPORTS_WHARF_PLATFORM_HTTP_HANDLER_REPLY_BODY_READER;
    reply->body.val.reader = next.body.val.reader;
    break;
  default: {
    void *state = keep(&next.body.val.streamed, sizeof next.body.val.streamed);
    wharf_reply_stream(reply, next.status, (wharf_stream_t){next_of_next, trailers_of_next, drop_next, state});
  }
  }
}

#endif
