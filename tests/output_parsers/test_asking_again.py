"""Parsers that have a model repair its answer, or answer again: bounded, and with the first failure as the cause."""

from typing import Any

import pytest

from plait.errors import ModelError, OutputParserException
from plait.messages import AIMessage
from plait.output_parsers import (
    JsonOutputParser,
    OutputFixingParser,
    RetryOutputParser,
    RetryWithErrorOutputParser,
)
from plait.prompt_values import StringPromptValue
from plait.runnables import RunnableLambda

PROMPT = StringPromptValue(text="the prompt")


class Answers:
    """A model that gives one answer after the other, and keeps what it was told."""

    def __init__(self, *answers: str) -> None:
        self.answers, self.told = list(answers), list[str]()

    def __call__(self, text: str) -> str:
        self.told.append(text)
        return self.answers.pop(0)


def test_a_broken_answer_is_repaired(run: Any) -> None:
    """The model is told the instructions, its answer, and what is wrong; a good answer asks nobody."""
    model = Answers('{"a": 1}')
    parser = OutputFixingParser.from_llm(RunnableLambda(model), JsonOutputParser())
    assert run(parser, "[2]") == [2]
    assert model.told == []
    assert run(parser, '{"a" 1}') == {"a": 1}
    assert all(part in model.told[0] for part in ("Answer with JSON", '{"a" 1}', 'expected ":"'))


def test_it_asks_no_more_than_it_may(run: Any) -> None:
    """The last failure is raised, and its cause is the first."""
    model = Answers("two", "three")
    parser = OutputFixingParser.from_llm(RunnableLambda(model), JsonOutputParser(), max_retries=2)
    with pytest.raises(OutputParserException) as caught:
        run(parser, "one")
    assert caught.value.llm_output == "three"
    assert getattr(caught.value.__cause__, "llm_output", None) == "one"
    assert model.answers == []


def test_the_chain_that_is_asked_may_give_a_message(run: Any) -> None:
    """As a model without a parser behind it does; anything else is a TypeError that says what came."""
    asked: Any = RunnableLambda(lambda _: AIMessage("[1]"))
    assert run(OutputFixingParser(parser=JsonOutputParser(), retry_chain=asked), "[") == [1]
    wrong: Any = RunnableLambda(lambda _: 1)
    with pytest.raises(TypeError, match="a message or a text, the output of a model, but got int"):
        run(OutputFixingParser(parser=JsonOutputParser(), retry_chain=wrong), "[")


async def test_a_failure_of_the_model_is_not_hidden() -> None:
    """It is raised as it is, with what could not be read as its context."""

    def fail(_: Any) -> str:
        raise ModelError("no more")

    parser: Any = OutputFixingParser.from_llm(RunnableLambda(fail), JsonOutputParser(), max_retries=5)
    with pytest.raises(ModelError, match="no more") as caught:
        await parser.ainvoke("[")
    assert caught.value.__cause__ is None


async def test_the_prompt_may_be_a_text() -> None:
    """It is told as it is."""
    model = Answers("[1]", "[2]")
    parser = RetryOutputParser.from_llm(RunnableLambda(model), JsonOutputParser())
    assert parser.parse_with_prompt("[", "the prompt") == [1]
    assert await parser.aparse_with_prompt("[", "the prompt") == [2]
    assert all("\nthe prompt\n" in text for text in model.told)


@pytest.mark.parametrize("kind", [RetryOutputParser, RetryWithErrorOutputParser])
async def test_a_prompt_is_answered_again(kind: Any) -> None:
    """The model is told the prompt and its answer, and the error if it should be."""
    model = Answers("[1]", "[2]")
    parser = kind.from_llm(RunnableLambda(model), JsonOutputParser())
    assert parser.parse_with_prompt("[", PROMPT) == [1]
    assert await parser.aparse_with_prompt("[", PROMPT) == [2]
    assert all("the prompt" in text and "\n[\n" in text for text in model.told)
    assert all(("line 1, column 2" in text) == (kind is RetryWithErrorOutputParser) for text in model.told)


def test_without_a_prompt_nothing_is_asked_again(run: Any) -> None:
    """What can be read is, and the rest is the error of the parser inside."""
    parser = RetryOutputParser.from_llm(RunnableLambda(Answers()), JsonOutputParser())
    assert run(parser, "[1]") == [1]
    with pytest.raises(OutputParserException, match="expected a value"):
        run(parser, "[")
