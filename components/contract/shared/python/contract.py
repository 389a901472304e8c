"""What contract guests in Python have in common: values as JSON, and commands that may be malformed."""

from collections.abc import Callable, Iterable
from typing import Any

from componentize_py_types import Err
from wharf import Abort, Request, Response, case_of

type Json = dict[str, Any]


def run(request: Request, command: Callable[[str, Json], Json | None]) -> Response:
    """Runs what a JSON command says; the contract's error is an answer, too."""
    try:
        answer = command(request.path, request.json())
    except Err as failed:
        answer = {"error": error(failed.value)}
    return not_found() if answer is None else Response.json(answer)


def not_found() -> Response:
    return Response.text("no such route in the contract guest", 404)


def error(error: Any) -> Json:
    """Most errors have a text, some have nothing but their case."""
    return {"case": case_of(error)} | ({"text": error.value} if hasattr(error, "value") else {})


def required(command: Json, name: str) -> Any:
    if name not in command:
        raise Abort(400, f"`{name}` is missing")
    return command[name]


def content(command: Json) -> bytes:
    """`value` (text), `hex`, or `size` for so many bytes of `x`."""
    match command:
        case {"value": str(text)}:
            return text.encode()
        case {"hex": str(digits)}:
            return unhex(digits)
        case {"size": int(size)}:
            return b"x" * size
    raise Abort(400, "`value`, `hex` or `size` is missing")


def unhex(digits: str) -> bytes:
    try:
        return bytes.fromhex(digits)
    except ValueError:
        raise Abort(400, f"`{digits}` is not hexadecimal") from None


def shown(value: bytes) -> str:
    """The text, or `hex:` and the bytes in hexadecimal when it is none."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return f"hex:{value.hex()}"


def named(value: bytes) -> Json:
    """`value` when it is text, otherwise `hex`."""
    try:
        return {"value": value.decode()}
    except UnicodeDecodeError:
        return {"hex": value.hex()}


def fields(fields: Iterable[tuple[str, bytes]]) -> list[tuple[str, str]]:
    """Header fields as JSON."""
    return [(name, shown(value)) for name, value in fields]


def number(request: Request, name: str, default: int) -> int:
    """A number from the query, or what stands for it."""
    value = request.query_param(name)
    return int(value) if value and value.isdecimal() else default


def fnv1a(pieces: Iterable[bytes]) -> str:
    """FNV-1a of 32 bits: enough to see that nothing was lost or swapped, and a few lines in any language."""
    total = 0x811C9DC5
    for piece in pieces:
        for byte in piece:
            total = (total ^ byte) * 0x01000193 & 0xFFFFFFFF
    return f"{total:08x}"
