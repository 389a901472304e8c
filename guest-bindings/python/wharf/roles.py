"""The types that handlers, guards, middleware, listeners and watchers are written with."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from .request import Head, Request
from .response import Response

if TYPE_CHECKING:  # a world has only the modules of what it exports
    from wit_world.exports.pg_listener import Notification
    from wit_world.imports.kv import Entry


class Allow(dict[str, str]):
    """Lets a request go on; the names and values are annotations, which the handler behind the guard gets."""


class Listener:
    """Is woken by NOTIFY, on the channels of the manifest's `[[listen]]`; each call in a fresh instance."""

    def on_notify(self, notification: Notification) -> None:
        """Called at most once for each notification, in the order of the server."""
        raise NotImplementedError

    def on_listening(self, database: str, missed: bool) -> None:
        """Called each time that the host has begun to listen. With `missed`, notifications may have been lost."""


class Watcher:
    """Is called for changes in the buckets of the manifest's `[[watch]]`; each call in a fresh instance."""

    def on_change(self, bucket: str, key: str, entry: Entry | None) -> None:
        """Called for a key that was written, deleted or expired, with what it is now, or none when it is gone."""
        raise NotImplementedError

    def on_watching(self, bucket: str, gap: bool) -> None:
        """Called each time that the host has begun to watch. With `gap`, changes may not have been told."""


Handler = Callable[[Request], Response]
Check = Callable[[Head], Allow | Response]
# What a middleware stands around: the next handler in line.
Next = Callable[[Request], Response]
Wrap = Callable[[Request, Next], Response]
