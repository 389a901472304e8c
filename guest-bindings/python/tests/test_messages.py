"""Requests and responses."""

import unittest

from componentize_py_types import Err
from wharf import Abort, Response, case_of
from wharf.response import Pieces
from wit_world.imports import http_types, kv

from .requests import request, streamed


class Requests(unittest.TestCase):
    def test_a_parameter_is_decoded_and_may_be_missing(self):
        asked = request(target="/a?name=na%C3%AFve+x&empty=")
        self.assertEqual(asked.query_param("name"), "naïve x")
        self.assertEqual(asked.query_param("empty"), "")
        self.assertEqual(asked.query_param("other", "default"), "default")

    def test_fields_are_found_in_any_case(self):
        self.assertEqual(request(x_one="1").header("X-One"), "1")
        self.assertIsNone(request().header("x-one"))

    def test_a_field_is_set_instead_of_those_that_were_there(self):
        asked = request(x_one="1", x_two="2")
        asked.set_header("x-one", "3")
        asked.annotate("user", "8")
        self.assertEqual(asked.headers, [("x-two", b"2"), ("x-one", b"3")])
        self.assertEqual(asked.annotation("user"), "8")

    def test_a_body_is_read_by_value_and_piece_by_piece(self):
        self.assertEqual(request(body=b'{"a": 1}').json(), {"a": 1})
        self.assertEqual(request(body=streamed([b"a", b"bc"])).text(), "abc")
        self.assertEqual([*request().pieces()], [])

    def test_a_body_that_is_not_as_expected_is_the_client_s_fault(self):
        for read in (lambda: request(body=b"\xff").text(), lambda: request(body=b"{").json()):
            with self.assertRaises(Abort) as caught:
                read()
            self.assertEqual(caught.exception.status, 400)

    def test_a_body_that_is_too_large_is_answered_with_413(self):
        def pieces():
            yield b"a"
            raise Err(http_types.Error_LimitExceeded("body"))

        with self.assertRaises(Abort) as caught:
            request(body=streamed(pieces())).bytes()
        self.assertEqual(caught.exception.status, 413)


class Responses(unittest.TestCase):
    def test_what_a_generator_returns_are_the_trailers(self):
        def pieces():
            yield "a"
            yield b""
            yield b"b"
            return [("x-count", "2")]

        body = Response.stream(pieces()).pieces()
        self.assertEqual([*body], [b"a", b"b"])
        self.assertEqual(body.trailers, [("x-count", b"2")])
        self.assertIsNone(next(body, None))

    def test_large_bytes_go_out_in_pieces_with_their_length(self):
        response = Response.bytes(b"x" * (5 << 20))
        self.assertEqual([len(piece) for piece in response.pieces()], [1 << 20] * 5)
        self.assertEqual(response.headers, [("content-length", b"5242880")])

    def test_pieces_are_changed_and_bytes_stay_bytes(self):
        self.assertEqual(Response.text("a").map_pieces(bytes.upper).body, b"A")
        changed = Response.stream(["a", "b"]).map_pieces(bytes.upper)
        self.assertIsInstance(changed.body, Pieces)
        self.assertEqual([*changed.pieces()], [b"A", b"B"])

    def test_a_field_is_set_or_added(self):
        response = Response.empty(headers=[("a", "1")]).add_header("a", "2").header("b", "3")
        self.assertEqual(response.headers, [("a", b"1"), ("a", b"2"), ("b", b"3")])
        self.assertEqual(response.header("a", "4").headers, [("b", b"3"), ("a", b"4")])


class Cases(unittest.TestCase):
    def test_a_case_has_the_contract_s_name(self):
        self.assertEqual(case_of(http_types.Error_ConnectionLost("")), "connection-lost")
        self.assertEqual(case_of(kv.Error_Timeout()), "timeout")
