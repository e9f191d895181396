"""The rows of the specification's two tables for language models and chat models, by value and by schema."""

from __future__ import annotations

import json
from typing import Any

import pytest

from plait.messages import AIMessage, BaseMessage, HumanMessage
from plait.prompt_values import ChatPromptValue, StringPromptValue
from plait.testing import FakeListChatModel, FakeListLLM

INPUTS = [
    "hello",
    [HumanMessage("hello"), AIMessage("hi")],
    StringPromptValue(text="hello"),
    ChatPromptValue(messages=[HumanMessage("hello")]),
]
KINDS = [
    (FakeListLLM(responses=["fine"]), str, "fine"),
    (FakeListChatModel(responses=["fine"]), BaseMessage, "fine"),
]


@pytest.mark.parametrize(("model", "kind", "said"), KINDS)
@pytest.mark.parametrize("given", INPUTS)
def test_input_by_value(run: Any, model: Any, kind: type, said: str, given: Any) -> None:
    """A single string, a list of chat messages or a PromptValue is read; a string or a message is given."""
    answer = run(model, given)

    assert isinstance(answer, kind)
    assert (answer if isinstance(answer, str) else answer.text) == said


@pytest.mark.parametrize(("model", "kind", "said"), KINDS)
@pytest.mark.parametrize("given", INPUTS)
def test_input_by_schema(model: Any, kind: type, said: str, given: Any) -> None:
    """The schema of the input accepts each of them, as objects and as JSON."""
    schema = model.get_input_schema()
    read = schema.model_validate(given)

    assert schema.model_validate_json(read.model_dump_json()).root == read.root
    assert json.dumps(schema.model_json_schema())


@pytest.mark.parametrize(("model", "kind", "said"), KINDS)
@pytest.mark.parametrize("wrong", [7, {"question": "x"}, [7]])
def test_other_input_is_refused_by_both(model: Any, kind: type, said: str, wrong: Any) -> None:
    """What is none of them is refused by the schema and by the model."""
    with pytest.raises(ValueError):
        model.get_input_schema().model_validate(wrong)
    with pytest.raises((TypeError, ValueError)):
        model.invoke(wrong)


@pytest.mark.parametrize(("model", "kind", "said"), KINDS)
def test_output_by_schema(model: Any, kind: type, said: str) -> None:
    """The schema of the output is that of a string, or of chat messages; it accepts what the model gives."""
    schema = model.get_output_schema()
    given = model.invoke("hello")

    assert schema.model_validate(given).root == given
    told = schema.model_json_schema()
    assert told.get("type") == "string" if kind is str else len(told["anyOf"]) == 5
