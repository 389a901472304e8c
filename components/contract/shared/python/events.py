"""What contract guests were called with, in the bucket `events`, and how they fail when they are told to."""

import json
import os
from collections.abc import Iterator

from contract import Json
from wit_world.imports import kv


class Events:
    """The events in the order of the calls."""

    def __init__(self) -> None:
        self._bucket = kv.Bucket.open("events")

    def add(self, event: Json) -> None:
        """Adds an event behind the others. Keys sort as text, so their numbers have leading zeros."""
        key = f"event/{self.increment('count'):010}"
        # Cases look for a part of it: its members are in alphabetical order.
        value = json.dumps(event, sort_keys=True).encode()
        self._bucket.put(kv.PutItem(key, value, None), kv.Condition_Always())

    def increment(self, key: str) -> int:
        return self._bucket.increment(kv.IncrementItem(key, 1), 0, None)

    def clear(self) -> None:
        """Forgets all events, and what was counted."""
        for key, _ in self._scan("", keys_only=True):
            self._bucket.delete(key, kv.Condition_Always())

    def __iter__(self) -> Iterator[Json]:
        return (json.loads(entry.value) for _, entry in self._scan("event/"))

    def _scan(self, prefix: str, keys_only: bool = False) -> Iterator[tuple[str, kv.Entry]]:
        options = kv.ScanOptions(prefix, None, None, False, keys_only, 1_000, None)
        while True:
            page = self._bucket.scan(options)
            yield from page.entries
            if page.next is None:
                return
            options.cursor = page.next


def fail(how: str) -> None:
    """By `how`: raises, traps, or burns CPU until the host has had enough."""
    match how:
        case "error":
            raise ValueError("asked to fail here")
        case "trap":
            os.abort()
        case "loop":
            while True:
                pass
