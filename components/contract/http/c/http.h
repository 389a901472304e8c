// The parts of the contract guest for `http-types` and `http-handler`.
#pragma once

#include "../../shared/c/json.h"

/// Header fields as JSON: values that are no UTF-8 as `hex:...`.
json_out *fields(json_doc *doc, wharf_headers_t headers);

void describe_body(const wharf_request_t *request, wharf_body_t *body, wharf_reply_t *reply);
void echo_body(const wharf_request_t *request, wharf_body_t *body, wharf_reply_t *reply);
void read_partly(const wharf_request_t *request, wharf_body_t *body, wharf_reply_t *reply);

void stream_chunks(const wharf_request_t *request, wharf_reply_t *reply);
void stream_endless(const wharf_request_t *request, wharf_reply_t *reply);
void stream_events(const wharf_request_t *request, wharf_reply_t *reply);
