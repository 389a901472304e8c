// Contract guest for `wasi:http/incoming-handler@0.2`; `../../README.md` lists what it answers.

#include "wasi_http.h"

#include <stdio.h>
#include <string.h>

typedef wasi_http_types_own_response_outparam_t out_t;
typedef wasi_http_types_borrow_incoming_request_t incoming_t;
typedef wasi_io_streams_own_output_stream_t output_t;

// Responses

static void add_field(wasi_http_types_borrow_fields_t fields, const char *name, const char *value) {
  service_string_t text = wharf_text(value), key = wharf_text(name);
  wasi_http_types_field_value_t bytes = {text.ptr, text.len};
  wasi_http_types_header_error_t error;
  wasi_http_types_method_fields_append(fields, &key, &bytes, &error);
}

/// Sends the head of a response; its body is to be written then.
static wasi_http_types_own_outgoing_body_t begin(out_t out, uint16_t status) {
  wasi_http_types_own_fields_t fields = wasi_http_types_constructor_fields();
  add_field(wasi_http_types_borrow_fields(fields), "x-guest", "wasi-02");
  add_field(wasi_http_types_borrow_fields(fields), "trailer", "x-sum");
  wasi_http_types_result_own_outgoing_response_error_code_t result = {
      .val.ok = wasi_http_types_constructor_outgoing_response(fields)};
  wasi_http_types_borrow_outgoing_response_t response = wasi_http_types_borrow_outgoing_response(result.val.ok);
  wasi_http_types_method_outgoing_response_set_status_code(response, status);
  wasi_http_types_own_outgoing_body_t body;
  if (!wasi_http_types_method_outgoing_response_body(response, &body)) __builtin_trap();
  wasi_http_types_static_response_outparam_set(out, &result);
  return body;
}

static output_t open_stream(wasi_http_types_own_outgoing_body_t body) {
  output_t stream;
  if (!wasi_http_types_method_outgoing_body_write(wasi_http_types_borrow_outgoing_body(body), &stream))
    __builtin_trap();
  return stream;
}

/// Writes as much as there is room for, until all is written; false when nobody reads any more.
static bool write_all(output_t own, service_list_u8_t bytes) {
  wasi_io_streams_borrow_output_stream_t stream = wasi_io_streams_borrow_output_stream(own);
  wasi_io_streams_stream_error_t error;
  while (bytes.len) {
    uint64_t room;
    if (!wasi_io_streams_method_output_stream_check_write(stream, &room, &error)) return false;
    if (!room) wait_for(wasi_io_streams_method_output_stream_subscribe(stream));
    service_list_u8_t piece = {bytes.ptr, room < bytes.len ? (size_t)room : bytes.len};
    if (piece.len && !wasi_io_streams_method_output_stream_write(stream, &piece, &error)) return false;
    bytes = (service_list_u8_t){bytes.ptr + piece.len, bytes.len - piece.len};
  }
  return wasi_io_streams_method_output_stream_blocking_flush(stream, &error);
}

/// Ends a body, with or without trailers. One that is dropped instead breaks off.
static void finish(wasi_http_types_own_outgoing_body_t body, output_t stream,
                   wasi_http_types_own_trailers_t *trailers) {
  wasi_io_streams_output_stream_drop_own(stream);
  wasi_http_types_error_code_t error;
  wasi_http_types_static_outgoing_body_finish(body, trailers, &error);
}

static void break_off(wasi_http_types_own_outgoing_body_t body, output_t stream) {
  wasi_io_streams_output_stream_drop_own(stream);
  wasi_http_types_outgoing_body_drop_own(body);
}

/// Answers all at once.
static void respond(out_t out, uint16_t status, service_string_t text) {
  wasi_http_types_own_outgoing_body_t body = begin(out, status);
  output_t stream = open_stream(body);
  if (write_all(stream, (service_list_u8_t){text.ptr, text.len}))
    finish(body, stream, NULL);
  else
    break_off(body, stream);
}

static void respond_json(out_t out, json_doc *doc, json_out *answer) {
  yyjson_mut_doc_set_root(doc, answer);
  service_string_t text;
  text.ptr = (uint8_t *)yyjson_mut_write(doc, 0, &text.len);
  respond(out, 200, text);
}

// What it answers

static service_string_t filled(char letter, size_t size) {
  return (service_string_t){memset(wharf_allocate(size), letter, size), size};
}

static json_out *show_method(json_doc *doc, incoming_t request) {
  static const char *const NAMES[] = {"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"};
  wasi_http_types_method_t method;
  wasi_http_types_method_incoming_request_method(request, &method);
  bool other = method.tag == WASI_HTTP_TYPES_METHOD_OTHER;
  return other ? json_text(doc, method.val.other) : yyjson_mut_str(doc, NAMES[method.tag]);
}

static json_out *show_scheme(json_doc *doc, incoming_t request) {
  static const char *const NAMES[] = {"http", "https"};
  wasi_http_types_scheme_t scheme;
  if (!wasi_http_types_method_incoming_request_scheme(request, &scheme)) return yyjson_mut_null(doc);
  bool other = scheme.tag == WASI_HTTP_TYPES_SCHEME_OTHER;
  return other ? json_text(doc, scheme.val.other) : yyjson_mut_str(doc, NAMES[scheme.tag]);
}

static json_out *show_fields(json_doc *doc, incoming_t request) {
  wasi_http_types_own_headers_t own = wasi_http_types_method_incoming_request_headers(request);
  wasi_http_types_list_tuple2_field_name_field_value_t entries;
  wasi_http_types_method_fields_entries(wasi_http_types_borrow_fields(own), &entries);
  json_out *fields = yyjson_mut_obj(doc);
  for (size_t i = 0; i < entries.len; i++) {
    service_list_u8_t value = {entries.ptr[i].f1.ptr, entries.ptr[i].f1.len};
    yyjson_mut_obj_put(fields, json_text(doc, entries.ptr[i].f0), json_lossy(doc, value));
  }
  return fields;
}

/// Everything that a guest gets to know about a request.
static void echo(incoming_t request, service_string_t target, out_t out) {
  json_doc *doc = yyjson_mut_doc_new(NULL);
  service_option_string_t authority = {0};
  authority.is_some = wasi_http_types_method_incoming_request_authority(request, &authority.val);
  json_out *answer = json_object(doc, "method", show_method(doc, request));
  yyjson_mut_obj_add_val(doc, answer, "scheme", show_scheme(doc, request));
  yyjson_mut_obj_add_val(doc, answer, "authority", json_optional_text(doc, authority));
  yyjson_mut_obj_add_val(doc, answer, "target", json_text(doc, target));
  yyjson_mut_obj_add_val(doc, answer, "headers", show_fields(doc, request));
  respond_json(out, doc, answer);
}

/// Sends the request's body back while it comes in.
static void hand_back(incoming_t request, out_t out) {
  wasi_http_types_own_incoming_body_t incoming;
  wasi_http_types_own_input_stream_t input;
  if (!wasi_http_types_method_incoming_request_consume(request, &incoming)) __builtin_trap();
  if (!wasi_http_types_method_incoming_body_stream(wasi_http_types_borrow_incoming_body(incoming), &input))
    __builtin_trap();
  wasi_http_types_own_outgoing_body_t body = begin(out, 200);
  output_t output = open_stream(body);
  service_list_u8_t piece;
  wasi_io_streams_stream_error_t error;
  bool written = true, read = true;
  while (written && (read = wasi_io_streams_method_input_stream_blocking_read(
                         wasi_io_streams_borrow_input_stream(input), 65536, &piece, &error))) {
    written = write_all(output, piece);
    service_list_u8_free(&piece);
  }
  if (!read && error.tag == WASI_IO_STREAMS_STREAM_ERROR_CLOSED)
    finish(body, output, NULL);
  else
    break_off(body, output);
}

/// `/stream?n=3&size=4&fail=2`: pieces of letters, broken off before piece `fail`.
static void send_pieces(const wharf_request_t *query, out_t out) {
  size_t n = wharf_query_number(query, "n", 3), size = wharf_query_number(query, "size", 4);
  size_t fail = wharf_query_number(query, "fail", SIZE_MAX);
  wasi_http_types_own_outgoing_body_t body = begin(out, 200);
  output_t stream = open_stream(body);
  bool written = true;
  for (size_t i = 0; written && i < n; i++) {
    service_string_t piece = filled((char)('a' + i % 26), size);
    written = i != fail && write_all(stream, (service_list_u8_t){piece.ptr, piece.len});
    service_string_free(&piece);
  }
  if (written)
    finish(body, stream, NULL);
  else
    break_off(body, stream);
}

static void send_trailers(out_t out) {
  wasi_http_types_own_outgoing_body_t body = begin(out, 200);
  output_t stream = open_stream(body);
  service_string_t text = wharf_text("with trailers");
  write_all(stream, (service_list_u8_t){text.ptr, text.len});
  wasi_http_types_own_trailers_t trailers = wasi_http_types_constructor_fields();
  add_field(wasi_http_types_borrow_fields(trailers), "x-sum", "42");
  finish(body, stream, &trailers);
}

static void fail(out_t out) {
  wasi_http_types_result_own_outgoing_response_error_code_t result = {.is_err = true};
  result.val.err.tag = WASI_HTTP_TYPES_ERROR_CODE_INTERNAL_ERROR;
  result.val.err.val.internal_error = (service_option_string_t){true, wharf_text("on purpose")};
  wasi_http_types_static_response_outparam_set(out, &result);
}

/// Counts in a bucket: a capability of Wharf's beside WASI.
static int64_t count(void) {
  wharf_bucket_t bucket;
  wharf_kv_error_t error;
  int64_t sum;
  bool counted = wharf_kv_open("contract", &bucket, &error) &&
                 wharf_kv_increment(bucket, wharf_text("wasi-http-02"), 1, &sum, &error);
  return counted ? sum : -1;
}

static void respond_count(out_t out) {
  char number[24];
  snprintf(number, sizeof number, "%lld", (long long)count());
  respond(out, 200, wharf_text(number));
}

/// A line, and half a one.
static void print(out_t out) {
  bool printed = puts("printed by the guest") >= 0 && fflush(stdout) == 0 && fputs("without an end", stderr) >= 0;
  respond(out, 200, wharf_text(printed ? "printed" : "closed"));
}

static void answer(incoming_t request, service_string_t target, out_t out) {
  char *text = wharf_c_string(target), *path = strsep(&text, "?");
  // The helpers for queries take a request of the contract, and read no more than this of it.
  wharf_request_t query = {.query = {text != NULL, wharf_text(text ? text : "")}};
  if (strcmp(path, "/text") == 0) {
    respond(out, 200, wharf_text("Hello, World!"));
  } else if (strcmp(path, "/empty") == 0) {
    respond(out, 204, wharf_text(""));
  } else if (strcmp(path, "/big") == 0) {
    respond(out, 200, filled('x', wharf_query_number(&query, "n", 0)));
  } else if (strcmp(path, "/echo") == 0) {
    echo(request, target, out);
  } else if (strcmp(path, "/body") == 0) {
    hand_back(request, out);
  } else if (strcmp(path, "/stream") == 0) {
    send_pieces(&query, out);
  } else if (strcmp(path, "/trailers") == 0) {
    send_trailers(out);
  } else if (strcmp(path, "/error") == 0) {
    fail(out);
  } else if (strcmp(path, "/nothing") == 0) {
    wasi_http_types_response_outparam_drop_own(out);
  } else if (strcmp(path, "/trap") == 0) {
    __builtin_trap();
  } else if (strcmp(path, "/spin") == 0) {
    for (volatile unsigned rounds = 0;;) rounds++;
  } else if (strcmp(path, "/kv") == 0) {
    respond_count(out);
  } else if (strcmp(path, "/behind") == 0) {
    respond(out, 200, wharf_text("done"));
    count();
  } else if (strcmp(path, "/outgoing") == 0) {
    json_doc *doc = yyjson_mut_doc_new(NULL);
    respond_json(out, doc, ask(doc, &query));
  } else if (strcmp(path, "/print") == 0) {
    print(out);
  } else {
    respond(out, 404, wharf_text("no such route in the contract guest"));
  }
}

void exports_wasi_http_incoming_handler_handle(exports_wasi_http_incoming_handler_own_incoming_request_t request,
                                               exports_wasi_http_incoming_handler_own_response_outparam_t out) {
  incoming_t borrowed = wasi_http_types_borrow_incoming_request(request);
  service_string_t target;
  if (!wasi_http_types_method_incoming_request_path_with_query(borrowed, &target)) target = wharf_text("");
  answer(borrowed, target, out);
}
