"""Contract guest for `config` and `log`; `../../README.md` lists what it answers."""

import json
from urllib.parse import parse_qs

from wit_world import exports
from wit_world.exports.http_handler import Reply, ReplyBody_Bytes
from wit_world.imports import config, log
from wit_world.imports.http_types import Body, Request


def answer(status: int, kind: str, text: str) -> Reply:
    return Reply(status, [("content-type", kind.encode())], ReplyBody_Bytes(text.encode()))


def as_json(value: object) -> Reply:
    return answer(200, "application/json", json.dumps(value, separators=(",", ":"), ensure_ascii=False))


def write(line: dict) -> None:
    level = log.Level[line.get("level", "info").upper()]
    fields = [(name, value) for name, value in line.get("fields", [])]
    log.log(level, line.get("message", ""), fields)


def flood(number: int, size: int) -> None:
    for _ in range(number):
        log.log(log.Level.INFO, "x" * size, [])


class HttpHandler(exports.HttpHandler):
    def handle(self, request: Request, body: Body) -> Reply:
        query = {name: values[0] for name, values in parse_qs(request.query or "", True).items()}
        match request.path:
            case "/config":
                key = query.get("key", "")
                return as_json({"key": key, "value": config.get(key)})
            case "/log":
                write(json.loads(body.value))
            case "/log/levels":
                for level in log.Level:
                    log.log(level, "a line at every level", [("level", level.name.lower())])
            case "/log/flood":
                flood(int(query.get("n", "1000")), int(query.get("size", "100")))
            case "/log/panic":
                raise RuntimeError("asked to panic here")
            case _:
                return answer(404, "text/plain", "no such route in the contract guest")
        return as_json({"logged": True})
