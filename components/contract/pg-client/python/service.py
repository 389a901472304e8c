"""Contract guest for `pg-client`: runs what a JSON command says, so that cases need no code.
`../../README.md` is the protocol.
"""

import wharf
from calls import call, opened
from componentize_py_types import Err
from contract import Json, not_found, required
from transactions import retry, transaction
from values import columns, error
from wharf import Request, Response


@wharf.service
def handle(request: Request) -> Response:
    try:
        answer = run(request.path.removeprefix("/"), request.json())
    except Err as failed:
        answer = {"error": error(failed.value)}
    return not_found() if answer is None else Response.json(answer)


def run(name: str, command: Json) -> Json | None:
    if name == "transaction":
        return transaction(command)
    if name == "retry":
        return retry(command)
    with opened(command) as database:
        match name:
            case "open":
                return {"opened": True}
            case "prepare":
                info = database.prepare(required(command, "sql"))
                return {"params": info.params, "columns": columns(info.columns)}
            case "notify":
                database.notify(command.get("channel", ""), command.get("payload", ""))
                return {"notified": True}
            case _:
                return call(database, name, command)
