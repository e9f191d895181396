"""The other library, for those who run the tests marked ``peer``: it is loaded when the first of them begins."""

from __future__ import annotations

from typing import Any

import pytest

from plait.providers.langchain import peer as home


@pytest.fixture(scope="session")
def lc() -> Any:
    """langchain_core, with its modules as attributes."""
    pytest.importorskip("langchain_core")
    return home.peer()
