"""Contract guest for `wasi:http/incoming-handler@0.2`; `../../README.md` lists what it answers."""

import json
import os
from typing import Any
from urllib.parse import parse_qsl

from componentize_py_types import Err, Ok
from wit_world import exports
from wit_world.imports import kv, outgoing_handler, stderr, stdout, streams, types

PIECE = 64 * 1024


class IncomingHandler(exports.IncomingHandler):
    def handle(self, request: types.IncomingRequest, response_out: types.ResponseOutparam) -> None:
        path, _, query = (request.path_with_query() or "").partition("?")
        params = dict(parse_qsl(query, keep_blank_values=True))
        out = Reply(response_out)
        match path:
            case "/text":
                out.whole(b"Hello, World!")
            case "/empty":
                out.whole(b"", 204)
            case "/big":
                out.whole(b"x" * int(params.get("n", "0")))
            case "/echo":
                out.json(echo(request))
            case "/body":
                hand_back(request, out)
            case "/stream":
                stream(out, int(params.get("n", "3")), int(params.get("size", "4")), int(params.get("fail", "-1")))
            case "/trailers":
                out.whole(b"with trailers", trailers=[("x-sum", b"42")])
            case "/error":
                types.ResponseOutparam.set(response_out, Err(types.ErrorCode_InternalError("on purpose")))
            case "/nothing":
                pass
            case "/trap":
                os.abort()
            case "/spin":
                while True:
                    pass
            case "/kv":
                out.whole(str(count()).encode())
            case "/behind":
                out.whole(b"done")
                count()
            case "/outgoing":
                out.json(outgoing(params.get("to", "example.com"), params.get("path", "/")))
            case "/print":
                stdout.get_stdout().blocking_write_and_flush(b"printed by the guest\n")
                stderr.get_stderr().blocking_write_and_flush(b"without an end")
                out.whole(b"printed")
            case _:
                out.whole(b"no such route in the contract guest", 404)


class Reply:
    """The response, which is handed over before its body is written."""

    def __init__(self, out: types.ResponseOutparam) -> None:
        self._out = out

    def start(self, status: int = 200) -> types.OutgoingBody:
        response = types.OutgoingResponse(types.Fields.from_list([("x-guest", b"wasi-02"), ("trailer", b"x-sum")]))
        response.set_status_code(status)
        body = response.body()
        types.ResponseOutparam.set(self._out, Ok(response))
        return body

    def whole(self, content: bytes, status: int = 200, trailers: list[tuple[str, bytes]] | None = None) -> None:
        body = self.start(status)
        with body.write() as pipe:
            write(pipe, content)
        types.OutgoingBody.finish(body, None if trailers is None else types.Fields.from_list(trailers))

    def json(self, content: Any) -> None:
        self.whole(json.dumps(content).encode())


def write(pipe: streams.OutputStream, content: bytes) -> None:
    """Writes as much as there is room for, until all is out."""
    while content:
        room = pipe.check_write()
        pipe.write(content[:room])
        content = content[room:]
        if not room:
            with pipe.subscribe() as ready:
                ready.block()
    pipe.blocking_flush()


def echo(request: types.IncomingRequest) -> dict[str, Any]:
    """Everything that a guest gets to know about a request."""
    scheme = request.scheme()
    return {
        "method": named(request.method()).upper(),
        "scheme": None if scheme is None else named(scheme).lower(),
        "authority": request.authority(),
        "target": request.path_with_query(),
        "headers": {name: value.decode(errors="replace") for name, value in request.headers().entries()},
    }


def named(case: types.Method | types.Scheme) -> str:
    """The name of a method or scheme; `other` has it as a text."""
    return case.value if hasattr(case, "value") else case_name(case)


def case_name(case: object) -> str:
    """`Method_Get` is `Get`."""
    return type(case).__name__.rpartition("_")[2]


def hand_back(request: types.IncomingRequest, out: Reply) -> None:
    """Sends the request's body back while it comes in."""
    incoming = request.consume()
    body = out.start()
    with incoming.stream() as source, body.write() as pipe:
        while piece := read(source):
            write(pipe, piece)
    types.OutgoingBody.finish(body, None)


def read(source: streams.InputStream) -> bytes:
    """Waits for the next bytes; none at the end."""
    try:
        return source.blocking_read(PIECE)
    except Err as failed:
        if isinstance(failed.value, streams.StreamError_Closed):
            return b""
        raise


def stream(out: Reply, n: int, size: int, fail: int) -> None:
    """`n` pieces of `size` bytes, ending before piece `fail` without an end."""
    body = out.start()
    with body.write() as pipe:
        for index in range(n):
            if index == fail:
                break
            write(pipe, bytes([ord("a") + index % 26]) * size)
    if fail == -1:
        types.OutgoingBody.finish(body, None)


def count() -> int:
    """Counts in a bucket: a capability of Wharf's beside WASI."""
    return kv.Bucket.open("contract").increment(kv.IncrementItem("wasi-http-02", 1), 0, None)


def outgoing(authority: str, path: str) -> dict[str, Any]:
    """Asks `authority` for `path`."""
    request = types.OutgoingRequest(types.Fields())
    request.set_scheme(types.Scheme_Http())
    request.set_authority(authority)
    request.set_path_with_query(path)
    try:
        pending = outgoing_handler.handle(request, None)
        with pending.subscribe() as ready:
            ready.block()
        # It is there, and nobody has taken it: what is left is the interface's own result.
        response = pending.get().value
        if isinstance(response, Err):
            raise response
        with response.value.consume() as body, body.stream() as source:
            size = sum(map(len, iter(lambda: read(source), b"")))
        return {"status": response.value.status(), "bytes": size}
    except Err as failed:
        return {"error": f"ErrorCode::{case_name(failed.value)}"}
