"""Abuse of time, memory, stack and host calls."""

import os
import time
from itertools import count
from typing import NoReturn

from contract import number
from wharf import Request, Response
from wit_world.imports import config, kv, log

# Handles that nobody drops.
leaked: list[kv.Bucket] = []


def spin_for_ever() -> NoReturn:
    while True:
        pass


def spin(millis: int) -> Response:
    """Burns so many milliseconds, and answers."""
    burn(millis)
    return Response.text("spun")


def burn(millis: int) -> None:
    end = time.monotonic() + millis / 1000
    while time.monotonic() < end:
        pass


def trap() -> NoReturn:
    """An `unreachable` instruction, without a word."""
    os.abort()


def grow() -> NoReturn:
    """Takes memory, and touches it, until there is none."""
    blocks = []
    while True:
        blocks.append(bytearray(b"\1") * (1 << 20))


def fill(mebibytes: int) -> NoReturn:
    """Moves one half of a block into the other, again and again: a single instruction each time."""
    block = memoryview(bytearray(mebibytes << 20))
    half = len(block) // 2
    while True:
        block[:half] = block[half:]


def recurse() -> NoReturn:
    """Calls itself until the stack ends."""
    return recurse()


def host_calls(request: Request) -> Response:
    """`/hostcalls?kind=config|log|kv|random&n=...`: calls the host without end, or `n` times."""
    kind, bucket = request.query_param("kind"), kv.Bucket.open("cache")
    for _ in range(number(request, "n", 0)) if request.query_param("n") else count():
        match kind:
            case "kv":
                bucket.get("key")
            case "log":
                log.log(log.Level.DEBUG, "a storm", [])
            case "random":
                os.urandom(8)
            case _:
                config.get("key")
    return Response.text("called")


def leak(handles: int) -> Response:
    """Opens handles and drops none."""
    leaked.extend(kv.Bucket.open("cache") for _ in range(handles))
    return Response.text("leaked")
