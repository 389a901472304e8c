// FNV-1a of 32 bits: enough to see that nothing was lost or swapped.
#pragma once

#include "../../../../guest-bindings/c/wharf.h"

/// The hash of nothing.
static const uint32_t FNV1A = 0x811c9dc5;

/// The hash of `bytes` behind those that `hash` is of.
static inline uint32_t fnv1a(uint32_t hash, service_list_u8_t bytes) {
  for (size_t i = 0; i < bytes.len; i++) hash = (hash ^ bytes.ptr[i]) * 0x01000193;
  return hash;
}
