"""Whether a file can be a GGUF model: its header is read through, and compared with what the file holds.

Pure, and takes a twentieth of the time of loading. An engine written in C++ aborts the whole process when some of
these promises are broken, so they are checked before it sees the file. The format:
https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import mmap
from pathlib import Path
from struct import Struct, error
from typing import Final, TypeAlias

__all__ = ["fault"]

_Bytes: TypeAlias = "mmap.mmap | bytes"

_START: Final = Struct("<4sIQQ")  # magic, version, number of tensors, number of facts
_U32, _U64 = Struct("<I"), Struct("<Q")
_STRING, _ARRAY = 8, 9
_WIDTHS: Final = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
"""Bytes of a fact, by its type: the numbers and bool; 8 is a string, 9 an array."""
_BLOCKS: Final = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 9: (32, 36),
    10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 15: (256, 292),
    24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8), 28: (1, 8), 30: (1, 2),
}  # fmt: skip
"""Weights in a block and bytes of a block, by the type of a tensor; of the others only the place is checked."""
_LEAST_TENSOR, _LEAST_FACT = 24, 13  # bytes of the shortest entries that a header can have
_MOST_DIMENSIONS: Final = 4
_WORDS: Final = "tokenizer.ggml.tokens"
_BESIDE_WORDS: Final = ("tokenizer.ggml.token_type", "tokenizer.ggml.scores")


class _Fault(Exception):
    """What is wrong with the file, as the second half of a sentence that begins with its name."""


def fault(path: Path) -> str | None:
    """Say why the file cannot be a model, or ``None`` if nothing speaks against it.

    The weights themselves carry no checksum: a flipped bit among them is not found.
    """
    size = path.stat().st_size
    if size < _START.size:
        return f"it has {size:,} bytes, which is less than the start of a GGUF file; it was not fetched to its end"
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return _fault(data)


def _fault(data: _Bytes) -> str | None:
    try:
        _read(data)
    except _Fault as found:
        return str(found)
    except (error, OverflowError):  # struct.error: the text to be read lies beyond the end
        return f"it ends after {len(data):,} bytes, inside its header; it was not fetched to its end, or is damaged"
    return None


def _read(data: _Bytes) -> None:
    tensors, facts = _counts(data)
    reader = _Reader(data, _START.size)
    lengths, alignment = _read_facts(reader, facts)
    promised = max((_read_tensor(reader, alignment) for _ in range(tensors)), default=0)
    end = -(-reader.at // alignment) * alignment + promised
    _refuse_lengths(lengths)
    if end > len(data):
        raise _Fault(f"it ends after {len(data):,} of {end:,} bytes; it was not fetched to its end")


def _counts(data: _Bytes) -> tuple[int, int]:
    magic, version, tensors, facts = _START.unpack_from(data)
    if magic != b"GGUF":
        raise _Fault(f"it is not a GGUF file: it begins with {magic!r} instead of b'GGUF'")
    if version not in {2, 3}:
        raise _Fault(f"its GGUF version is {version}; expected 2 or 3, with the low byte first")
    if tensors * _LEAST_TENSOR + facts * _LEAST_FACT > len(data):
        raise _Fault(
            f"it has {len(data):,} bytes, too few for the {tensors:,} tensors and {facts:,} facts that it promises; "
            "it was not fetched to its end, or is damaged"
        )
    return tensors, facts


class _Reader:
    """A place in the header that moves on as things are read."""

    def __init__(self, data: _Bytes, at: int) -> None:
        self.data = data
        self.at = at

    def number(self, layout: Struct) -> int:
        (value,) = layout.unpack_from(self.data, self.at)
        self.at += layout.size
        return int(value)

    def string(self) -> bytes:
        size = self.number(_U64)
        self.skip(size)
        return self.data[self.at - size : self.at]

    def skip(self, size: int) -> None:
        if size > len(self.data) - self.at:
            raise error
        self.at += size

    def skip_strings(self, count: int) -> None:
        data, at, size_at, end = self.data, self.at, _U64.unpack_from, len(self.data)
        for _ in range(count):  # a hundred thousand of them: hence without calls of this class
            at += 8 + size_at(data, at)[0]
            if at > end:
                raise error
        self.at = at


def _read_facts(reader: _Reader, count: int) -> tuple[dict[str, int], int]:
    """The lengths of all arrays, and the alignment of the tensors."""
    lengths: dict[str, int] = {}
    alignment, architecture = 32, b""
    for _ in range(count):
        name = _name(reader.string(), "fact")
        kind = reader.number(_U32)
        if kind == _ARRAY:
            lengths[name] = _skip_array(reader, name)
        elif kind == _STRING:
            text = reader.string()
            architecture = text if name == "general.architecture" else architecture
        elif name == "general.alignment" and kind == 4:
            alignment = reader.number(_U32)
        else:
            reader.skip(_width(kind, name))
    _refuse_facts(architecture, alignment)
    return lengths, alignment


def _refuse_facts(architecture: bytes, alignment: int) -> None:
    if not architecture:
        raise _Fault("it does not say of which architecture its model is; it holds no language model, or is damaged")
    if alignment == 0 or alignment & (alignment - 1):
        raise _Fault(f"its header is damaged: it gives {alignment} as its alignment")


def _refuse_lengths(lengths: dict[str, int]) -> None:
    words = lengths.get(_WORDS)
    for name in _BESIDE_WORDS:
        if words is not None and lengths.get(name, words) != words:
            raise _Fault(f"its header is damaged: {lengths[name]:,} entries of {name} for {words:,} tokens")


def _skip_array(reader: _Reader, name: str) -> int:
    kind, count = reader.number(_U32), reader.number(_U64)
    if kind == _STRING:
        reader.skip_strings(count)
    else:
        reader.skip(_width(kind, name) * count)
    return count


def _width(kind: int, name: str) -> int:
    if kind not in _WIDTHS:
        raise _Fault(f"its header is damaged: the fact {name!r} is of the unknown type {kind}")
    return _WIDTHS[kind]


def _name(raw: bytes, what: str) -> str:
    if not raw.isascii() or not raw.decode("ascii").isprintable() or not raw:
        raise _Fault(f"its header is damaged: {raw[:40]!r} is not the name of a {what}")
    return raw.decode("ascii")


def _read_tensor(reader: _Reader, alignment: int) -> int:
    """Where the tensor ends, counted from the end of the header."""
    name = _name(reader.string(), "tensor")
    dimensions = reader.number(_U32)
    if dimensions > _MOST_DIMENSIONS:
        raise _Fault(f"its header is damaged: the tensor {name!r} has {dimensions} dimensions")
    weights = 1
    for _ in range(dimensions):
        weights *= reader.number(_U64)
    in_block, block = _BLOCKS.get(reader.number(_U32), (1, 0))
    start = reader.number(_U64)
    if start % alignment or weights % in_block:
        raise _Fault(f"its header is damaged: the tensor {name!r} does not fit its place")
    return start + weights // in_block * block
