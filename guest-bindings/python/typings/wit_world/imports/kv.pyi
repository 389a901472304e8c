# Generated from wit/ by guest-bindings/generate: do not edit.
"""
Key-value buckets. Keys are text of 1 to 1,024 bytes, ordered by their bytes; values are bytes (up to 1 MiB, unless
the operator sets another limit on the bucket, up to 4 MiB).

A bucket behaves the same wherever it is kept: in memory, in a file, in PostgreSQL, in Redis, or in NATS, which
alone has no `transactions` and is not `linearizable`. `durable` depends on how the server is run. Times are
those of the server that keeps the entries (of the host for NATS). An entry expires to the millisecond: from
then on nothing sees it, neither reads nor scans nor conditions, whenever its bytes are cleared away.

A write is judged by the time at which its store begins it: one that is under way while an entry expires may still
have found it.

Every operation ends within 5 s, with `timeout` if nothing else.
"""
from typing import TypeVar, Generic, Union, Optional, Protocol, Tuple, List, Any, Self, Callable
from types import TracebackType
from enum import Flag, Enum, auto
from dataclasses import dataclass
from abc import abstractmethod
import weakref

from componentize_py_types import Result, Ok, Err, Some



@dataclass
class Error_Unavailable:
    value: str


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
class Error_LimitExceeded:
    value: str


@dataclass
class Error_InvalidArgument:
    value: str


@dataclass
class Error_Unsupported:
    value: str


@dataclass
class Error_Other:
    value: str


Error = Union[Error_Unavailable, Error_ConnectionLost, Error_Denied, Error_Timeout, Error_LimitExceeded, Error_InvalidArgument, Error_Unsupported, Error_Other]


class Features(Flag):
    """
    What a bucket can do beyond get, put, delete, get-many and put-many.
    """
    CONDITIONS = auto()
    TTL = auto()
    COUNTERS = auto()
    TRANSACTIONS = auto()
    ORDERED = auto()
    WATCH = auto()
    DURABLE = auto()
    LINEARIZABLE = auto()

@dataclass
class Entry:
    value: bytes
    version: int
    expires_at: Optional[int]


@dataclass
class Condition_Always:
    pass


@dataclass
class Condition_IfAbsent:
    pass


@dataclass
class Condition_IfPresent:
    pass


@dataclass
class Condition_IfVersion:
    value: int


Condition = Union[Condition_Always, Condition_IfAbsent, Condition_IfPresent, Condition_IfVersion]
"""
When a write may happen. An expired entry is absent.
"""


@dataclass
class PutItem:
    """
    One value to store.
    """
    key: str
    value: bytes
    ttl_ms: Optional[int]

@dataclass
class IncrementItem:
    key: str
    delta: int


@dataclass
class Mutation_Put:
    value: PutItem


@dataclass
class Mutation_Delete:
    value: str


@dataclass
class Mutation_Increment:
    value: IncrementItem


Mutation = Union[Mutation_Put, Mutation_Delete, Mutation_Increment]


@dataclass
class Check:
    """
    A condition on one key, which need not be among those written.
    """
    key: str
    condition: Condition

@dataclass
class ScanOptions:
    prefix: str
    start: Optional[str]
    end: Optional[str]
    reverse: bool
    keys_only: bool
    limit: int
    cursor: Optional[str]

@dataclass
class Page:
    entries: List[Tuple[str, Entry]]
    next: Optional[str]

class Bucket:
    """
    One granted bucket.
    """

    @classmethod
    def open(cls, name: str) -> Self:
        """
        `name` as in the grant `kv.<name>`, e.g. "sessions". Does not connect.

        Raises: `componentize_py_types.Err(wit_world.imports.kv.Error)`
        """
        ...
    def features(self) -> Features:
        ...
    def get(self, key: str) -> Optional[Entry]:
        """
        Raises: `componentize_py_types.Err(wit_world.imports.kv.Error)`
        """
        ...
    def get_many(self, keys: List[str]) -> List[Optional[Entry]]:
        """
        Aligned with `keys`: the i-th answer belongs to the i-th key. At most 1,000 keys and 4 MiB of values.

        Raises: `componentize_py_types.Err(wit_world.imports.kv.Error)`
        """
        ...
    def put(self, item: PutItem, condition: Condition) -> Optional[int]:
        """
        Stores a value and returns its version, or none when the condition did not hold.

        Raises: `componentize_py_types.Err(wit_world.imports.kv.Error)`
        """
        ...
    def put_many(self, items: List[PutItem]) -> None:
        """
        Stores up to 1,000 values in any order; an error may leave some of them stored. See `transact`.

        Raises: `componentize_py_types.Err(wit_world.imports.kv.Error)`
        """
        ...
    def delete(self, key: str, condition: Condition) -> bool:
        """
        True when there was such a key, the condition held, and it is gone now.

        Raises: `componentize_py_types.Err(wit_world.imports.kv.Error)`
        """
        ...
    def increment(self, item: IncrementItem, initial: int, ttl_ms: Optional[int]) -> int:
        """
        Adds to a number kept as decimal text (as in "-12": no plus, no leading zeros) and returns the sum. An absent
        key counts as `initial` and gets the ttl; a present one keeps its expiry. `invalid-argument` for a value that
        is no such number, and for a sum outside of a signed 64-bit number; nothing changes then.

        Raises: `componentize_py_types.Err(wit_world.imports.kv.Error)`
        """
        ...
    def scan(self, options: ScanOptions) -> Page:
        """
        One page of entries.

        Raises: `componentize_py_types.Err(wit_world.imports.kv.Error)`
        """
        ...
    def transact(self, checks: List[Check], mutations: List[Mutation]) -> Optional[int]:
        """
        All mutations (at most 1,000) in order, at one instant, if all checks (at most 1,000) hold; none when one did
        not, and then nothing changed. Otherwise the version that every key put or incremented has now. After an error
        nothing changed either, but for `connection-lost` and `timeout`.

        Raises: `componentize_py_types.Err(wit_world.imports.kv.Error)`
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
