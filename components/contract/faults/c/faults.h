// The parts of the contract guest that misbehaves on demand.
#pragma once

#include "../../../../guest-bindings/c/wharf.h"

// Abuse of time, memory, stack and host calls.

void spin_for_ever(void) __attribute__((noreturn));
/// Burns so many milliseconds by the clock.
void burn(size_t millis);
void grow(void) __attribute__((noreturn));
void fill(size_t mebibytes) __attribute__((noreturn));
void recurse(void);
void call_host(const wharf_request_t *request, wharf_reply_t *reply);
void leak(size_t handles, wharf_reply_t *reply);

// Replies that no handler should give.

void bad_header(const wharf_request_t *request, wharf_reply_t *reply);
void hop_headers(wharf_reply_t *reply);
void wrong_length(size_t length, wharf_reply_t *reply);
void many_headers(size_t count, wharf_reply_t *reply);
void huge_header(size_t bytes, wharf_reply_t *reply);
void huge_reply(size_t mebibytes, wharf_reply_t *reply);
void slow_stream(size_t pieces, size_t millis, wharf_reply_t *reply);
void stream_trap(size_t after, wharf_reply_t *reply);
void stream_loop(size_t after, wharf_reply_t *reply);
void stream_empty(wharf_reply_t *reply);
