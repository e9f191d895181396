"""What is put into objects after they were made, and classes of a user's own: it comes back, or is refused at once."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import InitVar, dataclass, field
from enum import Enum, Flag, StrEnum
from typing import Any, Generic, NamedTuple, TypeVar

import pytest
from pydantic import BaseModel, Field, RootModel

from plait.documents import Document
from plait.errors import LoadError
from plait.load import dumps, loads
from plait.messages import AIMessage, HumanMessage
from plait.output_parsers import (
    CommaSeparatedListOutputParser,
    OutputFixingParser,
    RetryOutputParser,
    RetryWithErrorOutputParser,
)
from plait.providers import ChatOpenAI
from plait.runnables import ConfigurableFieldMultiOption, ConfigurableFieldSpec, Runnable, RunnableConfig
from plait.testing import FakeListChatModel


def test_what_was_put_in_later_is_saved() -> None:
    """Most programs add to the metadata of documents and messages that they have."""
    document, message, model = Document(page_content="x"), AIMessage("x"), ChatOpenAI(model="m", api_key="k")
    document.metadata["source"] = "a.txt"
    message.additional_kwargs["k"] = 1
    message.response_metadata["m"] = [2]
    message.tool_calls.append({"name": "f", "args": {}, "id": "1", "type": "tool_call"})
    model.model_kwargs["seed"] = 3
    things = [document, message, model]

    assert loads(dumps(things), secrets={"OPENAI_API_KEY": "k"}) == things


class Kept(BaseModel):
    """With defaults of all kinds that can change."""

    listed: list[Any] = [1]
    made: dict[str, Any] = Field(default_factory=dict)
    of_others: list[Any] = Field(default_factory=lambda data: [data["listed"]])
    odd: set[Any] = set()


def test_what_was_put_into_a_default_of_ones_own_is_saved() -> None:
    """Also when it was taken out."""
    kept = Kept()
    kept.listed.clear()
    kept.made["a"] = kept.odd
    kept.of_others.append(2)

    assert loads(dumps(kept, classes=[Kept]), classes=[Kept]) == kept


class Colour(Enum):
    RED = (1, 2)


class Word(StrEnum):
    A = "a"


class Bits(Flag):
    A = 1
    B = 2


class Pair(NamedTuple):
    left: Any
    right: Any = None


@dataclass
class Data:
    x: int
    y: list[Any] = field(default_factory=list)


@dataclass(slots=True)
class Slotted:
    x: int


class Ids(RootModel[list[int]]):
    """A list."""


T = TypeVar("T")


class Box(BaseModel, Generic[T]):
    """Of anything."""

    value: T


class MyDocument(Document):
    """With more fields."""

    score: float = 0.0


class Plain:
    """A class like any other."""

    def __init__(self, url: str, api_key: str = "") -> None:
        self.url, self._api_key = url, api_key

    def __eq__(self, other: object) -> bool:
        return vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash(self.url)


class Times(Runnable[int, int]):
    """A step of one's own."""

    def __init__(self, by: int = 1) -> None:
        self.by = by

    def invoke(self, input: int, config: RunnableConfig | None = None, **kwargs: Any) -> int:
        return input * self.by


OWN: list[Any] = [Colour, Word, Bits, Pair, Data, Slotted, Ids, Box, Box[int], MyDocument, Plain, Times]
THINGS: list[Any] = [
    Colour.RED,
    Word.A,
    Bits.A | Bits.B,
    Pair(1, Pair(Word.A)),
    Data(1, [Slotted(2)]),
    Ids([1]),
    Box[int](value=1),
    Box(value=Colour.RED),
    MyDocument(page_content="x", score=1),
    Plain("u", "sk-plain-secret"),
]


@pytest.mark.parametrize("thing", THINGS, ids=lambda thing: type(thing).__name__)
def test_classes_of_ones_own_come_back(thing: Any) -> None:
    """Enums, named tuples, dataclasses, models of all kinds, plain classes; a secret by its name."""
    text = dumps([thing], classes=OWN)
    back = loads(text, classes=OWN, secrets={"API_KEY": "sk-plain-secret"})

    assert back == [thing]
    assert type(back[0]) is type(thing)
    assert "sk-plain-secret" not in text


@pytest.mark.parametrize("thing", [*THINGS[:9], Slotted(1)], ids=lambda thing: type(thing).__name__)
def test_advice_for_classes_of_ones_own(thing: Any) -> None:
    """To pass them, when they were not."""
    with pytest.raises(LoadError, match=r"pass classes=\[\w+(\[int\])?\] here and to loads"):
        dumps(thing)


def test_steps_of_ones_own_come_back() -> None:
    """By what their constructor was given."""
    assert loads(dumps(Times(3) | Times(4), classes=[Times]), classes=[Times]).invoke(2) == 24


class Hides:
    def __init__(self, url: str) -> None:
        self.place = url


class More:
    def __init__(self, url: str, **more: Any) -> None:
        self.url, self.more = url, more


class Many:
    def __init__(self, *urls: str) -> None:
        self.urls = urls


@dataclass
class Passing:
    x: int
    y: InitVar[int] = 0


class MyDict(dict[str, Any]):
    pass


@pytest.mark.parametrize(
    "thing",
    [Hides("u"), More("u", a=1), Many("u"), Passing(1), MyDict(a=1), OrderedDict(a=1)],
    ids=lambda thing: type(thing).__name__,
)
def test_what_would_come_back_as_less_is_refused(thing: Any) -> None:
    """What a constructor was given has to be there still."""
    with pytest.raises(LoadError, match=rf"\$: this {type(thing).__name__} cannot be saved: "):
        dumps(thing, classes=[type(thing)])


def test_values_of_the_sciences_are_refused_with_advice() -> None:
    """They would come back as lists."""
    numpy = pytest.importorskip("numpy")
    for value in (numpy.array([1.0]), numpy.int64(1), numpy.bool_(True)):
        with pytest.raises(LoadError, match=r"\$\.a: .* make it plain values, by tolist"):
            dumps({"a": value})


def test_defaults_of_configurable_fields_come_back() -> None:
    """Also those that are empty."""
    fields = [
        ConfigurableFieldSpec(id="a", annotation=bool, default=False),
        ConfigurableFieldSpec(id="b", annotation=tuple, default=(1, 2), dependencies=["a"]),
        ConfigurableFieldMultiOption(id="c", options={"x": None}, default=[]),
    ]

    assert loads(dumps(fields)) == fields


@pytest.mark.parametrize("kind", [OutputFixingParser, RetryOutputParser, RetryWithErrorOutputParser])
def test_parsers_that_ask_again_come_back(kind: Any) -> None:
    """With what they ask by themselves."""
    model = FakeListChatModel(responses=["a, b"])
    parser = kind.from_llm(model, CommaSeparatedListOutputParser())
    back: Any = loads(dumps(parser))
    given = {"prompt": "p", "completion": "c", "error": "e", "instructions": "i"}

    assert back.retry_chain.invoke(given) == "a, b"
    assert back.retry_chain.steps[0].invoke(given) == parser.retry_chain.steps[0].invoke(given)


def test_types_that_have_no_name_are_refused() -> None:
    """With what to do."""
    for kind in (tuple[int, ...], dict[str, "Any"]):
        with pytest.raises(LoadError, match="cannot be saved: give it as functions"):
            dumps(kind)
    assert loads(dumps([HumanMessage, list[Document]])) == [HumanMessage, list[Document]]
