"""``check_store`` passes what is right, and finds every fault that is planted."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from plait.stores import BaseStore, InMemoryBaseStore, InMemoryByteStore, InMemoryStore, LocalFileStore
from plait.testing import STORE_LAWS, ConformanceError, acheck_store, check_store


class Right(BaseStore[str, Any]):
    """A store with the sync verbs alone."""

    def __init__(self) -> None:
        self.kept: dict[str, Any] = {}

    def mget(self, keys: Sequence[str]) -> list[Any]:
        return [self.kept.get(key) for key in keys]

    def mset(self, key_value_pairs: Sequence[tuple[str, Any]]) -> None:
        self.kept.update(dict(key_value_pairs))

    def mdelete(self, keys: Sequence[str]) -> None:
        for key in keys:
            self.kept.pop(key, None)

    def yield_keys(self, *, prefix: str | None = None) -> Iterator[str]:
        yield from [key for key in self.kept if key.startswith(prefix or "")]


class Short(Right):
    def mget(self, keys: Sequence[str]) -> list[Any]:
        return [self.kept[key] for key in keys if key in self.kept]


class First(Right):
    def mset(self, key_value_pairs: Sequence[tuple[str, Any]]) -> None:
        for key, value in key_value_pairs:
            self.kept.setdefault(key, value)


class Greedy(Right):
    def mdelete(self, keys: Sequence[str]) -> None:
        self.kept = {kept: value for kept, value in self.kept.items() if not any(kept[:2] == key[:2] for key in keys)}


class Strict(Right):
    def mdelete(self, keys: Sequence[str]) -> None:
        for key in keys:
            del self.kept[key]


class Within(Right):
    def yield_keys(self, *, prefix: str | None = None) -> Iterator[str]:
        yield from [key for key in self.kept if (prefix or "") in key[:3]]


class Live(Right):
    def yield_keys(self, *, prefix: str | None = None) -> Iterator[str]:
        yield from (key for key in self.kept if key.startswith(prefix or ""))


class AnotherTwin(Right):
    async def amdelete(self, keys: Sequence[str]) -> None:
        return


class Blocking(Right):
    async def amget(self, keys: Sequence[str]) -> list[Any]:
        time.sleep(0)  # noqa: ASYNC251 - the fault
        return self.mget(keys)


class Losing(Right):
    def mset(self, key_value_pairs: Sequence[tuple[str, Any]]) -> None:
        new = {**self.kept, **dict(key_value_pairs)}
        time.sleep(0.002)
        self.kept = new


class Emptying(Right):
    def mset(self, key_value_pairs: Sequence[tuple[str, Any]]) -> None:
        super().mset(key_value_pairs)
        if isinstance(key_value_pairs, list):
            key_value_pairs.clear()


class Leaving(Right):
    def mget(self, keys: Sequence[str]) -> list[Any]:
        if not any(thread.name == "left" for thread in threading.enumerate()):
            threading.Thread(target=time.sleep, args=(1.2,), daemon=True, name="left").start()
        return super().mget(keys)


FAULTS: dict[type[BaseStore[Any, Any]], str] = {
    Short: "get",
    First: "last-stays",
    Greedy: "delete",
    Strict: "works",
    Within: "keys",
    Live: "keys-change",
    AnotherTwin: "twins",
    Blocking: "event-loop",
    Losing: "concurrent",
    Emptying: "input-kept",
    Leaving: "nothing-left",
}


@pytest.mark.parametrize("make", [Right, InMemoryStore, InMemoryByteStore, InMemoryBaseStore])
def test_what_is_right_passes(make: Any) -> None:
    """In memory, and a user's own."""
    check_store(make)


async def test_files_pass(tmp_path: Path) -> None:
    """From inside a loop."""
    await acheck_store(lambda: LocalFileStore(tempfile.mkdtemp(dir=tmp_path)))
    with pytest.raises(RuntimeError, match="one is running"):
        check_store(Right)


def test_keys_and_values_may_be_others() -> None:
    """Than texts and bytes."""

    class Pairs(Right):
        def yield_keys(self, *, prefix: str | None = None) -> Iterator[Any]:
            yield from [*self.kept]

    check_store(Pairs, key=lambda word: (word, 1), value=lambda number: {"n": number})


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found(fault: Any) -> None:
    """And said by the name of its law, with what to do about it."""
    with pytest.raises(ConformanceError, match=f"{fault.__name__} breaks the laws of a store") as caught:
        check_store(fault)
    assert FAULTS[fault] in caught.value.laws
    assert STORE_LAWS[FAULTS[fault]].do in str(caught.value)
    check_store(fault, skip=dict.fromkeys(caught.value.laws, "known"))


def test_every_law_has_a_fault() -> None:
    """No law is there that could not be broken."""
    assert {*FAULTS.values()} == {*STORE_LAWS}
