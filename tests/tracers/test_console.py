"""The trace on a terminal."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import threading
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from plait.errors import ConfigError
from plait.runnables import Runnable, RunnableGenerator, RunnableLambda, RunnableParallel
from plait.runs import current
from plait.tracers import ConsoleCallbackHandler, ConsoleTracer, JsonLinesTracer, get_debug, set_debug
from plait.tracers.console import ambient_tracer

LINE = re.compile(r"(?P<number>[\d.]+) +(?P<sign>[▶✓✗■•]) (?P<name>\S+)(?P<rest>.*)")


def add_1(number: int) -> int:
    return number + 1


def lines(text: str) -> list[dict[str, str]]:
    found = [LINE.fullmatch(line) for line in text.splitlines()]
    assert all(found), text
    return [match.groupdict() for match in found if match]


def traced(chain: Runnable[Any, Any], value: Any, **settings: Any) -> str:
    out = StringIO()
    chain.invoke(value, {"callbacks": [ConsoleTracer(out, **settings)]})
    return out.getvalue()


def without_times(text: str) -> str:
    return re.sub(r"[\d.]+ ms", "1 ms", text)


def test_trace_is_a_tree() -> None:
    """P56: a line where a run begins and one where it ends, indented, with input, output and time."""
    chain = RunnableLambda(add_1) | RunnableLambda(str)

    assert without_times(traced(chain, 1)).splitlines() == [
        "1         ▶ RunnableSequence  1",
        "1.1         ▶ add_1  1",
        "1.1         ✓ add_1 1 ms  2",
        "1.2         ▶ str  2",
        "1.2         ✓ str 1 ms  '2'",
        "1         ✓ RunnableSequence 1 ms  '2'",
    ]


def test_story(story: Any) -> None:
    """P56: every run has its line, with kind and outcome; the error is shown, tokens are counted."""
    out = StringIO()

    witness = story(ConsoleTracer(out))

    ends = [line for line in lines(out.getvalue()) if line["sign"] != "▶"]
    signs = {"success": "✓", "error": "✗", "cancelled": "■"}
    assert sorted(line["sign"] for line in ends) == sorted(signs[run.status] for run in witness.runs)
    assert re.search(r"✓ Model \(chat_model\) .*, 12\+3 tokens", out.getvalue())
    assert re.search(r"✗ broken \(tool\) .*ValueError: refused: api_key=\*\*\*", out.getvalue())
    assert re.search(r"■ endless .*cancelled after 'It'", out.getvalue())


def test_no_secret_and_no_escape_is_printed(story: Any) -> None:
    """Neither a key in inputs, outputs and errors nor what would command a terminal gets through."""
    out = StringIO()

    story(ConsoleTracer(out, limit=10_000))

    assert story.KEY not in out.getvalue()
    assert out.getvalue().replace("\n", "").isprintable()


def test_names_cannot_command_the_terminal() -> None:
    """H16: a run's name with escapes and line ends stays on its line."""
    shown = traced(RunnableLambda(add_1).with_config(run_name="\x1b]0;x\x07\n2 ✓ forged"), 1)

    assert len(shown.splitlines()) == 2
    assert r"\x1b]0;x\x07\n2 ✓ forged" in shown


def test_parallel_runs_are_told_apart() -> None:
    """Runs that are mixed on the screen carry numbers: each child that of its parent."""
    both = threading.Barrier(2)

    def meet(_: Any) -> None:
        both.wait()

    branch = RunnableLambda(meet) | RunnableLambda(meet)
    shown = lines(traced(RunnableParallel(a=branch, b=branch), 1))

    begun = {line["number"]: line["name"] for line in shown if line["sign"] == "▶"}
    assert begun == {
        "1": "RunnableParallel<a,b>",
        **{f"1.{n}": "RunnableSequence" for n in (1, 2)},
        **{f"1.{n}.{m}": "meet" for n in (1, 2) for m in (1, 2)},
    }
    assert begun == {line["number"]: line["name"] for line in shown if line["sign"] == "✓"}


def test_long_values_are_cut() -> None:
    """No more than ``limit`` characters of a value are shown."""
    shown = traced(RunnableLambda(lambda text: text), "x" * 100_000, limit=40)

    assert max(map(len, shown.splitlines())) < 100


def test_streamed_input_is_shown_at_the_end() -> None:
    """A run that begins before its input is complete shows input and output when it ends, and counts chunks."""

    def words(chunks: Any) -> Any:
        yield from chunks

    out = StringIO()
    chain = RunnableGenerator(lambda _: iter("abc")) | RunnableGenerator(words)
    list(chain.stream(1, {"callbacks": [ConsoleTracer(out)]}))

    assert re.search(r"▶ words\n", out.getvalue())
    assert re.search(r"✓ words [\d.]+ ms, 3 chunks  'abc' → 'abc'\n", out.getvalue())


def test_nothing_is_kept() -> None:
    """P45: after 1,000 runs of which a third fail and a third are cancelled the tracer knows of none."""
    tracer = ConsoleTracer(StringIO())
    config: Any = {"callbacks": [tracer]}
    good, bad = RunnableLambda(add_1), RunnableLambda(lambda _: 1 / 0)
    for _ in range(334):
        good.invoke(1, config)
        with pytest.raises(ZeroDivisionError):
            bad.invoke(1, config)
        stream = RunnableGenerator(lambda _: iter("abc")).stream(1, config)
        next(stream)
        stream.close()

    assert tracer._open == {}


class Terminal(StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        return True


def test_terminal_gets_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal, with rich installed, the same lines have colours; markup in values is no markup."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    terminal, plain = Terminal(), StringIO()
    chain = RunnableLambda(lambda text: text).with_config(run_name="[red]x[/red]")
    for stream in (terminal, plain):
        chain.invoke("[bold]" + "long " * 60, {"callbacks": [ConsoleTracer(stream, limit=500)]})

    assert "\x1b[" in terminal.getvalue()
    shown = re.sub(r"\x1b\[[\d;]*m", "", terminal.getvalue())
    assert without_times(shown) == without_times(plain.getvalue())


def test_terminal_without_rich_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without rich a terminal gets what a file gets."""
    monkeypatch.setitem(sys.modules, "rich.console", None)
    terminal = Terminal()

    RunnableLambda(add_1).invoke(1, {"callbacks": [ConsoleTracer(terminal)]})

    assert "\x1b" not in terminal.getvalue()
    assert "▶ add_1" in terminal.getvalue()


def test_it_goes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a stream it prints to what stderr is when it prints, and leaves stdout to the program."""
    tracer = ConsoleCallbackHandler()

    RunnableLambda(add_1).invoke(1, {"callbacks": [tracer]})

    printed = capsys.readouterr()
    assert printed.out == ""
    assert "✓ add_1" in printed.err


def test_limit_must_be_positive() -> None:
    """A limit that would show nothing is refused."""
    with pytest.raises(ConfigError, match="limit must be"):
        ConsoleTracer(limit=0)


# ---------------------------------------------------------------------------------------------------------- set_debug


@pytest.fixture
def debug(capsys: pytest.CaptureFixture[str]) -> Any:
    """The trace is on; calling gives what it printed."""
    before = current.get()
    set_debug(True)
    yield lambda: capsys.readouterr().err
    set_debug(False)
    assert current.get() is before


def test_set_debug_traces_every_call(run: Any, debug: Any) -> None:
    """``set_debug(True)`` needs no config, holds in threads and tasks of a call, and prints each run once."""
    run(RunnableLambda(add_1).map(), [1, 2])

    assert debug().count("▶ add_1") == 2


def test_set_debug_twice_prints_once(debug: Any) -> None:
    """Switching on what is on changes nothing."""
    set_debug(True)

    RunnableLambda(add_1).invoke(1)

    assert debug().count("▶ add_1") == 1


def test_set_debug_can_be_switched_off(debug: Any) -> None:
    """After ``set_debug(False)`` calls are as quiet, and as cheap, as before."""
    set_debug(False)

    RunnableLambda(add_1).invoke(1)

    assert not get_debug()
    assert debug() == ""


async def test_set_debug_holds_for_one_task(debug: Any) -> None:
    """A task that switches the trace off does so for itself."""

    async def quietly() -> None:
        set_debug(False)
        await RunnableLambda(add_1).ainvoke(1)

    await asyncio.create_task(quietly())

    assert debug() == ""
    assert get_debug()


def test_set_debug_leaves_other_listeners_alone(debug: Any) -> None:
    """Switched off inside a call, the others who listen go on."""
    out = StringIO()

    def inner(number: int) -> int:
        set_debug(False)
        return RunnableLambda(add_1).invoke(number)

    RunnableLambda(inner).invoke(1, {"callbacks": [ConsoleTracer(out)]})

    assert "▶ add_1" in out.getvalue()
    assert "add_1" not in debug()


# --------------------------------------------------------------------------------------------------------- PLAIT_TRACE


@pytest.mark.parametrize("value", ["", "0", "off", "FALSE"])
def test_environment_may_ask_for_nothing(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """``PLAIT_TRACE=0`` is as if it were not there."""
    monkeypatch.setenv("PLAIT_TRACE", value)

    assert ambient_tracer() is None


@pytest.mark.parametrize(
    ("value", "kind"), [("1", ConsoleTracer), ("True", ConsoleTracer), ("a/b.jsonl", JsonLinesTracer)]
)
def test_environment_asks_for_a_tracer(value: str, kind: type[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """``PLAIT_TRACE=1`` asks for the console, the path of a ``.jsonl`` file for lines of JSON in it."""
    monkeypatch.setenv("PLAIT_TRACE", value)

    assert type(ambient_tracer()) is kind


def test_environment_traces_the_whole_process(tmp_path: Path) -> None:
    """P56: ``PLAIT_TRACE`` reaches calls in threads that know nothing of a context, without a change to the program."""
    code = (
        "import threading; from plait import RunnableLambda\n"
        "thread = threading.Thread(target=RunnableLambda(str).invoke, args=(1,)); thread.start(); thread.join()"
    )
    for value in ("1", str(tmp_path / "trace.jsonl")):
        env = {**os.environ, "PLAIT_TRACE": value}
        done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)

        written = done.stderr if value == "1" else (tmp_path / "trace.jsonl").read_text()
        assert written.count("\n") == (2 if value == "1" else 1)
        assert "str" in written


def test_environment_asks_for_what_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any other value is refused, with what may stand there."""
    monkeypatch.setenv("PLAIT_TRACE", "ture")

    with pytest.raises(ConfigError, match=r"1, 0 or the path .* got 'ture'"):
        ambient_tracer()
