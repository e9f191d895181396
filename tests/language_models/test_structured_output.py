"""A model that is asked for a structure gives a value of it, while it grows and at the end, or an error that says why."""

from __future__ import annotations

import json
import pickle
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
from pydantic import BaseModel, Field, model_validator
from typing_extensions import TypedDict

from plait.errors import ConfigError, EmptyStreamError, OutputParserException
from plait.language_models import BaseChatModel, SimpleChatModel
from plait.language_models.structure import structure_of
from plait.language_models.structured import StructuredAnswer
from plait.messages import AIMessage, AIMessageChunk, BaseMessage
from plait.outputs import ChatGenerationChunk
from plait.testing import FakeListChatModel, FakeMessagesListChatModel


class Pet(BaseModel):
    """A pet."""

    name: str
    legs: int = Field(ge=0)


class PetDict(TypedDict):
    """A pet."""

    name: str
    legs: int


@dataclass
class PetData:
    name: str
    legs: int


SCHEMA = {
    "title": "Pet",
    "type": "object",
    "properties": {"name": {"type": "string"}, "legs": {"type": "integer", "minimum": 0}},
    "required": ["name", "legs"],
}
TOM = {"name": "Tom", "legs": 4}


def calls(args: Any, name: str = "Pet", **fields: Any) -> FakeMessagesListChatModel:
    call = {"name": name, "args": args, "id": "c1"}
    return FakeMessagesListChatModel(responses=[AIMessage("", tool_calls=[call], **fields)])


def says(text: str, **fields: Any) -> FakeMessagesListChatModel:
    return FakeMessagesListChatModel(responses=[AIMessage(text, **fields)])


class Pieces(BaseChatModel):
    """Gives its pieces, of text or of a call, one by one."""

    pieces: list[str]
    as_call: bool = False

    def _stream(self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Any:
        for number, piece in enumerate(self.pieces):
            name, id = ("Pet", "c1") if number == 0 else (None, None)
            call = [{"name": name, "args": piece, "id": id, "index": 0}]
            fields: dict[str, Any] = {"tool_call_chunks": call} if self.as_call else {"content": piece}
            yield ChatGenerationChunk(message=AIMessageChunk(**{"content": "", **fields}))

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        return self.bind()

    _methods = ("function_calling", "json_schema")


# ------------------------------------------------------------------------------------------------------------- values


@pytest.mark.parametrize(
    ("schema", "value"),
    [(Pet, Pet(**TOM)), (PetData, PetData(**TOM)), (PetDict, TOM), (SCHEMA, TOM)],  # type: ignore[arg-type]
)
def test_gives_a_value_of_the_schema(run: Any, schema: Any, value: Any) -> None:
    """A class gives its objects, a TypedDict or JSON Schema a dict: from a call of a tool, and from text."""
    name = getattr(schema, "__name__", "Pet")

    assert run(calls(TOM, name).with_structured_output(schema), "x") == value
    assert run(says(json.dumps(TOM)).with_structured_output(schema, method="json_schema"), "x") == value


def test_text_around_json_is_passed_over(run: Any) -> None:
    """Models put JSON into fences and sentences."""
    text = "Here it is:\n```json\n" + json.dumps(TOM) + "\n```\nBye!"

    assert run(says(text).with_structured_output(Pet, method="json_mode"), "x") == Pet(name="Tom", legs=4)


def test_model_is_told_what_is_wanted() -> None:
    """By a tool that it must call, or by the format of its answer."""
    model = calls(TOM)
    model.with_structured_output(Pet).invoke("x")
    model.with_structured_output(Pet, method="json_schema", include_raw=True).invoke("x")
    model.with_structured_output(Pet, method="json_mode", include_raw=True).invoke("x")
    tool, schema, mode = (call.kwargs for call in model.calls)

    assert tool["tool_choice"] == {"type": "function", "function": {"name": "Pet"}}
    assert tool["tools"][0]["function"]["description"] == "A pet."
    assert schema["response_format"]["json_schema"]["schema"]["required"] == ["name", "legs"]
    assert mode["response_format"] == {"type": "json_object"}


@pytest.mark.parametrize("as_call", [False, True])
def test_dict_grows_in_a_stream(as_call: bool) -> None:
    """Each chunk is the dict so far, and the last one is all of it; added up they are the last one."""
    model = Pieces(pieces=['{"name": "T', 'om", "le', 'gs": 4', "}"], as_call=as_call)
    method: Any = "function_calling" if as_call else "json_schema"
    structured = model.with_structured_output(SCHEMA, method=method)

    assert list(structured.stream("x")) == [{"name": "T"}, {"name": "Tom"}, TOM]
    assert structured.invoke("x") == TOM


def test_first_of_several_calls_counts() -> None:
    """Pieces of other calls that come in between do not get into the value."""
    pieces: Any = [
        {"name": "other", "args": '{"x": 1', "id": "c0", "index": 0},
        {"name": "Pet", "args": '{"name": "T', "id": "c1", "index": 1},
        {"name": "Pet", "args": '{"name": "Q', "id": "c2", "index": 2},
        {"name": None, "args": 'om"', "id": None, "index": 1},
        {"name": None, "args": 'ui", "legs": 2}', "id": None, "index": 2},
        {"name": None, "args": "}", "id": None, "index": 0},
        {"name": None, "args": ', "legs": 4}', "id": None, "index": 1},
    ]

    class Several(Pieces):
        def _stream(self, *given: Any, **kwargs: Any) -> Any:
            for piece in pieces:
                yield ChatGenerationChunk(message=AIMessageChunk("", tool_call_chunks=[piece]))

    structured = Several(pieces=[]).with_structured_output(SCHEMA)

    assert list(structured.stream("x")) == [{"name": "T"}, {"name": "Tom"}, TOM]
    assert structured.invoke("x") == TOM


def test_object_comes_as_soon_as_it_is_valid() -> None:
    """Of a class there is nothing to see before it has all that it needs, and then what is known."""
    model = Pieces(pieces=['{"legs": 4, "name": "T', "om", '"}'])

    assert list(model.with_structured_output(Pet, method="json_schema").stream("x")) == [
        Pet(name="T", legs=4),
        Pet(name="Tom", legs=4),
    ]


def test_thousands_of_pieces_are_read_once() -> None:
    """Long arguments may come in any number of pieces."""
    text = json.dumps({"name": "x" * 40_000, "legs": 4})
    pieces = [text[at : at + 4] for at in range(0, len(text), 4)]
    *_, last = Pieces(pieces=pieces, as_call=True).with_structured_output(SCHEMA).stream("x")

    assert last == {"name": "x" * 40_000, "legs": 4}


# ------------------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("answer", "method", "told"),
    [
        (calls({"name": "Tom"}), "function_calling", "legs: Field required"),
        (calls({"name": "Tom", "legs": -1}), "function_calling", "legs"),
        (calls({}, "other"), "function_calling", "it called 'other' instead"),
        (says("I will not."), "function_calling", "expected a call of the tool 'Pet'.*I will not"),
        (says(""), "function_calling", "made none"),
        (says("{}"), "json_schema", "name: Field required"),
        (says(""), "json_schema", "no text"),
        (says("no JSON at all"), "json_schema", "expected a JSON value"),
        (says("[1]"), "json_schema", "is no Pet"),
        (says('{"name": "T', response_metadata={"finish_reason": "length"}), "json_schema", "max_tokens"),
        (says('{"name": "T', response_metadata={"stop_reason": "max_tokens"}), "json_schema", "max_tokens"),
        (says("", additional_kwargs={"refusal": "I cannot."}), "json_schema", "refused.*I cannot"),
        (says("no", response_metadata={"stop_reason": "refusal"}), "function_calling", "refused"),
        (says("", response_metadata={"finish_reason": "content_filter"}), "json_schema", "content filter"),
        (says("[" * 100_000), "json_schema", "levels of nesting"),
        (says('{"a":' * 100_000), "json_schema", "levels of nesting"),
    ],
)
def test_what_is_no_such_value_raises(run: Any, answer: Any, method: Any, told: str) -> None:
    """There is never an empty or a half value in its place: the error says what was expected and what came."""
    with pytest.raises(OutputParserException, match=f"(?s){told}"):
        run(answer.with_structured_output(Pet, method=method), "x")


def test_call_that_is_broken_says_how(run: Any) -> None:
    """Arguments that are no JSON are an error with the fault in them."""
    broken = {"name": "Pet", "args": '{"name": ', "id": "1", "error": "it stops short"}
    with pytest.raises(OutputParserException, match=r"is no Pet: .*they are '\{.name.: '") as caught:
        run(says("", invalid_tool_calls=[broken]).with_structured_output(Pet), "x")
    assert caught.value.llm_output == '{"name": '


def test_call_that_is_wrong_is_told_in_full() -> None:
    """The arguments are there as text, however long."""
    with pytest.raises(OutputParserException) as caught:
        calls({"name": "é" * 10_000}).with_structured_output(Pet).invoke("x")
    assert caught.value.llm_output == '{"name": "' + "é" * 10_000 + '"}'


def test_a_stream_without_a_chunk_is_an_error() -> None:
    """Nothing is not a value."""
    with pytest.raises(EmptyStreamError):
        list(StructuredAnswer(structure=structure_of(Pet)).transform(iter([])))


async def test_an_async_stream_without_a_chunk_is_an_error() -> None:
    """Nothing is not a value."""

    async def nothing() -> Any:
        for chunk in ():
            yield chunk

    with pytest.raises(EmptyStreamError):
        [_ async for _ in StructuredAnswer(structure=structure_of(Pet)).atransform(nothing())]


def test_dict_is_checked_too(run: Any) -> None:
    """A JSON Schema and a TypedDict are held to, all the way down."""
    nested = {"title": "List", "type": "object", "properties": {"pets": {"type": "array", "items": SCHEMA}}}
    for schema, value, told in (
        (SCHEMA, {"name": 7, "legs": 4}, "name: expected string, got 7"),
        (SCHEMA, {"name": "Tom"}, "'legs' is missing"),
        (PetDict, {"name": "Tom", "legs": "four"}, "legs: expected integer"),
        (nested, {"pets": [TOM, {"name": "x", "legs": -2}]}, r"pets\[1\].legs: expected at least 0"),
    ):
        with pytest.raises(OutputParserException, match=told):
            run(says(json.dumps(value)).with_structured_output(schema, method="json_schema"), "x")  # type: ignore[call-overload]


def test_error_holds_what_the_model_said() -> None:
    """The text is there for who wants to repair it, and the message is of bounded length."""
    with pytest.raises(OutputParserException) as caught:
        says('{"name": "' + "x" * 100_000).with_structured_output(Pet, method="json_schema").invoke("x")
    assert len(caught.value.llm_output or "") > 100_000
    assert len(str(caught.value)) < 1_000


# ---------------------------------------------------------------------------------------------------------- include_raw


def test_include_raw_gives_the_message_and_the_value(run: Any) -> None:
    """Message, value and error stand side by side, in streams too."""
    given = run(calls(TOM).with_structured_output(Pet, include_raw=True), "x")

    assert given["raw"].tool_calls[0]["args"] == TOM
    assert (given["parsed"], given["parsing_error"]) == (Pet(name="Tom", legs=4), None)


def test_include_raw_gives_the_error(run: Any) -> None:
    """An answer that is no such value is told and not raised."""
    given = run(says("I will not.").with_structured_output(Pet, include_raw=True), "x")

    assert given["raw"].text == "I will not."
    assert given["parsed"] is None
    assert isinstance(given["parsing_error"], OutputParserException)


def test_raw_streams() -> None:
    """The message comes in its chunks, then the value."""
    model = Pieces(pieces=['{"name": "Tom", ', '"legs": 4}'])
    chunks = list(model.with_structured_output(Pet, method="json_schema", include_raw=True).stream("x"))

    assert [chunk["raw"].content for chunk in chunks if "raw" in chunk] == ['{"name": "Tom", ', '"legs": 4}']
    assert chunks[-1]["parsed"] == Pet(name="Tom", legs=4)


# ------------------------------------------------------------------------------------------------- what cannot be asked


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        ({"type": "object", "properties": {}}, "without a 'title'"),
        ({"title": "Pets", "type": "array"}, "no object but array"),
        (Pet(name="Tom", legs=4), "an instance of Pet; give the class"),
        (int, "the class int"),
        ("Pet", "a pydantic class"),
        (None, "a pydantic class"),
    ],
)
def test_bad_schema_raises_at_once(schema: Any, told: str) -> None:
    """What cannot be a structure is refused before any model is called, with what to give instead."""
    with pytest.raises(ConfigError, match=told):
        FakeListChatModel(responses=["x"]).with_structured_output(schema)


def test_method_that_the_model_does_not_know() -> None:
    """The error lists those that it knows; a model without tools says that it has none."""

    class Plain(SimpleChatModel):
        def _call(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> str:
            return "x"

    with pytest.raises(ConfigError, match="by 'function_calling', not by method='json_schema'"):
        Plain().with_structured_output(Pet, method="json_schema")
    with pytest.raises(NotImplementedError, match="Plain cannot call tools"):
        Plain().with_structured_output(Pet)


def test_strict_where_it_cannot_be() -> None:
    """An object with free keys cannot be guaranteed."""

    class Free(BaseModel):
        words: dict[str, int]

    with pytest.raises(ConfigError, match="strict=True cannot be for Free"):
        FakeListChatModel(responses=["x"]).with_structured_output(Free, method="json_schema", strict=True)


# --------------------------------------------------------------------------------------------------------- in company


def test_wrappers_pass_it_on(run: Any) -> None:
    """Fallbacks, retries and bindings have it as the model has it; the fallback steps in for an unreadable answer."""
    spare = calls(TOM)
    for wrapped in (
        says("no").with_fallbacks([spare]),
        spare.with_retry(),
        spare.bind(stop=["x"]),
        spare.with_config(tags=["t"]),
    ):
        assert run(wrapped.with_structured_output(Pet), "x") == Pet(name="Tom", legs=4)  # type: ignore[attr-defined]
    assert spare.calls[-1].kwargs["tools"]


def test_structure_goes_before_the_tools_of_a_binding(run: Any) -> None:
    """Tools that were bound before do not take the place of the structure; other arguments stay."""

    def add(a: int) -> int:
        return a

    model = calls(TOM)
    bound: Any = model.bind_tools([add], seed=7)
    run(bound.with_structured_output(Pet), "x")
    [tool] = model.calls[-1].kwargs["tools"]

    assert (tool["function"]["name"], model.calls[-1].kwargs["seed"]) == ("Pet", 7)
    run(bound.with_structured_output(Pet, method="json_schema", include_raw=True), "x")
    assert model.calls[-1].kwargs["tools"][0]["function"]["name"] == "add"


def test_can_be_pickled() -> None:
    """The step is data, and works in another process."""
    structured = pickle.loads(pickle.dumps(calls(TOM).with_structured_output(SCHEMA)))

    assert structured.invoke("x") == TOM


@pytest.mark.parametrize("schema", [Pet, PetData, PetDict, SCHEMA])
def test_can_be_pickled_after_use(schema: Any) -> None:
    """What the step has made for itself does not stand in the way."""
    structured = calls(TOM, getattr(schema, "__name__", "Pet")).with_structured_output(schema)
    value = structured.invoke("x")

    assert pickle.loads(pickle.dumps(structured)).invoke("x") == value


class Counted(BaseModel):
    """Counts the items that are looked at."""

    seen: ClassVar[int] = 0
    items: list[list[str]] = []

    @model_validator(mode="before")
    @classmethod
    def _count(cls, data: Any) -> Any:
        Counted.seen += sum(map(len, data.get("items", ())))
        return data


def looked_at(count: int, *, as_call: bool) -> int:
    Counted.seen = 0
    text = json.dumps({"items": [["ab"] * 50] * count})
    structure = structure_of(Counted)._replace(name="Pet")
    answer = StructuredAnswer(structure=structure, by_tool=as_call)
    model = Pieces(pieces=[text[at : at + 4] for at in range(0, len(text), 4)], as_call=as_call)
    for _ in (model | answer).stream("x"):
        pass
    return Counted.seen


@pytest.mark.parametrize("as_call", [False, True])
def test_a_stream_of_objects_costs_linear_work(as_call: bool) -> None:
    """Four times the items are looked at about four times as often, though each object is made of all there are."""
    assert looked_at(200, as_call=as_call) < 5 * looked_at(50, as_call=as_call)


def test_any_object_may_be_asked_for(run: Any) -> None:
    """Without a schema, where the prompt alone says what is wanted; what is no object is an error."""
    assert run(says('{"a": [1]}').with_structured_output(None, method="json_mode"), "x") == {"a": [1]}
    with pytest.raises(OutputParserException, match="is no JSON_object: the value: expected object"):
        run(says("[1]").with_structured_output(None, method="json_mode"), "x")
    with pytest.raises(ConfigError, match="got None"):
        says("").with_structured_output(None)


def test_schemas_tell_the_class() -> None:
    """The output schema of the chain is that of the class."""
    structured = calls(TOM).with_structured_output(Pet)

    assert structured.OutputType is Pet
    assert structured.get_output_jsonschema()["properties"].keys() == {"name", "legs"}
