"""Requests to test with."""

from collections.abc import Iterable

from wharf import Request
from wit_world.imports import http_types


def request(method: str = "GET", target: str = "/", body: bytes | http_types.Body = b"", **fields: str) -> Request:
    """A request as the host would hand it over; `x_one="1"` is the field `x-one`."""
    path, _, query = target.partition("?")
    head = http_types.Request(
        method=method,
        scheme="https",
        authority="example.com:8443",
        path=path,
        query=query or None,
        path_params=[],
        headers=[(name.replace("_", "-"), value.encode()) for name, value in fields.items()],
        annotations=[("user", "7")],
        remote_addr="192.0.2.1",
        remote_port=4711,
        request_id="1",
        received_at=0,
        deadline=10_000,
    )
    return Request(head, http_types.Body_Bytes(body) if isinstance(body, bytes) else body)


def streamed(pieces: Iterable[bytes]) -> http_types.Body:
    """A body that comes in piece by piece."""
    left = iter(pieces)

    class Reader(http_types.BodyReader):
        def read(self, max: int) -> bytes:
            return next(left, b"")

    return http_types.Body_Streamed(Reader())
