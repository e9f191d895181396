"""Everything that plait calls a Runnable keeps the laws of one; `samples.py` says what each is called with."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from plait.runnables import Runnable, RunnableGenerator, RunnableLambda, RunnableParallel, RunnablePassthrough
from plait.testing import ConformanceError, check_runnable


def loaded(name: str) -> Any:
    """A module that stands beside the folder of this one; known by its name, so that what is in it can be pickled."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parents[1] / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules.setdefault(name, importlib.util.module_from_spec(spec))
    if not hasattr(module, "SAMPLES"):
        spec.loader.exec_module(module)
    return module


samples = loaded("samples")
every_sample = pytest.mark.parametrize("sample", samples.SAMPLES.values(), ids=samples.SAMPLES)


@every_sample
def test_keeps_the_laws(sample: Any) -> None:
    """One body, every mode, every law (N10, P64, P04, P23, P32)."""
    check_runnable(sample.runnable, sample.inputs, errors=sample.errors, **sample.options)


@pytest.mark.parametrize("kind", sorted(samples.public_classes(), key=lambda kind: kind.__name__))
def test_has_a_sample(kind: type[Runnable[Any, Any]]) -> None:
    """A class of Runnable that has no sample, itself or by a subclass that a user would write, is not checked."""
    assert any(isinstance(sample.runnable, kind) for sample in samples.SAMPLES.values())


@every_sample
def test_json_schemas_are_valid(sample: Any) -> None:
    """Input, output and config have a schema that is one by the metaschema of JSON Schema."""
    for which in ("input", "output", "config"):
        Draft202012Validator.check_schema(getattr(sample.runnable, f"get_{which}_jsonschema")())


WRAPPINGS: dict[str, Any] = {
    "before": lambda runnable: runnable | RunnablePassthrough(),
    "after": lambda runnable: RunnablePassthrough() | runnable,
    "in a dict": lambda runnable: RunnableParallel(a=runnable, b=RunnablePassthrough()),
    "bound": lambda runnable: runnable.with_config(tags=["bound"], run_name="bound").bind(),
    "named": lambda runnable: (runnable | RunnablePassthrough()).pipe(RunnablePassthrough(), name="named"),
}


@pytest.mark.slow
@pytest.mark.parametrize("wrapping", WRAPPINGS.values(), ids=WRAPPINGS)
@every_sample
def test_keeps_the_laws_in_a_wrapping(sample: Any, wrapping: Any) -> None:
    """What each does alone it does inside of others."""
    options = {**sample.options, "skip": {**sample.options.get("skip", {}), "pickle": "checked alone"}}
    check_runnable(wrapping(sample.runnable), sample.inputs, errors=sample.errors, **options)


def test_pieces_reach_a_step_as_they_come() -> None:
    """The check does feed pieces: a step that glues them with a mark of its own is told from one that does not."""

    def glue(chunks: Iterator[str]) -> Iterator[str]:
        yield "|".join(chunks)

    glued = RunnableGenerator(glue)
    with pytest.raises(ConformanceError, match=r"split-input: .*\n.*'one'\n.*'o\|ne'"):
        check_runnable(glued, ["one"])
    check_runnable(glued | RunnableLambda(str.upper), ["one"], skip={"split-input": "it glues"})
