"""A round is one call of some inputs in one mode, in a net that catches all that can be seen of it."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, Final, cast

from plait.runnables import RunnableConfig, merge_configs
from plait.runs import Scope, current
from plait.testing.modes import AnyRunnable, Mode, Outcome, copied
from plait.testing.witness import Leftovers, Recorder, Spy

__all__ = ["BARE", "CONFIGURED", "HEARD", "ITEM", "LISTED", "MARK", "Round", "Rounds"]

BARE: Final = ""
CONFIGURED: Final = "with a config"  # and a loop in debug mode, which takes several times as long
HEARD: Final = "with a listener"  # and a profile function
LISTED: Final = "with a list of configs"

MARK: Final = "plait_check"
"""The key under which a round's own mark is in metadata and configurable; it is a tag, too."""

ITEM: Final = "check item "
"""How the tags begin that tell the configs of a list apart."""


@dataclass(frozen=True)
class Round:
    """What was called, what came of it, and what could be seen."""

    mode: Mode
    how: str
    mark: str
    inputs: Sequence[Any]
    inputs_after: Sequence[Any]
    outcomes: list[Outcome]
    config: Any
    config_after: Any
    scope_after: Scope | None
    heard: Recorder
    spy: Spy
    left: list[str]

    @property
    def where(self) -> str:
        return f"{self.mode.name} {self.how}".rstrip()


class Rounds:
    """Calls one runnable, round after round."""

    def __init__(self, runnable: AnyRunnable, config: RunnableConfig | None) -> None:
        self.runnable = runnable
        self.config = config
        self.done: list[Round] = []
        self._marks = count(1)
        self._patience = 1.0  # seconds, until the first thread was left behind

    def call(self, mode: Mode, inputs: Sequence[Any], how: str = BARE, **keys: Any) -> Round:
        """One round; ``how`` says which config the call gets, ``keys`` what is in it besides."""
        given, mark, heard = [copied(item) for item in inputs], f"check {next(self._marks)}", Recorder()
        config, spy = self._config(how, mark, heard, len(inputs), keys), Spy(self.runnable if how == HEARD else None)
        before = _containers(config)
        with Leftovers(self._patience) as left:
            outcomes = self._outcomes(mode, given, config, left, spy, debug=how == CONFIGURED)
        self._patience = left.patience
        after, scope = _containers(config), current.get()
        current.set(None)
        done = Round(mode, how, mark, inputs, given, outcomes, before, after, scope, heard, spy, left.found)
        self.done.append(done)
        return done

    def _outcomes(self, mode: Mode, inputs: list[Any], config: Any, left: Leftovers, spy: Spy, debug: bool) -> Any:
        try:
            if mode.is_async:
                return left.run(_spied(mode.call(self.runnable, inputs, config), spy), debug=debug)
            with spy:
                return mode.call(self.runnable, inputs, config)
        except Exception as error:
            return [Outcome(error=error) for _ in inputs]

    def _config(self, how: str, mark: str, heard: Recorder, items: int, keys: dict[str, Any]) -> Any:
        if how == BARE:
            return merge_configs(self.config, keys) if keys else self.config
        if how == LISTED:
            tags = [f"{ITEM}{number}" for number in range(items)]
            return [merge_configs(self.config, {"tags": [tag], "callbacks": [heard]}) for tag in tags]
        facts: dict[str, Any] = {"tags": [mark], "metadata": {MARK: {mark: []}}, "configurable": {MARK: mark}, **keys}
        if how != CONFIGURED:
            facts["callbacks"] = [heard]
        return merge_configs(self.config, facts)


async def _spied(call: Coroutine[Any, Any, list[Outcome]], spy: Spy) -> list[Outcome]:
    with spy:
        return await call


def _containers(config: Any) -> Any:
    """What of a config could be changed, copied deeply; who listens is the same object in every copy."""
    if isinstance(config, list):
        return [_containers(one) for one in cast("list[Any]", config)]
    if not isinstance(config, Mapping):
        return config
    held = cast("Mapping[str, Any]", config)
    return {key: list(value) if key == "callbacks" and value else copied(value) for key, value in held.items()}
