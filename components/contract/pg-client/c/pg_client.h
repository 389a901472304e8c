// The parts of the contract guest for `pg-client`.
#pragma once

#include "../../shared/c/json.h"

typedef wharf_platform_pg_client_own_transaction_t transaction_t;
typedef wharf_platform_pg_client_error_t pg_error_t;
typedef wharf_platform_pg_client_statement_t statement_t;
typedef wharf_platform_pg_client_list_column_t columns_t;

/// A command while it runs.
typedef struct {
  json_doc *doc;
  /// What is wrong with the command itself, which is 400; NULL for nothing. Then nothing more is sent.
  char *problem;
  wharf_platform_pg_client_borrow_database_t database;
  /// The transaction and its savepoints, outermost first.
  transaction_t *open;
  size_t count;
  /// Which of them calls go to; NULL for the database.
  const transaction_t *transaction;
} run_t;

/// Calls a method that a database and a transaction both have, of the one where the command is to run.
#define CALL(run, method, ...)                                                                                         \
  ((run)->transaction ? wharf_platform_pg_client_method_transaction_##method(                                          \
                            wharf_platform_pg_client_borrow_transaction(*(run)->transaction), __VA_ARGS__)             \
                      : wharf_platform_pg_client_method_database_##method((run)->database, __VA_ARGS__))

/// What runs a command: answers with its result or the contract's error, or with NULL after a problem.
typedef json_out *operation_t(run_t *run, json_in *command);

typedef struct {
  const char *name;
  operation_t *run;
} named_operation_t;

/// The operation of that name, or NULL. A list ends with one that has no name.
operation_t *find_operation(const named_operation_t *list, const char *name);

// run.c, raw.c and copy.c: what a database and a transaction can both do

extern const named_operation_t CALLS[];

statement_t parse_statement(run_t *run, json_in *command);
wharf_platform_pg_client_list_statement_t parse_statements(run_t *run, json_in *command);

/// Adds the next rows, at most `most` of them, and tells how many they were.
typedef bool next_rows_t(run_t *run, wharf_platform_pg_client_borrow_cursor_t cursor, const columns_t *columns,
                         uint32_t most, json_out *rows, size_t *count, pg_error_t *error);
/// Runs a statement through a cursor, `batch` rows at a time, and shows all that it read.
json_out *read_cursor(run_t *run, json_in *command, next_rows_t *next);

operation_t query, query_raw, pipeline_raw, cursor_raw, copy_in, copy_out;

// run.c: what only a database can do

operation_t opened, prepare, notify;

// steps.c, retry.c

operation_t transaction, retry;
/// Drops a transaction handle, which undoes what was not committed.
void drop_transaction(transaction_t transaction);

// values.c

/// Notes what is wrong with a command, unless something was before; returns NULL.
json_out *wrong(run_t *run, const char *format, ...) __attribute__((format(printf, 2, 3)));

wharf_platform_pg_client_list_pg_value_t parse_params(run_t *run, json_in *command);

json_out *show_error(json_doc *doc, const pg_error_t *error);
json_out *show_columns(json_doc *doc, const columns_t *columns);
json_out *show_row(json_doc *doc, const wharf_platform_pg_client_row_t *row);
json_out *show_row_set(json_doc *doc, const wharf_platform_pg_client_row_set_t *set);
