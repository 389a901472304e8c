// Requests to others.

#include "wasi_http.h"

/// The case of an error, as it is called where it comes from.
static const char *case_of(const wasi_http_types_error_code_t *error) {
  static const char *const CASES[] = {
      [WASI_HTTP_TYPES_ERROR_CODE_DNS_TIMEOUT] = "ErrorCode::DnsTimeout",
      [WASI_HTTP_TYPES_ERROR_CODE_DNS_ERROR] = "ErrorCode::DnsError",
      [WASI_HTTP_TYPES_ERROR_CODE_DESTINATION_NOT_FOUND] = "ErrorCode::DestinationNotFound",
      [WASI_HTTP_TYPES_ERROR_CODE_DESTINATION_UNAVAILABLE] = "ErrorCode::DestinationUnavailable",
      [WASI_HTTP_TYPES_ERROR_CODE_DESTINATION_IP_PROHIBITED] = "ErrorCode::DestinationIpProhibited",
      [WASI_HTTP_TYPES_ERROR_CODE_DESTINATION_IP_UNROUTABLE] = "ErrorCode::DestinationIpUnroutable",
      [WASI_HTTP_TYPES_ERROR_CODE_CONNECTION_REFUSED] = "ErrorCode::ConnectionRefused",
      [WASI_HTTP_TYPES_ERROR_CODE_CONNECTION_TERMINATED] = "ErrorCode::ConnectionTerminated",
      [WASI_HTTP_TYPES_ERROR_CODE_CONNECTION_TIMEOUT] = "ErrorCode::ConnectionTimeout",
      [WASI_HTTP_TYPES_ERROR_CODE_CONNECTION_LIMIT_REACHED] = "ErrorCode::ConnectionLimitReached",
      [WASI_HTTP_TYPES_ERROR_CODE_TLS_PROTOCOL_ERROR] = "ErrorCode::TlsProtocolError",
      [WASI_HTTP_TYPES_ERROR_CODE_TLS_CERTIFICATE_ERROR] = "ErrorCode::TlsCertificateError",
      [WASI_HTTP_TYPES_ERROR_CODE_HTTP_REQUEST_DENIED] = "ErrorCode::HttpRequestDenied",
      [WASI_HTTP_TYPES_ERROR_CODE_HTTP_REQUEST_URI_INVALID] = "ErrorCode::HttpRequestUriInvalid",
      [WASI_HTTP_TYPES_ERROR_CODE_HTTP_RESPONSE_TIMEOUT] = "ErrorCode::HttpResponseTimeout",
      [WASI_HTTP_TYPES_ERROR_CODE_HTTP_PROTOCOL_ERROR] = "ErrorCode::HttpProtocolError",
      [WASI_HTTP_TYPES_ERROR_CODE_INTERNAL_ERROR] = "ErrorCode::InternalError",
  };
  const char *known = error->tag < sizeof CASES / sizeof *CASES ? CASES[error->tag] : NULL;
  return known ? known : "ErrorCode";
}

void wait_for(wasi_io_poll_own_pollable_t pollable) {
  wasi_io_poll_method_pollable_block(wasi_io_poll_borrow_pollable(pollable));
  wasi_io_poll_pollable_drop_own(pollable);
}

/// Sends a GET and waits for the response's head.
static bool get(service_string_t authority, service_string_t target, wasi_http_types_own_incoming_response_t *response,
                wasi_http_types_error_code_t *error) {
  wasi_http_types_own_outgoing_request_t request =
      wasi_http_types_constructor_outgoing_request(wasi_http_types_constructor_fields());
  wasi_http_types_borrow_outgoing_request_t borrowed = wasi_http_types_borrow_outgoing_request(request);
  wasi_http_types_scheme_t scheme = {.tag = WASI_HTTP_TYPES_SCHEME_HTTP};
  wasi_http_types_method_outgoing_request_set_scheme(borrowed, &scheme);
  wasi_http_types_method_outgoing_request_set_authority(borrowed, &authority);
  wasi_http_types_method_outgoing_request_set_path_with_query(borrowed, &target);
  wasi_http_outgoing_handler_own_future_incoming_response_t own;
  if (!wasi_http_outgoing_handler_handle(request, NULL, &own, error)) return false;
  wasi_http_types_borrow_future_incoming_response_t pending = wasi_http_types_borrow_future_incoming_response(own);
  wait_for(wasi_http_types_method_future_incoming_response_subscribe(pending));
  wasi_http_types_result_result_own_incoming_response_error_code_void_t answer;
  if (!wasi_http_types_method_future_incoming_response_get(pending, &answer) || answer.is_err) __builtin_trap();
  *response = answer.val.ok.val.ok;
  if (answer.val.ok.is_err) *error = answer.val.ok.val.err;
  return !answer.val.ok.is_err;
}

/// Reads a body to its end, or to where it breaks off.
static uint64_t count_bytes(wasi_http_types_borrow_incoming_response_t response) {
  wasi_http_types_own_incoming_body_t body;
  wasi_http_types_own_input_stream_t stream;
  if (!wasi_http_types_method_incoming_response_consume(response, &body)) __builtin_trap();
  if (!wasi_http_types_method_incoming_body_stream(wasi_http_types_borrow_incoming_body(body), &stream))
    __builtin_trap();
  uint64_t bytes = 0;
  service_list_u8_t piece;
  wasi_io_streams_stream_error_t error;
  while (wasi_io_streams_method_input_stream_blocking_read(wasi_io_streams_borrow_input_stream(stream), 65536, &piece,
                                                           &error)) {
    bytes += piece.len;
    service_list_u8_free(&piece);
  }
  return bytes;
}

json_out *ask(json_doc *doc, const wharf_request_t *query) {
  service_string_t authority = wharf_text("example.com"), target = wharf_text("/");
  wharf_query_param(query, "to", &authority);
  wharf_query_param(query, "path", &target);
  wasi_http_types_own_incoming_response_t own;
  wasi_http_types_error_code_t error;
  if (!get(authority, target, &own, &error)) return json_object(doc, "error", yyjson_mut_str(doc, case_of(&error)));
  wasi_http_types_borrow_incoming_response_t response = wasi_http_types_borrow_incoming_response(own);
  uint16_t status = wasi_http_types_method_incoming_response_status(response);
  json_out *answer = json_object(doc, "status", yyjson_mut_uint(doc, status));
  yyjson_mut_obj_add_uint(doc, answer, "bytes", count_bytes(response));
  return answer;
}
