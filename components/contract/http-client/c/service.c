// Contract guest for `http-client`: sends what a JSON command says, so that cases need no code. `../../README.md` is
// the protocol.

#include "http_client.h"

static result_t send(outgoing_t *request) {
  result_t result;
  result.is_err = !wharf_platform_http_client_send(request, &result.val.ok, &result.val.err);
  return result;
}

static void send_one(json_in *command, wharf_reply_t *reply) {
  outgoing_t request;
  const char *problem;
  if (!parse_request(command, &request, &problem)) {
    wharf_reply_text(reply, 400, problem);
    return;
  }
  json_doc *doc = yyjson_mut_doc_new(NULL);
  result_t result = send(&request);
  reply_with(reply, doc, show_result(doc, &result, command));
}

static void send_many(json_in *command, wharf_reply_t *reply) {
  json_in *commands = yyjson_obj_get(command, "requests"), *item;
  size_t count = yyjson_arr_size(commands), index, all;
  wharf_platform_http_client_list_outgoing_request_t requests = {wharf_allocate(count * sizeof(outgoing_t)), count};
  yyjson_arr_foreach(commands, index, all, item) {
    const char *problem;
    if (!parse_request(item, &requests.ptr[index], &problem)) {
      wharf_reply_text(reply, 400, problem);
      return;
    }
  }
  wharf_platform_http_client_list_result_response_error_t results;
  wharf_platform_http_client_send_many(&requests, &results);
  json_doc *doc = yyjson_mut_doc_new(NULL);
  json_out *answers = yyjson_mut_arr(doc);
  yyjson_arr_foreach(commands, index, all, item)
      yyjson_mut_arr_append(answers, show_result(doc, &results.ptr[index], item));
  reply_with(reply, doc, json_object(doc, "answers", answers));
}

/// Sends one request many times, one after another, until an error.
static void repeat(json_in *command, wharf_reply_t *reply) {
  outgoing_t request;
  const char *problem;
  if (!parse_request(command, &request, &problem)) {
    wharf_reply_text(reply, 400, problem);
    return;
  }
  json_doc *doc = yyjson_mut_doc_new(NULL);
  json_out *last = yyjson_mut_null(doc);
  uint64_t times = member_number(command, "times", 1), done = 0;
  for (bool failed = false; !failed && done < times; done += !failed) {
    result_t result = send(&request);
    failed = result.is_err;
    last = show_result(doc, &result, command);
  }
  json_out *answer = json_object(doc, "done", yyjson_mut_uint(doc, done));
  yyjson_mut_obj_add_val(doc, answer, "last", last);
  reply_with(reply, doc, answer);
}

static service_string_t field(const wharf_request_t *request, const char *name, const char *fallback) {
  const service_list_u8_t *value = wharf_header(request, name);
  return value ? (service_string_t){value->ptr, value->len} : wharf_text(fallback);
}

/// Sends the body on, without reading it, to where a field says.
static result_t send_on(const wharf_request_t *request, wharf_body_t *body) {
  outgoing_t outgoing = {
      .method = field(request, "x-method", "POST"),
      .url = field(request, "x-url", ""),
      .body = wharf_take_body(body),
  };
  return send(&outgoing);
}

static void upload(const wharf_request_t *request, wharf_body_t *body, wharf_reply_t *reply) {
  json_doc *doc = yyjson_mut_doc_new(NULL);
  result_t result = send_on(request, body);
  reply_with(reply, doc, show_result(doc, &result, NULL));
}

/// Answers with what the server answered.
static void pass(const wharf_request_t *request, wharf_body_t *body, wharf_reply_t *reply) {
  result_t result = send_on(request, body);
  if (result.is_err) {
    json_doc *doc = yyjson_mut_doc_new(NULL);
    reply_with(reply, doc, show_result(doc, &result, NULL));
    reply->status = 502;
  } else {
    wharf_reply_hand_on(reply, result.val.ok.status, &result.val.ok.body);
  }
}

void wharf_handle(const wharf_request_t *request, wharf_body_t *body, wharf_reply_t *reply) {
  service_string_t path = request->path;
  if (wharf_equals(path, "/upload")) {
    upload(request, body, reply);
    return;
  }
  if (wharf_equals(path, "/pass")) {
    pass(request, body, reply);
    return;
  }
  json_in *command = read_command(body, reply);
  if (!command) return;
  if (wharf_equals(path, "/send"))
    send_one(command, reply);
  else if (wharf_equals(path, "/send-many"))
    send_many(command, reply);
  else if (wharf_equals(path, "/repeat"))
    repeat(command, reply);
  else
    reply_no_route(reply);
}
