"""Decorators that make a function, or a class, what the host calls.

componentize-py looks for exports by their names in the module that it is given, the `entry` of `wharf.toml`: each
decorator puts its class there. Modules of `wit_world.exports` exist only in a world that exports them, so that they
are imported where they are needed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, TypeVar, get_args

from componentize_py_types import Err
from wit_world.imports import http_types

from .errors import Abort, case_of, describe, place, record
from .request import Head, Request
from .response import Pieces, Response
from .roles import Allow, Check, Handler, Listener, Watcher, Wrap

if TYPE_CHECKING:
    from wit_world.exports.guard import Verdict
    from wit_world.exports.pg_listener import Notification
    from wit_world.imports.kv import Entry

    from .asgi_app import Application as AsgiApplication
    from .wsgi_app import Application as WsgiApplication

L = TypeVar("L", bound=type[Listener])
W = TypeVar("W", bound=type[Watcher])
A = TypeVar("A")

PANIC = "the service panicked"
# What clients read of a capability's error that nobody caught.
ANSWERS: dict[str | None, tuple[str, int]] = {
    "unavailable": ("temporarily unavailable, please try again", 503),
    "pool-exhausted": ("temporarily unavailable, please try again", 503),
    "timeout": ("this took too long", 504),
}


def service(handler: Handler) -> Handler:
    """Makes `handler` what the service answers requests with."""
    _export(**_http_handler(handler))
    return handler


def wsgi(app: WsgiApplication) -> None:
    """Makes a WSGI application, as Flask's, what the service answers requests with."""
    from .wsgi_app import handler

    _export(**_http_handler(handler(app)))


def asgi(app: AsgiApplication) -> None:
    """Makes an ASGI application, as Starlette's, what the service answers requests with."""
    from .asgi_app import handler

    _export(**_http_handler(handler(app)))


def middleware(wrap: Wrap) -> Wrap:
    """Makes `wrap` what stands around the next handler, for the world `middleware`."""
    from wit_world.imports import http_handler

    def call_next(request: Request) -> Response:
        reply = http_handler.handle(request, request.body)
        body: Any = reply.body.value
        if isinstance(reply.body, http_handler.ReplyBody_Streamed):
            body = Pieces(_pull(reply.body.value))
        return Response(reply.status, reply.headers, body)

    _export(**_http_handler(lambda request: wrap(request, call_next), http_handler))
    return wrap


def guard(check: Check) -> Check:
    """Makes `check` what judges requests before other services' handlers; it allows them, or answers itself."""
    from wit_world.exports.guard import Verdict_Allow, Verdict_Answer

    class Guard:
        def check(self, request: http_types.Request) -> Verdict:
            verdict = _answer(lambda: check(Head(request)))
            if isinstance(verdict, Allow):
                return Verdict_Allow(list(verdict.items()))
            # It is no handler's reply, and cannot be pulled.
            body = http_types.Body_Bytes(b"".join(verdict.pieces()))
            return Verdict_Answer(http_types.Response(verdict.status, verdict.headers, body))

    _export(Guard=Guard)
    return check


def listener(role: L) -> L:
    """Makes an instance of the class what NOTIFY wakes. What it raises is logged by the host."""

    class PgListener:
        def on_notify(self, notification: Notification) -> None:
            _run(lambda: role().on_notify(notification))

        def on_listening(self, database: str, missed: bool) -> None:
            _run(lambda: role().on_listening(database, missed))

    _export(PgListener=PgListener)
    return role


def watcher(role: W) -> W:
    """Makes an instance of the class what changes of buckets are told to. After an exception the call comes again."""

    class KvWatcher:
        def on_change(self, bucket: str, key: str, entry: Entry | None) -> None:
            _run(lambda: role().on_change(bucket, key, entry))

        def on_watching(self, bucket: str, gap: bool) -> None:
            _run(lambda: role().on_watching(bucket, gap))

    _export(KvWatcher=KvWatcher)
    return role


def _export(**classes: type) -> None:
    """Puts classes into the module that called the decorator."""
    sys._getframe(2).f_globals.update(classes)


def _http_handler(handler: Handler, types: Any = None) -> dict[str, type]:
    """The classes for `handler`. In a world that imports the interface, too, componentize-py wants replies of the
    imported `types`.
    """
    import wit_world.exports.http_handler as http_handler

    types = types or http_handler

    class Chunks(http_handler.Chunks):
        def __init__(self, pieces: Pieces) -> None:
            self._pieces = pieces

        def next(self) -> bytes | None:
            try:
                return next(self._pieces, None)
            except Exception as error:
                # The contract's own error breaks the response off; any other one ends the instance.
                if not (isinstance(error, Err) and isinstance(error.value, get_args(http_types.Error))):
                    record(error, PANIC)
                raise

        def trailers(self) -> list[tuple[str, bytes]] | None:
            return self._pieces.trailers

    class HttpHandler:
        def handle(self, request: http_types.Request, body: http_types.Body) -> Any:
            response = _answer(lambda: handler(Request(request, body)))
            return types.Reply(response.status, response.headers, reply_body(response.body))

    def reply_body(body: bytes | Pieces | http_types.BodyReader) -> Any:
        if isinstance(body, bytes):
            return types.ReplyBody_Bytes(body)
        if isinstance(body, Pieces):
            return types.ReplyBody_Streamed(Chunks(body))
        return types.ReplyBody_Reader(body)

    return {"HttpHandler": HttpHandler, "Chunks": Chunks}


def _pull(chunks: Any) -> Generator[bytes, None, list[tuple[str, bytes]] | None]:
    """The pieces of the next handler's reply, and its trailers."""
    while (piece := chunks.next()) is not None:
        yield piece
    trailers: list[tuple[str, bytes]] | None = chunks.trailers()
    return trailers


def _answer(call: Callable[[], A]) -> A | Response:
    """What `call` says; the client's answer when it fails. What nobody can answer is logged, and ends the instance."""
    _seed()
    try:
        return call()
    except Abort as abort:
        return Response.text(str(abort), abort.status)
    except Exception as error:
        case = case_of(error.value) if isinstance(error, Err) else None
        if case not in ANSWERS:
            record(error, PANIC)
            raise
        record(error, "the request failed")
        return Response.text(*ANSWERS[case])


def _run(call: Callable[[], None]) -> None:
    """Runs what has no client: the host gets its exception as the contract's error."""
    _seed()
    try:
        call()
    except Exception as error:
        raise Err(f"{describe(error)} ({place(error)})") from error


def _seed() -> None:
    """The module `random` was seeded when the service was built: without this, all instances would draw the same."""
    if random := sys.modules.get("random"):
        random.seed()
