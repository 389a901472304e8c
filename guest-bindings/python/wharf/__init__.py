"""Wharf services in Python: a handler of requests, the requests it gets and the responses it gives.

The host's capabilities are used as they are, from `wit_world.imports` (`kv`, `pg_client`, `http_client`, `config`,
`log`), which `componentize-py` generates.
"""

import json
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Self
from urllib.parse import parse_qsl

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports import http_handler
from wit_world.imports import http_types, log

__all__ = ["Abort", "Handler", "Request", "Response", "service"]

type Handler = Callable[["Request"], "Response"]
type Fields = Iterable[tuple[str, str | bytes]]

PIECE = 64 * 1024
MIB = 1024 * 1024


class Abort(Exception):
    """Ends the handler; the client gets `status` with a sentence. Nothing is logged."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Request(http_types.Request):
    """An incoming request: the contract's fields, and its body, which can be read once."""

    def __init__(self, head: http_types.Request, body: http_types.Body) -> None:
        super().__init__(**vars(head))
        self.body = body

    def query_param(self, name: str, default: str | None = None) -> str | None:
        """The decoded value of the first pair of this name in the query."""
        return _first(parse_qsl(self.query or "", keep_blank_values=True), name, default)

    def path_param(self, name: str) -> str | None:
        """What the route's pattern captured under this name."""
        return _first(self.path_params, name, None)

    def annotation(self, name: str) -> str | None:
        """What the route's guards found out under this name."""
        return _first(self.annotations, name, None)

    def header(self, name: str, default: str | None = None) -> str | None:
        """The first field of this name; bytes that are no UTF-8 are replaced."""
        value = _first(self.headers, name.lower(), None)
        return default if value is None else value.decode(errors="replace")

    def pieces(self, size: int = PIECE) -> Iterator[bytes]:
        """The body as it comes in, at most `size` bytes (up to 1 MiB) at a time."""
        if isinstance(self.body, http_types.Body_Bytes):
            return iter([self.body.value] if self.body.value else [])
        return iter(lambda reader=self.body.value: _read(reader, size), b"")

    def bytes(self) -> bytes:
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


class Response(http_handler.Reply):
    """What a handler answers. Fields come as pairs, in the order of the wire."""

    @classmethod
    def bytes(cls, content: bytes, status: int = 200, headers: Fields = ()) -> Self:
        """Bytes as they are; the host adds their length. More than 4 MiB go out in pieces."""
        if len(content) <= 4 * MIB:
            return cls(status, _fields(headers), http_handler.ReplyBody_Bytes(content))
        pieces = (content[start : start + MIB] for start in range(0, len(content), MIB))
        return cls.stream(pieces, status, headers).header("content-length", str(len(content)))

    @classmethod
    def text(cls, content: str, status: int = 200, headers: Fields = ()) -> Self:
        return cls.bytes(content.encode(), status, [("content-type", "text/plain; charset=utf-8"), *headers])

    @classmethod
    def json(cls, content: Any, status: int = 200, headers: Fields = ()) -> Self:
        text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
        return cls.bytes(text.encode(), status, [("content-type", "application/json"), *headers])

    @classmethod
    def empty(cls, status: int = 204, headers: Fields = ()) -> Self:
        return cls.bytes(b"", status, headers)

    @classmethod
    def stream(cls, pieces: Iterable[str | bytes], status: int = 200, headers: Fields = ()) -> Self:
        """Pieces that are pulled while the client takes them. What a generator returns are the trailers."""
        return cls(status, _fields(headers), http_handler.ReplyBody_Streamed(Chunks(pieces)))

    @classmethod
    def hand_on(cls, body: http_types.Body, status: int = 200, headers: Fields = ()) -> Self:
        """A body that came in, of a request or of `http_client`, without reading it."""
        if isinstance(body, http_types.Body_Bytes):
            return cls.bytes(body.value, status, headers)
        return cls(status, _fields(headers), http_handler.ReplyBody_Reader(body.value))

    def header(self, name: str, value: str | bytes) -> Self:
        """Sets a field, instead of those of this name."""
        self.headers = [field for field in self.headers if field[0] != name]
        return self.add_header(name, value)

    def add_header(self, name: str, value: str | bytes) -> Self:
        """Adds a field beside those of this name."""
        self.headers += _fields([(name, value)])
        return self


class Chunks(http_handler.Chunks):
    """The contract's resource for a reply that is pulled."""

    def __init__(self, pieces: Iterable[str | bytes]) -> None:
        self._pieces = iter(pieces)
        self._trailers: Fields | None = None

    def next(self) -> bytes | None:
        with _logged():
            try:
                while not (piece := next(self._pieces)):
                    pass
                return _bytes(piece)
            except StopIteration as end:
                self._trailers = end.value
                return None

    def trailers(self) -> list[tuple[str, bytes]] | None:
        return None if self._trailers is None else _fields(self._trailers)


def service(handler: Handler) -> Handler:
    """Makes `handler` what the calling module, the `entry` of `wharf.toml`, answers requests with."""

    class HttpHandler(exports.HttpHandler):
        def handle(self, request: http_types.Request, body: http_types.Body) -> http_handler.Reply:
            with _logged():
                try:
                    return handler(Request(request, body))
                except Abort as answer:
                    return Response.text(str(answer), answer.status)

    # componentize-py looks for exports by their names in the module that it is given.
    sys._getframe(1).f_globals.update(HttpHandler=HttpHandler, Chunks=Chunks)
    return handler


@contextmanager
def _logged() -> Iterator[None]:
    """Logs what is about to end the instance."""
    try:
        yield
    except Exception as error:
        *_, last = traceback.walk_tb(error.__traceback__)
        location = f"{last[0].f_code.co_filename}:{last[1]}"
        fields = [("message", f"{type(error).__name__}: {error}"), ("location", location)]
        log.log(log.Level.ERROR, "the service panicked", fields)
        raise


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


def _first[T, D](pairs: Iterable[tuple[str, T]], name: str, default: D) -> T | D:
    return next((value for key, value in pairs if key == name), default)


def _fields(fields: Fields) -> list[tuple[str, bytes]]:
    return [(name, _bytes(value)) for name, value in fields]


def _bytes(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value
