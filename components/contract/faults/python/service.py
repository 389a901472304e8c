"""Contract guest that misbehaves on demand; `../../README.md` lists how."""

from itertools import count

import abuse
import contract
import replies
import wharf
from contract import number
from wharf import Request, Response

# Tells how many requests this instance has answered.
answered = count()


@wharf.service
def handle(request: Request) -> Response:
    match request.path:
        case "/fine":
            return Response.text("fine")
        case "/count":
            return Response.text(str(next(answered)))
        case "/loop":
            return abuse.spin_for_ever()
        case "/spin":
            return abuse.spin(number(request, "ms", 50))
        case "/trap":
            return abuse.trap()
        case "/panic":
            raise RuntimeError("asked to panic here")
        case "/grow":
            return abuse.grow()
        case "/fill":
            return abuse.fill(number(request, "mib", 16))
        case "/recurse":
            return abuse.recurse()
        case "/hostcalls":
            return abuse.host_calls(request)
        case "/leak":
            return abuse.leak(number(request, "n", 1000))
        case "/bad-header":
            return replies.bad_header(request)
        case "/bad-status":
            return Response.text("never seen", number(request, "code", 99))
        case "/hop-header":
            return replies.hop_headers()
        case "/wrong-length":
            return replies.wrong_length(number(request, "length", 5))
        case "/many-headers":
            return replies.many_headers(number(request, "n", 1000))
        case "/huge-header":
            return replies.huge_header(number(request, "n", 1_000_000))
        case "/huge-reply":
            return replies.huge_reply(number(request, "mib", 16))
        case "/slow-stream":
            return replies.slow_stream(number(request, "n", 10), number(request, "ms", 20))
        case "/stream-trap":
            return replies.stream_then(number(request, "after", 2), abuse.trap)
        case "/stream-loop":
            return replies.stream_then(number(request, "after", 2), abuse.spin_for_ever)
        case "/stream-empty":
            return replies.stream_empty()
    return contract.not_found()
