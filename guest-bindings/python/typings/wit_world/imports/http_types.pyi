# Generated from wit/ by guest-bindings/generate: do not edit.
"""
Messages of HTTP, shared by handlers, guards and the HTTP client.
Rule for all of `wharf:platform`: an instant is Unix time in milliseconds; a span of time is in
milliseconds and its name ends in `-ms`.
"""
from typing import TypeVar, Generic, Union, Optional, Protocol, Tuple, List, Any, Self, Callable
from types import TracebackType
from enum import Flag, Enum, auto
from dataclasses import dataclass
from abc import abstractmethod
import weakref

from componentize_py_types import Result, Ok, Err, Some



@dataclass
class Error_Unavailable:
    value: str


@dataclass
class Error_ConnectionLost:
    value: str


@dataclass
class Error_Denied:
    value: str


@dataclass
class Error_Timeout:
    pass


@dataclass
class Error_LimitExceeded:
    value: str


@dataclass
class Error_InvalidArgument:
    value: str


@dataclass
class Error_Other:
    value: str


Error = Union[Error_Unavailable, Error_ConnectionLost, Error_Denied, Error_Timeout, Error_LimitExceeded, Error_InvalidArgument, Error_Other]
"""
What can go wrong with a message. The words mean the same in every capability.
"""


class BodyReader:
    """
    Reads a message body piece by piece. Dropping it early discards the rest.
    """

    def read(self, max: int) -> bytes:
        """
        Waits for the next bytes: at least one, at most `max` (1 to 1048576). Empty means the end.

        Raises: `componentize_py_types.Err(wit_world.imports.http_types.Error)`
        """
        ...
    def trailers(self) -> Optional[List[Tuple[str, bytes]]]:
        """
        Trailer fields; none before `read` reported the end, or when there are none.
        """
        ...
    def __enter__(self) -> Self:
        """Returns self"""
        return self

    def __exit__(self, exc_type: type[BaseException] | None, exc_value: BaseException | None, traceback: TracebackType | None) -> bool | None:
        """
        Release this resource.
        """
        ...



@dataclass
class Body_Bytes:
    value: bytes


@dataclass
class Body_Streamed:
    value: BodyReader


Body = Union[Body_Bytes, Body_Streamed]
"""
A small body of known length comes as bytes (requests: up to 64 KiB), others as a reader.
Handing a reader on, in a reply or to `http-client`, streams it without copying it through the guest.
"""


@dataclass
class Request:
    """
    An incoming request without its body.
    """
    method: str
    scheme: str
    authority: str
    path: str
    query: Optional[str]
    path_params: List[Tuple[str, str]]
    headers: List[Tuple[str, bytes]]
    annotations: List[Tuple[str, str]]
    remote_addr: str
    remote_port: int
    request_id: str
    received_at: int
    deadline: int

@dataclass
class Response:
    """
    A response that somebody else made, or that is whole: what guards answer and the HTTP client gets.
    """
    status: int
    headers: List[Tuple[str, bytes]]
    body: Body
