"""WSGI and ASGI applications behind a handler."""

import asyncio
import unittest
from unittest.mock import patch

from componentize_py_types import Err
from wharf import Abort, asgi_app, wsgi_app
from wit_world.imports import http_types

from .requests import request, streamed


def too_large():
    yield b"a"
    raise Err(http_types.Error_LimitExceeded("body"))


class Wsgi(unittest.TestCase):
    def test_the_environment_is_cgi_s(self):
        asked = request("POST", "/a%20b?c=d", b"body", content_type="text/plain", cookie="a=1", x_one="2")
        environ = wsgi_app.environ(asked, wsgi_app.Body(asked.pieces()))
        expected = {
            "CONTENT_TYPE": "text/plain",
            "HTTP_COOKIE": "a=1",
            "HTTP_HOST": "example.com:8443",
            "HTTP_X_ONE": "2",
            "PATH_INFO": "/a b",
            "QUERY_STRING": "c=d",
            "REQUEST_METHOD": "POST",
            "SERVER_NAME": "example.com",
            "SERVER_PORT": "8443",
            "wsgi.url_scheme": "https",
        }
        self.assertEqual({name: environ[name] for name in expected}, expected)
        self.assertEqual(environ["wsgi.input"].read(), b"body")

    def test_the_body_is_read_by_lines_across_pieces(self):
        body = wsgi_app.Body(iter([b"a\nb", b"c\n"]))
        environ = wsgi_app.environ(request(), body)
        self.assertEqual([*environ["wsgi.input"]], [b"a\n", b"bc\n"])

    def test_a_length_that_is_the_first_piece_s_makes_a_reply_by_value(self):
        def app(environ, start_response):
            start_response("404 Not Found", [("Content-Length", "2")])
            return [b"no"]

        response = wsgi_app.handler(app)(request())
        self.assertEqual((response.status, response.body), (404, b"no"))

    def test_pieces_are_pulled_one_by_one_and_the_application_is_closed(self):
        events = []

        class Result:
            def __iter__(self):
                for piece in (b"a", b"", b"b"):
                    events.append(piece)
                    yield piece

            def close(self):
                events.append("closed")

        def app(environ, start_response):
            start_response("200 OK", [])(b"written ")
            return Result()

        pieces = wsgi_app.handler(app)(request()).pieces()
        self.assertEqual(events, [b"a"])
        self.assertEqual([*pieces], [b"written a", b"b"])
        self.assertEqual(events, [b"a", b"", b"b", "closed"])

    def test_a_body_that_is_too_large_is_not_the_application_s_fault(self):
        def app(environ, start_response):
            try:
                environ["wsgi.input"].read()
            except Exception:
                start_response("500 Internal Server Error", [])
            return [b"oh"]

        with self.assertRaises(Abort) as caught:
            wsgi_app.handler(app)(request(body=streamed(too_large())))
        self.assertEqual(caught.exception.status, 413)


def replies(*messages):
    """An application that sends these messages."""

    async def app(scope, receive, send):
        for message in messages:
            await send({"type": "http.response.start", "status": 200, "headers": []} if message is None else message)

    return app


def body(content, more=False):
    return {"type": "http.response.body", "body": content, "more_body": more}


class Asgi(unittest.TestCase):
    def test_the_scope_is_asgi_s(self):
        scope = asgi_app.scope(request("POST", "/a%20b?c=d", x_one="2"))
        self.assertEqual(scope["path"], "/a b")
        self.assertEqual(scope["raw_path"], b"/a%20b")
        self.assertEqual(scope["query_string"], b"c=d")
        self.assertEqual(scope["headers"], [(b"host", b"example.com:8443"), (b"x-one", b"2")])
        self.assertEqual(scope["client"], ("192.0.2.1", 4711))

    def test_a_body_without_more_is_a_reply_by_value(self):
        response = asgi_app.handler(replies(None, body(b"all")))(request())
        self.assertEqual((response.status, response.body), (200, b"all"))

    def test_the_application_waits_until_a_piece_is_pulled(self):
        sent = []

        async def app(scope, receive, send):
            await replies(None)(scope, receive, send)
            for letter in (b"a", b"b", b"c"):
                await asyncio.sleep(0.001)
                sent.append(letter)
                await send(body(letter, True))
            await send(body(b""))

        pieces = asgi_app.handler(app)(request()).pieces()
        self.assertEqual(sent, [b"a"])
        self.assertEqual((next(pieces), sent), (b"a", [b"a"]))
        self.assertEqual((next(pieces), sent), (b"b", [b"a", b"b"]))
        self.assertEqual([*pieces], [b"c"])

    def test_a_body_comes_in_piece_by_piece_and_tasks_run_beside_each_other(self):
        async def app(scope, receive, send):
            content, more = b"", True
            while more:
                message = await receive()
                content, more = content + message["body"], message["more_body"]
            doubled = await asyncio.gather(asyncio.to_thread(lambda: content * 2), asyncio.sleep(0.001, b"!"))
            await replies(None, body(b"".join(doubled)))(scope, receive, send)

        response = asgi_app.handler(app)(request("POST", body=streamed([b"a", b"b"])))
        self.assertEqual(response.body, b"abab!")

    def test_what_runs_behind_the_response_runs_before_it_is_handed_over(self):
        done = []

        async def app(scope, receive, send):
            await replies(None, body(b"early"))(scope, receive, send)
            await asyncio.sleep(0.001)
            done.append(True)
            raise ValueError("too late for the client")

        with patch("wharf.asgi_app.record") as record:
            response = asgi_app.handler(app)(request())
        self.assertEqual((response.body, done), (b"early", [True]))
        self.assertEqual(str(record.call_args.args[0]), "too late for the client")

    def test_an_application_that_fails_before_it_answers_raises(self):
        async def app(scope, receive, send):
            raise ValueError("asked to fail here")

        with self.assertRaisesRegex(ValueError, "asked to fail here"):
            asgi_app.handler(app)(request())

    def test_waiting_for_what_never_comes_ends(self):
        async def app(scope, receive, send):
            await asyncio.get_running_loop().create_future()

        with self.assertRaisesRegex(RuntimeError, "what never comes"):
            asgi_app.handler(app)(request())

    def test_a_body_that_is_too_large_is_not_the_application_s_fault(self):
        async def app(scope, receive, send):
            try:
                while (await receive())["more_body"]:
                    pass
            except Abort:
                await replies(None, body(b"oh"))(scope, receive, send)

        with self.assertRaises(Abort) as caught:
            asgi_app.handler(app)(request(body=streamed(too_large())))
        self.assertEqual(caught.exception.status, 413)
