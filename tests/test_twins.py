"""The twin checker finds drift that was seeded on purpose, and lets pass what is only colour."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

CHECKER = Path(__file__).parents[1] / "tools" / "twins.py"


def checked(folder: Path, source: str) -> tuple[int, str]:
    """The exit code and the output of the checker on a module of this source."""
    module = folder / "module.py"
    module.write_text(dedent(source), encoding="utf-8")
    done = subprocess.run([sys.executable, CHECKER, "-v", module], capture_output=True, text=True, check=False)
    assert not done.stderr
    return done.returncode, done.stdout


PROVEN = {
    "await and the a of names": """
        def load(self, key): return self._load(key, gather=gather)
        async def aload(self, key): return await self._aload(key, gather=agather)
    """,
    "dunders, async for, async with": """
        class Box:
            def __iter__(self):
                with self.opened() as chunks:
                    for chunk in chunks:
                        yield self.step(chunk)
            async def __aiter__(self):
                async with self.opened() as chunks:
                    async for chunk in chunks:
                        yield await self.step(chunk)
    """,
    "types of either colour": """
        def _stream(chunks: Iterator[int], f: Callable[[int], T]) -> Generator[T, None, None]:
            yield f(next(chunks, END))
        async def _astream(chunks: AsyncIterator[int], f: Callable[[int], Awaitable[T]]) -> AsyncGenerator[T]:
            yield await f(await anext(chunks, END))
    """,
    "what takes either colour": """
        def each(items: Iterable[int]): ...
        async def aeach(items: Iterable[int] | AsyncIterable[int]): ...
    """,
    "yield from": """
        def _all(chunks):
            yield from sorted(chunks)
        async def _aall(chunks):
            async for chunk in sorted(chunks):
                yield chunk
    """,
    "docstrings, local imports, words of a message": """
        def stream(x):
            "The chunks."
            raise TypeError(f"{x} cannot stream; use invoke")
        async def astream(x):
            "Like stream."
            import asyncio
            raise TypeError(f"{x} cannot astream; use ainvoke")
    """,
    "names of the standard library": """
        def pause(stack, key):
            time.sleep(1)
            with suppress(StopIteration):
                stack.enter_context(closing(key))
        async def apause(stack, key):
            await asyncio.sleep(1)
            with suppress(StopAsyncIteration):
                await stack.enter_async_context(aclosing(key))
    """,
    "two plain functions": """
        def stream(self, x): return self.transform(once(x))
        def astream(self, x): return self.atransform(aonce(x))
    """,
    "a method that is named like a paired function": """
        def fetch(x): return x
        async def afetch(x): return x
        class Box:
            def load(self, x): return self.fetch(x)
            async def aload(self, x): return self.fetch(x)
    """,
    "overloads between them": """
        @overload
        def load(x: int) -> int: ...
        @overload
        def load(x: str) -> str: ...
        def load(x): return x
        @overload
        async def aload(x: int) -> int: ...
        @overload
        async def aload(x: str) -> str: ...
        async def aload(x): return x
    """,
}


@pytest.mark.parametrize("source", PROVEN.values(), ids=PROVEN)
def test_colour_is_no_difference(tmp_path: Path, source: str) -> None:
    """A pair that differs by colour alone is proven."""
    code, output = checked(tmp_path, source)

    assert code == 0
    assert re.fullmatch(r"twins: [12] pairs, 0 excused, 0 faults\n", output)


DRIFTED = {
    "a statement more": (
        """
        def load(x):
            return x
        async def aload(x):
            x = x or 1
            return x
        """,
        "differs",
    ),
    "a default": (
        "def load(x, n=1): return x\nasync def aload(x, n=2): return x",
        "differs: 1 / 2",
    ),
    "a parameter's type": (
        "def load(x: int): return x\nasync def aload(x: str): return x",
        "differs: int / str",
    ),
    "another function called": (
        "def load(x): return first(x)\nasync def aload(x): return await asecond(x)",
        "differs: first / asecond",
    ),
    "other arguments": (
        "def load(x): return put(x, 1)\nasync def aload(x): return await aput(x)",
        "differs: 1 / nothing",
    ),
    "an exception that one does not catch": (
        """
        def load(x):
            try: return x
            except (KeyError, ValueError): return None
        async def aload(x):
            try: return x
            except KeyError: return None
        """,
        "differs",
    ),
    "the sync function called where there is an async one": (
        """
        def fetch(x): return x
        async def afetch(x): return x
        def load(x): return fetch(x)
        async def aload(x): return fetch(x)
        """,
        "aload: calls fetch without await, where there is afetch",
    ),
    "the sync method called where there is an async one": (
        """
        class Box:
            def fetch(self, x): return x
            async def afetch(self, x): return x
            def load(self, x): return self.fetch(x)
            async def aload(self, x): return self.fetch(x)
        """,
        "aload: calls self.fetch without await, where there is afetch",
    ),
    "a number instead of a flag": (
        "def load(x): return True\nasync def aload(x): return 1",
        "differs: True / 1",
    ),
    "a message": (
        "def load(x): raise E('no key')\nasync def aload(x): raise E('no such key')",
        "differs",
    ),
}


@pytest.mark.parametrize(("source", "fault"), DRIFTED.values(), ids=DRIFTED)
def test_drift_is_found(tmp_path: Path, source: str, fault: str) -> None:
    """Each seeded drift is reported with its place, and the exit code is 1."""
    code, output = checked(tmp_path, source)

    assert code == 1
    assert fault in output
    assert "module.py:" in output


def test_excuse_with_reason_is_accepted(tmp_path: Path) -> None:
    """A pair that must differ passes when its line says why, also in a signature of several lines."""
    code, output = checked(
        tmp_path,
        """
        def load(x):
            return 1
        async def aload(  # twin: the loop knows a faster way
            x
        ):
            return 2
        """,
    )

    assert code == 0
    assert "aload: the loop knows a faster way" in output


UNEXCUSED = {
    "not needed": ("def f(): return 1\nasync def af(): return 1  # twin: once they differed", "needs no excuse"),
    "no reason": ("def f(): return 1\nasync def af(): return 2  # twin:", "gives no reason"),
    "nobody there": ("x = 1  # twin: nothing here", "no async function needs"),
    "on the sync one": ("def f(): return 1  # twin: wrong line\nasync def af(): return 1", "no async function needs"),
}


@pytest.mark.parametrize(("source", "fault"), UNEXCUSED.values(), ids=UNEXCUSED)
def test_bad_excuse_is_a_fault(tmp_path: Path, source: str, fault: str) -> None:
    """An excuse that nothing needs, or that says nothing, does not stay in the code."""
    code, output = checked(tmp_path, source)

    assert code == 1
    assert fault in output


def test_lone_public_async_function_is_reported(tmp_path: Path) -> None:
    """A public ``ax`` without ``x`` is a fault, a private one and one with an excuse are none."""
    code, output = checked(
        tmp_path,
        """
        class Client:
            async def afetch(self): ...
            async def _ahead(self): ...
            async def aclose(self): ...
            async def awatch(self): ...  # twin: only a loop can watch
        """,
    )

    assert code == 1
    assert "1 faults" in output
    assert "afetch: is public and has no sync sibling" in output


def test_twins_stand_together(tmp_path: Path) -> None:
    """A pair with another function between its halves is a fault, so that both are seen when one is changed."""
    code, output = checked(tmp_path, "def f(): return 1\ndef g(): return 2\nasync def af(): return 1")

    assert code == 1
    assert "does not stand right under f" in output


def test_plait_holds_the_rule() -> None:
    """Every pair in the package is proven or excused."""
    source = CHECKER.parents[1] / "src" / "plait"
    done = subprocess.run([sys.executable, CHECKER, source], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
