// Contract guest that misbehaves on demand; `../../README.md` lists how.

#include "faults.h"

#include <stdio.h>
#include <stdlib.h>

/// Answers how many requests this instance has answered before.
static void count(wharf_reply_t *reply) {
  static unsigned answered;
  char text[16];
  snprintf(text, sizeof text, "%u", answered++);
  wharf_reply_text(reply, 200, text);
}

/// Burns CPU, and answers.
static void spin(size_t millis, wharf_reply_t *reply) {
  burn(millis);
  wharf_reply_text(reply, 200, "spun");
}

void wharf_handle(const wharf_request_t *request, wharf_body_t *body, wharf_reply_t *reply) {
  (void)body;
  service_string_t path = request->path;
  if (wharf_equals(path, "/fine")) {
    wharf_reply_text(reply, 200, "fine");
  } else if (wharf_equals(path, "/count")) {
    count(reply);
  } else if (wharf_equals(path, "/loop")) {
    spin_for_ever();
  } else if (wharf_equals(path, "/spin")) {
    spin(wharf_query_number(request, "ms", 50), reply);
  } else if (wharf_equals(path, "/trap")) {
    __builtin_trap();
  } else if (wharf_equals(path, "/panic")) {
    abort();
  } else if (wharf_equals(path, "/grow")) {
    grow();
  } else if (wharf_equals(path, "/fill")) {
    fill(wharf_query_number(request, "mib", 16));
  } else if (wharf_equals(path, "/recurse")) {
    recurse();
  } else if (wharf_equals(path, "/hostcalls")) {
    call_host(request, reply);
  } else if (wharf_equals(path, "/leak")) {
    leak(wharf_query_number(request, "n", 1000), reply);
  } else if (wharf_equals(path, "/bad-header")) {
    bad_header(request, reply);
  } else if (wharf_equals(path, "/bad-status")) {
    wharf_reply_text(reply, (uint16_t)wharf_query_number(request, "code", 99), "never seen");
  } else if (wharf_equals(path, "/hop-header")) {
    hop_headers(reply);
  } else if (wharf_equals(path, "/wrong-length")) {
    wrong_length(wharf_query_number(request, "length", 5), reply);
  } else if (wharf_equals(path, "/many-headers")) {
    many_headers(wharf_query_number(request, "n", 1000), reply);
  } else if (wharf_equals(path, "/huge-header")) {
    huge_header(wharf_query_number(request, "n", 1000000), reply);
  } else if (wharf_equals(path, "/huge-reply")) {
    huge_reply(wharf_query_number(request, "mib", 16), reply);
  } else if (wharf_equals(path, "/slow-stream")) {
    slow_stream(wharf_query_number(request, "n", 10), wharf_query_number(request, "ms", 20), reply);
  } else if (wharf_equals(path, "/stream-trap")) {
    stream_trap(wharf_query_number(request, "after", 2), reply);
  } else if (wharf_equals(path, "/stream-loop")) {
    stream_loop(wharf_query_number(request, "after", 2), reply);
  } else if (wharf_equals(path, "/stream-empty")) {
    stream_empty(reply);
  } else {
    wharf_reply_text(reply, 404, "no such route in the contract guest");
  }
}
