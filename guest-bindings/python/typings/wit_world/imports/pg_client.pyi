# Generated from wit/ by guest-bindings/generate: do not edit.
"""
PostgreSQL. The host owns connections, pools, prepared statements and credentials; a guest opens
what its manifest grants, by name. No session state (SET, temporary tables, locks) outlives a request.
"""
from typing import TypeVar, Generic, Union, Optional, Protocol, Tuple, List, Any, Self, Callable
from types import TracebackType
from enum import Flag, Enum, auto
from dataclasses import dataclass
from abc import abstractmethod
import weakref

from componentize_py_types import Result, Ok, Err, Some


@dataclass
class Interval:
    """
    An interval as PostgreSQL keeps it: the three parts do not carry over into each other.
    """
    months: int
    days: int
    micros: int

@dataclass
class TimeTz:
    """
    A time of day with its own offset.
    """
    micros: int
    offset_secs: int

@dataclass
class RawValue:
    """
    A value of a type without a case of its own (enums, composites, PostGIS, pgvector, ...).
    """
    type_oid: int
    bytes: bytes


@dataclass
class Scalar_Null:
    pass


@dataclass
class Scalar_Boolean:
    value: bool


@dataclass
class Scalar_Int2:
    value: int


@dataclass
class Scalar_Int4:
    value: int


@dataclass
class Scalar_Int8:
    value: int


@dataclass
class Scalar_Oid:
    value: int


@dataclass
class Scalar_Float4:
    value: float


@dataclass
class Scalar_Float8:
    value: float


@dataclass
class Scalar_Numeric:
    value: str


@dataclass
class Scalar_Text:
    value: str


@dataclass
class Scalar_Bytea:
    value: bytes


@dataclass
class Scalar_Uuid:
    value: str


@dataclass
class Scalar_Json:
    value: str


@dataclass
class Scalar_Jsonb:
    value: str


@dataclass
class Scalar_Date:
    value: int


@dataclass
class Scalar_Time:
    value: int


@dataclass
class Scalar_Timetz:
    value: TimeTz


@dataclass
class Scalar_Timestamp:
    value: int


@dataclass
class Scalar_Timestamptz:
    value: int


@dataclass
class Scalar_Interval:
    value: Interval


@dataclass
class Scalar_Inet:
    value: str


@dataclass
class Scalar_Cidr:
    value: str


@dataclass
class Scalar_Macaddr:
    value: str


@dataclass
class Scalar_Raw:
    value: RawValue


@dataclass
class Scalar_Untyped:
    value: str


Scalar = Union[Scalar_Null, Scalar_Boolean, Scalar_Int2, Scalar_Int4, Scalar_Int8, Scalar_Oid, Scalar_Float4, Scalar_Float8, Scalar_Numeric, Scalar_Text, Scalar_Bytea, Scalar_Uuid, Scalar_Json, Scalar_Jsonb, Scalar_Date, Scalar_Time, Scalar_Timetz, Scalar_Timestamp, Scalar_Timestamptz, Scalar_Interval, Scalar_Inet, Scalar_Cidr, Scalar_Macaddr, Scalar_Raw, Scalar_Untyped]
"""
One value that is neither an array nor a range.
"""


@dataclass
class Dimension:
    length: int
    lower_bound: int

@dataclass
class ArrayValue:
    """
    An array; `null` among its elements is a null element.
    """
    element_oid: int
    dimensions: List[Dimension]
    elements: List[Scalar]

class RangeBounds(Flag):
    EMPTY = auto()
    LOWER = auto()
    LOWER_INCLUSIVE = auto()
    UPPER = auto()
    UPPER_INCLUSIVE = auto()

@dataclass
class RangeValue:
    """
    A range, e.g. int4range or tstzrange. A multirange comes as `raw`.
    """
    type_oid: int
    bounds: RangeBounds
    values: List[Scalar]


@dataclass
class PgValue_Scalar:
    value: Scalar


@dataclass
class PgValue_Array:
    value: ArrayValue


@dataclass
class PgValue_Range:
    value: RangeValue


PgValue = Union[PgValue_Scalar, PgValue_Array, PgValue_Range]
"""
A parameter or a column of a row.
"""


@dataclass
class Column:
    name: str
    type_oid: int

@dataclass
class RowSet:
    """
    What a statement gave.
    """
    columns: List[Column]
    rows: List[List[PgValue]]
    affected: int

@dataclass
class RawRows:
    """
    Rows as the server sent them, for language bindings that decode for themselves: a fraction of the
    cost of `row`, which is made of values one by one.
    """
    count: int
    bytes: bytes

@dataclass
class RawRowSet:
    """
    The raw counterpart of `row-set`.
    """
    columns: List[Column]
    rows: RawRows
    affected: int

@dataclass
class Statement:
    sql: str
    params: List[PgValue]

@dataclass
class StatementInfo:
    """
    What `prepare` learned about a statement.
    """
    params: List[int]
    columns: List[Column]

@dataclass
class DbError:
    """
    An error that the server reported; the fields are those of PostgreSQL's protocol.
    """
    sqlstate: str
    severity: str
    message: str
    detail: Optional[str]
    hint: Optional[str]
    position: Optional[int]
    context: Optional[str]
    schema: Optional[str]
    table: Optional[str]
    column: Optional[str]
    data_type: Optional[str]
    constraint: Optional[str]


@dataclass
class Error_Unavailable:
    value: str


@dataclass
class Error_PoolExhausted:
    pass


@dataclass
class Error_ConnectionLost:
    value: str


@dataclass
class Error_Denied:
    value: str


@dataclass
class Error_Timeout:
    pass


@dataclass
class Error_Cancelled:
    pass


@dataclass
class Error_LimitExceeded:
    value: str


@dataclass
class Error_InvalidArgument:
    value: str


@dataclass
class Error_TransactionClosed:
    pass


@dataclass
class Error_Db:
    value: DbError


@dataclass
class Error_Other:
    value: str


Error = Union[Error_Unavailable, Error_PoolExhausted, Error_ConnectionLost, Error_Denied, Error_Timeout, Error_Cancelled, Error_LimitExceeded, Error_InvalidArgument, Error_TransactionClosed, Error_Db, Error_Other]


class Cursor:

    def columns(self) -> List[Column]:
        ...
    def next(self, max_rows: int) -> List[List[PgValue]]:
        """
        The next rows, at most `max-rows` (1 to 10,000). Empty means the end.

        Raises: `componentize_py_types.Err(wit_world.imports.pg_client.Error)`
        """
        ...
    def next_raw(self, max_rows: int) -> RawRows:
        """
        `next`, with raw rows.

        Raises: `componentize_py_types.Err(wit_world.imports.pg_client.Error)`
        """
        ...
    def __enter__(self) -> Self:
        """Returns self"""
        return self

    def __exit__(self, exc_type: type[BaseException] | None, exc_value: BaseException | None, traceback: TracebackType | None) -> bool | None:
        """
        Release this resource.
        """
        ...


class CopyWriter:
    """
    Feeds COPY ... FROM STDIN. Dropping it without `finish` aborts the copy: nothing is stored.
    """

    def write(self, chunk: bytes) -> None:
        """
        Bytes in the format that the statement names, cut anywhere.

        Raises: `componentize_py_types.Err(wit_world.imports.pg_client.Error)`
        """
        ...
    def finish(self) -> int:
        """
        Ends the copy and returns the number of rows stored.

        Raises: `componentize_py_types.Err(wit_world.imports.pg_client.Error)`
        """
        ...
    def __enter__(self) -> Self:
        """Returns self"""
        return self

    def __exit__(self, exc_type: type[BaseException] | None, exc_value: BaseException | None, traceback: TracebackType | None) -> bool | None:
        """
        Release this resource.
        """
        ...


class CopyReader:
    """
    Drains COPY ... TO STDOUT. Dropping it early cancels the copy.
    """

    def read(self, max: int) -> bytes:
        """
        Waits for the next bytes: at least one, at most `max` (1 to 1048576). Empty means the end.

        Raises: `componentize_py_types.Err(wit_world.imports.pg_client.Error)`
        """
        ...
    def __enter__(self) -> Self:
        """Returns self"""
        return self

    def __exit__(self, exc_type: type[BaseException] | None, exc_value: BaseException | None, traceback: TracebackType | None) -> bool | None:
        """
        Release this resource.
        """
        ...


class Isolation(Enum):
    SERVER_DEFAULT = 0
    READ_COMMITTED = 1
    REPEATABLE_READ = 2
    SERIALIZABLE = 3

@dataclass
class TransactionOptions:
    isolation: Isolation
    read_only: bool
    deferrable: bool
    timeout_ms: Optional[int]

class Transaction:
    """
    Holds one connection. Dropping it without `commit`, however that comes about (return, trap,
    deadline, client gone), cancels what runs and rolls back. Statements run in the order of the calls.
    """

    def query(self, sql: str, params: List[PgValue]) -> RowSet:
        """
        Raises: `componentize_py_types.Err(wit_world.imports.pg_client.Error)`
        """
        ...
    def execute(self, sql: str, params: List[PgValue]) -> int:
        """
        Raises: `componentize_py_types.Err(wit_world.imports.pg_client.Error)`
        """
        ...
    def pipeline(self, statements: List[Statement]) -> List[RowSet]:
        """
        Raises: `componentize_py_types.Err(wit_world.imports.pg_client.Error)`
        """
        ...
    def query_raw(self, sql: str, params: List[PgValue]) -> RawRowSet:
        """
        `query`, with raw rows.

        Raises: `componentize_py_types.Err(wit_world.imports.pg_client.Error)`
        """
        ...
    def pipeline_raw(self, statements: List[Statement]) -> List[RawRowSet]:
        """
        `pipeline`, with raw rows.

        Raises: `componentize_py_types.Err(wit_world.imports.pg_client.Error)`
        """
        ...
    def cursor(self, sql: str, params: List[PgValue]) -> Cursor:
        """
        The transaction may go on while the cursor is open.

        Raises: `componentize_py_types.Err(wit_world.imports.pg_client.Error)`
        """
        ...
    def copy_in(self, sql: str) -> CopyWriter:
        """
        The transaction waits until the writer is dropped.

        Raises: `componentize_py_types.Err(wit_world.imports.pg_client.Error)`
        """
        ...
    def copy_out(self, sql: str) -> CopyReader:
        """
        The transaction waits until the reader is dropped; dropping it before its end ends the transaction,
        undoing it.

        Raises: `componentize_py_types.Err(wit_world.imports.pg_client.Error)`
        """
        ...
    def savepoint(self) -> Self:
        """
        A transaction inside this one: its commit releases the savepoint; anything else rolls back to it.
        This one answers `transaction-closed` until that one has ended.

        Raises: `componentize_py_types.Err(wit_world.imports.pg_client.Error)`
        """
        ...
    def commit(self) -> None:
        """
        Ends the transaction. `connection-lost` here: OUTCOME UNKNOWN.

        Raises: `componentize_py_types.Err(wit_world.imports.pg_client.Error)`
        """
        ...
    def rollback(self) -> None:
        """
        Ends the transaction, undoing it. Dropping does the same, without reporting errors.

        Raises: `componentize_py_types.Err(wit_world.imports.pg_client.Error)`
        """
        ...
    def __enter__(self) -> Self:
        """Returns self"""
        return self

    def __exit__(self, exc_type: type[BaseException] | None, exc_value: BaseException | None, traceback: TracebackType | None) -> bool | None:
        """
        Release this resource.
        """
        ...


class Database:
    """
    One granted database: cheap, and holding no connection between calls. Every call is its own
    transaction and may run on another connection. Results are limited (default 10,000 rows, 4 MiB).
    """

    @classmethod
    def open(cls, name: str) -> Self:
        """
        `name` as in the grant `pg.<name>`, e.g. "main". Does not connect.

        Raises: `componentize_py_types.Err(wit_world.imports.pg_client.Error)`
        """
        ...
    def set_timeout(self, timeout_ms: int) -> None:
        """
        Limits each later call through this handle; 0 restores the service's default.
        """
        ...
    def query(self, sql: str, params: List[PgValue]) -> RowSet:
        """
        Runs one statement and returns its rows. Parameters $1, $2, ... are sent apart from the text.

        Raises: `componentize_py_types.Err(wit_world.imports.pg_client.Error)`
        """
        ...
    def execute(self, sql: str, params: List[PgValue]) -> int:
        """
        Runs one statement, drops its rows and returns how many it affected.

        Raises: `componentize_py_types.Err(wit_world.imports.pg_client.Error)`
        """
        ...
    def pipeline(self, statements: List[Statement]) -> List[RowSet]:
        """
        Runs statements in order in one transaction and, where possible, one round trip: all or none.

        Raises: `componentize_py_types.Err(wit_world.imports.pg_client.Error)`
        """
        ...
    def query_raw(self, sql: str, params: List[PgValue]) -> RawRowSet:
        """
        `query`, with raw rows.

        Raises: `componentize_py_types.Err(wit_world.imports.pg_client.Error)`
        """
        ...
    def pipeline_raw(self, statements: List[Statement]) -> List[RawRowSet]:
        """
        `pipeline`, with raw rows.

        Raises: `componentize_py_types.Err(wit_world.imports.pg_client.Error)`
        """
        ...
    def prepare(self, sql: str) -> StatementInfo:
        """
        Checks a statement against the schema without running it. Never needed for speed: the host
        prepares every statement once per connection.

        Raises: `componentize_py_types.Err(wit_world.imports.pg_client.Error)`
        """
        ...
    def cursor(self, sql: str, params: List[PgValue]) -> Cursor:
        """
        Reads a result in batches from one snapshot; holds a connection until it is dropped.

        Raises: `componentize_py_types.Err(wit_world.imports.pg_client.Error)`
        """
        ...
    def copy_in(self, sql: str) -> CopyWriter:
        """
        Runs COPY ... FROM STDIN; holds a connection until it is dropped.

        Raises: `componentize_py_types.Err(wit_world.imports.pg_client.Error)`
        """
        ...
    def copy_out(self, sql: str) -> CopyReader:
        """
        Runs COPY ... TO STDOUT; holds a connection until it is dropped.

        Raises: `componentize_py_types.Err(wit_world.imports.pg_client.Error)`
        """
        ...
    def begin(self, options: TransactionOptions) -> Transaction:
        """
        Starts a transaction on a connection of its own.

        Raises: `componentize_py_types.Err(wit_world.imports.pg_client.Error)`
        """
        ...
    def notify(self, channel: str, payload: str) -> None:
        """
        NOTIFY; `payload` has at most 7,999 bytes.

        Raises: `componentize_py_types.Err(wit_world.imports.pg_client.Error)`
        """
        ...
    def __enter__(self) -> Self:
        """Returns self"""
        return self

    def __exit__(self, exc_type: type[BaseException] | None, exc_value: BaseException | None, traceback: TracebackType | None) -> bool | None:
        """
        Release this resource.
        """
        ...
