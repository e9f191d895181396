"""Prompts as Runnables: schemas, keys, documents and messages as values."""

from __future__ import annotations

from typing import Any

import pytest

from plait.documents import Document
from plait.errors import ChainError
from plait.messages import AIMessage, HumanMessage
from plait.prompt_values import PromptValue, StringPromptValue
from plait.prompts import ChatPromptTemplate, MessagesPlaceholder, PromptTemplate
from plait.runnables import RunnableLambda, RunnablePassthrough

JOKE = ChatPromptTemplate.from_template("tell me a joke about {topic}")


def test_the_input_schema_is_that_of_the_specification() -> None:
    """An object titled PromptInput with the variables, all of them text."""
    expected = {"title": "PromptInput", "type": "object", "properties": {"topic": {"title": "Topic", "type": "string"}}}
    assert JOKE.input_schema.schema() == expected  # type: ignore[attr-defined]  # of the generated models
    assert JOKE.get_input_jsonschema()["required"] == ["topic"]
    assert PromptTemplate.from_template("{topic}").input_schema.schema() == expected  # type: ignore[attr-defined]


def test_what_need_not_be_given_is_not_required() -> None:
    """Optional messages have an empty list for a default, known values are not asked for, types may be told."""
    prompt = ChatPromptTemplate(
        [("system", "{s}"), ("placeholder", "{h}"), MessagesPlaceholder("m"), ("human", "{q} {n}")],
        input_types={"n": int},
    ).partial(s="known")
    schema = prompt.get_input_jsonschema()
    assert sorted(schema["properties"]) == ["h", "m", "n", "q"]
    assert sorted(schema["required"]) == ["m", "n", "q"]
    assert schema["properties"]["n"]["type"] == "integer"
    assert (schema["properties"]["m"]["type"], schema["properties"]["h"]["default"]) == ("array", [])
    checked = prompt.input_schema.model_validate({"m": [{"type": "ai", "content": "x"}], "q": "q", "n": 1})
    assert checked.m == [AIMessage("x")]  # type: ignore[attr-defined]  # of the generated model


def test_a_variable_may_be_called_like_a_method_of_a_model() -> None:
    """The schema knows such names, too."""
    prompt = PromptTemplate.from_template("{schema} {_x} {model_config} {json}")
    assert sorted(prompt.get_input_jsonschema()["properties"]) == ["_x", "json", "model_config", "schema"]


def test_a_chain_that_cannot_supply_a_variable_is_refused_when_built() -> None:
    """The error names both steps and the variable."""
    with pytest.raises(ChainError, match="ChatPromptTemplate needs 'topic'"):
        _ = {"subject": RunnablePassthrough()} | JOKE
    chain = {"subject": RunnablePassthrough()} | JOKE.partial(topic="x")
    assert chain.invoke("y") == JOKE.invoke({"topic": "x"})


def test_documents_read_as_their_content() -> None:
    """The retrieval chain of the specification: documents in the context, set apart by an empty line."""
    documents = [
        Document(page_content="harrison worked at kensho", metadata={"secret": 1}),
        Document(page_content="{b}"),
    ]
    prompt = ChatPromptTemplate.from_template("Context:\n{context}\n\nQuestion: {question}")
    retriever = RunnableLambda[str, list[Document]](lambda _question: documents)
    chain: Any = {"context": retriever, "question": RunnablePassthrough()} | prompt
    expected = "Context:\nharrison worked at kensho\n\n{b}\n\nQuestion: where?"
    assert chain.invoke("where?").to_messages() == [HumanMessage(expected)]
    assert PromptTemplate.from_template("{d}").invoke({"d": documents[0]}).to_string() == "harrison worked at kensho"


def test_messages_and_prompts_read_as_their_text() -> None:
    """An answer can be the value of the next prompt; a list of messages has a line each; elsewhere text is quoted."""
    prompt = PromptTemplate.from_template("{x}")
    answer = AIMessage([{"type": "text", "text": "4 {x}"}])
    assert prompt.invoke(answer).to_string() == "4 {x}"  # type: ignore[arg-type]  # for typists, a dict
    assert prompt.format(x=[HumanMessage("2+2?"), answer]) == "Human: 2+2?\nAI: 4 {x}"
    assert prompt.format(x=StringPromptValue(text="p")) == "p"
    assert prompt.format(x={"k": [answer, Document(page_content="d")]}) == "{'k': ['4 {x}', 'd']}"


def test_a_prompt_streams_and_sums_its_input() -> None:
    """Its output is one chunk, and an input that comes in pieces is put together first."""
    assert list(JOKE.stream({"topic": "x"})) == [JOKE.invoke({"topic": "x"})]
    pieces: list[dict[str, Any]] = [{"topic": "be"}, {"topic": "ars"}]
    assert list(JOKE.transform(iter(pieces))) == [JOKE.invoke({"topic": "bears"})]


async def test_batches_and_names() -> None:
    """Prompts batch like every Runnable, and are called by their class, or by their own name."""
    inputs: list[dict[str, Any]] = [{"topic": 1}, {"topic": 2}]
    values: list[PromptValue] = [JOKE.invoke(each) for each in inputs]
    assert JOKE.batch(inputs) == values == await JOKE.abatch(inputs)
    assert (JOKE.get_name(), ChatPromptTemplate(["x"], name="mine").get_name()) == ("ChatPromptTemplate", "mine")
