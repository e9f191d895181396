"""The laws of a runnable, and how a broken one is told: what was expected, what came, where, and what to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from plait.testing.equality import shown

__all__ = ["LAWS", "ConformanceError", "Finding", "Findings", "Law"]


class Law(NamedTuple):
    """What every runnable keeps to, and what to do about one that does not."""

    says: str
    do: str


LAWS: Final[Mapping[str, Law]] = {
    "same-again": Law(
        "A second call with the same input gives the same.",
        "keep what belongs to one call in local variables, not on the runnable; if outputs may differ, pass equal=",
    ),
    "same-value": Law(
        "Every mode gives the value that the first mode gives, with and without a config, watched or not.",
        "let every form do the same work; write fewer of them and let the base class derive the others",
    ),
    "stream-sum": Law(
        "The chunks of a stream add up to that value.",
        "yield chunks that plait.merge_all adds up to the value of invoke",
    ),
    "split-input": Law(
        "An input that comes in pieces gives the same as one that comes whole.",
        "read the whole input, or treat each chunk so that f(a) + f(b) is f(a + b)",
    ),
    "same-error": Law(
        "An input that fails raises the same type of exception in every mode.",
        "raise in every form, and let nothing turn an exception into an output or into another exception",
    ),
    "batch-order": Law(
        "A batch gives one output for each input, in their order or with their index, failures in their places.",
        "give one output for each input at its own place, the exception where return_exceptions asks for it",
    ),
    "output-kept": Law(
        "What was given is not changed afterwards.",
        "yield and return new objects, and do not touch them again",
    ),
    "input-kept": Law(
        "The input is not changed.",
        "copy what you change: the input belongs to the caller, and others may be reading it",
    ),
    "config-kept": Law(
        "The caller's config is not changed, and is in force neither after the call nor between two chunks.",
        "pass on a new config, {**config, ...}, and set no context variable across a yield",
    ),
    "config-reaches": Law(
        "Tags, metadata and configurable reach every runnable that is called inside; a list of configs, its inputs.",
        "pass the config that you were given on to every runnable that you call",
    ),
    "runs": Law(
        "Who listens hears one run for each input: it starts once, ends once and lies within its parent.",
        "write hooks (_invoke, _transform), and let the verbs of the base class start and end the run",
    ),
    "same-runs": Law(
        "Every mode runs the same steps.",
        "call the same steps in every form, each by one of its verbs",
    ),
    "nothing-left": Law(
        "When a call is over nothing of it goes on or is open: no task, thread, generator, coroutine or file.",
        "await every task, join every thread and close what you open before the call returns",
    ),
    "early-close": Law(
        "When the close of a stream returns, everything above it is closed and every run has ended.",
        "close what you open in a `finally`, or by `with closing(...)`: an early exit passes there too",
    ),
    "cancel": Law(
        "A cancelled call raises CancelledError, and nothing of it goes on.",
        "let CancelledError pass, and await in a `finally` what you have started",
    ),
    "concurrent": Law(
        "Calls at the same time do not disturb one another: in threads, in tasks, streams in turns.",
        "keep what belongs to one call in local variables: many threads and tasks use one runnable",
    ),
    "max-concurrency": Law(
        "A batch runs no more inputs at once than max_concurrency says.",
        "leave batch to the base class, or start no more than config['max_concurrency'] inputs at once",
    ),
    "lazy-batch": Law(
        "batch_iter and its kin pull an input only when there is room for it.",
        "pull from the inputs as outputs are taken: they may be endless",
    ),
    "event-loop": Law(
        "An async verb does not make the event loop wait.",
        "await instead, or leave out the async form: then the sync one is run in a thread",
    ),
    "schemas": Law(
        "The schemas accept the inputs and outputs, and are valid JSON Schema.",
        "declare the types that you accept and give: Runnable[In, Out], or InputType and OutputType",
    ),
    "repr": Law(
        "repr and str give a text of bounded length.",
        "write a __repr__ that is short and cannot fail",
    ),
    "secrets": Law(
        "No secret is seen in the repr, errors, schemas, runs or pickles.",
        "keep secrets in pydantic's SecretStr, and out of texts",
    ),
    "pickle": Law(
        "Copies made by pickle and by copy.deepcopy work alike (with pickles=True).",
        "hold nothing that cannot be copied, or leave it out in __getstate__ and make it anew when it is missing",
    ),
}
"""The laws by name."""

_LISTED: Final = 3  # findings of one law that the message tells in full
_FOLLOW: Final = {"early-close": ("nothing-left", "runs"), "cancel": ("nothing-left", "runs")}
_NO_INPUT: Final[Any] = object()


@dataclass(frozen=True)
class Finding:
    """One way in which a law is broken: what was expected, what came, in which modes, for which input."""

    law: str
    expected: str
    came: str
    modes: tuple[str, ...] = ()
    input: str | None = None
    do: str = field(default="", compare=False, repr=False)

    def __str__(self) -> str:
        where = ", ".join(self.modes) + (f", for the input {self.input}" if self.input else "")
        lines = (f"{self.law}: {where}", f"expected  {self.expected}", f"came      {self.came}")
        return "\n    ".join((*lines, f"do        {self.do}"))


class ConformanceError(AssertionError):
    """Something breaks laws: ``findings`` holds all that was found, ``laws`` the names of the broken ones."""

    def __init__(self, name: str, findings: Sequence[Finding], kind: str = "a runnable") -> None:
        self.findings = list(findings)
        self.laws = list(dict.fromkeys(finding.law for finding in findings))
        listed = "\n\n".join(_listed(self.findings))
        super().__init__(f"{name} breaks the laws of {kind}: {', '.join(self.laws)}\n\n{listed}")


def _listed(findings: Sequence[Finding]) -> Iterator[str]:
    """The first few findings of each law."""
    told = Counter[str]()
    for number, finding in enumerate(findings, 1):
        told[finding.law] += 1
        if told[finding.law] <= _LISTED:
            yield f"{number}. {finding}"
    for law, times in told.items():
        if times > _LISTED:
            yield f"and {times - _LISTED} more of {law}, in `findings` of this error"


class Findings:
    """Collects what is found; what is the same in several modes is one finding."""

    def __init__(self, skip: Container[str], secrets: Sequence[str], laws: Mapping[str, Law] = LAWS) -> None:
        self._laws = laws
        self._skip = skip
        self._secrets = secrets
        self._found: dict[tuple[str, str, str, str | None], list[str]] = {}

    def tell(self, law: str, expected: str, came: str, where: str, input: Any = _NO_INPUT) -> None:
        """Note that ``law`` is broken, unless it is to be skipped or this follows from what is known."""
        came = self._hidden(came)
        follows = any(known[0] in _FOLLOW.get(law, ()) and known[2] == came for known in self._found)
        if law in self._skip or follows:
            return
        told = None if input is _NO_INPUT else self._hidden(shown(input))
        self._found.setdefault((law, self._hidden(expected), came, told), []).append(where)

    def _hidden(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text

    def broken(self, law: str) -> bool:
        """Whether it was found to be broken."""
        return any(known[0] == law for known in self._found)

    def all(self) -> list[Finding]:
        """Everything, in the order of the laws."""
        found = [
            Finding(law, expected, came, _shortened(modes), input, self._laws[law].do)
            for (law, expected, came, input), modes in self._found.items()
        ]
        return sorted(found, key=lambda finding: [*self._laws].index(finding.law))


def _shortened(modes: list[str]) -> tuple[str, ...]:
    """Each place once, and none that says more than another: not ``stream with a config`` where there is ``stream``."""
    places = list(dict.fromkeys(modes))
    return tuple(place for place in places if not any(place.startswith(f"{other} ") for other in places))
