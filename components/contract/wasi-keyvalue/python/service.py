"""Contract guest for `wasi:keyvalue`: runs what a JSON command says, so that cases need no code.
`../../README.md` is the protocol.
"""

import contract
import wharf
from componentize_py_types import Err
from contract import Json, required, shown
from wharf import Request, Response
from wit_world.imports import atomics, batch, store


@wharf.service
def handle(request: Request) -> Response:
    return contract.run(request, run)


def run(path: str, command: Json) -> Json | None:
    bucket = store.open(command.get("bucket", "cache"))
    match path:
        case "/open":
            return {"opened": True}
        case "/get":
            return {"value": maybe(bucket.get(required(command, "key")))}
        case "/set":
            bucket.set(required(command, "key"), contract.content(command))
            return {"stored": True}
        case "/delete":
            bucket.delete(required(command, "key"))
            return {"deleted": True}
        case "/exists":
            return {"exists": bucket.exists(required(command, "key"))}
        case "/list-keys":
            page = bucket.list_keys(command.get("cursor"))
            return {"keys": page.keys, "cursor": page.cursor}
        case "/increment":
            return {"sum": atomics.increment(bucket, required(command, "key"), command.get("delta", 1))}
        case "/cas":
            return cas(bucket, command)
        case "/get-many":
            found = batch.get_many(bucket, command.get("keys", []))
            return {"entries": [None if it is None else (it[0], shown(it[1])) for it in found]}
        case "/set-many":
            items = [(required(it, "key"), contract.content(it)) for it in command.get("items", [])]
            batch.set_many(bucket, items)
            return {"stored": True}
        case "/delete-many":
            batch.delete_many(bucket, command.get("keys", []))
            return {"deleted": True}
    return None


def cas(bucket: store.Bucket, command: Json) -> Json:
    """Swaps a value, perhaps after somebody else has set another; again with the handle of the failure when told."""
    key, value = required(command, "key"), contract.content(command)
    handle = atomics.Cas.new(bucket, key)
    before = maybe(handle.current())
    if "meanwhile" in command:
        bucket.set(key, command["meanwhile"].encode())
    handle = swap(handle, value)
    if handle is None:
        return {"swapped": True, "before": before}
    answer = {"failed": True, "before": before, "current": maybe(handle.current())}
    if command.get("again") and swap(handle, value) is None:
        answer["swapped"] = True
    return answer


def swap(handle: atomics.Cas, value: bytes) -> atomics.Cas | None:
    """None when it was done, otherwise a handle to try again with."""
    try:
        atomics.swap(handle, value)
    except Err as failed:
        if isinstance(failed.value, atomics.CasError_CasFailed):
            return failed.value.value
        raise Err(failed.value.value) from None
    return None


def maybe(value: bytes | None) -> str | None:
    return None if value is None else shown(value)
