"""Laws of chunk addition: it does not matter where a stream was cut."""

from __future__ import annotations

from copy import deepcopy
from functools import reduce
from operator import add
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from plait.merging import EVERY_KEY, StreamReset, merge, merge_all
from plait.messages import AIMessageChunk

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=12,
)


def exact(value: Any) -> str:
    """Tell True from 1 and 1.0, and the order of keys."""
    return repr(value)


@given(JSON, JSON, JSON)
def test_merge_is_associative(a: Any, b: Any, c: Any) -> None:
    """(a + b) + c is a + (b + c)."""
    assert merge(merge(a, b), c) == merge(a, merge(b, c))


@given(JSON)
def test_none_is_the_identity(a: Any) -> None:
    """None adds nothing on either side."""
    assert exact(merge(a, None)) == exact(merge(None, a)) == exact(a)


@given(st.lists(JSON, min_size=1, max_size=8), st.data())
def test_merging_all_is_merging_pieces_of_any_cut(chunks: list[Any], data: st.DataObject) -> None:
    """All at once, one by one, or piece by piece: the sum is the same."""
    cut = data.draw(st.integers(0, len(chunks)))
    pieces = [merge_all(piece) for piece in (chunks[:cut], chunks[cut:]) if piece]
    assert merge_all(chunks) == reduce(merge, chunks) == merge_all(pieces)


@given(st.lists(JSON, min_size=1, max_size=5))
def test_merging_changes_no_input(chunks: list[Any]) -> None:
    """What goes in comes out of it unchanged."""
    before = deepcopy(chunks)
    reduce(merge, chunks)
    merge_all(chunks)
    assert exact(chunks) == exact(before)


@given(
    st.lists(st.dictionaries(st.sampled_from("ab"), JSON), min_size=1, max_size=5), st.sampled_from([{"a"}, EVERY_KEY])
)
def test_replacing_facts_is_associative_too(chunks: list[Any], whole: Any) -> None:
    """Also where texts replace one another it does not matter where the stream was cut."""
    from_the_right = reduce(lambda later, chunk: merge_all([chunk, later], whole=whole), reversed(chunks))
    assert merge_all(chunks, whole=whole) == from_the_right


# ----------------------------------------------------------------------------------------------------------- resets

RESETS = st.builds(StreamReset, st.sampled_from(["", "TimeoutError"]), st.just(()) | st.tuples(JSON))
ANY = JSON | RESETS | st.dictionaries(st.sampled_from("ab"), JSON | RESETS, max_size=2)


@given(ANY, ANY, ANY)
def test_merge_with_resets_is_associative(a: Any, b: Any, c: Any) -> None:
    """(a + b) + c is a + (b + c), also where one of them takes back what was before it."""
    assert merge(merge(a, b), c) == merge(a, merge(b, c))


@given(st.lists(JSON), RESETS, st.lists(JSON, min_size=1))
def test_sum_is_that_of_what_follows_the_last_reset(before: list[Any], reset: StreamReset, rest: list[Any]) -> None:
    """N6: whatever was before a reset, the value of the stream is that of the chunks after it."""
    assert exact(merge_all([*before, reset, *rest])) == exact(merge_all([*reset.since, *rest]))


@given(st.lists(JSON | RESETS, min_size=1, max_size=8), JSON, st.data())
def test_sum_of_parts_of_a_stream_with_resets(chunks: list[Any], end: Any, data: st.DataObject) -> None:
    """Parts added up by ``merge`` and then all together give the value: a partial sum remembers that it resets."""
    chunks = [*chunks, end]
    cut = data.draw(st.integers(0, len(chunks)))
    pieces = [reduce(merge, piece) for piece in (chunks[:cut], chunks[cut:]) if piece]
    assert merge_all(chunks) == merge_all(pieces)


# --------------------------------------------------------------------------------------------------------- messages

TEXT = st.sampled_from(["", "a", "b", "ü"])
INDEX = st.none() | st.integers(0, 1)
BLOCKS = st.lists(
    TEXT
    | st.fixed_dictionaries(
        {"type": st.sampled_from(["text", "image"])},
        optional={"index": st.integers(0, 1), "text": TEXT, "n": st.integers()},
    ),
    max_size=3,
)
PIECES = st.lists(
    st.fixed_dictionaries(
        {
            "name": st.none() | TEXT,
            "args": st.none() | TEXT,
            "id": st.none() | st.sampled_from(["", "x", "y"]),
            "index": INDEX,
        }
    ),
    max_size=3,
)
USAGE = st.none() | st.fixed_dictionaries(
    dict.fromkeys(["input_tokens", "output_tokens", "total_tokens"], st.integers(0, 9)),
    optional={"input_token_details": st.dictionaries(st.sampled_from(["cache_read", "audio"]), st.integers(0, 9))},
)
CHUNKS = st.builds(
    AIMessageChunk,
    content=TEXT | BLOCKS,
    additional_kwargs=st.dictionaries(st.sampled_from("ab"), JSON, max_size=2),
    response_metadata=st.dictionaries(st.sampled_from("ab"), JSON, max_size=2),
    id=st.none() | st.sampled_from("pq"),
    tool_call_chunks=PIECES,
    usage_metadata=USAGE,
    chunk_position=st.sampled_from([None, "last"]),
)


@given(CHUNKS, CHUNKS, CHUNKS)
def test_chunks_of_messages_add_up_associatively(a: AIMessageChunk, b: AIMessageChunk, c: AIMessageChunk) -> None:
    """(a + b) + c is a + (b + c), in every field, looked at half way or not."""
    left, right = a + b, b + c
    assert (left + c).model_dump() == (a + right).model_dump()
    for half in (left, right):
        half.model_dump()  # now they have been looked at
    assert (left + c).model_dump() == (a + right).model_dump() == merge_all([a, b, c]).model_dump()


@given(st.lists(CHUNKS, min_size=2, max_size=5))
def test_sum_of_chunks_changes_no_chunk(chunks: list[AIMessageChunk]) -> None:
    """Adding up leaves the chunks as they were, also when the sum is changed afterwards."""
    before = [chunk.model_dump_json() for chunk in chunks]
    total = reduce(add, chunks)
    total.additional_kwargs["mine"] = True
    total.tool_call_chunks.clear()
    assert [chunk.model_dump_json() for chunk in chunks] == before
