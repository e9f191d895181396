"""A trace as lines of JSON."""

from __future__ import annotations

import gc
import io
import json
import stat
import threading
from pathlib import Path
from typing import Any

import pytest

from plait import ConfigError, RunnableLambda
from plait.tracers import JsonLinesTracer


def lines_of(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_each_run_is_a_line(story: Any) -> None:
    """P56: every run that ended is one line, with its kind, its end and the run around it."""
    stream = io.StringIO()

    witness = story(JsonLinesTracer(stream))

    facts = sorted((line["id"], line["kind"], line["status"], line["parent_id"]) for line in lines_of(stream))
    assert facts == witness.facts


def test_line_says_what_there_is_to_say(story: Any) -> None:
    """A model's line has its input, its answer, its tokens and its times."""
    stream = io.StringIO()
    story(JsonLinesTracer(stream))

    line = next(line for line in lines_of(stream) if line["kind"] == "chat_model" and line["status"] == "success")

    assert (line["usage"]["total_tokens"], line["model"]) == (15, "fake-1-2026")
    assert line["outputs"]["content"] == "It is blue."
    assert line["metadata"]["user"] == "Ann"
    assert line["start"] <= line["end"]
    assert line["error"] is None


def test_failure_is_told(story: Any) -> None:
    """The line of a run that failed has the class and the message of its exception."""
    stream = io.StringIO()
    story(JsonLinesTracer(stream))

    failed = [line for line in lines_of(stream) if line["status"] == "error"]

    assert {line["name"] for line in failed} == {"failing", "broken"}
    assert all(line["error"]["type"] == "ValueError" and "refused" in line["error"]["message"] for line in failed)


def test_no_secret_is_written(story: Any) -> None:
    """Keys in inputs, outputs, metadata and messages of errors are masked."""
    stream = io.StringIO()

    story(JsonLinesTracer(stream))

    assert "painted" in stream.getvalue()
    assert story.KEY not in stream.getvalue()


def test_content_can_be_left_out(story: Any) -> None:
    """``content=False`` leaves inputs and outputs out, and nothing else."""
    stream = io.StringIO()

    story(JsonLinesTracer(stream, content=False))

    assert all("inputs" not in line and "outputs" not in line for line in lines_of(stream))
    assert "It is blue." not in stream.getvalue()


def test_long_values_are_cut_with_a_mark() -> None:
    """What is left out of a long value is said."""
    stream = io.StringIO()

    RunnableLambda(len).invoke("x" * 100_000, {"callbacks": [JsonLinesTracer(stream, limit=100)]})

    assert len(stream.getvalue()) < 1_500
    assert "x" * 200 not in stream.getvalue()


def test_what_is_no_json_is_written_all_the_same() -> None:
    """A value that JSON has no word for does not stop the line."""
    stream = io.StringIO()

    RunnableLambda(type).invoke(threading.Lock(), {"callbacks": [JsonLinesTracer(stream)]})

    [line] = lines_of(stream)
    assert line["status"] == "success"


def test_file_is_the_owners_and_is_closed(tmp_path: Path) -> None:
    """A new file can be read by its owner only; after the ``with`` it is closed, and a late run is only logged."""
    path = tmp_path / "trace.jsonl"

    with JsonLinesTracer(path) as tracer:
        for number in range(3):
            RunnableLambda(str).invoke(number, {"callbacks": [tracer]})

    assert [json.loads(line)["inputs"] for line in path.read_text().splitlines()] == [0, 1, 2]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_closed_file_stays_closed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A run that ends after ``close()`` is not written, which is logged; the run itself goes on."""
    path = tmp_path / "trace.jsonl"
    tracer = JsonLinesTracer(path)
    tracer.close()

    assert RunnableLambda(str).invoke(1, {"callbacks": [tracer]}) == "1"

    assert not path.exists()
    assert "is closed" in caplog.text


def test_forgotten_tracer_closes_its_file(tmp_path: Path) -> None:
    """Who forgets to close it leaves no open file behind, and what was written is there."""
    folder, path = Path("/proc/self/fd"), tmp_path / "trace.jsonl"
    if not folder.exists():
        pytest.skip("this system does not list a process's open files")

    RunnableLambda(str).invoke(1, {"callbacks": [JsonLinesTracer(path)]})
    gc.collect()

    assert str(path) not in {str(link.readlink()) for link in folder.iterdir() if link.is_symlink()}
    assert len(path.read_text().splitlines()) == 1


def test_lines_of_threads_do_not_mix(tmp_path: Path) -> None:
    """Runs that end at the same time in several threads are whole lines."""
    path = tmp_path / "trace.jsonl"

    with JsonLinesTracer(path) as tracer:
        RunnableLambda(str).batch([0] * 500, {"callbacks": [tracer], "max_concurrency": 8})

    assert len([json.loads(line) for line in path.read_text().splitlines()]) == 500


def test_limit_must_be_one() -> None:
    """A limit that cannot be raises at once."""
    with pytest.raises(ConfigError, match="limit must be"):
        JsonLinesTracer(io.StringIO(), limit=0)
