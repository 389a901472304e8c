"""Contract guest for `wasi:http/handler@0.3`; `../../README.md` lists what it answers."""

import json
import os
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qsl

from componentize_py_async_support import spawn
from componentize_py_async_support.futures import FutureReader, FutureWriter
from componentize_py_async_support.streams import ByteStreamReader, ByteStreamWriter
from componentize_py_types import Err, Ok, Result
from wit_world import byte_stream, exports
from wit_world import result_option_wasi_http_types_fields_wasi_http_types_error_code_future as trailers_future
from wit_world import result_unit_wasi_http_types_error_code_future as unit_future
from wit_world.imports import client, kv, monotonic_clock, stderr, stdout
from wit_world.imports import wasi_http_types as types

type Trailers = Result[types.Fields | None, types.ErrorCode]
type Body = Callable[[ByteStreamWriter], Awaitable[Trailers]]

PIECE = 64 * 1024
END: Trailers = Ok(None)
ON_PURPOSE = types.ErrorCode_InternalError("on purpose")


class Handler(exports.Handler):
    async def handle(self, request: types.Request) -> types.Response:
        path, _, query = (request.get_path_with_query() or "").partition("?")
        params = dict(parse_qsl(query, keep_blank_values=True))
        match path:
            case "/text":
                return whole(b"Hello, World!")
            case "/empty":
                return whole(b"", 204)
            case "/big":
                return whole(b"x" * int(params.get("n", "0")))
            case "/echo":
                return as_json(echo(request))
            case "/body":
                return hand_back(request)
            case "/stream":
                return stream(int(params.get("n", "3")), int(params.get("size", "4")), int(params.get("fail", "-1")))
            case "/stream-on":
                return stream_on(int(params.get("size", "10000")))
            case "/trailers":
                return whole(b"with trailers", trailers=[("x-sum", b"42")])
            case "/error":
                raise Err(ON_PURPOSE)
            case "/nothing" | "/trap":
                os.abort()
            case "/spin":
                while True:
                    pass
            case "/kv":
                return whole(str(count()).encode())
            case "/behind":
                spawn(behind())
                return whole(b"done")
            case "/outgoing":
                return as_json(await outgoing(params.get("to", "example.com"), params.get("path", "/")))
            case "/print":
                return await printed()
        return whole(b"no such route in the contract guest", 404)


def written(status: int, write: Body) -> types.Response:
    """A response whose body is written behind it."""
    body, contents = byte_stream()
    ended, end = trailers_future(lambda: Err(types.ErrorCode_InternalError("the writer is gone")))
    fields = types.Fields.from_list([("x-guest", b"wasi-03"), ("trailer", b"x-sum")])
    response, _sent = types.Response.new(fields, contents, end)
    response.set_status_code(status)
    spawn(fill(body, ended, write))
    return response


async def fill(body: ByteStreamWriter, ended: FutureWriter[Trailers], write: Body) -> None:
    with body:
        trailers = await write(body)
    await ended.write(trailers)


def whole(content: bytes, status: int = 200, trailers: list[tuple[str, bytes]] | None = None) -> types.Response:
    async def write(body: ByteStreamWriter) -> Trailers:
        await body.write_all(content)
        return END if trailers is None else Ok(types.Fields.from_list(trailers))

    return written(status, write)


def as_json(content: Any) -> types.Response:
    return whole(json.dumps(content).encode())


def echo(request: types.Request) -> dict[str, Any]:
    """Everything that a guest gets to know about a request."""
    scheme = request.get_scheme()
    return {
        "method": named(request.get_method()).upper(),
        "scheme": None if scheme is None else named(scheme).lower(),
        "authority": request.get_authority(),
        "target": request.get_path_with_query(),
        "headers": {name: value.decode(errors="replace") for name, value in request.get_headers().copy_all()},
    }


def named(case: types.Method | types.Scheme) -> str:
    """The name of a method or scheme; `other` has it as a text."""
    return case.value if hasattr(case, "value") else case_name(case)


def case_name(case: object) -> str:
    """`Method_Get` is `Get`."""
    return type(case).__name__.rpartition("_")[2]


def consumed(message: types.Request | types.Response) -> ByteStreamReader:
    """The body of a message whose trailers do not matter."""
    told, result = unit_future(lambda: Ok(None))
    body, _trailers = type(message).consume_body(message, result)
    return body


def hand_back(request: types.Request) -> types.Response:
    """Sends the request's body back while it comes in."""

    async def write(body: ByteStreamWriter) -> Trailers:
        with consumed(request) as source:
            while not (source.writer_dropped or body.reader_dropped):
                await body.write_all(await source.read(PIECE))
        return END

    return written(200, write)


def stream(n: int, size: int, fail: int) -> types.Response:
    """`n` pieces of `size` bytes, ending before piece `fail` with an error."""

    async def write(body: ByteStreamWriter) -> Trailers:
        for index in range(n):
            if index == fail:
                return Err(ON_PURPOSE)
            await body.write_all(bytes([ord("a") + index % 26]) * size)
        return END

    return written(200, write)


def stream_on(size: int) -> types.Response:
    """Writes on when nobody reads any more."""

    async def write(body: ByteStreamWriter) -> Trailers:
        while True:
            body.reader_dropped = False
            await body.write(b"x" * size)

    return written(200, write)


def count() -> int:
    """Counts in a bucket: a capability of Wharf's beside WASI."""
    return kv.Bucket.open("contract").increment(kv.IncrementItem("wasi-http-03", 1), 0, None)


async def behind() -> None:
    await monotonic_clock.wait_for(20_000_000)
    count()


async def outgoing(authority: str, path: str) -> dict[str, Any]:
    """Asks `authority` for `path`."""
    _ended, end = trailers_future(lambda: END)
    request, _sent = types.Request.new(types.Fields(), None, end, None)
    request.set_scheme(types.Scheme_Http())
    request.set_authority(authority)
    request.set_path_with_query(path)
    try:
        response = await client.send(request)
    except Err as failed:
        return {"error": f"ErrorCode::{case_name(failed.value)}"}
    status, size = response.get_status_code(), 0
    with consumed(response) as body:
        while not body.writer_dropped:
            size += len(await body.read(PIECE))
    return {"status": status, "bytes": size}


async def printed() -> types.Response:
    for write_via_stream, text in [
        (stdout.write_via_stream, b"printed by the guest\n"),
        (stderr.write_via_stream, b"without an end"),
    ]:
        pipe, contents = byte_stream()
        spawn(ended(write_via_stream(contents)))
        with pipe:
            await pipe.write_all(text)
    return whole(b"printed")


async def ended(result: FutureReader[Any]) -> None:
    await result.read()
