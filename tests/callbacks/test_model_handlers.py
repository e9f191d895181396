"""What handlers are told of models, tools and retrievers: the signatures that they know, in every mode."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from plait.callbacks import AsyncCallbackHandler
from plait.documents import Document
from plait.language_models import FakeListChatModel, FakeListLLM, FakeMessagesListChatModel, FakeStreamingListLLM
from plait.messages import AIMessage, HumanMessage, SystemMessage
from plait.outputs import ChatGenerationChunk, GenerationChunk, LLMResult
from plait.runnables import Runnable, RunnableLambda

OF_MODELS = (
    "on_chat_model_start",
    "on_llm_start",
    "on_llm_new_token",
    "on_llm_end",
    "on_llm_error",
    "on_llm_cancelled",
)


def chat() -> FakeListChatModel:
    return FakeListChatModel(responses=["so it is"])


def test_chat_model_is_told_of(run: Any, notes: Any) -> None:
    """A chat model: the conversation at its start, the text of each chunk in a stream, the answer at its end."""
    run(chat(), [("system", "be"), ("human", "hi")], {"callbacks": [notes]})

    start, *tokens, end = notes.told
    assert start.method == "on_chat_model_start"
    assert start.args[1] == [[SystemMessage("be"), HumanMessage("hi")]]
    assert start.args[0]["id"][-1] == "FakeListChatModel"
    assert "so it is" not in str(start.args[0])
    assert [told.args[0] for told in tokens] == (["so", " it", " is"] if run.is_stream else [])
    assert all(isinstance(told.facts["chunk"], ChatGenerationChunk) for told in tokens)
    assert end.method == "on_llm_end"
    assert isinstance(end.args[0], LLMResult)
    assert [[each.text for each in some] for some in end.args[0].generations] == [["so it is"]]


def test_text_model_is_told_of(run: Any, notes: Any) -> None:
    """A text model: the prompt, the text of each chunk, the answer."""
    run(FakeStreamingListLLM(responses=["so it is"]), "hi", {"callbacks": [notes]})

    start, *tokens, end = notes.told
    assert (start.method, start.args[1]) == ("on_llm_start", ["hi"])
    assert [told.args[0] for told in tokens] == (["so", " it", " is"] if run.is_stream else [])
    assert all(isinstance(told.facts["chunk"], GenerationChunk) for told in tokens)
    assert (end.method, end.args[0].generations[0][0].text) == ("on_llm_end", "so it is")


def test_chat_model_is_told_as_text_where_no_method_knows_chats(run: Any, noting: Any) -> None:
    """A handler that has only ``on_llm_start`` is told the conversation as one text."""
    handler = noting(*OF_MODELS[1:])

    run(chat(), [("system", "be"), ("human", "hi")], {"callbacks": [handler]})

    assert handler.told[0].args[1] == ["System: be\nHuman: hi"]
    assert handler.methods[0] == "on_llm_start"
    assert "on_chat_model_start" not in handler.methods


@pytest.mark.parametrize("inline", [True, False])
def test_not_implemented_means_not_there(run: Any, noting: Any, inline: bool) -> None:
    """A handler whose ``on_chat_model_start`` raises NotImplementedError hears ``on_llm_start`` instead."""

    def refuse(self: Any, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError

    handler = noting("on_llm_start", "on_llm_end", on_chat_model_start=refuse, run_inline=inline)
    run(chat(), "hi", {"callbacks": [handler]})

    assert (handler.methods, handler.told[0].args[1]) == (["on_llm_start", "on_llm_end"], ["Human: hi"])


def test_async_not_implemented_means_not_there(run: Any) -> None:
    """The same, where the methods are async."""
    heard: list[Any] = []

    class TextOnly(AsyncCallbackHandler):
        async def on_chat_model_start(self, *args: Any, **kwargs: Any) -> None:
            raise NotImplementedError

        async def on_llm_start(self, serialized: Any, prompts: list[str], **kwargs: Any) -> None:
            heard.append(prompts)

    run(chat(), "hi", {"callbacks": [TextOnly()]})
    assert heard == [["Human: hi"]]


def test_failed_model_tells_what_had_come(noting: Any) -> None:
    """P32: a model that fails amid its stream is told with the part of the answer that had come."""
    handler = noting(*OF_MODELS)
    model = FakeListChatModel(responses=["so it is"], error_on_chunk_number=2)

    with pytest.raises(RuntimeError):
        list(model.stream("hi", {"callbacks": [handler]}))

    error = handler.of("on_llm_error")
    assert isinstance(error.args[0], RuntimeError)
    assert error.facts["response"].generations[0][0].text == "so it"
    assert "on_llm_end" not in handler.methods


def test_model_that_fails_at_once_has_no_response(run: Any, noting: Any) -> None:
    """A model that fails before anything came is told with None for the answer."""
    handler = noting(*OF_MODELS)

    with pytest.raises(RuntimeError):
        run(FakeListChatModel(responses=["x"], failures=None), "hi", {"callbacks": [handler]})

    assert handler.methods == ["on_chat_model_start", "on_llm_error"]
    assert handler.told[-1].facts["response"] is None


def test_cancelled_model_tells_what_had_come(noting: Any) -> None:
    """P32: a model whose stream is closed early is told as cancelled, with the part that had come."""
    handler = noting(*OF_MODELS)

    stream = chat().stream("hi", {"callbacks": [handler]})
    next(stream)
    stream.close()

    assert handler.methods == ["on_chat_model_start", "on_llm_new_token", "on_llm_cancelled"]
    assert handler.told[-1].args[0].generations[0][0].text == "so"


def test_cancelled_model_is_an_error_for_who_does_not_know_better(noting: Any) -> None:
    """A handler without ``on_llm_cancelled`` hears ``on_llm_error``, with the part that had come."""
    handler = noting("on_chat_model_start", "on_llm_end", "on_llm_error")

    stream = chat().stream("hi", {"callbacks": [handler]})
    next(stream)
    stream.close()

    assert handler.methods == ["on_chat_model_start", "on_llm_error"]
    assert isinstance(handler.told[-1].args[0], GeneratorExit)
    assert handler.told[-1].facts["response"].generations[0][0].text == "so"


def test_input_that_no_model_can_read_still_has_a_start(run: Any, noting: Any) -> None:
    """P31: a model that fails because its input is no input has a start, without a prompt, and an error."""
    handler = noting(*OF_MODELS)

    with pytest.raises(TypeError):
        run(chat(), {"not": "a prompt"}, {"callbacks": [handler]})

    assert handler.methods == ["on_chat_model_start", "on_llm_error"]
    assert handler.told[0].args[1] == [[]]


def test_token_of_a_chunk_without_text_is_empty(noting: Any) -> None:
    """A chunk that has only a tool call is told too, with an empty text and the chunk itself."""
    handler = noting("on_llm_new_token")
    call = {"name": "f", "args": {}, "id": "1"}
    model = FakeMessagesListChatModel(responses=[AIMessage("", tool_calls=[call])])

    list(model.stream("hi", {"callbacks": [handler]}))

    [(_, (token,), facts)] = handler.told
    assert token == ""
    assert facts["chunk"].message.tool_call_chunks[0]["name"] == "f"


@pytest.mark.parametrize(
    ("flag", "silent", "heard"),
    [("ignore_llm", "chat", "chain"), ("ignore_chat_model", "chat", "llm"), ("ignore_llm", "llm", "chain")],
)
def test_ignored_models_are_not_told(run: Any, noting: Any, flag: str, silent: str, heard: str) -> None:
    """What is ignored is not told, neither its start nor its end; ``ignore_llm`` is of both kinds of models."""
    of = {"chat": chat(), "llm": FakeListLLM(responses=["a"]), "chain": RunnableLambda(str)}
    handler = noting(*OF_MODELS, "on_chain_start", **{flag: True})

    run(of[silent], "hi", {"callbacks": [handler]})
    assert handler.told == []
    run(of[heard], "hi", {"callbacks": [handler]})
    assert handler.told != []


# -------------------------------------------------------------------------------------------------- tools, retrievers


class Search(Runnable[str, list[Document]]):
    """A retriever of one's own."""

    _kind = "retriever"

    def invoke(self, input: str, config: Any = None, **kwargs: Any) -> list[Document]:
        return [Document(input)]


class Shout(Runnable[str, str]):
    """A tool that takes a text."""

    _kind = "tool"

    def invoke(self, input: str, config: Any = None, **kwargs: Any) -> str:
        return input.upper()


class Times(Runnable[Any, int]):
    """A tool of one's own."""

    _kind = "tool"

    def invoke(self, input: Any, config: Any = None, **kwargs: Any) -> int:
        return input["a"] * input["b"]


def test_retriever_is_told_of(run: Any, notes: Any) -> None:
    """A retriever: the query, the documents."""
    run(Search(), "hi", {"callbacks": [notes]})

    assert notes.methods == ["on_retriever_start", "on_retriever_end"]
    assert (notes.told[0].args[1], notes.told[1].args[0]) == ("hi", [Document("hi")])


def test_tool_is_told_of(run: Any, notes: Any) -> None:
    """A tool: the input as a text and, if it is one, as a dict; the output."""
    run(Times(), {"a": 2, "b": 3}, {"callbacks": [notes]})

    assert notes.methods == ["on_tool_start", "on_tool_end"]
    assert (notes.told[0].args[1], notes.told[0].facts["inputs"]) == ("{'a': 2, 'b': 3}", {"a": 2, "b": 3})
    assert notes.told[1].args == (6,)


def test_tool_with_a_text_has_no_dict_of_inputs(run: Any, noting: Any) -> None:
    """A tool that is called with a text is told that text, and None for the inputs by name."""
    handler = noting("on_tool_start")

    run(Shout(), "a page", {"callbacks": [handler]})

    assert (handler.told[0].args[1], handler.told[0].facts["inputs"]) == ("a page", None)


@pytest.mark.parametrize(("kind", "bad", "of"), [(Times, {}, "tool"), (Search, None, "retriever")])
def test_their_failures_are_told(run: Any, noting: Any, kind: type[Any], bad: Any, of: str) -> None:
    """A tool or a retriever that fails is told by its own method."""
    handler = noting(f"on_{of}_start", f"on_{of}_end", f"on_{of}_error")

    with pytest.raises(Exception) as caught:
        run(kind(), bad, {"callbacks": [handler]})

    assert handler.methods == [f"on_{of}_start", f"on_{of}_error"]
    assert handler.told[1].args == (caught.value,)


@pytest.mark.parametrize(("kind", "flag"), [(Times, "ignore_agent"), (Search, "ignore_retriever")])
def test_ignored_tools_and_retrievers_are_not_told(run: Any, noting: Any, kind: Any, flag: str) -> None:
    """``ignore_agent`` is of tools."""
    handler = noting("on_tool_start", "on_tool_end", "on_retriever_start", "on_retriever_end", **{flag: True})

    run(kind(), {"a": 1, "b": 1} if kind is Times else "q", {"callbacks": [handler]})

    assert handler.told == []


class Pages(Runnable[Any, str]):
    """A tool whose output streams."""

    _kind = "tool"

    def transform(self, input: Iterator[Any], config: Any = None, **kwargs: Any) -> Iterator[str]:
        for _ in input:
            yield "one "
            yield "two "

    def invoke(self, input: Any, config: Any = None, **kwargs: Any) -> str:
        return "one two "


def test_cancelled_tool_is_told_of(noting: Any) -> None:
    """A tool whose stream is closed early is told as cancelled, with what it gave."""
    handler = noting("on_tool_start", "on_tool_end", "on_tool_error", "on_tool_cancelled")

    stream = Pages().stream("x", {"callbacks": [handler]})
    next(stream)
    stream.close()

    assert handler.methods == ["on_tool_start", "on_tool_cancelled"]
    assert handler.told[1].args == ("one ",)


class Raw(FakeListChatModel):
    """Streams what is no message, and fails."""

    def transform(self, input: Any, config: Any = None, **kwargs: Any) -> Iterator[Any]:
        yield {"raw": 1}
        raise LookupError("mine")


def test_part_of_an_answer_that_is_none_is_left_out(noting: Any) -> None:
    """P31: what cannot be told as an answer is None; the run has its error all the same."""
    handler = noting("on_chat_model_start", "on_llm_error")

    with pytest.raises(LookupError):
        list(Raw(responses=["x"]).stream("hi", {"callbacks": [handler]}))

    assert handler.methods == ["on_chat_model_start", "on_llm_error"]
    assert handler.told[1].facts["response"] is None


class Elsewhere(Runnable[str, str]):
    """Says that it is a model, and cannot say what it was told."""

    _kind = "chat_model"

    def invoke(self, input: str, config: Any = None, **kwargs: Any) -> str:
        return input


def test_model_of_another_make_is_told_as_a_chain(run: Any, notes: Any) -> None:
    """A runnable that only calls itself a model has no messages to tell of, so it is told as a chain."""
    run(Elsewhere(), "hi", {"callbacks": [notes]})

    assert notes.methods == ["on_chain_start", "on_chain_end"]
