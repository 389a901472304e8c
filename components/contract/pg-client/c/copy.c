// COPY, in and out.

#include "pg_client.h"

#include "../../shared/c/fnv1a.h"

#include <stdio.h>
#include <string.h>

/// Writes the `chunks`, `repeat` times (default 1).
static bool write_chunks(wharf_platform_pg_client_borrow_copy_writer_t writer, json_in *command, pg_error_t *error) {
  json_in *chunks = yyjson_obj_get(command, "chunks"), *chunk;
  uint64_t repeat = member_number(command, "repeat", 1);
  size_t index, count;
  for (uint64_t i = 0; i < repeat; i++)
    yyjson_arr_foreach(chunks, index, count, chunk) {
      service_list_u8_t bytes = {(uint8_t *)yyjson_get_str(chunk), yyjson_get_len(chunk)};
      if (!wharf_platform_pg_client_method_copy_writer_write(writer, &bytes, error)) return false;
    }
  return true;
}

json_out *copy_in(run_t *run, json_in *command) {
  statement_t statement = parse_statement(run, command);
  if (run->problem) return NULL;
  wharf_platform_pg_client_own_copy_writer_t own;
  pg_error_t error;
  if (!CALL(run, copy_in, &statement.sql, &own, &error)) return show_error(run->doc, &error);
  wharf_platform_pg_client_borrow_copy_writer_t writer = wharf_platform_pg_client_borrow_copy_writer(own);
  json_in *finish = yyjson_obj_get(command, "finish");
  bool finished = !finish || yyjson_is_true(finish);
  uint64_t stored;
  bool done = write_chunks(writer, command, &error) &&
              (!finished || wharf_platform_pg_client_method_copy_writer_finish(writer, &stored, &error));
  wharf_platform_pg_client_copy_writer_drop_own(own);
  if (!done) return show_error(run->doc, &error);
  return finished ? json_object(run->doc, "stored", yyjson_mut_uint(run->doc, stored))
                  : json_object(run->doc, "dropped", yyjson_mut_true(run->doc));
}

/// What was read.
typedef struct {
  uint64_t bytes, reads;
  uint32_t hash;
  uint8_t head[1000];
  size_t shown;
} read_t;

/// Reads at most `max` bytes at a time (default 65,536) to the end, or `reads` times.
static bool read_chunks(wharf_platform_pg_client_borrow_copy_reader_t reader, json_in *command, read_t *read,
                        pg_error_t *error) {
  uint32_t max = member_u32(command, "max", 65536);
  uint64_t most = member_number(command, "reads", UINT64_MAX);
  while (read->reads < most) {
    service_list_u8_t chunk;
    if (!wharf_platform_pg_client_method_copy_reader_read(reader, max, &chunk, error)) return false;
    if (!chunk.len) break;
    size_t room = sizeof read->head - read->shown, shown = chunk.len < room ? chunk.len : room;
    memcpy(read->head + read->shown, chunk.ptr, shown);
    read->shown += shown;
    read->reads++;
    read->bytes += chunk.len;
    read->hash = fnv1a(read->hash, chunk);
    service_list_u8_free(&chunk);
  }
  return true;
}

json_out *copy_out(run_t *run, json_in *command) {
  statement_t statement = parse_statement(run, command);
  if (run->problem) return NULL;
  wharf_platform_pg_client_own_copy_reader_t own;
  pg_error_t error;
  if (!CALL(run, copy_out, &statement.sql, &own, &error)) return show_error(run->doc, &error);
  read_t read = {.hash = FNV1A};
  bool done = read_chunks(wharf_platform_pg_client_borrow_copy_reader(own), command, &read, &error);
  wharf_platform_pg_client_copy_reader_drop_own(own);
  if (!done) return show_error(run->doc, &error);
  char digits[9];
  snprintf(digits, sizeof digits, "%08x", (unsigned)read.hash);
  json_out *answer = json_object(run->doc, "bytes", yyjson_mut_uint(run->doc, read.bytes));
  yyjson_mut_obj_add_strcpy(run->doc, answer, "fnv1a", digits);
  yyjson_mut_obj_add_uint(run->doc, answer, "reads", read.reads);
  yyjson_mut_obj_add_val(run->doc, answer, "head", json_lossy(run->doc, (service_list_u8_t){read.head, read.shown}));
  return answer;
}
