# Generated from wit/ by guest-bindings/generate: do not edit.
"""
Exported by services that LISTEN, on the channels of their manifest. The host keeps one listening
connection per service and database, and calls one function at a time for each of them, every time in a
fresh instance. An error or a trap is logged, and the next notification is handed over.
"""
from typing import TypeVar, Generic, Union, Optional, Protocol, Tuple, List, Any, Self, Callable
from types import TracebackType
from enum import Flag, Enum, auto
from dataclasses import dataclass
from abc import abstractmethod
import weakref

from componentize_py_types import Result, Ok, Err, Some


@dataclass
class Notification:
    database: str
    channel: str
    payload: str
    sender: int
