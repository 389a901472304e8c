// Contract guest for `guard`; `../../README.md` lists what it says of which request.

#include "../../../../guest-bindings/c/wharf.h"

#include <stdio.h>
#include <stdlib.h>

/// A field of the request as text, or NULL.
static char *field(const wharf_request_t *request, const char *name) {
  const service_list_u8_t *value = wharf_header(request, name);
  return value ? wharf_c_string((service_string_t){value->ptr, value->len}) : NULL;
}

static void spin(void) {
  for (volatile unsigned rounds = 0;; rounds++) {
  }
}

/// Adds 1 to a number of the bucket, and says the sum.
static void count(const char *key, wharf_verdict_t *verdict) {
  wharf_bucket_t bucket;
  wharf_kv_error_t error;
  int64_t sum;
  if (!wharf_kv_open("cache", &bucket, &error) || !wharf_kv_increment(bucket, wharf_text(key), 1, &sum, &error))
    wharf_panic(wharf_kv_error_case(&error));
  char text[24];
  snprintf(text, sizeof text, "%lld", (long long)sum);
  wharf_annotate(verdict, "count", wharf_text(text));
}

static const char *text_or_null(const service_string_t *text) { return text ? wharf_json_string(*text) : "null"; }

/// What a guard gets to know of a request.
static void see(const wharf_request_t *request, wharf_verdict_t *verdict) {
  char *seen;
  asprintf(&seen, "{\"id\":%s,\"key\":%s,\"method\":%s,\"path\":%s,\"query\":%s,\"remote_addr\":%s}",
           text_or_null(wharf_path_param(request, "id")), text_or_null(wharf_annotation(request, "api-key")),
           wharf_json_string(request->method), wharf_json_string(request->path),
           text_or_null(request->query.is_some ? &request->query.val : NULL), wharf_json_string(request->remote_addr));
  wharf_annotate(verdict, "seen", wharf_text(seen));
}

static void deny(const char *why, wharf_verdict_t *verdict) {
  char *text;
  asprintf(&text, "denied: %s", why);
  wharf_refuse(verdict, 403, text);
  wharf_add_header(&verdict->val.answer.headers, "x-guard", "contract");
}

static void challenge(wharf_verdict_t *verdict) {
  wharf_refuse(verdict, 401, "say who you are: x-allow");
  wharf_add_header(&verdict->val.answer.headers, "www-authenticate", "Contract");
}

static void allow(const wharf_request_t *request, const char *user, wharf_verdict_t *verdict) {
  const char *realm = wharf_config("realm"), *key = field(request, "x-count");
  if (!realm) wharf_panic("the manifest has no realm");
  wharf_allow(verdict);
  wharf_annotate(verdict, "user", wharf_text(user));
  wharf_annotate(verdict, "realm", wharf_text(realm));
  if (key) count(key, verdict);
  if (wharf_header(request, "x-see")) see(request, verdict);
}

void wharf_check(const wharf_request_t *request, wharf_verdict_t *verdict) {
  const char *why = field(request, "x-deny"), *user = field(request, "x-allow");
  if (wharf_header(request, "x-trap")) {
    abort();
  } else if (wharf_header(request, "x-spin")) {
    spin();
  } else if (why) {
    deny(why, verdict);
  } else if (user) {
    allow(request, user, verdict);
  } else {
    challenge(verdict);
  }
}
