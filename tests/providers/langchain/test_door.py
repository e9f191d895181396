"""The bridge without langchain-core: nothing is loaded before it is needed, and its lack is named."""

from __future__ import annotations

import subprocess
import sys

import pytest

from plait.errors import MissingExtraError
from plait.messages import HumanMessage
from plait.providers.langchain import from_langchain, peer, to_langchain
from plait.runnables import RunnableLambda


def test_the_names_load_nothing_of_langchain() -> None:
    """Both doors can be had from the top without langchain-core."""
    code = "import sys, plait; plait.from_langchain, plait.to_langchain; print([m for m in sys.modules if 'lang' in m[:4]])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("door", [from_langchain, to_langchain])
def test_what_is_missing_is_named(door: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without langchain-core the error says what to install."""
    monkeypatch.setitem(sys.modules, "langchain_core", None)
    peer.peer.cache_clear()

    with pytest.raises(MissingExtraError, match="pip install 'langchain-core"):
        door(4711)  # type: ignore[operator]  # a function

    peer.peer.cache_clear()


def test_what_is_plaits_needs_no_langchain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Something of plait's comes through the inward door as it is, whatever is installed."""
    monkeypatch.setitem(sys.modules, "langchain_core", None)
    step, message = RunnableLambda(len), HumanMessage("hi")

    assert from_langchain(step) is step
    assert from_langchain(message) is message
