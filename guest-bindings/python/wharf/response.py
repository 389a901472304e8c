"""Responses as handlers, guards and middleware give them, and as middleware gets them."""

from __future__ import annotations

import builtins
import json
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any

from wit_world.imports import http_types

# A field's name and value, in the order of the wire; text is sent as UTF-8.
Fields = Iterable[tuple[str, str | bytes]]
# What a stream is made of: a generator may return trailers at its end.
Stream = Iterable[str | bytes] | Generator[str | bytes, None, Fields | None]

MIB = 1024 * 1024


class Response:
    """A status, fields, and a body: bytes, pieces that are pulled, or a body that came in."""

    def __init__(
        self, status: int, headers: Fields = (), body: builtins.bytes | Pieces | http_types.BodyReader = b""
    ) -> None:
        self.status = status
        self.headers = fields(headers)
        self.body = body

    @classmethod
    def bytes(cls, content: builtins.bytes, status: int = 200, headers: Fields = ()) -> Response:
        """Bytes as they are; the host adds their length. More than 4 MiB go out in pieces."""
        if len(content) <= 4 * MIB:
            return cls(status, headers, content)
        pieces = (content[start : start + MIB] for start in range(0, len(content), MIB))
        return cls.stream(pieces, status, headers).header("content-length", str(len(content)))

    @classmethod
    def text(cls, content: str, status: int = 200, headers: Fields = ()) -> Response:
        return cls.bytes(content.encode(), status, [("content-type", "text/plain; charset=utf-8"), *headers])

    @classmethod
    def json(cls, content: Any, status: int = 200, headers: Fields = ()) -> Response:
        text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
        return cls.bytes(text.encode(), status, [("content-type", "application/json"), *headers])

    @classmethod
    def empty(cls, status: int = 204, headers: Fields = ()) -> Response:
        return cls(status, headers)

    @classmethod
    def stream(cls, pieces: Stream, status: int = 200, headers: Fields = ()) -> Response:
        """Pieces that are pulled while the client takes them. What a generator returns are the trailers."""
        return cls(status, headers, Pieces(pieces))

    @classmethod
    def hand_on(cls, body: http_types.Body, status: int = 200, headers: Fields = ()) -> Response:
        """A body that came in, of a request or of `http_client`, without reading it."""
        if isinstance(body, http_types.Body_Bytes):
            return cls.bytes(body.value, status, headers)
        return cls(status, headers, body.value)

    def header(self, name: str, value: str | builtins.bytes) -> Response:
        """Sets a field, instead of those of this name."""
        self.headers = [field for field in self.headers if field[0] != name]
        return self.add_header(name, value)

    def add_header(self, name: str, value: str | builtins.bytes) -> Response:
        """Adds a field beside those of this name."""
        self.headers += fields([(name, value)])
        return self

    def pieces(self) -> Pieces:
        """The body piece by piece, whatever it is."""
        if isinstance(self.body, builtins.bytes):
            return Pieces([self.body])
        return self.body if isinstance(self.body, Pieces) else Pieces(_read(self.body))

    def map_pieces(self, change: Callable[[builtins.bytes], builtins.bytes]) -> Response:
        """Changes each piece of the body; one that is there as a whole stays so, and trailers stay as they are."""
        if isinstance(self.body, builtins.bytes):
            self.body = change(self.body)
        else:
            self.body = Pieces(_changed(self.pieces(), change))
        return self


class Pieces(Iterator[bytes]):
    """A body that is pulled, without its empty pieces. After the end it knows its trailers."""

    def __init__(self, source: Stream) -> None:
        self._source = iter(source)
        self.trailers: list[tuple[str, bytes]] | None = None

    def __next__(self) -> bytes:
        try:
            while not (piece := next(self._source)):
                pass
        except StopIteration as end:
            if end.value is not None:
                self.trailers = fields(end.value)
            raise StopIteration from None
        return _bytes(piece)


def fields(pairs: Fields) -> list[tuple[str, bytes]]:
    """Fields as the contract has them."""
    return [(name, _bytes(value)) for name, value in pairs]


def _read(reader: http_types.BodyReader) -> Generator[bytes, None, Fields | None]:
    while piece := reader.read(64 * 1024):
        yield piece
    return reader.trailers()


def _changed(pieces: Pieces, change: Callable[[bytes], bytes]) -> Generator[bytes, None, Fields | None]:
    for piece in pieces:
        yield change(piece)
    return pieces.trailers


def _bytes(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value
