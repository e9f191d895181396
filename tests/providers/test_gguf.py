"""A file that cannot be a model is known by its header; one that can is let pass."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plait.providers.gguf import fault

U8, U32, STRING, ARRAY, F32, Q4_1 = 0, 4, 8, 9, 0, 3


def text(value: bytes) -> bytes:
    return struct.pack("<Q", len(value)) + value


def fact(name: bytes, kind: int, value: bytes) -> bytes:
    return text(name) + struct.pack("<I", kind) + value


def words(name: bytes, *values: bytes) -> bytes:
    return fact(name, ARRAY, struct.pack("<IQ", STRING, len(values)) + b"".join(map(text, values)))


def numbers(name: bytes, *values: int) -> bytes:
    return fact(name, ARRAY, struct.pack("<IQ", U32, len(values)) + b"".join(struct.pack("<I", n) for n in values))


def tensor(name: bytes, kind: int, start: int, *dimensions: int) -> bytes:
    sizes = b"".join(struct.pack("<Q", size) for size in dimensions)
    return text(name) + struct.pack("<I", len(dimensions)) + sizes + struct.pack("<IQ", kind, start)


ARCHITECTURE = fact(b"general.architecture", STRING, text(b"llama"))
FACTS = [ARCHITECTURE, words(b"tokenizer.ggml.tokens", b"a", b"b"), numbers(b"tokenizer.ggml.token_type", 1, 1)]
TENSORS = [tensor(b"norm", F32, 0, 8), tensor(b"up", Q4_1, 32, 32, 2)]
WEIGHTS = 32 + 2 * 20  # eight floats, and two blocks of 32 weights


def gguf(facts: list[bytes] = FACTS, tensors: list[bytes] = TENSORS, version: int = 3) -> bytes:
    header = struct.pack("<4sIQQ", b"GGUF", version, len(tensors), len(facts)) + b"".join(facts + tensors)
    return header + bytes(-len(header) % 32 + WEIGHTS)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("gguf") / "model.gguf"


def found(file: Path, data: bytes) -> str | None:
    file.write_bytes(data)
    return fault(file)


def test_whole_file_is_let_pass(file: Path) -> None:
    """Nothing speaks against a file that keeps what its header promises."""
    assert found(file, gguf()) is None


@given(cut=st.integers(1, len(gguf())))
def test_every_shorter_file_is_refused(file: Path, cut: int) -> None:
    """A file that lost its end is refused, wherever it ends, and the reason says that it is too short."""
    assert "not fetched to its end" in (found(file, gguf()[:-cut]) or "")


@given(junk=st.binary(max_size=200), at=st.integers(4, 300))
def test_damage_never_raises(file: Path, junk: bytes, at: int) -> None:
    """Whatever is in the header, the answer is a reason or None."""
    data = bytearray(gguf())
    data[at : at + len(junk)] = junk

    assert isinstance(found(file, bytes(data)), str | None)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"a text of more than 24 bytes", r"not a GGUF file: it begins with b'a te'"),
        (gguf(version=1), "version is 1"),
        (gguf(version=3 << 24), "low byte first"),
        (struct.pack("<4sIQQ", b"GGUF", 3, 2**60, 1) + bytes(99), "too few for the 1,152,921,504,606,846,976 tensors"),
        (gguf(facts=[]), "of which architecture"),
        (gguf(facts=[ARCHITECTURE, fact(b"x", 99, b"")]), "'x' is of the unknown type 99"),
        (gguf(facts=[fact(b"\xff\xfe", U8, b"1")]), "not the name of a fact"),
        (gguf(facts=[ARCHITECTURE, fact(b"general.alignment", U32, bytes(4))]), "0 as its alignment"),
        (gguf(facts=[*FACTS[:2], numbers(b"tokenizer.ggml.token_type", 1)]), "1 entries of .* for 2 tokens"),
        (gguf(tensors=[tensor(b"many", F32, 0, *[1] * 9)]), "'many' has 9 dimensions"),
        (gguf(tensors=[tensor(b"odd", F32, 7, 8)]), "'odd' does not fit its place"),
    ],
)
def test_reason_says_what_is_wrong(file: Path, data: bytes, reason: str) -> None:
    """Each promise that is broken is named."""
    import re

    assert re.search(reason, found(file, data) or "")
