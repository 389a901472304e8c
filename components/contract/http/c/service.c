// Contract guest for `http-types` and `http-handler`; `../../README.md` lists what it answers.

#include "http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

json_out *fields(json_doc *doc, wharf_headers_t headers) {
  json_out *fields = yyjson_mut_arr(doc);
  for (size_t i = 0; i < headers.len; i++) {
    json_out *pair = yyjson_mut_arr_add_arr(doc, fields);
    yyjson_mut_arr_append(pair, json_text(doc, headers.ptr[i].f0));
    yyjson_mut_arr_append(pair, json_bytes(doc, headers.ptr[i].f1));
  }
  return fields;
}

/// Everything that a guest gets to know about a request.
static void echo(const wharf_request_t *request, wharf_reply_t *reply) {
  json_doc *doc = yyjson_mut_doc_new(NULL);
  json_out *answer = yyjson_mut_obj(doc);
  yyjson_mut_obj_add_val(doc, answer, "method", json_text(doc, request->method));
  yyjson_mut_obj_add_val(doc, answer, "scheme", json_text(doc, request->scheme));
  yyjson_mut_obj_add_val(doc, answer, "authority", json_text(doc, request->authority));
  yyjson_mut_obj_add_val(doc, answer, "path", json_text(doc, request->path));
  yyjson_mut_obj_add_val(doc, answer, "query", json_optional_text(doc, request->query));
  yyjson_mut_obj_add_val(doc, answer, "path_params", json_pairs(doc, request->path_params));
  yyjson_mut_obj_add_val(doc, answer, "headers", fields(doc, request->headers));
  yyjson_mut_obj_add_val(doc, answer, "annotations", json_pairs(doc, request->annotations));
  yyjson_mut_obj_add_val(doc, answer, "remote_addr", json_text(doc, request->remote_addr));
  yyjson_mut_obj_add_uint(doc, answer, "remote_port", request->remote_port);
  yyjson_mut_obj_add_val(doc, answer, "request_id", json_text(doc, request->request_id));
  yyjson_mut_obj_add_uint(doc, answer, "received_at", request->received_at);
  yyjson_mut_obj_add_uint(doc, answer, "deadline", request->deadline);
  reply_with(reply, doc, answer);
}

/// `/status/418` answers 418.
static void status(const wharf_request_t *request, wharf_reply_t *reply) {
  char *code = wharf_c_string(request->path) + strlen("/status/");
  char *end = code;
  unsigned long number = strtoul(code, &end, 10);
  if (end == code || *end || number > UINT16_MAX) {
    wharf_reply_text(reply, 400, "a status is a number");
    return;
  }
  char text[16];
  snprintf(text, sizeof text, "status %lu", number);
  wharf_reply_text(reply, (uint16_t)number, text);
}

/// `/big?n=0`
static void big(const wharf_request_t *request, wharf_reply_t *reply) {
  size_t length = wharf_query_number(request, "n", 0);
  service_list_u8_t bytes = {wharf_allocate(length), length};
  memset(bytes.ptr, 'x', length);
  wharf_reply_bytes(reply, 200, bytes);
}

/// `/headers/repeat?n=3`
static void repeat_headers(const wharf_request_t *request, wharf_reply_t *reply) {
  size_t count = wharf_query_number(request, "n", 3);
  wharf_reply_text(reply, 200, "repeated");
  for (size_t i = 0; i < count; i++) {
    char number[16], cookie[32];
    snprintf(number, sizeof number, "%zu", i);
    snprintf(cookie, sizeof cookie, "c%zu=%zu", i, i);
    wharf_add_header(&reply->headers, "x-repeated", number);
    wharf_add_header(&reply->headers, "set-cookie", cookie);
  }
}

void wharf_handle(const wharf_request_t *request, wharf_body_t *body, wharf_reply_t *reply) {
  service_string_t path = request->path;
  if (wharf_equals(path, "/text")) {
    wharf_reply_text(reply, 200, "Hello, World!");
  } else if (wharf_equals(path, "/empty")) {
    reply->status = 204;
  } else if (wharf_equals(path, "/big")) {
    big(request, reply);
  } else if (wharf_equals(path, "/headers/repeat")) {
    repeat_headers(request, reply);
  } else if (wharf_equals(path, "/headers/bytes")) {
    wharf_add_header(&reply->headers, "x-latin", "caf\xe9");
  } else if (wharf_equals(path, "/body")) {
    describe_body(request, body, reply);
  } else if (wharf_equals(path, "/body/echo")) {
    echo_body(request, body, reply);
  } else if (wharf_equals(path, "/body/hand-on")) {
    wharf_reply_hand_on(reply, 200, body);
  } else if (wharf_equals(path, "/body/ignore")) {
    wharf_reply_text(reply, 200, "ignored");
  } else if (wharf_equals(path, "/body/partly")) {
    read_partly(request, body, reply);
  } else if (wharf_equals(path, "/stream")) {
    stream_chunks(request, reply);
  } else if (wharf_equals(path, "/stream/endless")) {
    stream_endless(request, reply);
  } else if (wharf_equals(path, "/events")) {
    stream_events(request, reply);
  } else if (wharf_starts_with(path, "/status/")) {
    status(request, reply);
  } else if (wharf_starts_with(path, "/echo") || wharf_starts_with(path, "/params/")) {
    echo(request, reply);
  } else {
    reply_no_route(reply);
  }
}
