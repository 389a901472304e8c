// Contract guest for `lifecycle`; `../../README.md` lists what it answers.

#include "../../../../guest-bindings/c/wharf.h"

#include <stdio.h>
#include <unistd.h>

/// Drawn at deploy: every instance has it.
static uint64_t drawn;

bool exports_wharf_platform_lifecycle_init(service_string_t *error) {
  if (getentropy(&drawn, sizeof drawn) == 0) return true;
  *error = wharf_text_copy("no number could be drawn");
  return false;
}

static void tell_drawn(wharf_reply_t *reply) {
  char *json;
  asprintf(&json, "{\"drawn\":\"%llu\"}", (unsigned long long)drawn);
  wharf_reply_json(reply, 200, json);
}

static void tell_seen(wharf_reply_t *reply) {
  static unsigned seen;
  char *json;
  asprintf(&json, "{\"seen\":%u}", ++seen);
  wharf_reply_json(reply, 200, json);
}

void wharf_handle(const wharf_request_t *request, wharf_body_t *body, wharf_reply_t *reply) {
  (void)body;
  if (wharf_equals(request->path, "/drawn")) {
    tell_drawn(reply);
  } else if (wharf_equals(request->path, "/seen")) {
    tell_seen(reply);
  } else {
    wharf_reply_text(reply, 404, "no such route in the contract guest");
  }
}
