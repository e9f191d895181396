"""The documentation is true: its code runs, prints what it says, and its links lead somewhere.

In README.md and docs/*.md every block that opens with ```python runs, page by page in one namespace and one event loop
(``await`` may stand at the top level of a block). A block ```text output after it is what it prints, where ``...``
stands for anything. A block ```python no-run is only compiled, and must begin with a comment ``# no-run: why``.
"""

from __future__ import annotations

import ast
import asyncio
import doctest
import importlib
import inspect
import io
import re
import types
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]
LINKED = [*PAGES, *(ROOT / name for name in ("ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"))]
EXAMPLES = [path for path in sorted((ROOT / "src").rglob("*.py")) if ">>> " in path.read_text(encoding="utf-8")]
FENCE = re.compile(r"^(?P<indent> *)```(?P<info>[^\n`]*)\n(?P<body>.*?)^(?P=indent)``` *$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<!\\)\[[^\]]*\]\((?P<target>[^)\s]+)[^)]*\)")
ELSEWHERE = re.compile(r"[a-z]+:")  # https:, mailto:


@dataclass(frozen=True)
class Block:
    """A fenced block: what is written behind the fence, its text, and the line of the page on which that begins."""

    info: tuple[str, ...]
    text: str
    line: int


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [
        Block(tuple(match["info"].split()), dedent(match["body"]), text.count("\n", 0, match.start("body")) + 1)
        for match in FENCE.finditer(text)
    ]


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def compiled(block: Block, page: Path) -> types.CodeType:
    """The block as code whose line numbers are those of the page."""
    padded = "\n" * (block.line - 1) + block.text
    return compile(padded, str(page), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)


def execute(block: Block, page: Path, names: dict[str, object], loop: asyncio.Runner) -> str:
    """Run the block and give back what it printed."""
    printed = io.StringIO()
    code = compiled(block, page)
    with redirect_stdout(printed):
        if code.co_flags & inspect.CO_COROUTINE:
            loop.run(types.FunctionType(code, names)())
        else:
            exec(code, names)
    return printed.getvalue()


def matches(expected: str, printed: str) -> bool:
    pattern = ".*".join(re.escape(part) for part in expected.strip().split("..."))
    return re.fullmatch(pattern, printed.strip(), re.DOTALL) is not None


def run_page(page: Path) -> int:
    """Run the blocks of a page in order, compare what they print, and give back how many there were."""
    names: dict[str, object] = {"__name__": "__main__"}
    printed, ran = "", 0
    with asyncio.Runner() as loop:
        for block in blocks(page):
            place = f"{name_of(page) if page.is_relative_to(ROOT) else page.name}:{block.line}"
            if block.info == ("python",):
                printed, ran = execute(block, page, names, loop), ran + 1
            elif block.info == ("python", "no-run"):
                compiled(block, page)
                assert re.match(r"# no-run: \w", block.text), f"{place}: begin the block with `# no-run: why`"
            elif block.info == ("text", "output"):
                assert matches(block.text, printed), f"{place}: it prints\n{printed}"
            else:
                assert not is_nearly_code(block), f"{place}: ```python, ```python no-run or ```text output?"
    return ran


def is_nearly_code(block: Block) -> bool:
    """What would silently not be run: another spelling of python, or another mark."""
    words = " ".join(block.info).lower()
    return words.startswith(("py", "{.py")) or "output" in words or "no-run" in words


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_code_runs(page: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Every block of the page runs as a reader would run it, from the top."""
    monkeypatch.chdir(tmp_path)

    run_page(page)


def test_examples_in_docstrings_run() -> None:
    """Every ``>>>`` in the source gives what it says."""
    for path in EXAMPLES:
        parts = path.relative_to(ROOT / "src").with_suffix("").parts
        module = importlib.import_module(".".join(part for part in parts if part != "__init__"))
        assert doctest.testmod(module, optionflags=doctest.ELLIPSIS).failed == 0, path


# -------------------------------------------------------------------------------------------------------------- links


def anchors(page: Path) -> set[str]:
    """The names under which the headings of a page can be linked, as forges make them."""
    prose = FENCE.sub("", page.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ +(.+?)(?: +#+)?$", prose, re.MULTILINE)
    slugs = [re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings]
    return {slug if (n := slugs[:i].count(slug)) == 0 else f"{slug}-{n}" for i, slug in enumerate(slugs)}


def dead_links(page: Path) -> list[str]:
    prose = re.sub(r"`[^`\n]+`", "", FENCE.sub("", page.read_text(encoding="utf-8")))
    targets = [match["target"] for match in LINK.finditer(prose)]
    return [target for target in targets if not ELSEWHERE.match(target) and not leads_somewhere(target, page)]


def leads_somewhere(target: str, page: Path) -> bool:
    path, _, anchor = target.partition("#")
    file = page.parent / path if path else page
    return file.exists() and (not anchor or anchor in anchors(file))


@pytest.mark.parametrize("page", LINKED, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link is to a file, and to a heading, that exists."""
    assert dead_links(page) == []


# ------------------------------------------------------------------------------------------------- the runner is right


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """A page that is not there yet."""
    return tmp_path / "page.md"


def test_blocks_share_names_and_loop(page: Path) -> None:
    """A block sees what the blocks before it defined, and an ``await`` at the top runs in the loop of the page."""
    page.write_text(
        "```python\nimport asyncio\nready = asyncio.Event()\nready.set()\n```\n"
        "- in a list\n\n  ```python\n  print(await ready.wait())\n  ```\n\n  ```text output\n  True\n  ```\n"
    )

    assert run_page(page) == 2


@pytest.mark.parametrize("expected", ["12345", "1...5", "..."])
def test_output_is_compared(page: Path, expected: str) -> None:
    """What a block prints is what stands below it; ``...`` stands for anything."""
    page.write_text(f"```python\nprint(12, 45, sep='3')\n```\n```text output\n{expected}\n```\n")

    assert run_page(page) == 1


def test_other_output_is_a_fault(page: Path) -> None:
    """A block that prints anything else fails, and shows what it printed."""
    page.write_text("```python\nprint(12)\n```\n```text output\n1\n```\n")

    with pytest.raises(AssertionError, match=r"page\.md:5: it prints\s+12"):
        run_page(page)


@pytest.mark.parametrize(
    "block",
    [
        "```python no-run\nx = 1\n```",
        "```python no-run\n# no-run:\nx = 1\n```",
        "```py\nx\n```",
        "```python skip\nx\n```",
    ],
)
def test_code_is_not_left_out_silently(page: Path, block: str) -> None:
    """A block that does not run must say why, in the one way that there is."""
    page.write_text(block + "\n")

    with pytest.raises(AssertionError, match=r"page\.md:2"):
        run_page(page)


def test_faults_name_the_line_of_the_page(page: Path) -> None:
    """A block that fails shows the line of the page in its traceback."""
    page.write_text("# Page\n\ntext\n\n```python\nx = 1\nraise KeyError(x)\n```\n")

    with pytest.raises(KeyError) as caught:
        run_page(page)

    assert caught.traceback[-1].lineno == 6  # counted from 0
    assert caught.traceback[-1].path == page


def test_dead_links_are_found(page: Path) -> None:
    """A link to no file or no heading is found; links elsewhere and links in code are left alone."""
    page.write_text(
        "# One heading\n## One heading\n[a](page.md#one-heading-1) [b](#one-heading) [c](https://example.com/x) `[d](no)`\n"
        "[e](other.md) [f](#two) [g](page.md#one-heading-2)\n"
    )

    assert dead_links(page) == ["other.md", "#two", "page.md#one-heading-2"]
