"""Contract guest for middleware: stands around the `http` guest; `../../../README.md` lists what it adds."""

from collections.abc import Generator

import wharf
from wharf import Next, Pieces, Request, Response
from wit_world.imports import config


@wharf.middleware
def wrap(request: Request, call_next: Next) -> Response:
    if request.path == "/stop":
        return Response.text("stopped here")
    name = config.get("middleware") or "python"
    request.set_header("x-middleware", name)
    request.annotate("middleware", name)
    response = call_next(request).header("x-middleware", name)
    if request.query_param("upper") is not None:
        return response.map_pieces(bytes.upper)
    if request.query_param("count") is not None:
        response.header("trailer", "x-chunks, x-pieces, x-bytes")
        return Response.stream(counted(response.pieces()), response.status, response.headers)
    return response


def counted(pieces: Pieces) -> Generator[bytes, None, list[tuple[str, str | bytes]]]:
    """Tells in trailers what passed, beside the trailers that were there."""
    count = size = 0
    for piece in pieces:
        count, size = count + 1, size + len(piece)
        yield piece
    return [*(pieces.trailers or []), ("x-pieces", str(count)), ("x-bytes", str(size))]
