"""Counting tokens: every model run once, whatever it runs in and however it ends."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

import pytest

from plait.callbacks import UsageMetadataCallbackHandler, get_usage_metadata_callback
from plait.language_models import FakeMessagesListChatModel
from plait.messages import AIMessage, AIMessageChunk
from plait.outputs import ChatGenerationChunk
from plait.prompts import ChatPromptTemplate
from plait.runnables import RunnableLambda, RunnableParallel
from plait.runs import current

ONE = {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5}


def answering(name: str | None = "m", **kwargs: Any) -> Any:
    facts = {} if name is None else {"model_name": name}
    message = AIMessage("one two", usage_metadata=ONE, response_metadata=facts)
    return FakeMessagesListChatModel(responses=[message], **kwargs)


def times(count: int) -> dict[str, int]:
    return {key: value * count for key, value in ONE.items()}


def test_one_answer_counts_once(run: Any) -> None:
    """One answer counts once in every mode: that of a stream is the sum of its chunks."""
    counter = UsageMetadataCallbackHandler()

    run(ChatPromptTemplate.from_template("{x}") | answering() | (lambda it: it), {"x": "hi"}, {"callbacks": [counter]})

    assert counter.usage_metadata == {"m": ONE}


def test_nested_calls_count_once(run: Any) -> None:
    """P61: a model in a branch, in a map and in a function counts once each, whatever threads they run in."""
    model = answering()
    chain = RunnableParallel(
        branch=model,
        function=lambda text: model.invoke(text),
        map=RunnableLambda(lambda text: [text, text]) | model.map(),
    )

    with get_usage_metadata_callback() as counter:
        run(chain, "hi")

    assert counter.usage_metadata == {"m": times(4)}


def test_batch_counts_every_item() -> None:
    """P61: all items of a batch count, though threads run them."""
    with get_usage_metadata_callback() as counter:
        answering().batch(["hi"] * 50)

    assert counter.usage_metadata == {"m": times(50)}


async def test_tasks_and_threads_started_in_the_block_count() -> None:
    """What is called in tasks and threads that begin in the block counts; what is called after it does not."""
    model = answering()
    with get_usage_metadata_callback() as counter:
        await asyncio.gather(*(model.ainvoke("hi") for _ in range(5)), asyncio.to_thread(model.invoke, "hi"))
    model.invoke("hi")

    assert counter.usage_metadata == {"m": times(6)}


def test_threads_count_without_losing_any() -> None:
    """One handler may be used by many threads at once."""
    counter, model = UsageMetadataCallbackHandler(), answering()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: model.invoke("hi", {"callbacks": [counter]}), range(200)))

    assert counter.usage_metadata == {"m": times(200)}


def test_models_count_by_name(run: Any) -> None:
    """Each model has its own count; one that says no name has that of its run."""
    with get_usage_metadata_callback() as counter:
        run(answering("a"), "hi")
        run(answering("b"), "hi")
        run(answering(None), "hi", {"run_name": "mine"})

    assert counter.usage_metadata == {"a": ONE, "b": ONE, "mine": ONE}


def test_details_add_up() -> None:
    """Details of the counts add up as well."""
    usage = {**ONE, "input_token_details": {"cache_read": 2}}
    model = FakeMessagesListChatModel(responses=[AIMessage("a", usage_metadata=usage)])

    with get_usage_metadata_callback() as counter:
        model.batch(["x"] * 3)

    [total] = counter.usage_metadata.values()
    assert total == {**times(3), "input_token_details": {"cache_read": 6}}


class Reporting(FakeMessagesListChatModel):
    """Says with every chunk what it took."""

    def _stream(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Any:
        while True:
            yield ChatGenerationChunk(message=AIMessageChunk("a", usage_metadata=ONE))


def test_cancelled_model_counts_what_it_has_said() -> None:
    """P32: of a stream that is closed early, the chunks that came count."""
    with get_usage_metadata_callback() as counter:
        stream = Reporting(responses=[AIMessage("")]).stream("hi", {"run_name": "m"})
        next(stream), next(stream)
        stream.close()

    assert counter.usage_metadata == {"m": times(2)}


def test_models_that_say_nothing_count_nothing(run: Any) -> None:
    """An answer without counts adds nothing, and a failed call neither."""
    with get_usage_metadata_callback() as counter:
        run(FakeMessagesListChatModel(responses=[AIMessage("a")]), "hi")
        with pytest.raises(RuntimeError):
            run(answering(failures=None), "hi")

    assert counter.usage_metadata == {}


def test_blocks_nest() -> None:
    """An inner block counts its part, the outer one all."""
    with get_usage_metadata_callback() as outer:
        answering().invoke("hi")
        with get_usage_metadata_callback() as inner:
            answering().invoke("hi")

    assert (outer.usage_metadata, inner.usage_metadata) == ({"m": times(2)}, {"m": ONE})


def test_block_in_a_run_keeps_what_is_in_force(run: Any, noting: Any) -> None:
    """A block in a function adds the counter to whoever listens, and to the tags and the parent run."""
    handler, counters = noting("on_chat_model_start"), []

    def counted(text: str) -> Any:
        with get_usage_metadata_callback() as counter:
            counters.append(counter)
            return answering().invoke(text)

    run(RunnableLambda(counted), "hi", {"callbacks": [handler], "tags": ["t"]})

    assert counters[0].usage_metadata == {"m": ONE}
    assert handler.of("on_chat_model_start").facts["tags"] == ["t"]
    assert handler.of("on_chat_model_start").facts["parent_run_id"] is not None


def test_block_that_fails_is_left() -> None:
    """What is called after a block that raised does not count."""
    with pytest.raises(LookupError), get_usage_metadata_callback() as counter:
        raise LookupError
    answering().invoke("hi")

    assert counter.usage_metadata == {}
    assert current.get() is None


def test_block_may_be_left_in_another_context() -> None:
    """P49: a block that is entered in one context and left in another raises nothing."""
    block = get_usage_metadata_callback()
    copy_context().run(block.__enter__)
    block.__exit__(None, None, None)


def test_other_threads_are_not_counted() -> None:
    """A block counts its own context: a thread that began elsewhere goes uncounted."""
    begun, go = threading.Event(), threading.Event()

    def other() -> None:
        begun.set()
        go.wait(10)
        answering().invoke("hi")

    thread = threading.Thread(target=other)
    thread.start()
    begun.wait(10)
    with get_usage_metadata_callback() as counter:
        go.set()
        thread.join()

    assert counter.usage_metadata == {}
