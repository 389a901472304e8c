"""Values as JSON: `{"type": "int4", "value": 7}`. Numbers that a double cannot hold travel as text."""

import math
import struct
from collections.abc import Callable
from typing import Any

import contract
from contract import Json
from wharf import Abort, case_of
from wit_world.imports import pg_client as pg

INTEGERS = {
    "int2": (pg.Scalar_Int2, -(2**15), 2**15 - 1),
    "int4": (pg.Scalar_Int4, -(2**31), 2**31 - 1),
    "int8": (pg.Scalar_Int8, -(2**63), 2**63 - 1),
    "oid": (pg.Scalar_Oid, 0, 2**32 - 1),
    "date": (pg.Scalar_Date, -(2**31), 2**31 - 1),
    "time": (pg.Scalar_Time, 0, 2**64 - 1),
    "timestamp": (pg.Scalar_Timestamp, -(2**63), 2**63 - 1),
    "timestamptz": (pg.Scalar_Timestamptz, -(2**63), 2**63 - 1),
}
FLOATS = {"float4": pg.Scalar_Float4, "float8": pg.Scalar_Float8}
TEXTS = {
    "numeric": pg.Scalar_Numeric,
    "text": pg.Scalar_Text,
    "uuid": pg.Scalar_Uuid,
    "json": pg.Scalar_Json,
    "jsonb": pg.Scalar_Jsonb,
    "inet": pg.Scalar_Inet,
    "cidr": pg.Scalar_Cidr,
    "macaddr": pg.Scalar_Macaddr,
    "untyped": pg.Scalar_Untyped,
}


def error(error: pg.Error) -> Json:
    if isinstance(error, pg.Error_Db):
        return {"case": "db", **vars(error.value)}
    return contract.error(error)


def columns(columns: list[pg.Column]) -> list[Json]:
    return [{"name": column.name, "oid": column.type_oid} for column in columns]


def row_set(found: pg.RowSet) -> Json:
    rows = [row(it) for it in found.rows]
    return {"columns": columns(found.columns), "rows": rows, "affected": found.affected}


def row(row: list[pg.PgValue]) -> list[Json]:
    return [show(value) for value in row]


def raw_row_set(found: pg.RawRowSet) -> Json:
    rows = raw_rows(found.columns, found.rows)
    return {"columns": columns(found.columns), "rows": rows, "affected": found.affected}


def raw_rows(columns: list[pg.Column], raw: pg.RawRows) -> list[list[Json | None]]:
    """Takes the bytes apart as the contract says that they lie; all of them must belong to a row."""
    at = 0

    def take(length: int) -> bytes:
        nonlocal at
        taken = raw.bytes[at : at + length]
        at += length
        if len(taken) < length:
            raise Abort(400, f"{length} bytes of a raw row are cut off")
        return taken

    def value(oid: int) -> Json | None:
        length = int.from_bytes(take(4), signed=True)
        return None if length == -1 else {"oid": oid, "bytes": take(length).hex()}

    rows = [[value(column.type_oid) for column in columns] for _ in range(raw.count)]
    if at != len(raw.bytes):
        raise Abort(400, f"{len(raw.bytes) - at} bytes after the last row")
    return rows


def show(value: pg.PgValue) -> Json:
    match value:
        case pg.PgValue_Array(array):
            return {
                "type": "array",
                "element_oid": array.element_oid,
                "dimensions": [(it.length, it.lower_bound) for it in array.dimensions],
                "elements": [show_scalar(it) for it in array.elements],
            }
        case pg.PgValue_Range(range):
            return {
                "type": "range",
                "oid": range.type_oid,
                "bounds": [bound.name.lower().replace("_", "-") for bound in range.bounds],
                "values": [show_scalar(it) for it in range.values],
            }
    return show_scalar(value.value)


def show_scalar(scalar: pg.Scalar) -> Json:
    kind = case_of(scalar)
    match scalar:
        case pg.Scalar_Null():
            return {"type": kind}
        case pg.Scalar_Int8(it) | pg.Scalar_Time(it) | pg.Scalar_Timestamp(it) | pg.Scalar_Timestamptz(it):
            shown = str(it)
        case pg.Scalar_Float4(it):
            shown = show_float(shortest(it))
        case pg.Scalar_Float8(it):
            shown = show_float(it)
        case pg.Scalar_Bytea(it):
            shown = it.hex()
        case pg.Scalar_Timetz(it):
            shown = {"micros": str(it.micros), "offset_secs": it.offset_secs}
        case pg.Scalar_Interval(it):
            shown = {"months": it.months, "days": it.days, "micros": str(it.micros)}
        case pg.Scalar_Raw(it):
            return {"type": kind, "oid": it.type_oid, "value": it.bytes.hex()}
        case _:
            shown = scalar.value
    return {"type": kind, "value": shown}


def show_float(number: float) -> float | str:
    if math.isnan(number):
        return "NaN"
    return number if math.isfinite(number) else str(number)


def shortest(number: float) -> float:
    """The number with the fewest digits that a `float4` reads back as this one."""
    if not math.isfinite(number):
        return number
    candidates = (float(f"{number:.{digits}g}") for digits in range(1, 10))
    return next((it for it in candidates if float4(it) == number), number)


def float4(number: float) -> float:
    """What a `float4` makes of a number: rounding up may lead past the greatest."""
    try:
        return struct.unpack("f", struct.pack("f", number))[0]
    except OverflowError:
        return math.inf


def parse(value: Json) -> pg.PgValue:
    match value.get("type"):
        case "array":
            dimensions = [pg.Dimension(*it) for it in value.get("dimensions", [])]
            elements = [parse_scalar(it) for it in value.get("elements", [])]
            return pg.PgValue_Array(pg.ArrayValue(value.get("element_oid", 0), dimensions, elements))
        case "range":
            bounds = pg.RangeBounds(0)
            for bound in value.get("bounds", []):
                bounds |= pg.RangeBounds[bound.upper().replace("-", "_")]
            scalars = [parse_scalar(it) for it in value.get("values", [])]
            return pg.PgValue_Range(pg.RangeValue(value.get("oid", 0), bounds, scalars))
    return pg.PgValue_Scalar(parse_scalar(value))


def parse_scalar(value: Json) -> pg.Scalar:
    kind, it = value.get("type"), value.get("value")
    match kind:
        case "null":
            return pg.Scalar_Null()
        case "boolean":
            return pg.Scalar_Boolean(it)
        case "bytea":
            return pg.Scalar_Bytea(contract.unhex(it))
        case "timetz":
            return pg.Scalar_Timetz(pg.TimeTz(number(int, it["micros"]), number(int, it["offset_secs"])))
        case "interval":
            return pg.Scalar_Interval(pg.Interval(*(number(int, it[part]) for part in ("months", "days", "micros"))))
        case "raw":
            return pg.Scalar_Raw(pg.RawValue(number(int, value.get("oid")), contract.unhex(it)))
    if kind in INTEGERS:
        scalar, least, greatest = INTEGERS[kind]
        parsed = number(int, it)
        if least <= parsed <= greatest:
            return scalar(parsed)
        raise Abort(400, f"{it} is no number that fits")
    if kind in FLOATS:
        return FLOATS[kind](number(float, it))
    if kind in TEXTS and isinstance(it, str):
        return TEXTS[kind](it)
    raise Abort(400, f"no value of a type: {value}")


def number[N](read: Callable[[Any], N], value: Any) -> N:
    """A number, written as such or as text."""
    try:
        return read(value)
    except (TypeError, ValueError):
        raise Abort(400, f"{value} is no number that fits") from None
