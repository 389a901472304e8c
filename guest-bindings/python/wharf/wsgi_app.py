"""A WSGI application as a handler: what PEP 3333 asks of a server."""

from __future__ import annotations

import codecs
import io
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

from .errors import Abort
from .request import Request
from .response import Response
from .roles import Handler

# What `start_response` returns: a function that old applications write with.
Write = Callable[[bytes], None]
# The environment and `start_response`.
Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

# Werkzeug asks for it by its name when a request comes, and by then there are no files to load it from.
codecs.lookup("idna")

# Fields that CGI names otherwise.
NAMED = {"content-type": "CONTENT_TYPE", "content-length": "CONTENT_LENGTH"}


def handler(app: Application) -> Handler:
    def handle(request: Request) -> Response:
        body = Body(request.pieces())
        head: tuple[int, list[tuple[str, bytes]]] | None = None
        written: list[bytes] = []
        sent = False

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Write:
            nonlocal head
            if sent and exc_info:
                raise exc_info[1].with_traceback(exc_info[2])
            head = int(status[:3]), [(name.lower(), value.encode("latin-1")) for name, value in headers]
            return written.append

        pieces = _pieces(app(environ(request, body), start_response), written)
        # The application may leave it to the first piece to start the response.
        first = next(pieces, b"")
        if body.failure:
            raise body.failure
        if head is None:
            raise RuntimeError("the application gave a body without calling `start_response`")
        sent = True
        status, headers = head
        if not first or dict(headers).get("content-length") == str(len(first)).encode():
            return Response.bytes(first + b"".join(pieces), status, headers)
        return Response.stream(_after(first, pieces), status, headers)

    return handle


def environ(request: Request, body: io.RawIOBase) -> dict[str, Any]:
    """The request as PEP 3333 describes it; `wharf.request` is the request itself."""
    server = urlsplit(f"//{request.authority}")
    fields: dict[str, str] = {}
    for name, value in request.headers:
        key = NAMED.get(name) or f"HTTP_{name.upper().replace('-', '_')}"
        text = value.decode("latin-1")
        separator = "; " if name == "cookie" else ","
        fields[key] = f"{fields[key]}{separator}{text}" if key in fields else text
    return {
        **fields,
        "HTTP_HOST": request.authority,
        "PATH_INFO": unquote_to_bytes(request.path).decode("latin-1"),
        "QUERY_STRING": request.query or "",
        "REMOTE_ADDR": request.remote_addr,
        "REMOTE_PORT": str(request.remote_port),
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "SERVER_NAME": server.hostname or "",
        "SERVER_PORT": str(server.port or (443 if request.scheme == "https" else 80)),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wharf.request": request,
        "wsgi.errors": sys.stderr,
        "wsgi.input": io.BufferedReader(body),
        # It ends where the body ends, also where no length was said.
        "wsgi.input_terminated": True,
        "wsgi.multiprocess": True,
        "wsgi.multithread": False,
        "wsgi.run_once": True,
        "wsgi.url_scheme": request.scheme,
        "wsgi.version": (1, 0),
    }


class Body(io.RawIOBase):
    """The request's body as a file, which remembers why it could not be read: the application answers that with 500."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = b""
        self.failure: Abort | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            self._rest = self._rest or next(self._pieces, b"")
        except Abort as failure:
            self.failure = failure
            raise
        count = min(len(self._rest), len(buffer))
        buffer[:count], self._rest = self._rest[:count], self._rest[count:]
        return count


def _pieces(result: Iterable[bytes], written: list[bytes]) -> Iterator[bytes]:
    """What the application gives, and before it what it wrote by the old function `write`; then it is closed."""
    try:
        for piece in result:
            whole = b"".join([*written, piece])
            written.clear()
            if whole:
                yield whole
        yield b"".join(written)
    finally:
        if hasattr(result, "close"):
            result.close()


def _after(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest
