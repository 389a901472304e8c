"""Replies that no handler should give."""

from collections.abc import Callable, Iterator
from itertools import count, repeat
from typing import NoReturn

from abuse import burn
from wharf import Request, Response


def bad_header(request: Request) -> Response:
    """`/bad-header?kind=name|empty|break|null|pseudo`"""
    fields = {
        "empty": ("", "value"),
        "break": ("x-value", "one\r\nx-injected: two"),
        "null": ("x-value", b"a\0b"),
        "pseudo": (":status", "200"),
    }
    field = fields.get(request.query_param("kind", ""), ("not a name", "value"))
    return Response.text("never seen").header(*field)


def hop_headers() -> Response:
    """Fields that belong to the host's connection."""
    fields = [("connection", "close"), ("transfer-encoding", "gzip"), ("keep-alive", "timeout=1"), ("upgrade", "h2c")]
    return Response.text("hop", headers=fields)


def wrong_length(length: int) -> Response:
    """A `content-length` that does not fit the nine bytes of the body."""
    return Response.text("nine byte").header("content-length", str(length))


def many_headers(fields: int) -> Response:
    return Response.text("many", headers=[(f"x-{index}", "value") for index in range(fields)])


def huge_header(size: int) -> Response:
    return Response.text("huge").header("x-huge", "x" * size)


def huge_reply(mebibytes: int) -> Response:
    """More than the host takes in one call; `Response.bytes` would cut it."""
    return Response.stream([b"x" * (mebibytes << 20)])


def slow_stream(pieces: int, millis: int) -> Response:
    """Burns `millis` milliseconds of CPU before each piece."""

    def slow() -> Iterator[str]:
        for index in range(pieces):
            burn(millis)
            yield f"piece {index}\n"

    return Response.stream(slow())


def stream_then(after: int, end: Callable[[], NoReturn]) -> Response:
    def pieces() -> Iterator[str]:
        for index in count():
            if index == after:
                end()
            yield f"piece {index}\n"

    return Response.stream(pieces())


def stream_empty() -> Response:
    """Pieces for ever, all empty: the binding must not hand them on, and the CPU limit ends it."""
    return Response.stream(repeat(b""))
