"""A text model answers from whatever its author wrote, in every form of input, and says what is wrong when it cannot."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from plait.errors import EmptyStreamError, ModelError
from plait.language_models import LLM, BaseLLM
from plait.messages import HumanMessage
from plait.outputs import Generation, GenerationChunk, LLMResult
from plait.prompt_values import StringPromptValue


class Upper(LLM):
    def _call(self, prompt: str, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> str:
        return prompt.upper()


class Streaming(BaseLLM):
    def _stream(self, prompt: str, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Iterator[Any]:
        for letter in prompt:
            yield GenerationChunk(text=letter)


class Asynchronous(BaseLLM):
    async def _astream(
        self, prompt: str, stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> AsyncIterator[Any]:
        for letter in prompt:
            yield GenerationChunk(text=letter)


class Vector(BaseLLM):
    """Returns whatever it was made with."""

    value: Any

    def _generate(self, prompts: list[str], stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Any:
        return self.value


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("hi", "HI"),
        (StringPromptValue(text="hi"), "HI"),
        ([HumanMessage("hi")], "HUMAN: HI"),
        ([("system", "be kind"), "hi"], "SYSTEM: BE KIND\nHUMAN: HI"),
    ],
)
def test_every_form_of_input_is_read(run: Any, given: Any, read: str) -> None:
    """A text, a prompt value and messages reach the model as text; the answer is a str in all modes."""
    assert run(Upper(), given) == read


def test_other_input_is_refused() -> None:
    """What a text model cannot read is a TypeError that says what came and what to do."""
    with pytest.raises(TypeError, match=r"Upper takes a str, .* but got dict; put a prompt before the model"):
        Upper().invoke({"q": 1})  # type: ignore[arg-type]


def test_a_model_with_a_stream_alone_answers(run: Any) -> None:
    """A text model that only streams gives the sum of its stream in all modes."""
    assert run(Streaming(), "abc") == "abc"


async def test_chunks_are_texts() -> None:
    """stream and astream give the text of each chunk."""
    assert list(Streaming().stream("abc")) == ["a", "b", "c"]
    assert [chunk async for chunk in Streaming().astream("abc")] == ["a", "b", "c"]
    assert list(Upper().stream("abc")) == ["ABC"]


async def test_an_async_model_has_the_async_forms() -> None:
    """A text model with an async stream alone has ainvoke and astream, and says so in sync code."""
    assert await Asynchronous().ainvoke("abc") == "abc"
    assert [chunk async for chunk in Asynchronous().astream("abc")] == ["a", "b", "c"]
    with pytest.raises(TypeError, match="Asynchronous has no synchronous form"):
        Asynchronous().invoke("abc")


async def test_acall_is_preferred_in_async_code() -> None:
    """Where the author wrote _acall it is what ainvoke calls."""

    class Twins(Upper):
        async def _acall(self, prompt: str, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> str:
            return "async"

    assert Twins().invoke("x") == "X"
    assert await Twins().ainvoke("x") == "async"


def test_stop_and_keyword_arguments_reach_the_model(run: Any) -> None:
    """stop and what bind is given come to _call in all modes."""

    class Showing(LLM):
        def _call(self, prompt: str, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> str:
            return f"{stop} {kwargs}"

    assert run(Showing().bind(stop=["."], seed=1), "x") == "['.'] {'seed': 1}"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (LLMResult(generations=[]), "_generate of Vector was given 1 prompts, but gave results for 0"),
        (LLMResult(generations=[[]]), "Vector gave no answer: its result has no generations"),
        ("text", "_generate of Vector must give a LLMResult, but gave str"),
    ],
)
def test_no_answer_is_an_error(value: Any, said: str) -> None:
    """A text model that returns nothing that could be an answer raises ModelError, never gives an empty one."""
    with pytest.raises(ModelError, match=said):
        Vector(value=value).invoke("x")


def test_a_call_that_gives_no_text_is_an_error() -> None:
    """_call must give a str."""

    class Wrong(LLM):
        def _call(self, prompt: str, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Any:
            return None

    with pytest.raises(ModelError, match="_call of Wrong must give a str, but gave NoneType"):
        Wrong().invoke("x")


async def test_an_empty_stream_is_an_error() -> None:
    """A stream without a chunk raises EmptyStreamError, never gives an empty text."""
    with pytest.raises(EmptyStreamError, match="Streaming gave no answer"):
        Streaming().invoke("")
    with pytest.raises(EmptyStreamError, match="Streaming gave no answer"):
        list(Streaming().stream(""))
    with pytest.raises(EmptyStreamError, match="Asynchronous gave no answer"):
        await Asynchronous().ainvoke("")


async def test_generate_hands_over_all_prompts_at_once() -> None:
    """generate and agenerate make one call of _generate and give its result as it is."""
    value = LLMResult(generations=[[Generation(text="a"), Generation(text="b")], [Generation(text="c")]])
    model = Vector(value=value)

    assert model.generate(["x", "y"]) is value
    assert await model.agenerate(["x", "y"]) is value
    assert model.generate_prompt([StringPromptValue(text="x"), StringPromptValue(text="y")]) is value
    with pytest.raises(ModelError, match="was given 1 prompts, but gave results for 2"):
        model.generate(["x"])


def test_the_output_schema_is_a_text() -> None:
    """A text model gives a string."""
    assert Upper().output_schema.schema() == {"title": "UpperOutput", "type": "string"}  # type: ignore[deprecated]
