"""Calls that a database and a transaction have in common."""

from collections.abc import Callable, Iterator, Sized

import values
from contract import Json, fnv1a, required
from wit_world.imports import pg_client as pg

type Statements = pg.Database | pg.Transaction

# How much of what was read is shown.
HEAD = 1_000


def opened(command: Json) -> pg.Database:
    """`database` (default "main") with `timeout_ms`, if there is one."""
    database = pg.Database.open(command.get("database", "main"))
    if "timeout_ms" in command:
        database.set_timeout(command["timeout_ms"])
    return database


def call(target: Statements, name: str, command: Json) -> Json | None:
    """Runs what `name` says; None when it says nothing."""
    match name:
        case "query":
            return values.row_set(target.query(*statement(command)))
        case "query-raw":
            return values.raw_row_set(target.query_raw(*statement(command)))
        case "execute":
            return {"affected": target.execute(*statement(command))}
        case "pipeline":
            return {"results": [values.row_set(it) for it in target.pipeline(statements(command))]}
        case "pipeline-raw":
            return {"results": [values.raw_row_set(it) for it in target.pipeline_raw(statements(command))]}
        case "cursor":
            return cursor(target, command)
        case "cursor-raw":
            return cursor_raw(target, command)
        case "copy-in":
            return copy_in(target, command)
        case "copy-out":
            return copy_out(target, command)
    return None


def statement(command: Json) -> tuple[str, list[pg.PgValue]]:
    return required(command, "sql"), [values.parse(it) for it in command.get("params", [])]


def statements(command: Json) -> list[pg.Statement]:
    return [pg.Statement(*statement(it)) for it in required(command, "statements")]


def cursor(target: Statements, command: Json) -> Json:
    with target.cursor(*statement(command)) as cursor:
        batches = list(read(cursor.next, command))
        rows = [values.row(it) for batch in batches for it in batch]
        return {"columns": values.columns(cursor.columns()), "batches": [*map(len, batches)], "rows": rows}


def cursor_raw(target: Statements, command: Json) -> Json:
    with target.cursor(*statement(command)) as cursor:
        columns = cursor.columns()
        batches = list(read(lambda most: values.raw_rows(columns, cursor.next_raw(most)), command))
        rows = [row for batch in batches for row in batch]
        return {"columns": values.columns(columns), "batches": [*map(len, batches)], "rows": rows}


def read[Batch: Sized](next_batch: Callable[[int], Batch], command: Json) -> Iterator[Batch]:
    """Asks for `batch` rows at a time (default 100), until there are none or `batches` times."""
    left = command.get("batches")
    while left is None or left > 0:
        batch = next_batch(command.get("batch", 100))
        yield batch
        if not len(batch):
            return
        left = None if left is None else left - 1


def copy_in(target: Statements, command: Json) -> Json:
    """Writes the `chunks`, `repeat` times over, then finishes the copy or drops it."""
    with target.copy_in(required(command, "sql")) as writer:
        for chunk in command.get("chunks", []) * command.get("repeat", 1):
            writer.write(chunk.encode())
        if command.get("finish", True):
            return {"stored": writer.finish()}
    return {"dropped": True}


def copy_out(target: Statements, command: Json) -> Json:
    """Reads at most `max` bytes at a time (default 65,536) to the end, or `reads` times."""
    with target.copy_out(required(command, "sql")) as reader:
        chunks = []
        while len(chunks) < command.get("reads", float("inf")) and (chunk := reader.read(command.get("max", 65_536))):
            chunks.append(chunk)
    copied = b"".join(chunks)
    head = copied[:HEAD].decode(errors="replace")
    return {"bytes": len(copied), "fnv1a": fnv1a(chunks), "reads": len(chunks), "head": head}
