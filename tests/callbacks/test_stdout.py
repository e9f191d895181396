"""Handlers that write."""

from __future__ import annotations

from typing import Any

import pytest

from plait.callbacks import StdOutCallbackHandler, StreamingStdOutCallbackHandler
from plait.language_models import FakeListChatModel
from plait.runnables import RunnableLambda


def test_chains_are_written(run: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """A line for each begin and each end."""
    run(RunnableLambda(len).pipe(str, name="whole"), "abc", {"callbacks": [StdOutCallbackHandler()]})

    lines = capsys.readouterr().out.splitlines()
    assert (lines[0], lines[-1]) == ("> whole begins", "> whole ends")
    assert set(lines[1:-1]) == {"> len begins", "> len ends", "> str begins", "> str ends"}


def test_failures_are_written(run: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """A line for a failure, with a piece of what it says."""

    def fail(_: object) -> None:
        raise LookupError("mine")

    with pytest.raises(LookupError):
        run(RunnableLambda(fail), 1, {"callbacks": [StdOutCallbackHandler()]})

    assert "> fail fails: LookupError('mine')" in capsys.readouterr().out


def test_tokens_are_written_as_they_come(capsys: pytest.CaptureFixture[str]) -> None:
    """The text of a model, and only that."""
    model = FakeListChatModel(responses=["so it is"])

    for _ in model.stream("hi", {"callbacks": [StreamingStdOutCallbackHandler()]}):
        pass

    assert capsys.readouterr().out == "so it is"


def test_terminal_is_not_steered(capsys: pytest.CaptureFixture[str]) -> None:
    """What a model writes is text to a terminal, not orders; lines, tabs and any letters stay."""
    model = FakeListChatModel(responses=["a\x1b[2Jb\x9b1mc\x07\td\n\u200dé"])

    list(model.stream("hi", {"callbacks": [StreamingStdOutCallbackHandler()]}))

    assert capsys.readouterr().out == "a[2Jb1mc\td\n\u200dé"
