"""Events of one's own: they reach whoever listens to the run in which they happen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from plait.callbacks import adispatch_custom_event, dispatch_custom_event
from plait.runnables import RunnableConfig, RunnableGenerator, RunnableLambda


def tells(number: int) -> int:
    dispatch_custom_event("half way", {"at": number})
    return number


async def atells(number: int) -> int:
    await adispatch_custom_event("half way", {"at": number})
    return number


def test_event_reaches_the_handler(run: Any, notes: Any) -> None:
    """The name, the data and the run in which it was said, between the start and the end of that run."""
    run(RunnableLambda(tells, atells), 1, {"callbacks": [notes], "tags": ["t"], "metadata": {"k": 1}})

    start, event, _ = notes.told
    assert notes.methods == ["on_chain_start", "on_custom_event", "on_chain_end"]
    assert event.args == ("half way", {"at": 1})
    assert event.facts == {"run_id": start.facts["run_id"], "tags": ["t"], "metadata": {"k": 1}}


def test_plain_function_tells_async_handlers(run: Any, notes: Any) -> None:
    """A plain function, wherever an async verb runs it, tells plain and async methods alike."""
    run(RunnableLambda(tells), 1, {"callbacks": [notes]})

    assert notes.methods == ["on_chain_start", "on_custom_event", "on_chain_end"]


def test_event_is_of_the_innermost_run(run: Any, noting: Any) -> None:
    """An event is told of the run of the function that tells it, not of those around it."""
    handler = noting("on_chain_start", "on_custom_event")

    run(RunnableLambda(str) | int | RunnableLambda(tells).with_config(run_name="inner"), 1, {"callbacks": [handler]})

    inner = next(told.facts["run_id"] for told in handler.told if told.facts.get("name") == "inner")
    assert handler.of("on_custom_event").facts["run_id"] == inner


def test_events_of_a_generator_come_between_its_chunks(run: Any, noting: Any) -> None:
    """A generator tells as it goes."""
    handler = noting("on_chain_start", "on_custom_event", "on_chain_end")

    def counts(chunks: Iterator[int]) -> Iterator[str]:
        for _ in chunks:
            dispatch_custom_event("step", 1)
            yield "a"
            dispatch_custom_event("step", 2)

    run(RunnableGenerator(counts), 1, {"callbacks": [handler]})

    assert [told.args[1] for told in handler.told if told.method == "on_custom_event"] == [1, 2]
    assert (handler.methods[0], handler.methods[-1]) == ("on_chain_start", "on_chain_end")


def test_config_says_whom_to_tell(run: Any, noting: Any) -> None:
    """``config=`` may be the one that the function was given."""
    handler = noting("on_custom_event")

    def tells_so(number: int, config: RunnableConfig) -> int:
        dispatch_custom_event("x", number, config=config)
        return number

    run(RunnableLambda(tells_so), 1, {"callbacks": [handler]})

    assert handler.of("on_custom_event").args == ("x", 1)


async def test_nobody_listens() -> None:
    """Outside of any run, and in one that nobody watches, nothing happens."""
    dispatch_custom_event("x", 1)
    await adispatch_custom_event("x", 1)
    assert RunnableLambda(tells).invoke(1) == 1
    assert await RunnableLambda(atells).ainvoke(1) == 1


def test_no_run_no_event(noting: Any) -> None:
    """Handlers that are in the config, but of no run, hear nothing: an event is of a run."""
    handler = noting("on_custom_event")

    dispatch_custom_event("x", 1, config={"callbacks": [handler]})

    assert handler.told == []


def test_events_can_be_ignored(run: Any, noting: Any) -> None:
    """With ``ignore_custom_event`` a handler hears none."""
    handler = noting("on_custom_event", ignore_custom_event=True)

    run(RunnableLambda(tells), 1, {"callbacks": [handler]})

    assert handler.told == []


def test_strict_handler_raises_where_the_event_is_told(run: Any, noting: Any) -> None:
    """What a handler with ``raise_error`` raises comes out of ``dispatch_custom_event``."""

    def refuse(self: Any, *args: Any, **kwargs: Any) -> None:
        raise LookupError("no events, please")

    handler = noting(on_custom_event=refuse, raise_error=True)

    with pytest.raises(LookupError, match="no events"):
        run(RunnableLambda(tells), 1, {"callbacks": [handler]})
