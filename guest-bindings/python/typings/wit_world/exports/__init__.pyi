# Generated from wit/ by guest-bindings/generate: do not edit.
from typing import TypeVar, Generic, Union, Optional, Protocol, Tuple, List, Any, Self, Callable
from types import TracebackType
from enum import Flag, Enum, auto
from dataclasses import dataclass
from abc import abstractmethod
import weakref

from componentize_py_types import Result, Ok, Err, Some
from ..imports import http_types
from ..exports import guard
from ..exports import http_handler
from ..imports import kv
from ..exports import pg_listener

class Guard(Protocol):

    @abstractmethod
    def check(self, request: http_types.Request) -> guard.Verdict:
        """
        Judges one request. A trap or a missed deadline refuses it with 500 or 504.
        """
        ...


class HttpHandler(Protocol):

    @abstractmethod
    def handle(self, request: http_types.Request, body: http_types.Body) -> http_handler.Reply:
        """
        Answers one request. A trap becomes a 500, or breaks off a response that was started.
        """
        ...


class KvWatcher(Protocol):

    @abstractmethod
    def on_watching(self, bucket: str, gap: bool) -> None:
        """
        Called before any change, each time that the host has begun to watch. With `gap`, changes before it may not
        have been told (the host has just started, the connection to the store broke, or more keys changed than can
        wait): read what the bucket holds. It is false when a new release takes over that watches no other prefixes
        than the one before. An error is logged, and it comes again, later each time.

        Raises: `componentize_py_types.Err(wit_world.imports.str)`
        """
        ...

    @abstractmethod
    def on_change(self, bucket: str, key: str, entry: Optional[kv.Entry]) -> None:
        """
        Called for a key under a watched prefix that was written, deleted or expired; at least once, with what it is
        now: a quick series of changes may arrive as its last. Without an entry the key is gone. An error or a trap
        is logged, and the key comes again, later each time, up to every 30 s.

        Raises: `componentize_py_types.Err(wit_world.imports.str)`
        """
        ...


class Lifecycle(Protocol):

    @abstractmethod
    def init(self) -> None:
        """
        Runs at deploy; the memory that it leaves behind is what every instance starts from (routes
        built, templates parsed). It cannot call imports. An error or a trap fails the deploy.

        Raises: `componentize_py_types.Err(wit_world.imports.str)`
        """
        ...


class PgListener(Protocol):

    @abstractmethod
    def on_listening(self, database: str, missed: bool) -> None:
        """
        Called before any notification, each time that the host has begun to listen. `missed` tells that
        notifications since the last call may be lost (the connection broke, or the queue was full): read the
        state that they would have told of. It is false when a release begins to listen, which says nothing of
        what was notified before a host started. Each host that serves the component calls an instance of its own.

        Raises: `componentize_py_types.Err(wit_world.imports.str)`
        """
        ...

    @abstractmethod
    def on_notify(self, notification: pg_listener.Notification) -> None:
        """
        Called at most once for each notification, in the order of the server.

        Raises: `componentize_py_types.Err(wit_world.imports.str)`
        """
        ...
