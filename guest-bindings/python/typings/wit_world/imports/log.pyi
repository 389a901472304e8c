# Generated from wit/ by guest-bindings/generate: do not edit.
"""
Structured logs. The host adds time, service, release and request id, and drops what exceeds its limits.
"""
from typing import TypeVar, Generic, Union, Optional, Protocol, Tuple, List, Any, Self, Callable
from types import TracebackType
from enum import Flag, Enum, auto
from dataclasses import dataclass
from abc import abstractmethod
import weakref

from componentize_py_types import Result, Ok, Err, Some


class Level(Enum):
    TRACE = 0
    DEBUG = 1
    INFO = 2
    WARN = 3
    ERROR = 4


def log(level: Level, message: str, fields: List[Tuple[str, str]]) -> None:
    """
    Records one event. Never waits and never fails.
    """
    ...
