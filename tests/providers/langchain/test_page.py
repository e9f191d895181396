"""The page on LangChain is true: its blocks, which need langchain-core, run and print what it says."""

from __future__ import annotations

import ast
import asyncio
import inspect
import io
import re
import types
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.peer

PAGE = Path(__file__).parents[3] / "docs" / "langchain.md"
BLOCK = re.compile(r"^```python no-run\n(.*?)^```\n(?:```text\n(.*?)^```)?", re.MULTILINE | re.DOTALL)


def test_the_blocks_run(lc: Any) -> None:
    """Each block runs, from the top of the page to its end, and prints what stands below it."""
    names: dict[str, Any] = {"__name__": "__main__"}
    blocks = BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    assert len(blocks) >= 3

    with asyncio.Runner() as loop:
        for source, expected in blocks:
            printed = io.StringIO()
            code = compile(source, str(PAGE), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
            with redirect_stdout(printed):
                done = types.FunctionType(code, names)()
                if inspect.iscoroutine(done):
                    loop.run(done)
            assert printed.getvalue().split() == expected.split()
