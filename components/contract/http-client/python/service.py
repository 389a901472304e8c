"""Contract guest for `http-client`: sends what a JSON command says, so that cases need no code.
`../../README.md` is the protocol.
"""

import json
from typing import Any

import contract
import wharf
from componentize_py_types import Err, Result
from contract import Json, fields, required
from wharf import Abort, Request, Response, case_of
from wit_world.imports import http_client, http_types
from wit_world.imports.http_client import OutgoingRequest

type Answer = http_types.Response | Err[http_types.Error]

# How many bytes of a stream to ask for at once.
PIECE = 65_536
# How many bytes of a body are shown.
SHOWN = 1_000


@wharf.service
def handle(request: Request) -> Response:
    if request.path in ("/upload", "/pass"):
        return stream(request)
    command = request.json()
    match request.path:
        case "/send":
            return Response.json(answer(send(outgoing(command)), command))
        case "/send-many":
            commands = command.get("requests", [])
            results = http_client.send_many([outgoing(it) for it in commands])
            pairs = zip(results, commands, strict=True)
            return Response.json({"answers": [answer(unwrap(result), it) for result, it in pairs]})
        case "/repeat":
            return repeat(command)
    return contract.not_found()


def repeat(command: Json) -> Response:
    """Sends one request many times, one after another."""
    times = command.get("times", 1)
    last = None
    for done in range(times):
        last = answer(send(outgoing(command)), command)
        if "error" in last:
            return Response.json({"done": done, "last": last})
    return Response.json({"done": times, "last": last})


def stream(request: Request) -> Response:
    """`/upload` sends the body on and tells what came; `/pass` answers with what the server answered."""
    method, url = request.header("x-method", "POST"), request.header("x-url", "")
    received = send(OutgoingRequest(method, url, [], request.body, None))
    if request.path == "/upload":
        return Response.json(answer(received, {}))
    if isinstance(received, Err):
        return Response.json(answer(received, {}), 502)
    return Response.hand_on(received.body, received.status)


def outgoing(command: Json) -> OutgoingRequest:
    """`{"method": "GET", "url", "headers": [[name, value]], "body" | "size", "timeout_ms"}`"""
    body = command["body"].encode() if "body" in command else b"x" * command.get("size", 0)
    try:
        headers = [(name, value.encode()) for name, value in command.get("headers", [])]
    except (AttributeError, TypeError, ValueError):
        raise Abort(400, "`headers` is no list") from None
    return OutgoingRequest(
        command.get("method", "GET"),
        required(command, "url"),
        headers,
        http_types.Body_Bytes(body),
        command.get("timeout_ms"),
    )


def send(request: OutgoingRequest) -> Answer:
    """An error is an answer here, as it is one for `send-many`."""
    try:
        return http_client.send(request)
    except Err as failed:
        return failed


def unwrap(result: Result[http_types.Response, http_types.Error]) -> Answer:
    return result if isinstance(result, Err) else result.value


def answer(received: Answer, command: Json) -> Json:
    """The response, with its body read as far as `reads` says."""
    if isinstance(received, Err):
        return {"error": {"text": "", **contract.error(received.value)}}
    match received.body:
        case http_types.Body_Bytes(content):
            read = whole(content)
        case http_types.Body_Streamed(reader):
            with reader:
                read = pieces(reader, command.get("reads"))
    return {"status": received.status, "headers": fields(received.headers), **read}


def whole(content: bytes) -> Json:
    return {
        "kind": "bytes",
        "bytes": len(content),
        "head": head(content),
        "json": as_json(content),
        "broken": None,
        "trailers": None,
    }


def pieces(reader: http_types.BodyReader, reads: int | None) -> Json:
    read, shown, broken = 0, b"", None
    try:
        while reads != 0 and (piece := reader.read(PIECE)):
            read += len(piece)
            shown += piece[: SHOWN - len(shown)]
            reads = None if reads is None else reads - 1
    except Err as failed:
        broken = case_of(failed.value)
    trailers = reader.trailers()
    return {
        "kind": "streamed",
        "bytes": read,
        "head": head(shown),
        "broken": broken,
        "trailers": None if trailers is None else fields(trailers),
    }


def head(content: bytes) -> str:
    return content[:SHOWN].decode(errors="replace")


def as_json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return None
