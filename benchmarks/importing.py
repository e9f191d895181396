"""Imports and the first chain, each in a fresh interpreter, less what the interpreter itself takes."""

from __future__ import annotations

import os
import subprocess
import sys
from time import perf_counter

from benchmarks.timing import Row, at_most

FIRST_CHAIN = "from plait import RunnableLambda; (RunnableLambda(str) | str.upper).invoke('a')"
FIRST_PROMPT = "from plait import ChatPromptTemplate; ChatPromptTemplate.from_template('{a}').invoke({'a': 'b'})"


def started(code: str, rounds: int = 9) -> float:
    """The least seconds that an interpreter takes for ``code``."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    best = float("inf")
    for _ in range(rounds):
        begun = perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True, env=environment)  # as installed: compiled once
        best = min(best, perf_counter() - begun)
    return best


def rows() -> list[Row]:
    nothing = started("pass")
    plait, chain, prompt, pydantic, their_prompt, one_name, theirs = (
        started(code) - nothing
        for code in (
            "import plait",
            FIRST_CHAIN,
            FIRST_PROMPT,
            "import pydantic",
            FIRST_PROMPT.replace("plait", "langchain_core.prompts"),
            "from plait import RunnableLambda",
            "from langchain_core.runnables import RunnableLambda",
        )
    )
    return [
        Row("import plait", plait, "40 ms", 0.040, "≤ 40 ms", plait <= 0.040),
        at_most("the first chain", chain, "import pydantic", pydantic, 1.3),
        at_most("the first prompt with messages", prompt, "langchain-core", their_prompt, 1 / 3),
        Row("from plait import RunnableLambda", one_name, "60 ms", 0.060, "≤ 60 ms", one_name <= 0.060),
        at_most("from … import RunnableLambda", one_name, "langchain-core", theirs, 60 / 500),
    ]
