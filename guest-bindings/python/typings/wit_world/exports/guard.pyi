# Generated from wit/ by guest-bindings/generate: do not edit.
"""
A check that runs before a route's handler and never sees the body.
"""
from typing import TypeVar, Generic, Union, Optional, Protocol, Tuple, List, Any, Self, Callable
from types import TracebackType
from enum import Flag, Enum, auto
from dataclasses import dataclass
from abc import abstractmethod
import weakref

from componentize_py_types import Result, Ok, Err, Some
from ..imports import http_types


@dataclass
class Verdict_Allow:
    value: List[Tuple[str, str]]


@dataclass
class Verdict_Answer:
    value: http_types.Response


Verdict = Union[Verdict_Allow, Verdict_Answer]
