"""Contract guest for the guards of routes: its handler tells what they found out; `../../README.md` lists its
routes.
"""

import wharf
from wharf import Request, Response


@wharf.service
def handle(request: Request) -> Response:
    return Response.json({
        "method": request.method,
        "path": request.path,
        "path_params": request.path_params,
        "annotations": request.annotations,
        "body_bytes": sum(map(len, request.pieces())),
    })
