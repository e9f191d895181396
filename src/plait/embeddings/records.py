r"""A vector as bytes, and back: a line that says what it is, the numbers, a checksum.

    plait-vector 1 f4 384\n    the format and its version, the kind of numbers, how many there are
    <384 numbers>              little-endian; f4 where that loses nothing, else f8
    <16 bytes>                 BLAKE2b of the key and all of the above

The checksum finds damage and a record under a key that is not its own; it is no signature. Whatever cannot be read is no
record: None, for whoever asks, and never an error or a try in another format.
"""

from __future__ import annotations

from hashlib import blake2b
from math import isfinite
from struct import Struct, error
from typing import Final

__all__ = ["read", "write"]

_NAME: Final = b"plait-vector 1"
_LONGEST_HEAD: Final = 64  # bytes
_MOST: Final = 1_000_000  # numbers; no model gives so many
_KINDS: Final = {b"f4": "f", b"f8": "d"}
_SUM: Final = 16  # bytes


def write(key: str, vector: list[float]) -> bytes:
    """The record of a vector of finite numbers."""
    kind, numbers = b"f4", _packed("f", vector)
    if numbers is None or [*Struct(f"<{len(vector)}f").unpack(numbers)] != vector:
        kind, numbers = b"f8", Struct(f"<{len(vector)}d").pack(*vector)
    body = b"%s %s %d\n%s" % (_NAME, kind, len(vector), numbers)
    return body + _checksum(key, body)


def read(key: str, record: object) -> list[float] | None:
    """The vector that was written under the key, or None if this is not the record of one."""
    if not isinstance(record, bytes | bytearray | memoryview):
        return None
    data = bytes(record)  # pyright: ignore[reportUnknownArgumentType]  # a view of anything
    body, found = data[:-_SUM], data[-_SUM:]
    if found != _checksum(key, body):
        return None
    head = body[:_LONGEST_HEAD].partition(b"\n")[0]
    layout = _layout(head)
    if layout is None or layout.size != len(body) - len(head) - 1:
        return None
    vector = list(layout.unpack_from(body, len(head) + 1))
    return vector if all(map(isfinite, vector)) else None


def _layout(head: bytes) -> Struct | None:
    name, _, facts = head.partition(_NAME + b" ")
    kind, _, count = facts.partition(b" ")
    if name or kind not in _KINDS or not count.isdigit() or not 0 < int(count) <= _MOST:
        return None
    return Struct(f"<{int(count)}{_KINDS[kind]}")


def _packed(kind: str, vector: list[float]) -> bytes | None:
    try:
        return Struct(f"<{len(vector)}{kind}").pack(*vector)
    except (error, OverflowError):  # a number that is too large for it
        return None


def _checksum(key: str, body: bytes) -> bytes:
    return blake2b(
        body, digest_size=_SUM, key=blake2b(key.encode("utf-8", "surrogatepass"), digest_size=32).digest()
    ).digest()
