"""Contract guest for `kv-watcher`: writes down what it is called with, and fails when it is told to.
`../../README.md` is the protocol.
"""

import contract
import wharf
from contract import Json
from events import Events, fail
from wharf import Request, Response
from wit_world.imports import kv

# The bucket of the manifest's `[[watch]]`.
WATCHED = "watched"


@wharf.watcher
class Recorder(wharf.Watcher):
    def on_change(self, bucket: str, key: str, entry: kv.Entry | None) -> None:
        events = Events()
        shown = {"value": None} if entry is None else contract.named(entry.value)
        version = entry is not None and entry.version > 0
        events.add({"bucket": bucket, "key": key, **shown, "version": version})
        fault = shown.get("value")
        if fault in ("error", "trap", "loop") and events.increment(f"attempts/{key}") == 1:
            fail(fault)

    def on_watching(self, bucket: str, gap: bool) -> None:
        Events().add({"bucket": bucket, "gap": gap})


@wharf.service
def handle(request: Request) -> Response:
    match request.method, request.path:
        case "GET", "/events":
            key = request.query_param("key")
            return Response.json({"events": [event for event in Events() if key in (None, event.get("key"))]})
        case "POST", "/put":
            return put(request.json())
        case "POST", "/delete":
            deleted = kv.Bucket.open(WATCHED).delete(request.json().get("key", ""), kv.Condition_Always())
            return Response.json({"deleted": deleted})
        case "POST", "/clear":
            Events().clear()
            return Response.json({"cleared": True})
    return contract.not_found()


def put(command: Json) -> Response:
    item = kv.PutItem(command.get("key", ""), contract.content(command), command.get("ttl_ms"))
    kv.Bucket.open(WATCHED).put(item, kv.Condition_Always())
    return Response.json({"stored": True})
