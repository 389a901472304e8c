"""Transactions: step by step, as a stack of a transaction and its savepoints, and again after a collision."""

import os
from typing import Any

import values
from calls import call, opened, statement
from componentize_py_types import Err
from contract import Json, required
from wharf import Abort
from wit_world.imports import pg_client as pg

type Stack = list[pg.Transaction]

# Handles that nobody drops.
leaked: Stack = []


def transaction(command: Json) -> Json:
    """Runs the `steps`; each answers with its own result or error, and the next one runs all the same. What is still
    open at the end is dropped, innermost first.
    """
    with opened(command) as database:
        stack = [database.begin(options(command))]
        try:
            return {"results": [outcome(database, stack, step) for step in required(command, "steps")]}
        finally:
            while stack:
                drop(stack.pop())


def outcome(database: pg.Database, stack: Stack, step: Json) -> Json:
    try:
        return run(database, stack, step)
    except Err as failed:
        return {"error": values.error(failed.value)}


def run(database: pg.Database, stack: Stack, step: Json) -> Json:
    depth = step.get("depth", len(stack) - 1)
    if not 0 <= depth < len(stack):
        raise Abort(400, f"nothing is open at depth {depth}")
    match step.get("op"):
        case "outside":
            return values.row_set(database.query(*statement(step)))
        case "savepoint":
            stack.append(stack[depth].savepoint())
            return {"opened": len(stack)}
        case "commit":
            stack[depth].commit()
            return {"committed": True}
        case "rollback":
            stack[depth].rollback()
            return {"rolled_back": True}
        case "drop":
            drop(stack.pop(depth))
            return {"dropped": True}
        case "leak":
            leaked.append(stack.pop(depth))
            return {"leaked": True}
        case "trap":
            os.abort()
        case "loop":
            while True:
                pass
        case str(name) if (answer := call(stack[depth], name, step)) is not None:
            return answer
        case other:
            raise Abort(400, f"no step `{other}`")


def drop(handle: pg.Transaction) -> None:
    handle.__exit__(None, None, None)


def options(command: Json) -> pg.TransactionOptions:
    isolation = command.get("isolation", "server-default").upper().replace("-", "_")
    if isolation not in pg.Isolation.__members__:
        raise Abort(400, f"no isolation level `{command['isolation']}`")
    return pg.TransactionOptions(
        pg.Isolation[isolation],
        command.get("read_only", False),
        command.get("deferrable", False),
        command.get("transaction_timeout_ms"),
    )


def retry(command: Json) -> Json:
    """Runs `sql`, a list, in a serializable transaction, again after a collision."""
    attempts = command.get("attempts", 5)
    for attempt in range(1, attempts + 1):
        try:
            with opened(command) as database, database.begin(options({"isolation": "serializable"})) as tx:
                for sql in required(command, "sql"):
                    tx.execute(sql, [])
                tx.commit()
            return {"attempts": attempt}
        except Err as failed:
            if attempt == attempts or not collided(failed.value):
                raise
    raise Abort(400, "`attempts` is at least 1")


def collided(error: Any) -> bool:
    return isinstance(error, pg.Error_Db) and error.value.sqlstate in ("40001", "40P01")
