"""Requests as handlers and guards get them."""

from __future__ import annotations

import builtins
import json
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from componentize_py_types import Err
from wit_world.imports import http_types

from .errors import Abort

T = TypeVar("T")
D = TypeVar("D")

PIECE = 64 * 1024


class Head(http_types.Request):
    """A request without its body: the contract's fields, and what is read of them most."""

    def __init__(self, head: http_types.Request) -> None:
        super().__init__(**vars(head))

    def query_param(self, name: str, default: str | None = None) -> str | None:
        """The decoded value of the first pair of this name in the query."""
        return _first(parse_qsl(self.query or "", keep_blank_values=True), name, default)

    def path_param(self, name: str) -> str | None:
        """What the route's pattern captured under this name."""
        return _first(self.path_params, name, None)

    def annotation(self, name: str) -> str | None:
        """What the route's guards found out under this name."""
        return _first(self.annotations, name, None)

    def annotate(self, name: str, value: str) -> None:
        """Tells the next handler something, instead of what was said under this name: for middleware."""
        self.annotations = [*(pair for pair in self.annotations if pair[0] != name), (name, value)]

    def header(self, name: str, default: str | None = None) -> str | None:
        """The first field of this name; bytes that are no UTF-8 are replaced."""
        value = _first(self.headers, name.lower(), None)
        return default if value is None else value.decode(errors="replace")

    def set_header(self, name: str, value: str) -> None:
        """Sets a field, instead of those of this name: for middleware."""
        self.headers = [*(field for field in self.headers if field[0] != name), (name, value.encode())]


class Request(Head):
    """An incoming request with its body, which can be read once."""

    def __init__(self, head: http_types.Request, body: http_types.Body) -> None:
        super().__init__(head)
        self.body = body

    def pieces(self, size: int = PIECE) -> Iterator[builtins.bytes]:
        """The body as it comes in, at most `size` bytes (up to 1 MiB) at a time."""
        if isinstance(self.body, http_types.Body_Bytes):
            return iter([self.body.value] if self.body.value else [])
        reader = self.body.value
        return iter(lambda: _read(reader, size), b"")

    def bytes(self) -> builtins.bytes:
        """The whole body."""
        return b"".join(self.pieces())

    def text(self) -> str:
        """The whole body as UTF-8; answers 400 when it is something else."""
        try:
            return self.bytes().decode()
        except UnicodeDecodeError:
            raise Abort(400, "the request's body is no UTF-8") from None

    def json(self) -> Any:
        """The whole body as JSON; answers 400 when it is something else."""
        try:
            return json.loads(self.text())
        except ValueError:
            raise Abort(400, "the request's body is no JSON") from None


def _read(reader: http_types.BodyReader, size: int) -> bytes:
    try:
        return reader.read(size)
    except Err as error:
        match error.value:
            case http_types.Error_LimitExceeded():
                raise Abort(413, "the request's body is too large") from error
            case http_types.Error_Timeout():
                raise Abort(408, "the request's body did not arrive in time") from error
            case http_types.Error_ConnectionLost():
                raise Abort(400, "the request's body broke off") from error
        raise


def _first(pairs: Iterable[tuple[str, T]], name: str, default: D) -> T | D:
    return next((value for key, value in pairs if key == name), default)
