"""Whether a file is an index as faiss writes it, judged before faiss reads it.

faiss believes the sizes and the links in a file: a forged one would have it take all memory, or read what is not its
own. So every size is compared with that of the file, and every link of a graph with what it leads to.
"""

from __future__ import annotations

import struct
from pathlib import Path
from types import ModuleType
from typing import Any, Final, TypeAlias, cast

from plait.errors import StoreError
from plait.vectorstores.similarity import numpy

__all__ = ["Levels", "check_file"]

_HEAD: Final = struct.Struct("<4siqqq?i")
"""How faiss begins an index: the kind, the dimension, the count, two numbers unused, whether trained, the metric."""
_SIZE: Final = struct.Struct("<Q")
_GRAPH: Final = struct.Struct("<5i")
"""What ends a graph: the entry point, the highest level, three settings of which it believes none."""
_FLAT: Final = (b"IxF2", b"IxFI")
_HNSW: Final = (b"IHNf",)
_COLUMNS: Final = ("<f8", "<i4", "<i4", "<u8", "<i4")
"""Of a graph: chances of the levels, sums of links by level, levels of the vectors, where their links begin, links."""
Levels: TypeAlias = tuple[Any, Any]
"""The first two of these, as faiss makes them for a graph of as many links; it draws levels and sets aside room by them."""


class _Damaged(Exception):
    """It is not what it must be; says why."""


def check_file(path: Path, dimension: int, count: int, metric: int, graph: Levels | None) -> None:
    """Raise StoreError unless the file is a flat index, or a graph with one, of that many vectors of that length."""
    np = cast("ModuleType", numpy())
    try:
        content: Any = np.memmap(path, dtype=np.uint8, mode="r") if path.stat().st_size else b""
        at = 0
        if graph is not None:
            at = _graph(np, content, _head(content, 0, _HNSW, (dimension, count, metric)), count, graph)
        _vectors(content, _head(content, at, _FLAT, (dimension, count, metric)), dimension * count)
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror or error}") from error
    except (_Damaged, struct.error) as error:
        raise StoreError(f"{path} is no index of the kind and size that the file beside it says: {error}") from error


def _head(content: Any, at: int, kinds: tuple[bytes, ...], expected: tuple[int, int, int]) -> int:
    """Where what follows the head begins."""
    kind, dimension, count, _, _, trained, metric = _HEAD.unpack_from(content, at)
    if kind not in kinds or not trained or (dimension, count, metric) != expected:
        raise _Damaged("its head says something else")
    return at + _HEAD.size


def _vectors(content: Any, at: int, numbers: int) -> None:
    (size,) = _SIZE.unpack_from(content, at)
    if size != numbers or len(content) != at + _SIZE.size + 4 * numbers:
        raise _Damaged(f"it has {len(content)} bytes, which is not what its vectors take")


def _graph(np: Any, content: Any, at: int, count: int, expected: Levels) -> int:
    """Where the graph ends, whose links all lead to what is there."""
    columns: list[Any] = []
    for kind in _COLUMNS:
        column, at = _column(np, content, at, np.dtype(kind))
        columns.append(column)
    entry, highest, *_ = _GRAPH.unpack_from(content, at)
    chances, sums, levels, starts, links = columns
    if [len(each) for each in (chances, sums)] != [len(each) for each in expected]:
        raise _Damaged("its graph has another number of levels")
    if not np.allclose(chances, expected[0], rtol=1e-6, atol=0) or (sums != expected[1]).any():
        raise _Damaged("its graph has other levels than one with so many links")
    _check(np, sums, levels, starts, links, count)
    if not (0 <= entry < count and 0 <= highest < int(levels[entry])):
        raise _Damaged("its graph begins where nothing is")
    _check_links(np, sums, levels, starts, links)
    return at + _GRAPH.size


def _column(np: Any, content: Any, at: int, kind: Any) -> tuple[Any, int]:
    (size,) = _SIZE.unpack_from(content, at)
    start = at + _SIZE.size
    if size > (len(content) - start) // kind.itemsize:
        raise _Damaged("it is shorter than it says")
    end = start + size * kind.itemsize
    return np.frombuffer(content[start:end].tobytes(), dtype=kind), end


def _check(np: Any, sums: Any, levels: Any, starts: Any, links: Any, count: int) -> None:
    """Every vector has a level, and its links have their place."""
    if len(levels) != count or len(starts) != count + 1:
        raise _Damaged("its graph has another number of vectors")
    if levels.min() < 1 or levels.max() >= len(sums):
        raise _Damaged("the levels of its graph cannot be")
    ends = np.concatenate([[0], np.cumsum(sums[levels], dtype=np.int64)])
    if int(ends[-1]) != len(links) or (starts != ends.astype(np.uint64)).any():
        raise _Damaged("the links of its graph lie elsewhere")


def _check_links(np: Any, sums: Any, levels: Any, starts: Any, links: Any) -> None:
    """Every link leads to a vector that is there, and on its own level."""
    if len(links) and (links.min() < -1 or links.max() >= len(levels)):
        raise _Damaged("its graph leads to what is not there")
    for level in range(1, int(levels.max())):
        first = starts[:-1][levels > level].astype(np.int64)
        for step in range(int(sums[level]), int(sums[level + 1])):
            ends = links[first + step]
            if (levels[ends[ends >= 0]] <= level).any():
                raise _Damaged("its graph leads to another level than it says")
