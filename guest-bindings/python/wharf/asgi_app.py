"""An ASGI application as a handler: the scope `http` of ASGI 3, on an event loop that knows tasks and timers only."""

from __future__ import annotations

import asyncio
import sys
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from typing import Any
from urllib.parse import unquote, urlsplit

from .errors import Abort, record
from .request import Request
from .response import Response
from .roles import Handler

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]


def handler(app: Application) -> Handler:
    if to_thread := sys.modules.get("anyio.to_thread"):
        # Starlette has plain functions run in threads, which there are none of.
        to_thread.run_sync = run_here  # type: ignore[attr-defined]

    def handle(request: Request) -> Response:
        exchange = Exchange(app, request)
        start = exchange.take()
        if exchange.failure:
            raise exchange.failure
        if start is None:
            raise RuntimeError("the application ended without a response")
        headers = [(name.decode("latin-1").lower(), value) for name, value in start["headers"]]
        first = exchange.take() or {}
        if first.get("more_body"):
            return Response.stream(exchange.pieces(first), start["status"], headers)
        exchange.finish()
        return Response.bytes(first.get("body", b""), start["status"], headers)

    return handle


def scope(request: Request) -> Message:
    """The request as ASGI describes it; `wharf.request` is the request itself."""
    server = urlsplit(f"//{request.authority}")
    headers = [(name.encode(), value) for name, value in request.headers if name != "host"]
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": request.scheme,
        "path": unquote(request.path),
        "raw_path": request.path.encode(),
        "query_string": (request.query or "").encode(),
        "root_path": "",
        "headers": [(b"host", request.authority.encode()), *headers],
        "client": (request.remote_addr, request.remote_port),
        "server": (server.hostname or "", server.port or (443 if request.scheme == "https" else 80)),
        "wharf.request": request,
    }


async def run_here(func: Callable[..., Any], *args: Any, **_options: Any) -> Any:
    """What stands for a thread: the function runs here and now. An instance has one request, and nobody waits."""
    return func(*args)


class Exchange:
    """One call of the application, which runs while somebody waits for its next message."""

    def __init__(self, app: Application, request: Request) -> None:
        self._loop = Loop()
        self._pieces = request.pieces()
        self._received = False
        self._sent: deque[Message] = deque()
        self.failure: Abort | None = None
        self._task = self._loop.create_task(_call(app, scope(request), self._receive, self._send))
        self._task.add_done_callback(lambda _: self._loop.stop())

    def take(self) -> Message | None:
        """The application's next message; none when it has ended."""
        while not self._sent and not self._task.done():
            self._loop.run_forever()
        if self._sent:
            return self._sent.popleft()
        if not self.failure:
            self._task.result()
        return None

    def finish(self) -> None:
        """Lets the application end, which may go on behind its response; nothing runs when that is out."""
        while not self._task.done():
            self._loop.run_forever()
        if error := self._task.exception():
            record(error, "the application failed behind its response")
        self._loop.close()

    def pieces(self, message: Message | None) -> Iterator[bytes]:
        while message is not None:
            yield message.get("body", b"")
            if not message.get("more_body"):
                return self.finish()
            message = self.take()

    async def _receive(self) -> Message:
        if self._received:
            # The client is there as long as the instance is.
            await self._loop.create_future()
        try:
            piece = next(self._pieces, b"")
        except Abort as failure:
            self.failure = failure
            raise
        self._received = not piece
        return {"type": "http.request", "body": piece, "more_body": bool(piece)}

    async def _send(self, message: Message) -> None:
        """Waits until the message was taken, and somebody asks for the next one."""
        self._sent.append(message)
        self._loop.stop()
        await asyncio.sleep(0)


async def _call(app: Application, *arguments: Any) -> None:
    await app(*arguments)


class Loop(asyncio.BaseEventLoop):
    """Tasks, timers and callbacks; no sockets, no threads. Its selector has nothing to select from."""

    def __init__(self) -> None:
        super().__init__()
        self._selector = self

    def select(self, timeout: float | None) -> list[Any]:
        if timeout is None:
            raise RuntimeError("the application waits for what never comes")
        if timeout > 0:
            time.sleep(timeout)
        return []

    def _process_events(self, events: list[Any]) -> None:
        pass

    def _write_to_self(self) -> None:
        pass

    def run_in_executor(  # type: ignore[override]  # it is generic there
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """As `run_here`: nothing waits for a thread."""
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:
            future.set_exception(error)
        return future
