"""Contract guest for `guard`; `../../README.md` lists what it says of which request."""

import json

import wharf
from wharf import Allow, Head, Response
from wit_world.imports import config, kv


@wharf.guard
def check(request: Head) -> Allow | Response:
    if request.header("x-trap") is not None:
        raise RuntimeError("asked to trap here")
    while request.header("x-spin") is not None:
        pass
    if (why := request.header("x-deny")) is not None:
        return Response.text(f"denied: {why}", 403).header("x-guard", "contract")
    if (user := request.header("x-allow")) is None:
        return Response.text("say who you are: x-allow", 401).header("www-authenticate", "Contract")
    verdict = Allow(user=user, realm=config.get("realm"))
    if (key := request.header("x-count")) is not None:
        bucket = kv.Bucket.open("cache")
        verdict["count"] = str(bucket.increment(kv.IncrementItem(key, 1), 0, None))
    if request.header("x-see") is not None:
        verdict["seen"] = json.dumps(seen(request), separators=(",", ":"))
    return verdict


def seen(request: Head) -> dict[str, str | None]:
    """What a guard gets to know of a request."""
    return {
        "id": request.path_param("id"),
        "key": request.annotation("api-key"),
        "method": request.method,
        "path": request.path,
        "query": request.query,
        "remote_addr": request.remote_addr,
    }
