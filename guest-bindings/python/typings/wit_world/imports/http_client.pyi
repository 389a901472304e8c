# Generated from wit/ by guest-bindings/generate: do not edit.
"""
Outbound HTTP to the hosts that the manifest grants. The host resolves, connects, pools and
verifies TLS; it follows no redirects and retries nothing.
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
class OutgoingRequest:
    method: str
    url: str
    headers: List[Tuple[str, bytes]]
    body: http_types.Body
    timeout_ms: Optional[int]


def send(request: OutgoingRequest) -> http_types.Response:
    """
    Sends a request and waits for the response's head, and for its body when that is small.

    Raises: `componentize_py_types.Err(wit_world.imports.http_types.Error)`
    """
    ...
def send_many(requests: List[OutgoingRequest]) -> List[Result[http_types.Response, http_types.Error]]:
    """
    The same for many at once; the i-th answer belongs to the i-th request.
    """
    ...
