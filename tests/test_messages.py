"""``plait.messages``: messages, their chunks, and what is done with lists of them."""

from __future__ import annotations

import copy
import json
import operator
import pickle
import re
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from functools import reduce
from itertools import accumulate, pairwise
from typing import Any, ClassVar
from uuid import UUID

import pytest
from pydantic import BaseModel, RootModel, TypeAdapter, ValidationError

from plait.errors import ConfigError, MessageError
from plait.merging import merge_all
from plait.messages import (
    MESSAGE_CHUNKS,
    MESSAGES,
    AIMessage,
    AIMessageChunk,
    AnyMessage,
    BaseMessage,
    ChatMessage,
    ChatMessageChunk,
    FunctionMessage,
    HumanMessage,
    HumanMessageChunk,
    SystemMessage,
    ToolMessage,
    ToolMessageChunk,
    UsageMetadata,
    add_usage,
    convert_to_messages,
    convert_to_openai_messages,
    count_tokens_approximately,
    create_image_block,
    filter_messages,
    get_buffer_string,
    merge_message_runs,
    message_chunk_to_message,
    messages_from_dict,
    messages_to_dict,
    tool_call,
    tool_call_chunk,
    trim_messages,
)
from plait.messages.defaults import DEFERRED

ANY = TypeAdapter[Any](AnyMessage)
NEEDED: dict[str, dict[str, Any]] = {
    "Chat": {"role": "bard"},
    "Function": {"name": "f"},
    "Tool": {"tool_call_id": "1"},
}


def made(kind: type[BaseMessage], content: Any = "hi", **fields: Any) -> Any:
    needed = next((fields for prefix, fields in NEEDED.items() if kind.__name__.startswith(prefix)), {})
    return kind(content, **needed, **fields)


def usage(n: int) -> UsageMetadata:
    return UsageMetadata(input_tokens=n, output_tokens=2 * n, total_tokens=3 * n, input_token_details={"cache_read": n})


def call_chunk(args: str, index: int = 0, **fields: Any) -> AIMessageChunk:
    return AIMessageChunk(tool_call_chunks=[tool_call_chunk(args=args, index=index, **fields)])


# ------------------------------------------------------------------------------------------------------ one message


@pytest.mark.parametrize("kind", [*MESSAGES, *MESSAGE_CHUNKS])
def test_content_may_be_given_by_position(kind: type[BaseMessage]) -> None:
    """The content comes first, and by name as well."""
    assert made(kind) == kind.model_validate({**made(kind).model_dump(), "content": "hi"})


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        (AIMessage(content="Why…"), "AIMessage(content='Why…')"),
        (HumanMessage("hi", name="Ann"), "HumanMessage(content='hi', name='Ann')"),
        (ToolMessage("42", tool_call_id="1"), "ToolMessage(content='42', tool_call_id='1')"),
        (AIMessageChunk(""), "AIMessageChunk(content='')"),
        (AIMessage("x", mood="odd"), "AIMessage(content='x', mood='odd')"),
    ],
)
def test_repr_leaves_out_defaults(message: BaseMessage, shown: str) -> None:
    """A message shows its content and what is special about it."""
    assert repr(message) == shown


@pytest.mark.parametrize("kind", [*MESSAGES, *MESSAGE_CHUNKS])
def test_message_survives_json(kind: type[BaseMessage]) -> None:
    """A union of all messages reads back what each of them writes."""
    message = made(kind, [{"type": "text", "text": "x"}, "y"], id="1", additional_kwargs={"a": [1]}, more="kept")
    assert ANY.validate_json(message.model_dump_json()) == message
    assert type(ANY.validate_python(message.model_dump())) is kind


def test_message_without_a_type_is_refused() -> None:
    """A dict is one of the messages only if it says which."""
    with pytest.raises(ValidationError, match="discriminator"):
        ANY.validate_python({"content": "x"})


def test_wrong_content_is_refused() -> None:
    """Content is text or a list of text and dicts, and must be there."""
    for wrong in ({}, {"content": 5}, {"content": [5]}):
        with pytest.raises(ValidationError, match="content"):
            HumanMessage(**wrong)


def test_text_joins_the_text_blocks() -> None:
    """``text`` is a string whatever the content is made of."""
    blocks = ["a", {"type": "text", "text": "b"}, {"type": "image", "url": "u"}, {"type": "text"}, {"text": "no"}]
    assert HumanMessage(blocks).text == "ab"
    assert HumanMessage("a").text == "a"


IMAGE = {"type": "image", "base64": "QQ==", "mime_type": "image/png"}


@pytest.mark.parametrize(
    ("block", "standard"),
    [
        (IMAGE, IMAGE),
        ({"type": "image_url", "image_url": {"url": "data:image/png;base64,QQ=="}}, IMAGE),
        ({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "QQ=="}}, IMAGE),
        ({"type": "image_url", "image_url": {"url": "https://a/b"}}, {"type": "image", "url": "https://a/b"}),
        ({"type": "image_url", "image_url": "https://a/b"}, {"type": "image", "url": "https://a/b"}),
        ({"type": "image", "source": {"type": "url", "url": "https://a"}}, {"type": "image", "url": "https://a"}),
        ({"type": "image", "source": {"type": "file", "file_id": "f"}}, {"type": "image", "file_id": "f"}),
        ({"type": "image_url"}, {"type": "non_standard", "value": {"type": "image_url"}}),
        ({"type": "odd", "x": 1}, {"type": "non_standard", "value": {"type": "odd", "x": 1}}),
        ("a", {"type": "text", "text": "a"}),
    ],
)
def test_blocks_have_one_spelling(block: Any, standard: Any) -> None:
    """Images of every vendor's spelling come as one kind of block; what is unknown is kept."""
    assert HumanMessage([block]).content_blocks == [standard]


def test_blocks_hold_the_tool_calls_too() -> None:
    """The blocks of an answer end with its tool calls."""
    call = tool_call(name="f", args={}, id="1")
    assert AIMessage("x", tool_calls=[call]).content_blocks == [{"type": "text", "text": "x"}, call]


def test_message_can_be_made_of_blocks() -> None:
    """``content_blocks`` may stand for ``content``, but not beside it."""
    block = create_image_block(url="https://a")
    assert HumanMessage(content_blocks=[block]).content == [block]
    with pytest.raises(MessageError, match="not both"):
        HumanMessage("x", content_blocks=[block])


def test_image_block_is_of_one_source() -> None:
    """An image is behind a URL, in the block or at the vendor; base64 data needs a type."""
    with pytest.raises(ValueError, match="exactly one"):
        create_image_block(url="u", base64="b", mime_type="image/png")
    with pytest.raises(ValueError, match="mime_type"):
        create_image_block(base64="b")


def test_tool_message_takes_what_tools_give() -> None:
    """Results that are no text are written as text, and ids of other types as strings."""
    id = UUID(int=1)
    assert ToolMessage(content=42, tool_call_id=7) == ToolMessage("42", tool_call_id="7")  # type: ignore[arg-type]
    assert ToolMessage(content=(1, "a"), tool_call_id=id).content == ["1", "a"]  # type: ignore[arg-type]


def test_tool_calls_are_marked_and_checked() -> None:
    """A call without a type gets one without the caller's dict being changed; one without a name is refused."""
    call = {"name": "f", "args": {}, "id": None}
    assert AIMessage(tool_calls=[call]).tool_calls == [{**call, "type": "tool_call"}]  # type: ignore[list-item]
    assert "type" not in call
    with pytest.raises(ValidationError, match="name"):
        AIMessage(tool_calls=[{"args": {}, "id": None}])  # type: ignore[typeddict-item]


def test_pretty_print_shows_role_name_and_calls(capsys: pytest.CaptureFixture[str]) -> None:
    """People see who speaks, what is said and which tools are called."""
    AIMessage("Hm.", name="Bo", tool_calls=[tool_call(name="add", args={"a": 1}, id="c1")]).pretty_print()
    title, *lines = capsys.readouterr().out.splitlines()
    assert title == " Ai Message ".center(80, "=")
    assert lines == ["Name: Bo", "", "Hm.", "", "Tool call add (c1)", "  a: 1"]


def test_schemas_carry_one_sentence_each() -> None:
    """The chunks make a union in a fixed order, each described by its class."""
    schema = TypeAdapter(reduce(operator.or_, MESSAGE_CHUNKS)).json_schema()
    names = [choice["$ref"].rpartition("/")[2] for choice in schema["anyOf"]]
    assert names == [f"{kind}MessageChunk" for kind in ("Human", "AI", "Chat", "Function", "System", "Tool")]
    assert all(schema["$defs"][name]["description"].endswith(".") for name in names)


# ---------------------------------------------------------------------------------------------------------- chunks


@pytest.mark.parametrize("kind", MESSAGE_CHUNKS)
def test_chunks_add_up_to_their_class(kind: type[BaseMessage]) -> None:
    """Chunks of a class make a chunk of that class, which amounts to the message they are pieces of."""
    total = made(kind, "a") + made(kind, "b")
    whole = message_chunk_to_message(total)
    assert type(total) is kind
    assert whole == made(type(whole), "ab")
    assert type(whole) in MESSAGES


def test_every_field_adds_up() -> None:
    """Text is joined, counts are added, facts replaced, ids kept."""
    total = AIMessageChunk(
        "a",
        id="1",
        additional_kwargs={"r": "x"},
        response_metadata={"model": "m", "logs": [1]},
        usage_metadata=usage(1),
    ) + AIMessageChunk(
        "b",
        id="2",
        additional_kwargs={"r": "y"},
        response_metadata={"model": "m", "logs": [2]},
        usage_metadata=usage(2),
    )
    assert (total.content, total.id, total.additional_kwargs) == ("ab", "1", {"r": "xy"})
    assert total.response_metadata == {"model": "m", "logs": [1, 2]}
    assert total.usage_metadata == usage(3) == add_usage(usage(1), add_usage(None, usage(2)))


@pytest.mark.parametrize(
    ("parts", "total"),
    [
        (["a", ["b", {"type": "x"}]], ["ab", {"type": "x"}]),
        ([[], "a", ""], "a"),
        ([["a"], ["b"]], ["ab"]),
        ([[{"type": "x"}], [{"type": "x"}]], [{"type": "x"}, {"type": "x"}]),
        (
            [[{"type": "text", "text": "a", "index": 0}], [{"type": "text", "text": "b", "index": 0}]],
            [{"type": "text", "text": "ab", "index": 0}],
        ),
        (
            [[{"type": "text", "text": "a", "index": 0}], [{"type": "thought", "text": "b", "index": 0}]],
            [{"type": "text", "text": "a", "index": 0}, {"type": "thought", "text": "b", "index": 0}],
        ),
    ],
)
def test_content_of_chunks_adds_up(parts: list[Any], total: Any) -> None:
    """Text is joined to text, blocks with one index become one block, others stay apart."""
    assert merge_all(map(AIMessageChunk, parts)).content == total


def test_roles_must_agree() -> None:
    """Pieces of different messages do not make one message, and adding them says why at once."""
    with pytest.raises(MessageError, match=r"same role.*'a'.*'b'"):
        ChatMessageChunk("x", role="a") + ChatMessageChunk("y", role="b")
    with pytest.raises(TypeError, match="AIMessageChunk"):
        operator.add(AIMessageChunk("x"), HumanMessageChunk("y"))


def test_error_of_a_tool_is_not_lost() -> None:
    """The sum of a tool's chunks is an error if one of them is."""
    parts = [ToolMessageChunk("x", tool_call_id="1", status=status) for status in ("success", "error", "success")]
    assert merge_all(parts).status == "error"


def test_subclass_and_class_add_up_to_the_subclass() -> None:
    """A vendor's chunk with fields of its own adds up with plain ones, either way round."""

    class Scored(AIMessageChunk):
        tags: list[str] = []
        score: int = 5

    special = Scored("s", tags=["x"], score=0)
    for total in (special + AIMessageChunk("a"), AIMessageChunk("a") + special):
        assert isinstance(total, Scored)
        assert (sorted(total.text), total.tags, total.score) == (["a", "s"], ["x"], 0)


LOOKS: dict[str, Callable[[Any], Any]] = {
    "attribute": lambda chunk: chunk.content,
    "text": lambda chunk: chunk.text,
    "repr": repr,
    "str": str,
    "dump": lambda chunk: chunk.model_dump(),
    "json": lambda chunk: chunk.model_dump_json(),
    "only what was set": lambda chunk: chunk.model_dump(exclude_unset=True),
    "vars": vars,
    "dict": dict,
    "nested dump": lambda chunk: TypeAdapter(list[AnyMessage]).dump_python([chunk]),
    "in a model": lambda chunk: RootModel[AIMessageChunk](chunk).model_dump_json(),
    "pickle": lambda chunk: pickle.loads(pickle.dumps(chunk)),
    "copy": copy.copy,
    "deep copy": copy.deepcopy,
    "model copy": lambda chunk: chunk.model_copy(update={"id": "2"}),
    "validated": ANY.validate_python,
    "unknown attribute": lambda chunk: getattr(chunk, "unknown", "none"),
    "extra attribute": lambda chunk: chunk.extra,
    "tool calls": lambda chunk: chunk.tool_calls,
    "added to": lambda chunk: chunk + AIMessageChunk("!"),
    "message": message_chunk_to_message,
}


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_sum_looks_like_a_finished_chunk(look: Callable[[Any], Any]) -> None:
    """Nothing tells a sum that nobody has looked at from a chunk made of the whole text."""
    parts = [
        AIMessageChunk("a", id="1", extra="x", tool_call_chunks=[tool_call_chunk(name="f", args='{"a"', index=0)]),
        AIMessageChunk("b", tool_call_chunks=[tool_call_chunk(args=": 1}", index=0)]),
    ]
    whole = [tool_call_chunk(name="f", args='{"a": 1}', index=0)]
    finished = AIMessageChunk("ab", id="1", extra="x", tool_call_chunks=whole)
    assert look(reduce(operator.add, parts)) == look(finished)
    assert look(merge_all(parts)) == look(finished)
    assert reduce(operator.add, parts) == finished


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_chunk_made_unchecked_looks_like_a_checked_one(look: Callable[[Any], Any]) -> None:
    """``model_construct`` of a chunk is a shortcut to the same chunk."""
    fields: dict[str, Any] = {"content": "a", "id": "1", "response_metadata": {"m": 1}}
    calls = [tool_call_chunk(name="f", args="{}", index=0)]
    fast = AIMessageChunk.model_construct(**fields, tool_call_chunks=calls)
    slow = AIMessageChunk(**fields, tool_call_chunks=calls)
    fast.extra = slow.extra = "x"  # type: ignore[attr-defined]
    assert look(fast) == look(slow)


def test_sum_is_joined_once() -> None:
    """The second look finds what the first one made."""
    total = reduce(operator.add, [AIMessageChunk.model_construct(content="token") for _ in range(100)])
    assert total.content is total.content
    assert total.tool_calls is total.tool_calls


def test_sum_can_be_changed() -> None:
    """A sum is a chunk like any other: setting a field sets it, and the next sum starts from there."""
    total = AIMessageChunk("a", id="1") + AIMessageChunk("b")
    total.content = "x"
    total.additional_kwargs["k"] = "v"
    assert (total + AIMessageChunk("c")).model_dump(include={"content", "id", "additional_kwargs"}) == {
        "content": "xc",
        "id": "1",
        "additional_kwargs": {"k": "v"},
    }


@pytest.mark.parametrize("make", [AIMessageChunk, AIMessageChunk.model_construct])
def test_changing_a_chunk_does_not_change_a_sum(make: Callable[..., AIMessageChunk]) -> None:
    """A sum is that of the chunks as they were, looked at or not; what was changed before counts."""
    chunk = make(content="a", additional_kwargs={"k": "x"})
    chunk.additional_kwargs["early"] = True
    total = chunk + AIMessageChunk("b")
    chunk.content = "changed"
    chunk.additional_kwargs["late"] = True
    assert total.content == "ab"
    assert total.additional_kwargs == {"k": "x", "early": True}


def test_sums_do_not_share_what_can_be_changed() -> None:
    """Two sums that begin with the same chunk are two messages."""
    start = AIMessageChunk("a", response_metadata={"m": [1]}) + AIMessageChunk("b")
    one, two = start + AIMessageChunk("1"), start + AIMessageChunk("2")
    one.response_metadata["mine"] = True
    assert "mine" not in two.response_metadata
    assert (one.content, two.content, start.content) == ("ab1", "ab2", "ab")


def test_private_attributes_survive_a_sum() -> None:
    """A subclass may keep private attributes; a sum has those of its first chunk."""

    class Marked(AIMessageChunk):
        _mark: int = 0

    first = Marked("a")
    first._mark = 7
    assert (first + Marked("b"))._mark == 7


@pytest.fixture
def busy_threads() -> Iterator[None]:
    """Let threads take turns after every few instructions."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def test_many_threads_may_look_at_once(busy_threads: None) -> None:
    """A sum that several threads look at for the first time is whole for each of them."""
    for _ in range(100):
        total = merge_all(AIMessageChunk.model_construct(content=str(n), id="1") for n in range(50))
        barrier, seen = threading.Barrier(4, timeout=30), list[Any]()

        def look(total: Any = total, barrier: Any = barrier, seen: list[Any] = seen) -> None:
            barrier.wait()
            seen.append((total.content, total.id, total.tool_calls, total.model_dump()["content"]))

        threads = [threading.Thread(target=look) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        text = "".join(map(str, range(50)))
        assert seen == [(text, "1", [], text)] * 4


def _events_of_adding(n: int) -> int:
    """Count the calls, into Python and into C, that adding up and looking takes."""
    chunks = [AIMessageChunk.model_construct(content="token", id="1") for _ in range(n)]
    events = 0

    def count(_frame: Any, _event: str, _arg: Any) -> None:
        nonlocal events
        events += 1

    sys.setprofile(count)
    try:
        total = reduce(operator.add, chunks)
        length = len(total.text)
    finally:
        sys.setprofile(None)
    assert length == 5 * n
    return events


def test_adding_up_takes_linear_work() -> None:
    """Twice the chunks take twice the calls."""
    assert _events_of_adding(2000) < 2.1 * _events_of_adding(1000)


def test_adding_up_copies_no_text() -> None:
    """Two thousand running sums of a hundred characters each more take a few hundred bytes each, not their text."""
    chunks = [AIMessageChunk.model_construct(content="x" * 100) for _ in range(2000)]
    tracemalloc.start()
    try:
        sums = list(accumulate(chunks, operator.add))
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(sums[-1].text) == 200_000
    assert size < 2000 * 2000  # with their text it would be 200 MB


def test_a_hundred_thousand_sums_go_away_quietly() -> None:
    """A long chain of sums that nobody looked at is neither looked at nor dropped by recursion."""
    total = reduce(operator.add, [AIMessageChunk.model_construct(content="x")] * 100_000)
    turned = reduce(lambda later, chunk: chunk + later, [AIMessageChunk.model_construct(content="x")] * 100_000)
    assert len(turned.text) == 100_000
    del total


# ------------------------------------------------------------------------------------------------------- tool calls


def test_tool_call_is_read_while_it_streams() -> None:
    """Arguments are read as far as they have come."""
    parts = [call_chunk('{"city": "Pa', name="weather", id="c1"), call_chunk('ris", "days"'), call_chunk(": 3}")]
    sums = list(accumulate(parts, operator.add))
    assert [total.tool_calls[0]["args"] for total in sums] == [
        {"city": "Pa"},
        {"city": "Paris"},
        {"city": "Paris", "days": 3},
    ]
    assert sums[-1].tool_calls == [tool_call(name="weather", args={"city": "Paris", "days": 3}, id="c1")]


def test_tool_call_that_stops_short_is_broken_in_the_end() -> None:
    """Half an argument must not be taken for a whole one once the stream has ended."""
    cut = call_chunk('{"path": "etc/a', name="delete", id="c1")
    ended = cut + AIMessageChunk(chunk_position="last")
    for message in (ended, message_chunk_to_message(cut)):
        assert isinstance(message, AIMessage)
        assert message.tool_calls == []
        [broken] = message.invalid_tool_calls
        assert (broken["name"], broken["args"], broken["id"]) == ("delete", '{"path": "etc/a', "c1")
        assert "JSON" in str(broken["error"])


def test_calls_stream_side_by_side() -> None:
    """Pieces find their call by index; a new id under the same index is a new call."""
    parts = [
        call_chunk("{", 0, name="f", id="a"),
        call_chunk("{", 1, name="g", id="b"),
        call_chunk("}", 0),
        call_chunk("}", 1, name="", id=""),
        call_chunk("{}", 1, name="h", id="c"),
        call_chunk("", 2, name="i", id="d"),
    ]
    calls = merge_all(parts).tool_calls
    assert [(call["name"], call["id"], call["args"]) for call in calls] == [
        (n, i, {}) for n, i in zip("fghi", "abcd", strict=True)
    ]
    assert merge_all(parts).invalid_tool_calls == []


def test_name_that_is_sent_again_is_not_doubled() -> None:
    """Some servers repeat name and id with every piece."""
    total = call_chunk('{"a":', name="f", id="1") + call_chunk("1}", name="f", id="1")
    assert total.tool_calls == [tool_call(name="f", args={"a": 1}, id="1")]


def test_calls_without_pieces_add_up() -> None:
    """A server that gives whole calls in its chunks loses none of them."""
    parts = [AIMessageChunk(tool_calls=[tool_call(name=name, args={"x": 1}, id=name)]) for name in "fg"]
    assert [call["name"] for call in merge_all(parts).tool_calls] == ["f", "g"]
    fast = AIMessageChunk.model_construct(content="", tool_calls=parts[0].tool_calls)
    assert fast == parts[0]


@pytest.mark.parametrize(
    "text", ["[1]", '"x"', "nope", '{"a": 1} x', '{"a": NaN}', '{"a": ' + "[" * 5000, "}", '{"a": 1]']
)
def test_arguments_that_are_no_object_are_broken(text: str) -> None:
    """Whatever cannot become a JSON object is kept as it came, and nothing is raised."""
    chunk = call_chunk(text, name="f")
    assert (chunk.tool_calls, chunk.invalid_tool_calls[0]["args"]) == ([], text)


@pytest.mark.parametrize(
    "value",
    [
        {"a": "x", "b": [1, -2.5e3, {"c": True, "d": None}], "ü": {"e": []}},
        {"quote": 'a "b" \\ / \n', "emoji": "😀", "empty": "", "": 0},
        {"nested": [[[{"a": [{}]}], "x"]]},
    ],
)
@pytest.mark.parametrize("ascii", [True, False])
def test_every_beginning_of_an_object_is_read(value: Any, ascii: bool) -> None:
    """Every prefix of a JSON text gives a dict, and each only adds to what the one before gave."""
    text = json.dumps(value, ensure_ascii=ascii)
    read = [call_chunk(text[:end], name="f").tool_calls[0]["args"] for end in range(len(text) + 1)]
    assert (read[0], read[-1]) == ({}, value)
    assert all(_grows(earlier, later) for earlier, later in pairwise(read))
    json.dumps(read, ensure_ascii=False).encode()  # no half characters


def _grows(earlier: Any, later: Any) -> bool:
    if isinstance(earlier, dict):
        return isinstance(later, dict) and all(key in later and _grows(earlier[key], later[key]) for key in earlier)
    if isinstance(earlier, list):
        return len(earlier) <= len(later) and all(map(_grows, earlier, later))
    return (
        str(later).startswith(str(earlier)) if isinstance(earlier, str) else type(earlier) in (int, float, type(later))
    )


def test_line_breaks_in_arguments_are_read() -> None:
    """Models write line breaks into strings as they are."""
    for text in ('{"code": "a\nb"}', '{"code": "a\nb'):
        assert call_chunk(text, name="f").tool_calls[0]["args"] == {"code": "a\nb"}


def test_looking_at_the_text_does_not_read_the_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Arguments are read when somebody asks for the calls, not for every look at a growing answer."""
    loads: list[str] = []
    original = json.loads
    monkeypatch.setattr(json, "loads", lambda text, **kw: loads.append(text) or original(text, **kw))
    total = call_chunk('{"a":', name="f") + call_chunk("1}")
    assert total.text == ""
    assert loads == []
    assert total.tool_calls[0]["args"] == {"a": 1}
    assert loads == ['{"a":1}']


# ------------------------------------------------------------------------------------------------------- conversion


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ("hi", HumanMessage("hi")),
        (("human", "hi"), HumanMessage("hi")),
        (["user", "hi"], HumanMessage("hi")),
        (("ai", [{"type": "text", "text": "x"}]), AIMessage([{"type": "text", "text": "x"}])),
        (("system", "s"), SystemMessage("s")),
        ({"role": "user", "content": "hi"}, HumanMessage("hi")),
        ({"role": "user", "content": "hi", "name": "Ann"}, HumanMessage("hi", name="Ann")),
        ({"role": "assistant", "content": None, "refusal": "no"}, AIMessage("", additional_kwargs={"refusal": "no"})),
        ({"role": "tool", "content": "42", "tool_call_id": "1"}, ToolMessage("42", tool_call_id="1")),
        ({"role": "function", "content": "42", "name": "f"}, FunctionMessage("42", name="f")),
        ({"type": "human", "content": "hi"}, HumanMessage("hi")),
        ({"type": "chat", "role": "bard", "content": "hi"}, ChatMessage("hi", role="bard")),
        ({"type": "AIMessageChunk", "content": "hi"}, AIMessageChunk("hi")),
        ({"type": "ai", "data": {"content": "hi"}}, AIMessage("hi")),
        ({"type": "ai", "content": "hi", "data": {"content": "x"}}, AIMessage("hi", data={"content": "x"})),
    ],
)
def test_messages_are_made_of_what_people_write(item: Any, message: BaseMessage) -> None:
    """Strings, pairs, OpenAI's dicts and dumps of messages all become messages."""
    assert convert_to_messages([item]) == [message]


def test_messages_pass_as_they_are() -> None:
    """A message is not copied, and a prompt value gives its own."""

    class Value:
        def to_messages(self) -> list[BaseMessage]:
            return [message]

    message = HumanMessage("x")
    assert convert_to_messages([message])[0] is message
    assert convert_to_messages(message)[0] is message
    assert convert_to_messages(Value())[0] is message


OPENAI_CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}


def test_openai_tool_calls_are_read() -> None:
    """Calls in OpenAI's spelling are read, those that cannot be read are kept as broken ones."""
    broken = {"id": "c2", "type": "function", "function": {"name": "g", "arguments": '{"a'}}
    [message] = convert_to_messages([{"role": "assistant", "content": None, "tool_calls": [OPENAI_CALL, broken]}])
    assert isinstance(message, AIMessage)
    assert message.tool_calls == [tool_call(name="f", args={"a": 1}, id="c1")]
    assert [(call["name"], call["args"]) for call in message.invalid_tool_calls] == [("g", '{"a')]


class Hostile:
    """Would betray that it was looked up by name, were it ever."""

    made: ClassVar[list[Any]] = []

    def __init__(self, **kwargs: Any) -> None:
        self.made.append(kwargs)


@pytest.mark.parametrize(
    "item",
    [
        {"role": "wizard", "content": "x"},
        {"role": ["user"], "content": "x"},
        {"type": f"{__name__}.Hostile", "content": "x"},
        {"lc": 1, "type": "constructor", "id": [__name__, "Hostile"], "kwargs": {"content": "x"}},
        {"type": "builtins.eval", "data": {"content": "1"}},
        {"role": "user"},
        {"role": "user", "content": {"a": 1}},
        {"role": "assistant", "content": "", "tool_calls": "f"},
        {"role": "assistant", "content": "", "tool_calls": ["f"]},
        {"type": "human", "content": "x", 4: 5},
        ("human",),
        ("wizard", "x"),
        5,
        None,
        {},
    ],
    ids=repr,
)
def test_what_is_no_message_is_refused_with_what_is_accepted(item: Any) -> None:
    """The error says what came and what would do; names in dicts never lead to classes."""
    with pytest.raises(MessageError, match=r"expected|do not make|must be strings"):
        convert_to_messages([item])
    assert Hostile.made == []


def test_error_does_not_repeat_the_input() -> None:
    """What is said about a bad dict does not hold the whole of it."""
    with pytest.raises(MessageError) as caught:
        convert_to_messages([{"role": "user", "content": {"secret": "x" * 1000}}, {"role": "x" * 1000, "content": ""}])
    assert len(str(caught.value)) < 500
    with pytest.raises(MessageError, match="sequence of messages"):
        convert_to_messages(5)


def test_messages_survive_dicts() -> None:
    """What ``messages_to_dict`` writes, ``messages_from_dict`` reads."""
    messages = [made(kind) for kind in (*MESSAGES, *MESSAGE_CHUNKS)]
    assert messages_from_dict(json.loads(json.dumps(messages_to_dict(messages)))) == messages
    with pytest.raises(MessageError, match="'type' of human, ai"):
        messages_from_dict([{"type": "wizard", "data": {}}])


CONVERSATION = [
    SystemMessage("Be brief."),
    HumanMessage("1+1?"),
    AIMessage("", tool_calls=[tool_call(name="f", args={"a": 1}, id="c1")]),
    ToolMessage("2", tool_call_id="c1"),
    ChatMessage("Two.", role="bard"),
]


def test_conversation_as_one_text() -> None:
    """Each message is a line that begins with who speaks."""
    assert get_buffer_string(CONVERSATION, human_prefix="Me").splitlines() == [
        "System: Be brief.",
        "Me: 1+1?",
        'AI: {"name": "f", "args": {"a": 1}}',
        "Tool: 2",
        "bard: Two.",
    ]


def test_conversation_as_openai_takes_it() -> None:
    """Roles and tool calls have OpenAI's spelling, and are read back from it."""
    dicts = convert_to_openai_messages(CONVERSATION)
    assert [message["role"] for message in dicts] == ["system", "user", "assistant", "tool", "bard"]
    assert dicts[2]["tool_calls"] == [OPENAI_CALL]
    assert dicts[3]["tool_call_id"] == "c1"
    assert convert_to_messages(dicts[:4]) == CONVERSATION[:4]
    assert convert_to_openai_messages("hi") == {"role": "user", "content": "hi"}
    assert (
        convert_to_openai_messages(convert_to_messages({"role": "developer", "content": "x"}))[0]["role"] == "developer"
    )


def test_content_as_openai_takes_it() -> None:
    """Images become ``image_url``, text alone a string unless blocks are wanted; Anthropic's calls are not repeated."""
    call = tool_call(name="f", args={"a": 1}, id="c1")
    use = {"type": "tool_use", "id": "c1", "name": "f", "input": {"a": 1}}
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,QQ=="}}
    assert convert_to_openai_messages(HumanMessage(["a", IMAGE]))["content"] == [{"type": "text", "text": "a"}, image]
    assert convert_to_openai_messages(HumanMessage(["a", "b"]))["content"] == "ab"
    assert convert_to_openai_messages("a", text_format="block")["content"] == [{"type": "text", "text": "a"}]
    assert convert_to_openai_messages(AIMessage(["a", use], tool_calls=[call]))["content"] == "a"


# -------------------------------------------------------------------------------------------------- which messages


def test_filter_by_name_type_and_id() -> None:
    """Anything that is included and not excluded stays."""
    messages = [HumanMessage("a", name="Ann"), HumanMessage("b", id="2"), AIMessage("c", name="Bo")]
    assert filter_messages(messages, include_names=["Ann"], include_ids=["2"]) == messages[:2]
    assert filter_messages(messages, include_types="ai", exclude_names=["Bo"]) == []
    assert filter_messages(messages, exclude_types=[HumanMessage]) == messages[2:]


def test_neighbours_of_a_type_become_one() -> None:
    """Runs are joined, results of tools are not, and the messages that came in stay as they were."""
    said = [HumanMessage("a", id="1"), HumanMessage("b"), AIMessage("c"), AIMessageChunk("d", usage_metadata=usage(1))]
    results = [ToolMessage("x", tool_call_id="1"), ToolMessage("y", tool_call_id="2")]
    merged = merge_message_runs([*said, *results])
    assert merged == [HumanMessage("a\nb", id="1"), AIMessage("c\nd", usage_metadata=usage(1)), *results]
    assert said[0] == HumanMessage("a", id="1")


def test_merged_answers_keep_their_calls() -> None:
    """Tool calls and blocks of joined answers are all there."""
    calls = [tool_call(name=name, args={}, id=name) for name in "fg"]
    answers = [
        AIMessage(content, tool_calls=[call]) for content, call in zip(["a", [{"type": "x"}]], calls, strict=True)
    ]
    assert merge_message_runs(answers) == [AIMessage(["a", {"type": "x"}], tool_calls=calls)]


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({"max_tokens": 2}, [3, 4]),
        ({"max_tokens": 2, "include_system": True}, [0, 4]),
        ({"max_tokens": 3, "include_system": True}, [0, 4]),  # the result of a tool whose call is cut off goes too
        ({"max_tokens": 4, "include_system": True}, [0, 2, 3, 4]),
        ({"max_tokens": 9}, [0, 1, 2, 3, 4]),
        ({"max_tokens": 4, "start_on": "ai"}, [2, 3, 4]),
        ({"max_tokens": 2, "end_on": ("human", SystemMessage)}, [2, 3]),
        ({"max_tokens": 3, "strategy": "first"}, [0, 1, 2]),
        ({"max_tokens": 3, "strategy": "first", "end_on": "human"}, [0, 1]),
        ({"max_tokens": 0, "include_system": True}, []),
    ],
)
def test_trimming_keeps_the_end_that_is_asked_for(options: Any, kept: list[int]) -> None:
    """The longest piece that is worth few enough tokens stays, from and to messages that may stand there."""
    conversation = [*CONVERSATION[:3], HumanMessage("x"), AIMessage("y")]
    if options["max_tokens"] == 3 and "include_system" in options:
        conversation[3] = ToolMessage("x", tool_call_id="c1")
    assert trim_messages(conversation, token_counter=len, **options) == [conversation[n] for n in kept]


def test_trimming_asks_the_counter_seldom() -> None:
    """A thousand messages are counted a dozen times, not a thousand."""
    asked: list[int] = []
    trimmed = trim_messages(["x"] * 1000, max_tokens=300, token_counter=lambda m: asked.append(len(m)) or len(m))
    assert len(trimmed) == 300
    assert len(asked) <= 12


def words(message: BaseMessage) -> int:
    """Counts one message."""
    return len(message.text.split())


@pytest.mark.parametrize(
    ("options", "texts"),
    [
        ({"max_tokens": 3}, ["f g"]),
        ({"max_tokens": 4}, ["d e\n", "f g"]),
        ({"max_tokens": 4, "allow_partial": False}, ["f g"]),
        ({"max_tokens": 4, "strategy": "first"}, ["a b", "c\n"]),
        ({"max_tokens": 3, "text_splitter": lambda text: re.findall(r"\S+\s*", text)}, ["e\n", "f g"]),
        ({"max_tokens": 1}, []),
        ({"max_tokens": 9}, ["a b", "c\nd e\n", "f g"]),
        ({"max_tokens": 4, "start_on": "human"}, ["f g"]),
    ],
)
def test_trimming_keeps_a_part_where_that_is_allowed(options: Any, texts: list[str]) -> None:
    """Of the message that is cut off stay the lines, or other pieces, for which there is room."""
    conversation = [HumanMessage("a b"), AIMessage("c\nd e\n"), HumanMessage("f g")]

    trimmed = trim_messages(conversation, token_counter=words, **{"allow_partial": True, **options})

    assert [message.text for message in trimmed] == texts


def test_trimming_keeps_blocks_and_leaves_the_message_as_it_is() -> None:
    """A message of blocks loses blocks; the one that was given has all of them."""
    blocks = [{"type": "text", "text": "a b"}, {"type": "text", "text": "c"}]
    given = HumanMessage(blocks)  # type: ignore[arg-type]

    assert trim_messages([given], max_tokens=1, token_counter=words, allow_partial=True) == [HumanMessage(blocks[1:])]  # type: ignore[arg-type]
    assert len(given.content) == 2


def test_filtering_leaves_out_calls_of_tools() -> None:
    """All calls and their results, or those with the ids that are named; other calls of the message stay."""
    calls = [tool_call(name="t", args={}, id=id) for id in ("1", "2")]
    asked = AIMessage([{"type": "text", "text": "x"}, {"type": "tool_use", "id": "1"}], tool_calls=calls)  # type: ignore[arg-type]
    conversation = [HumanMessage("a"), asked, *(ToolMessage("r", tool_call_id=id) for id in ("1", "2"))]

    kept = filter_messages(conversation, exclude_tool_calls=["1"])

    assert filter_messages(conversation, exclude_tool_calls=True) == conversation[:1]
    assert [message.type for message in kept] == ["human", "ai", "tool"]
    assert kept[1].tool_calls == calls[1:]  # type: ignore[attr-defined]
    assert len(kept[1].content) == 1
    assert filter_messages(conversation, exclude_tool_calls=None, include_types=None) == conversation


def test_trimming_refuses_what_makes_no_sense() -> None:
    """Options that contradict each other are named."""
    with pytest.raises(ConfigError, match="include_system"):
        trim_messages(["x"], max_tokens=1, strategy="first", include_system=True)
    with pytest.raises(ConfigError, match="'middle'"):
        trim_messages(["x"], max_tokens=1, strategy="middle")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="token_counter"):
        trim_messages(["x"], max_tokens=1, token_counter=5)


def test_counting_looks_at_text_and_not_at_images() -> None:
    """An image counts the same whatever its size; nothing is fetched."""
    small, large = (create_image_block(base64="x" * n, mime_type="image/png") for n in (4, 40_000))
    assert count_tokens_approximately([HumanMessage([small])]) == count_tokens_approximately([HumanMessage([large])])  # type: ignore[list-item]
    assert count_tokens_approximately(["x" * 400]) > count_tokens_approximately(["x"]) + 90


def test_each_function_is_also_a_step() -> None:
    """Without messages they give a Runnable for a chain."""
    step = trim_messages(max_tokens=2, token_counter=len) | merge_message_runs(chunk_separator=" ")
    assert step.invoke(["a", "b", "c"]) == [HumanMessage("b c")]


# ----------------------------------------------------------------------------------------------------------- import


def test_first_use_may_be_in_many_threads() -> None:
    """Models that are built when first used are built once, or twice, but never half."""
    script = """
import sys, threading
sys.setswitchinterval(1e-6)
from plait.messages import AIMessage, AIMessageChunk
barrier, failed = threading.Barrier(8), []
def use():
    barrier.wait()
    try:
        assert AIMessage("x").model_dump()["content"] == "x"
        assert (AIMessageChunk("a", id="1") + AIMessageChunk("b")).model_dump_json()
    except BaseException as error:
        failed.append(error)
threads = [threading.Thread(target=use) for _ in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
assert not failed, failed
"""
    subprocess.run([sys.executable, "-W", "error", "-c", script], check=True, timeout=60)


@pytest.mark.skipif(not DEFERRED["defer_build"], reason="pydantic before 2.14 cannot build in several threads")
def test_models_are_built_when_first_used() -> None:
    """Importing the messages builds no validator: that would cost more than all the rest of the import."""
    script = "from plait.messages import MESSAGES; assert not any(kind.__pydantic_complete__ for kind in MESSAGES)"
    subprocess.run([sys.executable, "-W", "error", "-c", script], check=True, timeout=60)


def test_message_can_be_a_field() -> None:
    """A user's model may hold messages, lazily summed or not."""

    class Turn(BaseModel):
        said: AnyMessage

    turn = Turn(said=AIMessageChunk("a") + AIMessageChunk("b"))
    assert Turn.model_validate_json(turn.model_dump_json()) == turn


def test_notebook_shows_who_speaks_and_what_is_said() -> None:
    """A notebook shows a message by its speaker, its text and its tool calls; what is said is text, not markup."""
    message = AIMessage("<script>alert(1)</script>", tool_calls=[{"name": "search", "args": {"q": "bears"}, "id": "1"}])

    shown = message._repr_html_()

    assert "<script" not in shown
    assert "&lt;script&gt;" in shown
    assert "search" in shown
    assert "Human" in HumanMessage("hi")._repr_html_()
