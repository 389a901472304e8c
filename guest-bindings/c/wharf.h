// Helpers over `service.h`, which `wharf build` generates from the contract: text, requests, bodies, replies, verdicts,
// and what is asked of settings, logs and buckets most often. For everything else call the functions of `service.h`.
//
// Who frees what:
//
// * `wharf_handle` and `wharf_check` borrow the request and its body: they are there until it returns, and freed for it.
// * What an import gives (`ret`, `err`) is the caller's, to be freed with the `..._free` of its type, and handles with
//   `..._drop_own`. Arguments of imports stay the caller's, but for handles that a function takes for its own.
// * What a service answers, streams included, is from `malloc`, and is freed for it once the host has read it.
//
// An instance answers one request and is thrown away with its memory and handles, unless the manifest says `reuse`.
// So free what is large, what is made in loops, and what holds a connection; the rest goes anyway.
#pragma once

#include "service.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef wharf_platform_http_types_request_t wharf_request_t;
typedef wharf_platform_http_types_headers_t wharf_headers_t;
typedef wharf_platform_http_types_body_t wharf_body_t;
typedef wharf_platform_http_types_error_t wharf_error_t;

/// `malloc` that traps when there is no memory left.
void *wharf_allocate(size_t size);

/// A C string as the contract's text, not copied: for arguments of imports.
service_string_t wharf_text(const char *text);
/// A copy of a C string, from `malloc`: for what a service returns.
service_string_t wharf_text_copy(const char *text);
/// A copy with a zero byte at its end, from `malloc`.
char *wharf_c_string(service_string_t text);
bool wharf_equals(service_string_t text, const char *other);
bool wharf_starts_with(service_string_t text, const char *start);
/// Whether bytes may go where the contract has text: with any others, an import or a reply traps.
bool wharf_is_utf8(service_string_t text);
/// Text as a JSON string, with its quotes, from `malloc`. What is no UTF-8 in it becomes U+FFFD.
char *wharf_json_string(service_string_t text);

/// The first header field of that name (in lower case), or NULL. Lives as long as the request.
const service_list_u8_t *wharf_header(const wharf_request_t *request, const char *name);
/// What the route's pattern captured under that name, decoded, or NULL. Lives as long as the request.
const service_string_t *wharf_path_param(const wharf_request_t *request, const char *name);
/// What a guard found out under that name, or NULL. Lives as long as the request.
const service_string_t *wharf_annotation(const wharf_request_t *request, const char *name);
/// The first parameter of that name in the query, decoded (to whatever bytes), with a zero byte behind it; false without
/// one. From `malloc`.
bool wharf_query_param(const wharf_request_t *request, const char *name, service_string_t *value);
/// The same as a number, or `fallback` where there is none that fits.
size_t wharf_query_number(const wharf_request_t *request, const char *name, size_t fallback);

/// Takes the whole body, from `malloc`; false, and the error, when it breaks off.
bool wharf_read_body(wharf_body_t *body, service_list_u8_t *bytes, wharf_error_t *error);
/// The status that tells a client why its body could not be read.
uint16_t wharf_body_status(const wharf_error_t *error);

/// The body, for another message; leaves nothing of it.
wharf_body_t wharf_take_body(wharf_body_t *body);

/// The case of an error as the contract spells it, e.g. "connection-lost".
const char *wharf_error_case(const wharf_error_t *error);
/// What it says beside that; empty for a `timeout`. Lives as long as the error.
service_string_t wharf_error_text(const wharf_error_t *error);

/// Adds a field behind those that are there; copies both. Names are lower case.
void wharf_add_header(wharf_headers_t *headers, const char *name, const char *value);
/// The same for a value that is bytes, which it takes from `malloc`.
void wharf_add_header_bytes(wharf_headers_t *headers, const char *name, service_list_u8_t value);
/// Takes all fields of that name away.
void wharf_remove_header(wharf_headers_t *headers, const char *name);
/// Adds a field instead of all others of its name; copies both.
void wharf_set_header(wharf_headers_t *headers, const char *name, const char *value);

#ifdef WHARF_PLATFORM_LOG_LEVEL_TRACE // the world has settings and logs

typedef wharf_platform_log_level_t wharf_level_t;

/// A setting or secret of the manifest, from `malloc`, or NULL.
char *wharf_config(const char *key);

/// Logs a line, made as `printf` makes it; what is no UTF-8 in it becomes `?`. `wharf_platform_log_log` takes fields, too.
void wharf_log(wharf_level_t level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/// Logs a message with its place in the source, at the level error, and traps: the request is answered with 500.
#define wharf_panic(message) wharf_panic_at(__FILE_NAME__, __LINE__, message)
void wharf_panic_at(const char *file, int line, const char *message) __attribute__((noreturn));

#endif

#ifdef WHARF_PLATFORM_KV_ERROR_UNAVAILABLE // the world has buckets

// The most frequent calls. Each returns false, and the error, when it failed. A handle goes with the instance.

typedef wharf_platform_kv_borrow_bucket_t wharf_bucket_t;
typedef wharf_platform_kv_error_t wharf_kv_error_t;

/// Opens a bucket that the manifest grants.
bool wharf_kv_open(const char *name, wharf_bucket_t *bucket, wharf_kv_error_t *error);
/// The value of a key, from `malloc`; `found` tells whether there is one.
bool wharf_kv_get(wharf_bucket_t bucket, service_string_t key, service_list_u8_t *value, bool *found,
                  wharf_kv_error_t *error);
/// Stores a value, for so many milliseconds, or until it is deleted if they are 0.
bool wharf_kv_put(wharf_bucket_t bucket, service_string_t key, service_list_u8_t value, uint64_t ttl_ms,
                  wharf_kv_error_t *error);
/// Adds to a number, which is 0 as long as there is none, and returns the sum.
bool wharf_kv_increment(wharf_bucket_t bucket, service_string_t key, int64_t delta, int64_t *sum,
                        wharf_kv_error_t *error);
/// Takes a key away; `deleted` tells whether it was there.
bool wharf_kv_delete(wharf_bucket_t bucket, service_string_t key, bool *deleted, wharf_kv_error_t *error);
/// The contract's name of an error, such as "unavailable".
const char *wharf_kv_error_case(const wharf_kv_error_t *error);

#endif

#ifdef EXPORTS_WHARF_PLATFORM_GUARD_VERDICT_ALLOW // the world has a guard

typedef exports_wharf_platform_guard_verdict_t wharf_verdict_t;

/// The guard: judges one request. `verdict` begins as a refusal: 403 without a body.
void wharf_check(const wharf_request_t *request, wharf_verdict_t *verdict);

/// Lets the request go on.
void wharf_allow(wharf_verdict_t *verdict);
/// Adds what was found out to a request that may go on; copies both. The handler reads it with `wharf_annotation`.
void wharf_annotate(wharf_verdict_t *verdict, const char *name, service_string_t value);
/// Answers with text, copied, instead of the handler. Fields are added to `verdict->val.answer.headers`.
void wharf_refuse(wharf_verdict_t *verdict, uint16_t status, const char *text);

#endif

#ifdef EXPORTS_WHARF_PLATFORM_HTTP_HANDLER_REPLY_BODY_BYTES // the world has a handler

typedef exports_wharf_platform_http_handler_reply_t wharf_reply_t;

/// The service: answers one request. `reply` begins as an empty 200.
void wharf_handle(const wharf_request_t *request, wharf_body_t *body, wharf_reply_t *reply);

/// Text; copied.
void wharf_reply_text(wharf_reply_t *reply, uint16_t status, const char *text);
/// JSON, which it takes from `malloc`.
void wharf_reply_json(wharf_reply_t *reply, uint16_t status, char *json);
/// Bytes without a content type, which it takes from `malloc`. More than 4 MiB go in pieces, as the host wants them.
void wharf_reply_bytes(wharf_reply_t *reply, uint16_t status, service_list_u8_t bytes);
/// The request's body, or what is left of it, past the memory of this instance.
void wharf_reply_hand_on(wharf_reply_t *reply, uint16_t status, wharf_body_t *body);

/// A body that is made piece by piece, as the client takes it. `state` outlives the request: copy what it needs of that.
typedef struct {
  /// Sets `piece` (from `malloc`, best 16 to 64 KiB) and returns true; at the end leaves it none and returns true;
  /// or sets `error` and returns false, which breaks the response off.
  bool (*next)(void *state, service_option_list_u8_t *piece, wharf_error_t *error);
  /// Adds fields behind the end; NULL for none.
  void (*trailers)(void *state, wharf_headers_t *trailers);
  /// Frees the state; NULL for nothing to free. Not called when the whole instance goes.
  void (*drop)(void *state);
  void *state;
} wharf_stream_t;

void wharf_reply_stream(wharf_reply_t *reply, uint16_t status, wharf_stream_t stream);

/// Takes the reply's body, whatever it is, to pull it from here and make another one of it; `content-length` goes, too.
wharf_stream_t wharf_take_stream(wharf_reply_t *reply);
/// Has every piece of the body changed as the client takes it; a body by value stays one. `content-length` goes.
void wharf_map_pieces(wharf_reply_t *reply, void (*change)(service_list_u8_t *piece));

#endif

#ifdef WHARF_PLATFORM_HTTP_HANDLER_REPLY_BODY_BYTES // the world has a next handler: it is a middleware

/// The middleware, instead of `wharf_handle`: as that, but the request is its own to change.
void wharf_wrap(wharf_request_t *request, wharf_body_t *body, wharf_reply_t *reply);

/// Tells the next handler something about the request, instead of what has the same name; copies both.
void wharf_set_annotation(wharf_request_t *request, const char *name, const char *value);
/// Asks the next handler, which takes the body. Its reply can be changed, or replaced.
void wharf_next(const wharf_request_t *request, wharf_body_t *body, wharf_reply_t *reply);

#endif

#ifdef __cplusplus
}
#endif
