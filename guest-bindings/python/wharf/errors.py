"""What may end a handler, and what the host and its log get to know of it."""

from __future__ import annotations

import traceback

from componentize_py_types import Err
from wit_world.imports import log


class Abort(Exception):
    """Ends the handler; the client gets `status` with a sentence. Nothing is logged."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


def case_of(error: object) -> str:
    """The case of a variant as the contract spells it: `Error_ConnectionLost` is `connection-lost`."""
    name = type(error).__name__.rpartition("_")[2]
    return "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("-")


def describe(error: BaseException) -> str:
    """What an exception says, and of a capability's error its case and text."""
    if isinstance(error, Err) and not isinstance(error.value, str):
        text = getattr(error.value, "value", None)
        return case_of(error.value) if text is None else f"{case_of(error.value)}: {text}"
    return f"{type(error).__name__}: {error}"


def place(error: BaseException) -> str:
    """The line that raised it."""
    *_, (frame, line) = traceback.walk_tb(error.__traceback__)
    return f"{frame.f_code.co_filename}:{line}"


def record(error: BaseException, message: str) -> None:
    """Logs an exception, and where it was raised."""
    log.log(log.Level.ERROR, message, [("message", describe(error)), ("location", place(error))])
