"""Selectors choose examples by length and by likeness, in prompts of texts and of messages."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pydantic import ValidationError

from plait.concurrency import gather
from plait.embeddings import DeterministicFakeEmbedding
from plait.errors import MissingVariableError, PromptError
from plait.example_selectors import (
    BaseExampleSelector,
    LengthBasedExampleSelector,
    MaxMarginalRelevanceExampleSelector,
    SemanticSimilarityExampleSelector,
)
from plait.messages import AIMessage, HumanMessage
from plait.prompts import (
    ChatPromptTemplate,
    ExampleSelector,
    FewShotChatMessagePromptTemplate,
    FewShotPromptTemplate,
    PromptTemplate,
)
from plait.vectorstores import InMemoryVectorStore

MODEL = DeterministicFakeEmbedding(size=128)
PAIR = PromptTemplate.from_template("{input} -> {output}")
EXAMPLES = [
    {"input": "the big red dog", "output": "animal"},
    {"input": "the big red rose", "output": "plant"},
    {"input": "a {tone} of voice {x!r}", "output": "{braces}"},
    {"input": "the big red dog barks", "output": "animal"},
]
KINDS = [SemanticSimilarityExampleSelector, MaxMarginalRelevanceExampleSelector]


@pytest.fixture(params=["sync", "async"])
def select(request: pytest.FixtureRequest) -> Any:
    """``select(selector, **values)``: the inputs of the chosen examples, by either twin."""

    def select(selector: Any, **values: Any) -> Any:
        if request.param == "sync":
            return [example.get("input") for example in selector.select_examples(values)]
        return [example.get("input") for example in asyncio.run(selector.aselect_examples(values))]

    return select


def by_likeness(kind: Any = SemanticSimilarityExampleSelector, **settings: Any) -> Any:
    return kind.from_examples(EXAMPLES, MODEL, InMemoryVectorStore, **{"k": 2, "input_keys": ["input"], **settings})


# ----------------------------------------------------------------------------------------------------------- by length


def by_length(**settings: Any) -> LengthBasedExampleSelector:
    return LengthBasedExampleSelector(examples=EXAMPLES[:3], example_prompt=PAIR, **{"max_length": 14, **settings})


def test_as_many_examples_as_fit(select: Any) -> None:
    """The first ones, less if the input is longer; the first that does not fit ends the list."""
    selector = by_length()
    assert selector.example_text_lengths == [6, 6, 7]
    assert select(selector, word="one") == ["the big red dog", "the big red rose"]
    assert select(selector, word="one two three") == ["the big red dog"]
    assert select(selector, word="w " * 20) == []
    assert select(by_length(max_length=13), word="one") == ["the big red dog", "the big red rose"]


def test_values_need_not_be_texts(select: Any) -> None:
    """They count as they read in the prompt."""
    assert len(select(by_length(), number=3, messages=[HumanMessage("hi there")], nothing=None)) == 1


def test_lengths_by_another_measure(select: Any) -> None:
    """Characters, or the tokens of a model."""
    assert select(by_length(get_text_length=len, max_length=30), word="x") == ["the big red dog"]


def test_examples_by_length_can_be_added(select: Any) -> None:
    """The list that was given stays as it was."""
    mine = EXAMPLES[:1]
    selector = LengthBasedExampleSelector(examples=mine, example_prompt=PAIR)
    selector.add_example(EXAMPLES[1])
    asyncio.run(selector.aadd_example(EXAMPLES[2]))
    assert select(selector, word="x") == [example["input"] for example in EXAMPLES[:3]]
    assert len(mine) == 1


def test_an_example_that_cannot_be_written_is_refused() -> None:
    """When it is given, and the selector stays as it was."""
    selector = by_length()
    with pytest.raises(MissingVariableError, match="output"):
        selector.add_example({"input": "x"})
    with pytest.raises(MissingVariableError, match="output"):
        LengthBasedExampleSelector(examples=[{"input": "x"}], example_prompt=PAIR)
    assert len(selector.examples) == len(selector.example_text_lengths) == 3


def test_threads_may_add_examples() -> None:
    """While others select."""
    selector = by_length(max_length=10_000)

    def work(index: int, _: int) -> None:
        selector.add_example({"input": str(index), "output": "x"})
        assert len(selector.select_examples({"a": "b"})) > 3

    gather(work, range(50), 8, None)
    assert len(selector.examples) == len(selector.example_text_lengths) == 53


# --------------------------------------------------------------------------------------------------------- by likeness


def test_the_likest_examples_come_first(select: Any) -> None:
    """By the values of the input_keys alone; braces are nothing but text."""
    assert select(by_likeness(), input="big red dog", tone="rose") == ["the big red dog", "the big red dog barks"]
    assert select(by_likeness(k=1), input="a {tone} of voice", other=object()) == ["a {tone} of voice {x!r}"]


def test_examples_that_say_the_same_are_passed_over(select: Any) -> None:
    """By maximal marginal relevance, as far as lambda_mult wants it."""
    kind = MaxMarginalRelevanceExampleSelector
    assert select(by_likeness(kind, vectorstore_kwargs={"lambda_mult": 0.1}), input="the big red dog") != [
        "the big red dog",
        "the big red dog barks",
    ]
    assert select(by_likeness(kind, vectorstore_kwargs={"lambda_mult": 1.0}), input="the big red dog") == [
        "the big red dog",
        "the big red dog barks",
    ]
    assert select(by_likeness(kind, k=1, fetch_k=1), input="rose") == ["the big red rose"]
    assert len(select(by_likeness(kind, k=3, fetch_k=1), input="rose")) == 3


@pytest.mark.parametrize("kind", KINDS)
def test_a_search_may_be_given_more(kind: Any, select: Any) -> None:
    """Whatever the store takes: a filter, say."""
    chosen = by_likeness(kind, vectorstore_kwargs={"filter": {"output": "plant"}})
    assert select(chosen, input="the big red dog") == ["the big red rose"]


@pytest.mark.parametrize("kind", KINDS)
def test_all_values_are_compared_where_nothing_is_said(kind: Any, select: Any) -> None:
    """Those that are no texts as they read."""
    examples = [{"n": 1, "word": "apple"}, {"n": 2, "word": "pear"}]
    selector = kind.from_examples(examples, MODEL, InMemoryVectorStore, k=1)
    assert selector.select_examples({"x": 2, "y": "pear"}) == [{"n": 2, "word": "pear"}]


@pytest.mark.parametrize("kind", KINDS)
def test_examples_can_be_added(kind: Any, select: Any) -> None:
    """Each is found at once, and has an id in the store."""
    selector = by_likeness(kind, k=1)
    added = selector.add_example({"input": "green frogs", "output": "animal"})
    more = asyncio.run(selector.aadd_example({"input": "blue whales", "output": "animal"}))
    assert [document.metadata["input"] for document in selector.vectorstore.get_by_ids([added, more])] == ["green frogs", "blue whales"]  # fmt: skip
    assert select(selector, input="frogs") == ["green frogs"]
    assert select(selector, input="whales") == ["blue whales"]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_selector_can_be_made_without_blocking(kind: Any) -> None:
    """With the same settings, some of which are the selector's and some the store's."""
    selector = await kind.afrom_examples(EXAMPLES, MODEL, InMemoryVectorStore, k=1, input_keys=["input"], example_keys=["output"])  # fmt: skip
    assert await selector.aselect_examples({"input": "rose"}) == [{"output": "plant"}]


def test_an_example_may_be_shown_in_part() -> None:
    """By example_keys; one that lacks a key is an error that names it."""
    assert by_likeness(k=1, example_keys=["output"]).select_examples({"input": "rose"}) == [{"output": "plant"}]
    with pytest.raises(
        PromptError, match="an example has no 'colour', one of the example_keys; it has 'input', 'output'"
    ):
        by_likeness(example_keys=["colour"]).select_examples({"input": "rose"})


def test_what_is_given_is_not_the_stores(select: Any) -> None:
    """Who changes an example that was chosen changes no other."""
    selector = by_likeness(k=1)
    selector.select_examples({"input": "rose"})[0]["input"] = "changed"
    assert select(selector, input="rose") == ["the big red rose"]
    assert EXAMPLES[1]["input"] == "the big red rose"


def test_what_is_missing_is_named() -> None:
    """A key that an example or the prompt does not have."""
    with pytest.raises(
        PromptError, match="example 0 has no 'question', one of the input_keys; it has 'input', 'output'"
    ):
        by_likeness(input_keys=["question"])
    with pytest.raises(PromptError, match="the prompt has no 'input', one of the input_keys; it has nothing"):
        by_likeness().select_examples({})
    with pytest.raises(PromptError, match="example 0 has no 'input'"):
        by_likeness().add_example({"output": "x"})


@pytest.mark.parametrize("settings", [{"k": 0}, {"vectorstore": object()}, {"kay": 1}])
def test_settings_are_checked(settings: dict[str, Any]) -> None:
    """When the selector is made."""
    store = InMemoryVectorStore(MODEL)
    with pytest.raises(ValidationError):
        SemanticSimilarityExampleSelector(**{"vectorstore": store, **settings})


# ---------------------------------------------------------------------------------------------------------- in prompts


def test_a_prompt_of_texts(run: Any) -> None:
    """What examples hold is never read as a template."""
    for selector in (by_likeness(k=1), by_likeness(MaxMarginalRelevanceExampleSelector, k=1)):
        prompt = FewShotPromptTemplate(
            example_selector=selector, example_prompt=PAIR, suffix="{input}", prefix="Be {tone}"
        )
        answer = run(prompt, {"input": "voice {tone}", "tone": "kind"})
        assert answer.to_string() == "Be kind\n\na {tone} of voice {x!r} -> {braces}\n\nvoice {tone}"


def test_a_prompt_of_messages(run: Any) -> None:
    """Each example is its messages."""
    shots = FewShotChatMessagePromptTemplate(
        example_selector=by_likeness(k=1),
        input_variables=["input"],
        example_prompt=ChatPromptTemplate([("human", "{input}"), ("ai", "{output}")]),
    )
    answer = run(ChatPromptTemplate([shots, ("human", "{input}")]), {"input": "rose"})
    assert answer.messages == [HumanMessage("the big red rose"), AIMessage("plant"), HumanMessage("rose")]


class Own(BaseExampleSelector):
    """A user's own selector, which has the sync methods alone."""

    def __init__(self) -> None:
        self.examples: list[dict[str, Any]] = []

    def add_example(self, example: dict[str, Any]) -> None:
        self.examples.append(example)

    def select_examples(self, input_variables: dict[str, Any], /) -> list[dict[str, Any]]:
        return self.examples


def test_a_selector_of_ones_own(run: Any) -> None:
    """Two methods are enough; the async ones follow."""
    own = Own()
    asyncio.run(own.aadd_example(EXAMPLES[0]))
    prompt = FewShotPromptTemplate(example_selector=own, example_prompt=PAIR, suffix="?")
    assert run(prompt, {}).to_string() == "the big red dog -> animal\n\n?"


@pytest.mark.parametrize("selector", [by_length(), by_likeness(), Own()])
def test_each_is_what_a_prompt_takes(selector: Any) -> None:
    """By its protocol."""
    assert isinstance(selector, ExampleSelector)
