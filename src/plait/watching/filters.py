"""Which runs somebody wants to hear of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias, cast

from plait.errors import ConfigError
from plait.redaction import glimpse
from plait.runs import Run

__all__ = ["RunFilter"]

_Names: TypeAlias = Sequence[str] | None
_Facts: TypeAlias = Mapping[str, Any] | Sequence[Mapping[str, Any]] | None
_COLLECTIONS: Final = (list, tuple, set, frozenset)


class RunFilter:
    """Admits a run if no ``include_…`` is given or any of them holds, and no ``exclude_…`` holds.

    A filter of names, types or tags holds for a run that has one of them; a type is a run's ``kind``, or another name
    that the caller knows it by. One of metadata is a dict, which holds if all its items are in the run's metadata, or a
    list of dicts, of which one has to hold. An empty list holds for none. Raises ``ConfigError``, naming the argument,
    for a filter of any other form.
    """

    __slots__ = ("_exclude", "_include")

    def __init__(
        self,
        include_names: _Names = None,
        include_types: _Names = None,
        include_tags: _Names = None,
        include_metadata: _Facts = None,
        exclude_names: _Names = None,
        exclude_types: _Names = None,
        exclude_tags: _Names = None,
        exclude_metadata: _Facts = None,
    ) -> None:
        self._include = _Wanted("include", include_names, include_types, include_tags, include_metadata)
        self._exclude = _Wanted("exclude", exclude_names, exclude_types, exclude_tags, exclude_metadata)

    def admits(self, run: Run, *, types: Sequence[str] = (), names: Sequence[str] = ()) -> bool:
        """Whether to tell of the run; ``types`` and ``names`` are others that it is known by."""
        types, names = (run.kind, *types), (run.name, *names)
        if self._include.given and not self._include.holds(run, types, names):
            return False
        return not (self._exclude.given and self._exclude.holds(run, types, names))


class _Wanted:
    """Four filters, of which one has to hold."""

    __slots__ = ("_metadata", "_names", "_tags", "_types", "given")

    def __init__(self, verb: str, names: Any, types: Any, tags: Any, metadata: Any) -> None:
        self._names = _texts(f"{verb}_names", names)
        self._types = _texts(f"{verb}_types", types)
        self._tags = _texts(f"{verb}_tags", tags)
        self._metadata = _facts(f"{verb}_metadata", metadata)
        self.given = any(filter is not None for filter in (names, types, tags, metadata))

    def holds(self, run: Run, types: Iterable[str], names: Iterable[str]) -> bool:
        return (
            not self._names.isdisjoint(names)
            or not self._types.isdisjoint(types)
            or not self._tags.isdisjoint(run.tags)
            or any(_has(run.metadata, facts) for facts in self._metadata)
        )


def _has(metadata: Mapping[str, Any], facts: Mapping[str, Any]) -> bool:
    return all(key in metadata and _equal(metadata[key], value) for key, value in facts.items())


def _equal(a: Any, b: Any) -> bool:
    try:
        return bool(a == b)
    except Exception:  # arrays, for example, cannot say; what cannot be told to be equal is not
        return a is b


def _texts(argument: str, value: Any) -> frozenset[str]:
    items = _collected(argument, value, "a list of texts")
    return frozenset(_each(argument, items, str, "texts"))


def _facts(argument: str, value: Any) -> list[Mapping[str, Any]]:
    if isinstance(value, Mapping):
        return [{**cast("Mapping[str, Any]", value)}]
    items = _collected(argument, value, "a dict, or a list of dicts")
    return [{**facts} for facts in _each(argument, items, Mapping, "dicts")]


def _collected(argument: str, value: Any, expected: str) -> Iterable[Any]:
    if value is None:
        return ()
    if not isinstance(value, _COLLECTIONS):
        hint = f"; for one alone write {argument}=[{glimpse(value, 60)}]" if isinstance(value, str) else ""
        raise ConfigError(f"{argument} takes {expected}, got {type(value).__name__} {glimpse(value, 60)}{hint}")
    return cast("Iterable[Any]", value)


def _each(argument: str, items: Iterable[Any], kind: type[Any], expected: str) -> Iterable[Any]:
    for item in items:
        if not isinstance(item, kind):
            raise ConfigError(f"{argument} takes {expected}, got {type(item).__name__} {glimpse(item, 60)} among them")
        yield item
