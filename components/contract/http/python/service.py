"""Contract guest for `http-types` and `http-handler`; `../../README.md` lists what it answers."""

from collections.abc import Iterator
from itertools import repeat

import contract
import wharf
from componentize_py_types import Err
from contract import fields, fnv1a, number
from wharf import Request, Response, case_of
from wit_world.imports import http_types


@wharf.service
def handle(request: Request) -> Response:
    match request.path.split("/")[1:]:
        case ["text"]:
            return Response.text("Hello, World!")
        case ["empty"]:
            return Response.empty()
        case ["big"]:
            return Response.bytes(b"x" * number(request, "n", 0))
        case ["status", code]:
            return status(code)
        case ["headers", "repeat"]:
            return repeated_headers(number(request, "n", 3))
        case ["headers", "bytes"]:
            return Response.empty(200, [("x-latin", b"caf\xe9")])
        case ["body"]:
            return describe(request)
        case ["body", "echo"]:
            content_type = request.header("content-type", "application/octet-stream")
            return Response.bytes(request.bytes(), headers=[("content-type", content_type)])
        case ["body", "hand-on"]:
            return Response.hand_on(request.body)
        case ["body", "ignore"]:
            return Response.text("ignored")
        case ["body", "partly"]:
            return partly(request)
        case ["stream"]:
            return Response.stream(chunks(request), headers=[("content-type", "text/plain; charset=utf-8")])
        case ["stream", "endless"]:
            return Response.stream(repeat(b"x" * number(request, "size", 16)))
        case ["events"]:
            headers = [("content-type", "text/event-stream"), ("cache-control", "no-cache")]
            return Response.stream(events(number(request, "n", 3)), headers=headers)
        case ["echo", *_] | ["params", *_]:
            return echo(request)
    return contract.not_found()


def status(code: str) -> Response:
    """`/status/418` answers 418."""
    if not code.isdecimal():
        return Response.text("a status is a number", 400)
    return Response.text(f"status {code}", int(code))


def repeated_headers(count: int) -> Response:
    response = Response.text("repeated")
    for index in range(count):
        response.add_header("x-repeated", str(index)).add_header("set-cookie", f"c{index}={index}")
    return response


def echo(request: Request) -> Response:
    """Everything that a guest gets to know about a request."""
    return Response.json({
        "method": request.method,
        "scheme": request.scheme,
        "authority": request.authority,
        "path": request.path,
        "query": request.query,
        "path_params": request.path_params,
        "headers": fields(request.headers),
        "annotations": request.annotations,
        "remote_addr": request.remote_addr,
        "remote_port": request.remote_port,
        "request_id": request.request_id,
        "received_at": request.received_at,
        "deadline": request.deadline,
    })


def describe(request: Request) -> Response:
    """Reads the whole body and tells what came."""
    if isinstance(request.body, http_types.Body_Bytes):
        return described("bytes", [request.body.value])
    reader = request.body.value
    pieces: list[bytes] = []
    error = None
    try:
        while piece := reader.read(number(request, "piece", 65_536)):
            pieces.append(piece)
    except Err as failed:
        error = case_of(failed.value)
    return described("streamed", pieces, reader.trailers(), error)


def described(
    kind: str, pieces: list[bytes], trailers: list[tuple[str, bytes]] | None = None, error: str | None = None
) -> Response:
    return Response.json({
        "kind": kind,
        "bytes": sum(map(len, pieces)),
        "pieces": len(pieces),
        "fnv1a": fnv1a(pieces),
        "trailers": None if trailers is None else fields(trailers),
        "error": error,
    })


def partly(request: Request) -> Response:
    """Reads only some of the body, and leaves the rest."""
    wanted = number(request, "n", 1)
    read = 0
    for piece in request.pieces():
        read += len(piece)
        if read >= wanted:
            break
    return Response.text(f"read at least {min(read, wanted)}")


def chunks(request: Request) -> Iterator[bytes]:
    """`n` pieces of `size` letters, `a` in the first, with trailers and faults on demand."""
    count, size = number(request, "n", 3), number(request, "size", 4)
    fail, trap = number(request, "fail", -1), number(request, "trap", -1)
    for index in range(count):
        if index == fail:
            raise Err(http_types.Error_Other("asked to fail here"))
        if index == trap:
            raise RuntimeError("asked to trap here")
        yield bytes([ord("a") + index % 26]) * size
    if number(request, "trailers", 0) == 1:
        return [("x-chunks", str(count))]


def events(count: int) -> Iterator[str]:
    """Server-sent events."""
    for index in range(count):
        yield f"id: {index}\ndata: event {index}\n\n"
