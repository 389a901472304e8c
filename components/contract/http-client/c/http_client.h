// The parts of the contract guest for `http-client`.
#pragma once

#include "../../shared/c/json.h"

typedef wharf_platform_http_client_outgoing_request_t outgoing_t;
/// A response, or the error of the contract.
typedef wharf_platform_http_client_result_response_error_t result_t;

/// What a command asks to send; false, and a sentence, when it is malformed.
bool parse_request(json_in *command, outgoing_t *request, const char **problem);
/// The response, with its body read as far as `reads` of the command says, or the error.
json_out *show_result(json_doc *doc, result_t *result, json_in *command);
