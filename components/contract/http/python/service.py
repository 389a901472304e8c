"""Contract guest for `http-types` and `http-handler`; `../../README.md` lists what it answers."""

import json
from collections.abc import Iterator
from urllib.parse import parse_qs

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports import http_handler
from wit_world.exports.http_handler import Reply, ReplyBody, ReplyBody_Bytes, ReplyBody_Reader, ReplyBody_Streamed
from wit_world.imports.http_types import Body, Body_Bytes, Error_Other, Request

PLAIN = ("content-type", b"text/plain; charset=utf-8")
Headers = list[tuple[str, bytes]]


class Chunks(http_handler.Chunks):
    """A body that is pulled: pieces, and the trailers behind them."""

    def __init__(self, pieces: Iterator[bytes], trailers: Headers | None = None):
        self.pieces = pieces
        self.after = trailers

    def next(self) -> bytes | None:
        return next(self.pieces, None)

    def trailers(self) -> Headers | None:
        return self.after


def reply(body: ReplyBody, *headers: tuple[str, bytes], status: int = 200) -> Reply:
    return Reply(status, list(headers), body)


def text(words: str, *headers: tuple[str, bytes], status: int = 200) -> Reply:
    return reply(ReplyBody_Bytes(words.encode()), PLAIN, *headers, status=status)


def as_json(value: object) -> Reply:
    return reply(ReplyBody_Bytes(json.dumps(value).encode()), ("content-type", b"application/json"))


def shown(headers: Headers | None) -> list[tuple[str, str]] | None:
    """Header fields as JSON: values that are no UTF-8 as `hex:...`."""

    def value(value: bytes) -> str:
        try:
            return value.decode()
        except UnicodeDecodeError:
            return "hex:" + value.hex()

    return None if headers is None else [(name, value(of)) for name, of in headers]


def echo(request: Request) -> Reply:
    return as_json({**vars(request), "headers": shown(request.headers)})


def status(path: str) -> Reply:
    code = path.removeprefix("/status/")
    return text(f"status {code}", status=int(code)) if code.isdigit() else text("a status is a number", status=400)


def pieces(body: Body, size: int) -> Iterator[bytes]:
    if isinstance(body, Body_Bytes):
        yield body.value
        return
    while piece := body.value.read(size):
        yield piece


def describe(body: Body, size: int) -> Reply:
    """Reads the whole body and tells what came."""
    # FNV-1a of 32 bits: enough to see that nothing was lost or swapped, and a few lines in any language.
    count, length, fnv, error = 0, 0, 0x811C9DC5, None
    try:
        for piece in pieces(body, size):
            count += 1
            length += len(piece)
            for byte in piece:
                fnv = (fnv ^ byte) * 0x01000193 & 0xFFFFFFFF
    except Err as failed:
        # Error_LimitExceeded is the contract's limit-exceeded.
        name = type(failed.value).__name__.removeprefix("Error_")
        error = "".join("-" + char.lower() if char.isupper() else char for char in name).lstrip("-")
    by_value = isinstance(body, Body_Bytes)
    return as_json({
        "kind": "bytes" if by_value else "streamed",
        "bytes": length,
        "pieces": count,
        "fnv1a": f"{fnv:08x}",
        "trailers": None if by_value else shown(body.value.trailers()),
        "error": error,
    })


def partly(body: Body, wanted: int) -> Reply:
    length = 0
    for piece in pieces(body, 65536):
        length += len(piece)
        if length >= wanted:
            break
    return text(f"read at least {min(length, wanted)}")


def letters(n: int, size: int, fail: int | None, trap: int | None) -> Iterator[bytes]:
    for index in range(n):
        if index == fail:
            raise Err(Error_Other("asked to fail here"))
        if index == trap:
            raise RuntimeError("asked to trap here")
        yield bytes([ord("a") + index % 26]) * size


def endless(size: int) -> Iterator[bytes]:
    while True:
        yield b"x" * size


def events(n: int) -> Iterator[bytes]:
    for index in range(n):
        yield f"id: {index}\ndata: event {index}\n\n".encode()


class HttpHandler(exports.HttpHandler):
    def handle(self, request: Request, body: Body) -> Reply:
        query = {name: values[0] for name, values in parse_qs(request.query or "", True).items()}

        def number(name: str, default: int | None) -> int | None:
            return int(query[name]) if name in query else default

        match request.path:
            case "/text":
                return text("Hello, World!")
            case "/empty":
                return reply(ReplyBody_Bytes(b""), status=204)
            case "/big":
                return reply(ReplyBody_Bytes(b"x" * number("n", 0)))
            case "/headers/repeat":
                fields = [
                    field
                    for index in range(number("n", 3))
                    for field in (("x-repeated", b"%d" % index), ("set-cookie", b"c%d=%d" % (index, index)))
                ]
                return text("repeated", *fields)
            case "/headers/bytes":
                return reply(ReplyBody_Bytes(b""), ("x-latin", b"caf\xe9"))
            case "/body":
                return describe(body, number("piece", 65536))
            case "/body/echo":
                kind = dict(request.headers).get("content-type", b"application/octet-stream")
                return reply(ReplyBody_Bytes(b"".join(pieces(body, 65536))), ("content-type", kind))
            case "/body/hand-on":
                whole = isinstance(body, Body_Bytes)
                return reply(ReplyBody_Bytes(body.value) if whole else ReplyBody_Reader(body.value))
            case "/body/ignore":
                return text("ignored")
            case "/body/partly":
                return partly(body, number("n", 1))
            case "/stream":
                n = number("n", 3)
                after = [("x-chunks", b"%d" % n)] if query.get("trailers") == "1" else None
                made = letters(n, number("size", 4), number("fail", None), number("trap", None))
                return reply(ReplyBody_Streamed(Chunks(made, after)), PLAIN)
            case "/stream/endless":
                return reply(ReplyBody_Streamed(Chunks(endless(number("size", 16)))))
            case "/events":
                kind = [("content-type", b"text/event-stream"), ("cache-control", b"no-cache")]
                return reply(ReplyBody_Streamed(Chunks(events(number("n", 3)))), *kind)
            case path if path.startswith("/status/"):
                return status(path)
            case path if path.startswith(("/echo", "/params/")):
                return echo(request)
            case _:
                return text("no such route in the contract guest", status=404)
