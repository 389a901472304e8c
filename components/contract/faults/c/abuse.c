// Abuse of time, memory, stack and host calls.

#include "faults.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

void spin_for_ever(void) {
  for (volatile unsigned rounds = 0;; rounds++) {
  }
}

static uint64_t now_nanos(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

void burn(size_t millis) {
  uint64_t end = now_nanos() + (uint64_t)millis * 1000000;
  while (now_nanos() < end) {
    for (volatile unsigned rounds = 0; rounds < 10000; rounds++) {
    }
  }
}

/// Takes memory, and touches it, until there is none.
void grow(void) {
  enum { MEBIBYTE = 1 << 20 };
  for (;;) memset(wharf_allocate(MEBIBYTE), 1, MEBIBYTE);
}

/// Fills the same block again and again: each fill is a single instruction, `memory.fill`.
__attribute__((target("bulk-memory"))) void fill(size_t mebibytes) {
  size_t size = mebibytes << 20;
  uint8_t *block = wharf_allocate(size);
  for (uint8_t byte = 0;; byte++) {
    memset(block, byte, size);
    __asm__ volatile("" : : "r"(block) : "memory"); // or else only the last of them is made
  }
}

/// Calls itself until the stack ends: there is always a frame above.
static unsigned descend(const volatile uint8_t *above) {
  volatile uint8_t frame[256];
  if (!above) return 0;
  frame[0] = above[0];
  return descend(frame) + frame[0];
}

void recurse(void) {
  const volatile uint8_t first = 1;
  descend(&first);
}

static void call_once(const char *kind, wharf_bucket_t bucket) {
  uint8_t bytes[8];
  service_list_u8_t value;
  bool found;
  wharf_kv_error_t error;
  if (strcmp(kind, "kv") == 0) {
    if (wharf_kv_get(bucket, wharf_text("key"), &value, &found, &error)) service_list_u8_free(&value);
  } else if (strcmp(kind, "log") == 0) {
    wharf_log(WHARF_PLATFORM_LOG_LEVEL_DEBUG, "a storm");
  } else if (strcmp(kind, "random") == 0) {
    getentropy(bytes, sizeof bytes);
  } else {
    wharf_config("key");
  }
}

/// `/hostcalls?kind=config|log|kv|random&n=...`: calls the host without end, or `n` times.
void call_host(const wharf_request_t *request, wharf_reply_t *reply) {
  service_string_t kind = wharf_text("config");
  wharf_bucket_t bucket;
  wharf_kv_error_t error;
  wharf_query_param(request, "kind", &kind);
  if (!wharf_kv_open("cache", &bucket, &error)) wharf_panic("the bucket is not granted");
  for (size_t left = wharf_query_number(request, "n", SIZE_MAX); left > 0; left--) call_once((char *)kind.ptr, bucket);
  wharf_reply_text(reply, 200, "called");
}

/// Opens handles and never drops them.
void leak(size_t handles, wharf_reply_t *reply) {
  wharf_bucket_t bucket;
  wharf_kv_error_t error;
  while (handles-- > 0) wharf_kv_open("cache", &bucket, &error);
  wharf_reply_text(reply, 200, "leaked");
}
