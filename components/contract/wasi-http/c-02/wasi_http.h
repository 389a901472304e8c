// The parts of the contract guest for `wasi:http/incoming-handler@0.2`.
#pragma once

#include "../../shared/c/json.h"

/// Waits for a pollable and drops it.
void wait_for(wasi_io_poll_own_pollable_t pollable);

/// Asks `to` for `path`, both from the query, and shows what came of it.
json_out *ask(json_doc *doc, const wharf_request_t *query);
