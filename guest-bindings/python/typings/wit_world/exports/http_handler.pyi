# Generated from wit/ by guest-bindings/generate: do not edit.
"""
Exported by every service that answers HTTP; imported by middleware to call the next handler.
"""
from typing import TypeVar, Generic, Union, Optional, Protocol, Tuple, List, Any, Self, Callable
from types import TracebackType
from enum import Flag, Enum, auto
from dataclasses import dataclass
from abc import abstractmethod
import weakref

from componentize_py_types import Result, Ok, Err, Some
from ..imports import http_types

class Chunks(Protocol):
    """
    A response body made piece by piece, pulled by whoever called `handle`: server-sent events, large
    downloads. The caller asks again only when the client has room, and never after the end or an
    error. It may drop the resource, or the whole instance, at any time without telling the guest.
    """

    @abstractmethod
    def next(self) -> Optional[bytes]:
        """
        Waits for the next bytes: at least one, best 16 to 64 KiB. None is the end; an error breaks the
        response off.

        Raises: `componentize_py_types.Err(wit_world.exports.http_types.Error)`
        """
        ...

    @abstractmethod
    def trailers(self) -> Optional[List[Tuple[str, bytes]]]:
        """
        Trailer fields, asked for once after the end. Clients on HTTP/1.1 get them only if they asked.
        """
        ...



@dataclass
class ReplyBody_Bytes:
    value: bytes


@dataclass
class ReplyBody_Reader:
    value: http_types.BodyReader


@dataclass
class ReplyBody_Streamed:
    value: Chunks


ReplyBody = Union[ReplyBody_Bytes, ReplyBody_Reader, ReplyBody_Streamed]


@dataclass
class Reply:
    """
    What a handler answers. The host adds "content-length" (of bytes), "date" and "x-request-id".
    """
    status: int
    headers: List[Tuple[str, bytes]]
    body: ReplyBody
