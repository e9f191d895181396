"""Chains, messages and data as JSON, and back: by a closed table, so that what is loaded cannot run or reach anything.

text = dumps(chain, functions={"shout": shout})
chain = loads(text, functions={"shout": shout}, secrets={"OPENAI_API_KEY": key})
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from plait.load.envelope import parsed, printed
from plait.load.loading import Loader
from plait.load.saving import Saver

__all__ = ["dumpd", "dumps", "load", "loads"]


def dumps(
    obj: Any,
    *,
    pretty: bool = False,
    functions: Mapping[str, Any] | None = None,
    classes: Sequence[type[Any]] = (),
) -> str:
    """The JSON text of an object; ``pretty`` has line breaks, for people and for version control.

    Taken are plain values (None, bool, int, float, str, list, dict with any keys, tuple, set, bytes, date and time, UUID,
    Decimal) and the classes of plait that are data all the way down. ``functions`` names what is code or belongs to the
    program: functions, retrievers, stores; ``classes`` are classes of your own whose state is their fields, or what their
    constructor was given. API keys are written as their names. Raises ``LoadError``, which says where in ``obj``
    something cannot be saved, and what to do.
    """
    return printed(dumpd(obj, functions=functions, classes=classes), pretty=pretty)


def dumpd(obj: Any, *, functions: Mapping[str, Any] | None = None, classes: Sequence[type[Any]] = ()) -> Any:
    """What ``dumps`` writes, as dicts and lists."""
    return Saver(functions, classes).tree(obj)


def loads(
    text: str | bytes,
    *,
    functions: Mapping[str, Any] | None = None,
    classes: Sequence[type[Any]] = (),
    secrets: Mapping[str, str] | None = None,
    addresses: Collection[str] = (),
) -> Any:
    """The object that such a text stands for; any other JSON is plain data.

    Nothing is imported, read or asked for by a name that stands in the text: functions, classes and secrets are those
    that are given here. ``addresses`` are the values of ``base_url`` that models may have, since they get the prompts
    and the key, and the files of weights that a ``ChatLocal`` may read. Raises ``LoadError``, which says where in the
    text something is wrong; then nothing was made.
    """
    return load(parsed(text), functions=functions, classes=classes, secrets=secrets, addresses=addresses)


def load(
    tree: Any,
    *,
    functions: Mapping[str, Any] | None = None,
    classes: Sequence[type[Any]] = (),
    secrets: Mapping[str, str] | None = None,
    addresses: Collection[str] = (),
) -> Any:
    """What ``loads`` gives, of dicts and lists as ``dumpd`` makes them."""
    return Loader(functions, classes, secrets, addresses).value(tree)
