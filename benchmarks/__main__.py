"""Run the benchmarks named on the command line, or all, and print one table. Prints; fails nobody's build."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.metadata import version

NAMES = (
    "sequence",
    "prompt_model_parser",
    "streaming",
    "watching",
    "batch",
    "parallel",
    "retry",
    "partial_json",
    "vectorstores",
    "pgvector",
    "importing",
)


def micro(value: float) -> str:
    return f"{value * 1e6:,.2f} µs" if value < 1e-3 else f"{value * 1e3:,.1f} ms"


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        print(f"unknown: {', '.join(unknown)}; there are {', '.join(NAMES)}")
        return 2
    python = ".".join(map(str, sys.version_info[:3]))
    print(f"CPython {python}, langchain-core {version('langchain-core')}, pydantic {version('pydantic')}\n")
    print("| work | plait | peer | peer takes | ratio | budget | |\n|---|--:|---|--:|--:|---|---|")
    for name in names or NAMES:
        for row in import_module(f"benchmarks.{name}").rows():
            mark = "holds" if row.holds else "MISSED"
            cells = (row.work, micro(row.ours), row.peer, micro(row.theirs), row.ratio, row.budget, mark)
            print(f"| {' | '.join(cells)} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
