"""JSON that streams: 72 KB in pieces of four characters, beside langchain-core on a part of it; and four times as much."""

from __future__ import annotations

import json
from collections.abc import Iterator

from langchain_core.output_parsers import JsonOutputParser as Theirs

from benchmarks.timing import Row, at_most, seconds
from plait import JsonOutputParser

SHORT, LONG = 4_000, 72_000  # characters; langchain-core takes minutes for the long one


def objects(size: int) -> str:
    return json.dumps([{"id": number, "name": f"item {number}"} for number in range(size // 32)])


def text(size: int) -> str:
    return json.dumps({"text": "word " * (size // 5)})


def flat(size: int) -> str:
    return json.dumps([1] * (size // 3))


def pieces(whole: str) -> Iterator[str]:
    return (whole[start : start + 4] for start in range(0, len(whole), 4))


def ours(whole: str) -> int:
    return sum(1 for _ in JsonOutputParser().transform(pieces(whole)))


def theirs(whole: str) -> int:
    return sum(1 for _ in Theirs().transform(pieces(whole)))


def rows() -> list[Row]:
    short = objects(SHORT)
    mine, peer = seconds(lambda: ours(short), lambda: theirs(short), times=1, rounds=3)
    found = [at_most("4 KB of JSON in pieces of 4 characters", mine, "langchain-core", peer, 1 / 10)]
    for make in (objects, text, flat):
        one, four = make(LONG), make(4 * LONG)
        small, large = seconds(lambda: ours(one), lambda: ours(four), times=1, rounds=3)  # noqa: B023 # called at once
        found.append(at_most(f"288 KB of JSON, {make.__name__}", large, "72 KB of it", small, 5))
    half_second = 0.5
    long = objects(LONG)
    [whole] = seconds(lambda: ours(long), times=1, rounds=3)
    return [*found, at_most("72 KB of JSON in pieces of 4 characters", whole, "half a second", half_second, 1)]
