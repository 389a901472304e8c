"""Python's values for PostgreSQL's, both ways: `database.query("select $1::date", params(date.today()))`, and `rows` of
what it gave. What has no counterpart in Python stays as the contract has it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from itertools import islice
from typing import Any, get_args
from uuid import UUID

from wit_world.imports import pg_client as pg

DAY = date(1970, 1, 1)
MOMENT = datetime(1970, 1, 1)
MICROSECOND = timedelta(microseconds=1)


def params(*values: Any) -> list[pg.PgValue]:
    """Parameters of a statement: $1, $2, ..."""
    return [param(value) for value in values]


def rows(found: pg.RowSet) -> list[dict[str, Any]]:
    """Rows by the names of their columns."""
    names = [column.name for column in found.columns]
    return [dict(zip(names, map(value, row), strict=True)) for row in found.rows]


def param(value: Any) -> pg.PgValue:
    """A list is an array of one dimension, a dictionary JSON; text is read as the type that the statement expects."""
    if isinstance(value, get_args(pg.PgValue)):
        return value  # type: ignore[no-any-return]  # it is one of the union
    if isinstance(value, (list, tuple)):
        return pg.PgValue_Array(pg.ArrayValue(0, [], [_scalar(element) for element in value]))
    return pg.PgValue_Scalar(_scalar(value))


def value(found: pg.PgValue) -> Any:
    """An array is a list, or lists of lists; infinite dates are infinite floats."""
    match found:
        case pg.PgValue_Scalar(scalar):
            return _python(scalar)
        case pg.PgValue_Array(array):
            return _nested([it.length for it in array.dimensions], map(_python, array.elements))
    return found.value


def _scalar(value: Any) -> pg.Scalar:
    match value:
        case None:
            return pg.Scalar_Null()
        case bool():
            return pg.Scalar_Boolean(value)
        case int():
            return pg.Scalar_Int8(value) if -(2**63) <= value < 2**63 else pg.Scalar_Numeric(str(value))
        case float():
            return pg.Scalar_Float8(value)
        case str():
            return pg.Scalar_Untyped(value)
        case bytes():
            return pg.Scalar_Bytea(value)
        case Decimal():
            return pg.Scalar_Numeric(str(value))
        case UUID():
            return pg.Scalar_Uuid(str(value))
        case datetime(tzinfo=None):
            return pg.Scalar_Timestamp((value - MOMENT) // MICROSECOND)
        case datetime():
            return pg.Scalar_Timestamptz((value - MOMENT.replace(tzinfo=timezone.utc)) // MICROSECOND)
        case date():
            return pg.Scalar_Date((value - DAY).days)
        case time(tzinfo=None):
            return pg.Scalar_Time((datetime.combine(MOMENT, value) - MOMENT) // MICROSECOND)
        case timedelta():
            return pg.Scalar_Interval(pg.Interval(0, value.days, (value - timedelta(value.days)) // MICROSECOND))
        case dict():
            return pg.Scalar_Jsonb(json.dumps(value))
    if isinstance(value, get_args(pg.Scalar)):
        return value  # type: ignore[no-any-return]  # it is one of the union
    raise TypeError(f"`{type(value).__name__}` has no counterpart in PostgreSQL; take one of `pg_client.Scalar`")


def _python(scalar: pg.Scalar) -> Any:
    match scalar:
        case pg.Scalar_Numeric(text):
            return Decimal(text)
        case pg.Scalar_Uuid(text):
            return UUID(text)
        case pg.Scalar_Json(text) | pg.Scalar_Jsonb(text):
            return json.loads(text)
        case pg.Scalar_Date(days):
            return _infinity(days, 2**31) or DAY + timedelta(days)
        case pg.Scalar_Timestamp(micros):
            return _infinity(micros, 2**63) or MOMENT + micros * MICROSECOND
        case pg.Scalar_Timestamptz(micros):
            return _infinity(micros, 2**63) or MOMENT.replace(tzinfo=timezone.utc) + micros * MICROSECOND
        case pg.Scalar_Time(micros) if micros < timedelta(1) // MICROSECOND:
            return (MOMENT + micros * MICROSECOND).time()
        case pg.Scalar_Interval(interval) if not interval.months:
            return timedelta(interval.days, microseconds=interval.micros)
    return getattr(scalar, "value", None)


def _infinity(number: int, end: int) -> float | None:
    """The least and the greatest number that fit stand for infinity."""
    return math.inf if number == end - 1 else -math.inf if number == -end else None


def _nested(lengths: list[int], elements: Iterator[Any]) -> list[Any]:
    """Elements as they lie, row-major; without a dimension there are none."""
    if len(lengths) < 2:
        return list(islice(elements, sum(lengths)))
    return [_nested(lengths[1:], elements) for _ in range(lengths[0])]
