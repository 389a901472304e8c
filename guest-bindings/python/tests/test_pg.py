"""Values of PostgreSQL."""

import math
import unittest
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from uuid import UUID

from wharf.pg import params, rows, value
from wit_world.imports import pg_client as pg


class Values(unittest.TestCase):
    def test_what_goes_in_comes_back(self):
        values = [
            *(None, True, 2**63 - 1, 0.5, b"\0", Decimal("1.50"), UUID(int=7), {"a": [1]}, timedelta(-1, 5)),
            *(date(1969, 12, 31), time(1, 2, 3, 4), datetime(2024, 2, 29, 1), datetime(1, 1, 1, tzinfo=timezone.utc)),
        ]
        self.assertEqual([value(it) for it in params(*values)], values)

    def test_text_is_read_as_what_the_statement_expects(self):
        self.assertEqual(params("2024-02-29"), [pg.PgValue_Scalar(pg.Scalar_Untyped("2024-02-29"))])

    def test_what_the_contract_has_may_be_given_as_it_is(self):
        scalar, array = pg.Scalar_Oid(7), pg.PgValue_Array(pg.ArrayValue(23, [], []))
        self.assertEqual(params(scalar, array), [pg.PgValue_Scalar(scalar), array])
        with self.assertRaisesRegex(TypeError, "`set` has no counterpart"):
            params(set())

    def test_an_integer_that_is_too_large_is_a_numeric(self):
        self.assertEqual(params(2**63), [pg.PgValue_Scalar(pg.Scalar_Numeric(str(2**63)))])

    def test_arrays_are_lists(self):
        self.assertEqual(value(pg.PgValue_Array(array([3], 3))), [0, 1, 2])
        self.assertEqual(params([1])[0].value.elements, [pg.Scalar_Int8(1)])
        self.assertEqual(value(pg.PgValue_Array(array([2, 3], 6))), [[0, 1, 2], [3, 4, 5]])
        self.assertEqual(value(pg.PgValue_Array(array([], 0))), [])

    def test_infinity_is_no_date(self):
        self.assertEqual(value(pg.PgValue_Scalar(pg.Scalar_Date(2**31 - 1))), math.inf)
        self.assertEqual(value(pg.PgValue_Scalar(pg.Scalar_Timestamptz(-(2**63)))), -math.inf)

    def test_rows_have_the_names_of_their_columns(self):
        columns = [pg.Column("id", 20), pg.Column("text", 25)]
        row = [pg.PgValue_Scalar(pg.Scalar_Int8(1)), pg.PgValue_Scalar(pg.Scalar_Text("a"))]
        self.assertEqual(rows(pg.RowSet(columns, [row], 1)), [{"id": 1, "text": "a"}])


def array(lengths, elements):
    dimensions = [pg.Dimension(length, 1) for length in lengths]
    return pg.ArrayValue(23, dimensions, [pg.Scalar_Int4(it) for it in range(elements)])
