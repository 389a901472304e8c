# Generated from wit/ by guest-bindings/generate: do not edit.
"""
Exported by services that react to changes of the buckets and prefixes that their manifest watches. The host
calls one function at a time for each bucket, every time in a fresh instance. Each host that serves the
component calls an instance of its own.
"""
from typing import TypeVar, Generic, Union, Optional, Protocol, Tuple, List, Any, Self, Callable
from types import TracebackType
from enum import Flag, Enum, auto
from dataclasses import dataclass
from abc import abstractmethod
import weakref

from componentize_py_types import Result, Ok, Err, Some
