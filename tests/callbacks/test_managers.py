"""``run_manager``: what tools and retrievers that were written for LangChain are given."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from threading import current_thread
from typing import Any

import pytest

from plait import (
    AsyncCallbackManagerForToolRun,
    BaseCallbackHandler,
    BaseRetriever,
    BaseTool,
    CallbackManagerForRetrieverRun,
    CallbackManagerForToolRun,
    Document,
    RunnableLambda,
    current_config,
    run_in_executor,
)


class Heard(BaseCallbackHandler):
    """Keeps the names and ids of retrievers and chains."""

    def __init__(self) -> None:
        self.retrievers: list[Any] = []
        self.chains: list[Any] = []

    def on_retriever_start(self, serialized: Any, query: str, *, run_id: Any, **kwargs: Any) -> None:
        self.retrievers.append((run_id, kwargs["tags"]))

    def on_chain_start(self, serialized: Any, inputs: Any, *, parent_run_id: Any = None, **kwargs: Any) -> None:
        self.chains.append((parent_run_id, kwargs["tags"]))


class Asking(BaseRetriever):
    """Hands the callbacks on as one does there."""

    seen: list[Any] = []

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
        self.seen.append((run_manager.run_id, run_manager.tags))
        step = RunnableLambda(lambda text: [Document(text)])
        return step.invoke(query, {"callbacks": run_manager.get_child("inner"), "tags": ["below"]})


class AskingAsync(Asking):
    """Has an async way, which leads to the sync one."""

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun
    ) -> list[Document]:
        return self._get_relevant_documents(query, run_manager=run_manager.get_sync())


class Without(BaseRetriever):
    """Has no such parameter."""

    def _get_relevant_documents(self, query: str) -> list[Document]:  # type: ignore[override]
        return [Document(query)]


@pytest.mark.parametrize("kind", [Asking, AskingAsync])
def test_retriever_is_told_of_its_run_and_what_it_calls_is_heard_once(run: Any, kind: type[Asking]) -> None:
    """The id and the tags are those of the run, and ``get_child`` leaves to inheritance who hears of what is called."""
    heard, retriever = Heard(), kind(seen=[], tags=["mine"])

    assert run(retriever, "a", {"callbacks": [heard], "tags": ["call"]}) == [Document("a")]
    assert retriever.seen == heard.retrievers
    assert heard.chains == [(heard.retrievers[0][0], ["call", "below"])]


def test_retriever_is_given_one_when_nobody_listens(run: Any) -> None:
    """Then the run has an id, which stays the same, and no tags."""
    retriever = AskingAsync(seen=[])

    assert run(retriever, "a") == [Document("a")]
    assert retriever.seen[0][0].version == 4
    assert retriever.seen[0][1] == []


def test_retriever_without_the_parameter(run: Any) -> None:
    """A retriever whose methods take only the query is called with that."""
    assert run(Without(), "a") == [Document("a")]


class Echo(BaseTool):
    """Demands the manager, as tools written for LangChain may."""

    name: str = "echo"
    description: str = "Says it again."

    def _run(self, text: str, run_manager: CallbackManagerForToolRun) -> str:
        return f"{text} {run_manager.get_child()}"


class EchoAsync(Echo):
    """Has an async way, which leads to the sync one."""

    async def _arun(self, text: str, run_manager: AsyncCallbackManagerForToolRun) -> str:
        return self._run(text, run_manager=run_manager.get_sync())


@pytest.mark.parametrize("kind", [Echo, EchoAsync])
def test_tool_is_given_one(run: Any, kind: type[Echo]) -> None:
    """Models are not told of the parameter, and the tool gets it in every verb."""
    assert list(kind().args) == ["text"]
    assert run(kind(), {"text": "a"}) == "a None"


def test_run_in_executor() -> None:
    """A function runs in a thread, of the executor if one is given, and finds the config."""

    def where(sign: str) -> tuple[str, str, list[str]]:
        return sign, current_thread().name, list(current_config()["tags"])

    async def both(_: Any) -> Any:
        with ThreadPoolExecutor(thread_name_prefix="own") as pool:
            return await run_in_executor(None, where, "a"), await run_in_executor(pool, where, sign="b")

    (a, first, tags), (b, second, same) = asyncio.run(RunnableLambda(both).ainvoke(0, {"tags": ["t"]}))

    assert (a, b, tags, same) == ("a", "b", ["t"], ["t"])
    assert "own" in second
    assert "own" not in first
    assert first != current_thread().name
