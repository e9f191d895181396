"""``check_store``: does a store keep what whoever keeps things in it must be able to expect?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from plait.concurrency import gather, in_thread
from plait.stores import BaseStore
from plait.testing.findings import Law
from plait.testing.trials import FAILED, Trial, judged

__all__ = ["STORE_LAWS", "acheck_store", "check_store"]

STORE_LAWS: Final[Mapping[str, Law]] = {
    "works": Law("The four verbs take any keys of the store, and raise nothing.", "pass over keys that are not there"),
    "get": Law(
        "mget gives a value for each key, in their order, and None where there is none.",
        "give a list as long as the keys",
    ),
    "last-stays": Law(
        "mset takes the place of what was there; of two under one key the last one stays.",
        "go by the order of the pairs",
    ),
    "delete": Law("mdelete takes out the keys that are given, and no others.", "delete exactly these keys"),
    "keys": Law(
        "yield_keys gives each key once: all of them, or those that begin with the prefix.", "compare by startswith"
    ),
    "keys-change": Law("Keys may be deleted while they are read.", "read a page or a copy of the keys at a time"),
    "twins": Law("The async verbs do what the sync ones do.", "let both do the same work, or write only the sync ones"),
    "concurrent": Law("Threads that write at the same time lose nothing.", "put a lock around what cannot be shared"),
    "input-kept": Law("The lists that are given are not changed.", "copy what you change"),
    "event-loop": Law(
        "The async verbs do not make the loop wait.", "await instead, or leave them out: a thread is used"
    ),
    "nothing-left": Law(
        "When a call is over nothing of it goes on or is open.", "close what you open before the call returns"
    ),
}
"""What every store keeps to, by name."""

_KEYS: Final = ("alpha", "alps", "beta", "gamma")


def _bytes(number: int) -> Any:
    return bytes([number]) * 100


def check_store(
    make: Callable[[], BaseStore[Any, Any]],
    *,
    key: Callable[[str], Any] = str,
    value: Callable[[int], Any] = _bytes,
    skip: Mapping[str, str] | None = None,
) -> None:
    """Try out stores that ``make`` gives, and raise ConformanceError, which lists each of ``STORE_LAWS`` they break.

    make: gives an empty store, another one for each call.
    key: makes a key of a word, for a store whose keys are no texts.
    value: makes a value of a number; different ones of different numbers, which can be compared.
    skip: laws that are known not to hold, each with the reason.

    It starts event loops: where one is running, use ``acheck_store``.
    """
    judged(make(), "a store", STORE_LAWS, skip, lambda trial: _Check(trial, make, key, value).run())


async def acheck_store(make: Callable[[], BaseStore[Any, Any]], **options: Any) -> None:  # twin: it runs in a thread
    """As ``check_store``, with its options, from inside an event loop; it runs in a thread."""
    await in_thread(check_store, make, **options)


class _Check:
    """One check: a short story for each law, in a store of its own."""

    def __init__(
        self,
        trial: Trial,
        make: Callable[[], BaseStore[Any, Any]],
        key: Callable[[str], Any],
        value: Callable[[int], Any],
    ) -> None:
        self.trial = trial
        self.make = make
        self.key = key
        self.value = value
        self.keys = [key(word) for word in _KEYS]
        self.pairs = [(name, value(number)) for number, name in enumerate(self.keys)]

    def run(self) -> None:
        for story in (
            self.get,
            self.last_stays,
            self.delete,
            self.all_keys,
            self.changing,
            self.twins,
            self.concurrent,
            self.kept,
        ):
            story()

    def filled(self) -> BaseStore[Any, Any]:
        store = self.make()
        self.trial.call("mset", store.mset, [*self.pairs])
        return store

    def expect(self, law: str, expected: Any, came: Any, where: str) -> None:
        """Note what is not as expected."""
        if came is not FAILED and came != expected:
            self.trial.tell(law, f"{expected!r:.120}", f"{came!r:.120}", where)

    def values(self, store: BaseStore[Any, Any], keys: list[Any], where: str = "mget") -> Any:
        return self.trial.call(where, lambda: store.mget(keys))

    def names(self, store: BaseStore[Any, Any], prefix: str | None = None) -> Any:
        found = self.trial.call("yield_keys", lambda: [*store.yield_keys(prefix=prefix)])
        return found if found is FAILED else sorted(found, key=str)

    def get(self) -> None:
        store, missing = self.filled(), self.key("missing")
        first, *_, last = [value for _, value in self.pairs]
        asked = [self.keys[-1], missing, self.keys[0], self.keys[0]]
        self.expect("get", [last, None, first, first], self.values(store, asked), "mget")
        self.expect("get", [], self.values(store, []), "mget of nothing")
        self.trial.call("mset of nothing", store.mset, [])

    def last_stays(self) -> None:
        store, name = self.filled(), self.keys[0]
        self.trial.call("mset", store.mset, [(name, self.value(8)), (name, self.value(9))])
        self.expect("last-stays", [self.value(9)], self.values(store, [name]), "mset of a key that is there")

    def delete(self) -> None:
        store, (first, *others) = self.filled(), self.keys
        for gone in ([first, self.key("missing")], [first], []):
            self.trial.call("mdelete", store.mdelete, gone)
        kept = [value for _, value in self.pairs[1:]]
        self.expect("delete", [None, *kept], self.values(store, [first, *others]), "mget after mdelete")
        self.expect("delete", sorted(others, key=str), self.names(store), "yield_keys after mdelete")

    def all_keys(self) -> None:
        self.expect("keys", [], self.names(self.make()), "yield_keys of an empty store")
        store = self.filled()
        self.trial.call("mset", store.mset, self.pairs[:1])
        self.expect("keys", sorted(self.keys, key=str), self.names(store), "yield_keys")
        if all(isinstance(key, str) for key in self.keys):
            for prefix in ("al", self.keys[0], "zz", ""):
                begun = sorted(key for key in self.keys if key.startswith(prefix))
                self.expect("keys", begun, self.names(store, prefix), "yield_keys with a prefix")

    def changing(self) -> None:
        store = self.filled()

        def clear() -> list[Any]:
            for key in store.yield_keys():
                store.mdelete([key])
            return [*store.yield_keys()]

        try:
            self.expect("keys-change", [], clear(), "mdelete of each of yield_keys")
        except Exception as error:
            self.trial.tell(
                "keys-change", "no exception", f"{type(error).__name__}: {error}", "mdelete of each of yield_keys"
            )

    def twins(self) -> None:
        store, (first, second, *_) = self.make(), self.keys

        async def story() -> Any:
            await store.amset([*self.pairs])
            await store.amdelete([second])
            return await store.amget([first, second]), sorted([key async for key in store.ayield_keys()], key=str)

        expected = [self.pairs[0][1], None], sorted([key for key in self.keys if key != second], key=str)
        self.expect(
            "twins", expected, self.trial.acall("amset, amdelete, amget, ayield_keys", story), "the async verbs"
        )
        self.expect("twins", expected[0], self.values(store, [first, second]), "mget after the async verbs")

    def concurrent(self) -> None:
        store = self.make()
        pairs = [(self.key(f"k{number}"), self.value(number)) for number in range(24)]
        self.trial.call("mset in threads", lambda: gather(lambda _, pair: store.mset([pair]), pairs, 6, None))
        self.expect("concurrent", [value for _, value in pairs], self.values(store, [key for key, _ in pairs]), "mget")

    def kept(self) -> None:
        store, pairs, keys = self.make(), [*self.pairs], [*self.keys]
        self.trial.call("mset", store.mset, pairs)
        self.trial.call("mget", store.mget, keys)
        self.trial.call("mdelete", store.mdelete, keys)
        if (pairs, keys) != (self.pairs, self.keys):
            self.trial.tell("input-kept", "the lists as they were", "others", "mset, mget, mdelete")
