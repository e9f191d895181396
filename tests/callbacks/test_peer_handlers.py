"""Handlers that were written for langchain-core hear the same from plait."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from plait.callbacks import BaseCallbackHandler
from plait.language_models import FakeListChatModel
from plait.runnables import RunnableGenerator, RunnableLambda

pytestmark = pytest.mark.peer


@pytest.fixture(scope="module")
def peer() -> Any:
    return pytest.importorskip("langchain_core.callbacks")  # here, so that who deselects these tests does not load it


def handler_class(base: Any, *, colour: str) -> Any:
    """A handler of the peer's that notes the starts and the ends."""

    def method(name: str) -> Any:
        def plain(self: Any, *args: Any, **kwargs: Any) -> None:
            self.told.append((name, kwargs["run_id"]))

        async def later(self: Any, *args: Any, **kwargs: Any) -> None:
            await asyncio.sleep(0)
            self.told.append((name, kwargs["run_id"]))

        return plain if colour == "plain" else later

    names = ("on_chain_start", "on_chain_end", "on_chain_error", "on_llm_start", "on_llm_new_token", "on_llm_end")
    made = type("Theirs", (base,), {name: method(name) for name in names})
    made.__init__ = lambda self: setattr(self, "told", [])
    return made


@pytest.fixture(params=["plain", "async"])
def handler(request: pytest.FixtureRequest, peer: Any) -> Any:
    base = peer.BaseCallbackHandler if request.param == "plain" else peer.AsyncCallbackHandler
    return handler_class(base, colour=request.param)()


def test_their_handlers_hear_ours(run: Any, handler: Any) -> None:
    """Their base classes work as they are, and what they mark as not implemented is told as they expect it."""
    chain = RunnableLambda(str) | FakeListChatModel(responses=["one two"])

    assert run(chain, 1, {"callbacks": [handler]}).content == "one two"

    names = [name for name, _ in handler.told if name != "on_llm_new_token"]
    assert names.count("on_llm_start") == names.count("on_llm_end") == 1
    assert names.count("on_chain_start") == names.count("on_chain_end") == 2
    assert ("on_llm_new_token" in {name for name, _ in handler.told}) == run.is_stream


async def test_their_handlers_hear_an_error_for_what_was_cancelled(handler: Any) -> None:
    """They know no cancelling; their maps empty all the same."""

    async def endless(chunks: Any) -> Any:
        async for _ in chunks:
            while True:
                yield "a"

    stream = RunnableGenerator(endless).astream("hi", {"callbacks": [handler]})
    await anext(stream)
    await stream.aclose()

    assert [name for name, _ in handler.told] == ["on_chain_start", "on_chain_error"]


async def test_tokens_are_texts_for_them(peer: Any) -> None:
    """A handler of theirs that adds up the tokens gets the text of the answer."""

    class Texts(peer.BaseCallbackHandler):  # type: ignore[misc]
        def __init__(self) -> None:
            self.text = ""

        def on_llm_new_token(self, token: str, **kwargs: Any) -> None:
            self.text += token

    handler = Texts()
    async for _ in FakeListChatModel(responses=["one two"]).astream("hi", {"callbacks": [handler]}):
        pass

    assert handler.text == "one two"


def test_every_name_of_theirs_is_ours(peer: Any) -> None:
    """A handler that overrides, or asks for, a name of theirs finds it; one is of an experiment that nothing here does."""
    theirs = {name for name in dir(peer.BaseCallbackHandler) if not name.startswith("_")}

    assert theirs - set(dir(BaseCallbackHandler)) == {"on_stream_event"}


def test_chains_are_told_alike(peer: Any) -> None:
    """The same steps, with the same arguments by position, as their own runnables tell."""
    from langchain_core.runnables import RunnableLambda as TheirLambda

    class Notes(peer.BaseCallbackHandler):  # type: ignore[misc]
        run_inline = True

        def __init__(self) -> None:
            self.told: list[Any] = []

        def on_chain_start(self, serialized: Any, inputs: Any, **kwargs: Any) -> None:
            self.told.append(("start", inputs, kwargs["name"]))

        def on_chain_end(self, outputs: Any, **kwargs: Any) -> None:
            self.told.append(("end", outputs))

    def add_1(number: int) -> int:
        return number + 1

    def double(number: int) -> int:
        return number * 2

    ours, theirs = Notes(), Notes()
    (RunnableLambda(add_1) | double).invoke(1, {"callbacks": [ours]})
    (TheirLambda(add_1) | double).invoke(1, {"callbacks": [theirs]})

    assert ours.told == theirs.told
