"""Wharf services in Python: handlers, guards, middleware and background work.

The host's capabilities are used as they are, from `wit_world.imports` (`kv`, `pg_client`, `http_client`, `config`,
`log`), which `componentize-py` generates.
"""

from .entry import asgi, guard, listener, middleware, service, watcher, wsgi
from .errors import Abort, case_of
from .request import Head, Request
from .response import Pieces, Response
from .roles import Allow, Listener, Next, Watcher

__all__ = [
    "Abort",
    "Allow",
    "Head",
    "Listener",
    "Next",
    "Pieces",
    "Request",
    "Response",
    "Watcher",
    "asgi",
    "case_of",
    "guard",
    "listener",
    "middleware",
    "service",
    "watcher",
    "wsgi",
]
