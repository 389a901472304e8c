// Contract guest for the guards of routes: its handler tells what they found out; `../../README.md` lists its routes.

#include "../../shared/c/json.h"

void wharf_handle(const wharf_request_t *request, wharf_body_t *body, wharf_reply_t *reply) {
  service_list_u8_t bytes;
  wharf_error_t error;
  if (!wharf_read_body(body, &bytes, &error)) {
    wharf_reply_text(reply, wharf_body_status(&error), "the body broke off");
    return;
  }
  json_doc *doc = yyjson_mut_doc_new(NULL);
  json_out *answer = yyjson_mut_obj(doc);
  yyjson_mut_obj_add_val(doc, answer, "method", json_text(doc, request->method));
  yyjson_mut_obj_add_val(doc, answer, "path", json_text(doc, request->path));
  yyjson_mut_obj_add_val(doc, answer, "path_params", json_pairs(doc, request->path_params));
  yyjson_mut_obj_add_val(doc, answer, "annotations", json_pairs(doc, request->annotations));
  yyjson_mut_obj_add_uint(doc, answer, "body_bytes", bytes.len);
  reply_with(reply, doc, answer);
}
