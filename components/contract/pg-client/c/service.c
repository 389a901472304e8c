// Contract guest for `pg-client`: runs what a JSON command says, so that cases need no code. `../../README.md` is the
// protocol.
//
// Answers refer to the text of results, so results stay until the instance goes.

#include "pg_client.h"

/// Opens `database` (default "main") with `timeout_ms`, if there is one.
static bool open_database(run_t *run, json_in *command, pg_error_t *error) {
  service_string_t name = wharf_text(member_text(command, "database", "main"));
  wharf_platform_pg_client_own_database_t database;
  if (!wharf_platform_pg_client_static_database_open(&name, &database, error)) return false;
  run->database = wharf_platform_pg_client_borrow_database(database);
  if (yyjson_obj_get(command, "timeout_ms"))
    wharf_platform_pg_client_method_database_set_timeout(run->database, member_u32(command, "timeout_ms", 0));
  return true;
}

static operation_t *route(service_string_t path) {
  static const named_operation_t ROUTES[] = {
      {"/open", opened}, {"/prepare", prepare},         {"/notify", notify},
      {"/retry", retry}, {"/transaction", transaction}, {0},
  };
  const char *name = wharf_c_string(path);
  operation_t *found = find_operation(ROUTES, name);
  return found ? found : find_operation(CALLS, name + 1);
}

void wharf_handle(const wharf_request_t *request, wharf_body_t *body, wharf_reply_t *reply) {
  operation_t *operation = route(request->path);
  if (!operation) {
    reply_no_route(reply);
    return;
  }
  json_in *command = read_command(body, reply);
  if (!command) return;
  run_t run = {.doc = yyjson_mut_doc_new(NULL)};
  pg_error_t error;
  json_out *answer = open_database(&run, command, &error) ? operation(&run, command) : show_error(run.doc, &error);
  if (run.problem)
    wharf_reply_text(reply, 400, run.problem);
  else
    reply_with(reply, run.doc, answer);
}
