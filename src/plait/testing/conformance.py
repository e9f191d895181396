"""``check_runnable``: does a runnable keep the laws that make it one, in every mode?

The first round says what is expected; every other round is judged by it.
"""

from __future__ import annotations

import asyncio
import copy
import json
import pickle
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextvars import copy_context
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Any, Final, cast

from plait.concurrency import in_thread
from plait.runnables import Runnable, RunnableConfig, coerce_to_runnable
from plait.runs import Run, current
from plait.testing.equality import same, shown, streamed
from plait.testing.findings import LAWS, ConformanceError, Finding, Findings
from plait.testing.modes import MODES, RAISING, AnyRunnable, Mode, Outcome, Told
from plait.testing.rounds import BARE, CONFIGURED, HEARD, ITEM, LISTED, MARK, Round, Rounds
from plait.testing.situations import CANCELLED, CLOSED_EARLY, IN_PIECES, LAZILY, TOGETHER
from plait.testing.witness import faults_of_runs

__all__ = ["acheck_runnable", "check_runnable"]

_REPR_LIMIT: Final = 20_000  # characters
_AT_ONCE: Final = 2  # max_concurrency, where it is checked


def check_runnable(
    runnable: Any,
    inputs: Iterable[Any],
    *,
    errors: Iterable[tuple[Any, type[Exception]]] = (),
    modes: Iterable[str] = tuple(MODES),
    equal: Callable[[Any, Any], bool] = same,
    config: RunnableConfig | None = None,
    skip: Mapping[str, str] | None = None,
    pickles: bool = False,
    secrets: Iterable[str] = (),
) -> None:
    """Call ``runnable`` in every mode and raise ConformanceError, which lists every one of ``LAWS`` that it breaks.

    Each input is called about a hundred times, so let models be fakes. Event loops are started as they are needed:
    where one is running already, use ``acheck_runnable``.

    inputs: some that work, at least one; two that give different outputs let a wrong order be seen.
    errors: ``(input, exception type)`` pairs of inputs that must fail.
    modes: the verbs to check, the first says what is expected; ``ASYNC_MODES`` for what has no synchronous form.
    equal: ``equal(expected, came)`` for outputs that differ from call to call; by default ids of messages do not count.
    config: what every call gets besides the check's own tags, metadata and listeners.
    skip: laws that are known not to hold, each with the reason.
    pickles: whether copies made by pickle and copy.deepcopy must work alike.
    secrets: texts that must not be seen in the repr, errors, schemas, runs and pickles.

    Functions and dicts are taken as ``|`` takes them. Raises ValueError for an unknown law or mode, or no input.
    """
    chosen, skipped = list(modes), dict(skip or {})
    unknown = [*(skipped.keys() - LAWS.keys()), *({*chosen} - MODES.keys())]
    if unknown:
        raise ValueError(f"unknown: {unknown}; the laws are {', '.join(LAWS)}; the modes are {', '.join(MODES)}")
    plan = _Plan(
        coerce_to_runnable(runnable),
        list(inputs),
        list(errors),
        [MODES[name] for name in chosen],
        equal,
        config,
        skipped.keys(),
        pickles,
        [secret for secret in secrets if secret],
    )
    if not plan.inputs or not plan.modes:
        raise ValueError("a check needs at least one input that works, and at least one mode")
    if any(mode.is_async for mode in plan.modes):
        _refuse_running_loop()
    findings = copy_context().run(_findings, plan)
    if findings:
        raise ConformanceError(_name(plan.runnable), findings)


async def acheck_runnable(runnable: Any, inputs: Iterable[Any], **options: Any) -> None:  # twin: it runs in a thread
    """As ``check_runnable``, with its options, from inside an event loop; it runs in a thread, in loops of its own."""
    await in_thread(check_runnable, runnable, inputs, **options)


def _refuse_running_loop() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise RuntimeError("check_runnable starts event loops, and one is running: use `await acheck_runnable(...)` here")


@dataclass(frozen=True)
class _Plan:
    """What to check, and how."""

    runnable: AnyRunnable
    inputs: list[Any]
    errors: list[tuple[Any, type[Exception]]]
    modes: list[Mode]
    equal: Callable[[Any, Any], bool]
    config: RunnableConfig | None
    skip: Iterable[str]
    pickles: bool
    secrets: list[str]


def _findings(plan: _Plan) -> list[Finding]:
    current.set(None)  # in a context of the check's own: a run around it is not a part of it
    check = _Check(plan)
    check.run()
    return check.found.all()


def _is_unhandled(run: Run) -> bool:
    """Whether the run failed, and none around it has dealt with that, as a retry or a fallback does."""
    around: Run | None = run
    while around is not None and around.status == "error":
        around = around.parent
    return around is None


def _name(runnable: AnyRunnable) -> str:
    try:
        return runnable.get_name()
    except Exception:
        return type(runnable).__name__


class _Check:
    """One check: what was expected, what was called, what was found."""

    def __init__(self, plan: _Plan) -> None:
        self.plan = plan
        self.found = Findings(frozenset(plan.skip), plan.secrets)
        self.rounds = Rounds(plan.runnable, plan.config)
        self.expected: list[Outcome] = []
        self.steps: Any = None  # how often something of each name was run, in the first mode that was heard
        self.unlike: set[str] = set()  # verbs whose values are not what was expected; what follows is not told

    def run(self) -> None:
        if self.expect():
            for law, check in (
                ("same-value", self.check_modes),
                ("same-error", self.check_errors),
                ("early-close", self.check_early_close),
                ("lazy-batch", self.check_lazy_batch),
                ("cancel", self.check_cancel),
                ("concurrent", self.check_concurrent),
                ("max-concurrency", self.check_max_concurrency),
                ("schemas", self.check_schemas),
                ("pickle", self.check_copies),
            ):
                if law not in self.plan.skip:
                    check()
        self.check_repr()
        self.check_secrets()
        self.check_outputs_kept()

    def modes_of(self, table: Mapping[str, Mode]) -> list[Mode]:
        """Those of a table of situations whose verbs are to be checked."""
        return [table[mode.verb] for mode in self.plan.modes if mode.verb in table]

    # ---------------------------------------------------------------------------------------------------------- rounds

    def call(self, mode: Mode, inputs: Sequence[Any], how: str = BARE, law: str = "nothing-left", **keys: Any) -> Round:
        """Call, and judge what does not depend on the outputs; ``law`` is the one that forbids to leave things."""
        done = self.rounds.call(mode, inputs, how, **keys)
        self.judge_end(done, law)
        self.judge_givens(done)
        self.judge_inside(done)
        return done

    def judge_end(self, done: Round, law: str) -> None:
        for found in done.left:
            self.found.tell(law, "nothing that goes on or is open when the call is over", found, done.where)
        if law == "nothing-left" or not self.found.broken("runs"):
            for expected, came in faults_of_runs(done.heard.events):
                self.found.tell("runs" if law == "nothing-left" else law, expected, came, done.where)

    def judge_givens(self, done: Round) -> None:
        for was, now in zip(done.inputs, done.inputs_after, strict=True):
            if not same(was, now):
                self.found.tell("input-kept", f"the input as it was, {shown(was)}", shown(now), done.where)
        if not same(done.config, done.config_after):
            came = _difference(done.config, done.config_after)
            self.found.tell("config-kept", "the config as it was before the call", came, done.where)
        if done.scope_after is not None:
            came = f"that with the tags {done.scope_after['tags']}"
            self.found.tell("config-kept", "no config in force after the call", came, done.where)

    def more(self, least: int) -> tuple[list[Any], list[Outcome]]:
        """At least so many inputs, and what is expected of each."""
        many = max(least, len(self.plan.inputs))
        return list(islice(cycle(self.plan.inputs), many)), list(islice(cycle(self.expected), many))

    # ---------------------------------------------------------------------------------------------------------- values

    def expect(self) -> bool:
        """Whether outputs can be compared at all: the inputs work, and give the same again."""
        first, inputs = self.plan.modes[0], self.plan.inputs
        self.expected = self.call(first, inputs).outcomes
        for item, came in zip(inputs, self.expected, strict=False):
            if came.error is not None:
                expected = "an output; inputs that must fail belong into errors="
                self.found.tell("same-value", expected, _told(came), first.name, item)
        if any(came.error is not None for came in self.expected):
            return False
        again = self.call(first, inputs)
        return self.judge_values(again, self.expected, "same-again")

    def agree(self, expected: Outcome, came: Outcome) -> bool:
        if expected.error is not None or came.error is not None:
            return type(expected.error) is type(came.error)
        return self.equal(expected.value, came.value)

    def equal(self, expected: Any, came: Any) -> bool:
        try:
            return bool(self.plan.equal(expected, came))
        except Exception as error:
            both = f"{shown(expected)} and {shown(came)}"
            raise TypeError(f"{both} cannot be compared, pass equal= to say how: {error!r}") from error

    def judge_values(self, done: Round, expected: list[Outcome], law: str) -> bool:
        """Whether all is as expected."""
        if len(done.outcomes) != len(expected):
            wanted = f"{len(expected)} outputs, one for each input"
            self.found.tell("batch-order", wanted, f"{len(done.outcomes)}", done.where)
            return False
        strange = [
            (item, want, came)
            for item, want, came in zip(done.inputs, expected, done.outcomes, strict=True)
            if not self.agree(want, came)
        ]
        for item, want, came in strange:
            self.found.tell(self.law_of(done, expected, want, came, law), _told(want), _told(came), done.where, item)
        return not strange

    def law_of(self, done: Round, expected: list[Outcome], want: Outcome, came: Outcome, law: str) -> str:
        """Which law it is that an unexpected outcome breaks."""
        belongs_elsewhere = done.mode.is_batch and any(self.agree(other, came) for other in expected)
        if belongs_elsewhere or isinstance(came.error, Told):
            return "batch-order"
        return "same-error" if want.error is not None else law

    def check_modes(self) -> None:
        for mode in self.plan.modes:
            for how in (BARE, CONFIGURED, HEARD):
                self.judge_round(self.call(mode, self.plan.inputs, how))
            if mode.is_batch and mode.verb not in self.unlike:
                self.check_configs(mode)
        for mode in self.modes_of(IN_PIECES):
            if mode.verb not in self.unlike and "split-input" not in self.plan.skip:
                self.judge_values(self.call(mode, self.plan.inputs), self.expected, "split-input")

    def judge_round(self, done: Round) -> None:
        law = "stream-sum" if done.mode.is_stream else "same-value"
        if not self.judge_values(done, self.expected, law):
            self.unlike.add(done.mode.verb)
        if done.how == HEARD:
            self.judge_runs(done)

    def check_configs(self, mode: Mode) -> None:
        """Each config of a list goes with the input at its place."""
        inputs, expected = self.more(3)
        done = self.call(mode, inputs, LISTED)
        self.judge_values(done, expected, "same-value")
        for root in done.heard.roots():
            tags = [tag for tag in root.tags if tag.startswith(ITEM)]
            if len(tags) != 1 or not self.equal(expected[int(tags[0].removeprefix(ITEM))].value, root.outputs):
                came = f"the run that gave {shown(root.outputs)} has the tags {tags}"
                self.found.tell("config-reaches", "each config of a list goes with its own input", came, done.where)

    def check_outputs_kept(self) -> None:
        for done in self.rounds.done:
            for came in done.outcomes:
                for part, was in zip(came.parts, came.copies, strict=True):
                    if not same(was, part):
                        expected = f"{shown(was)}, as it was when it came"
                        self.found.tell("output-kept", expected, f"{shown(part)} a while later", done.where)

    # ------------------------------------------------------------------------------------------------------------ runs

    def has_own_batch(self, mode: Mode) -> bool:
        """Whether it does many inputs in one go, of which nobody hears."""
        return mode.is_batch and getattr(type(self.plan.runnable), mode.verb) is not getattr(Runnable, mode.verb)

    def judge_runs(self, done: Round) -> None:
        roots = done.heard.roots()
        if not roots and self.has_own_batch(done.mode):
            return
        if len(roots) != len(done.inputs):
            came = f"{len(roots)} outermost runs: {', '.join(root.name for root in roots)}"
            self.found.tell("runs", f"one run for each of {len(done.inputs)} inputs", came, done.where)
            return
        self.judge_steps(done)
        for run in done.heard.runs():
            self.judge_tags(done, run)
        for root in roots:
            self.judge_root(done, root)

    def judge_steps(self, done: Round) -> None:
        steps = done.heard.names()
        self.steps = self.steps or steps
        differences = [("more", steps - self.steps), ("fewer", self.steps - steps)]
        told = "; ".join(
            f"{word}: " + ", ".join(f"{times} times {name}" for name, times in sorted(names.items()))
            for word, names in differences
            if names
        )
        if told:
            self.found.tell("same-runs", f"the {self.steps.total()} runs of the first mode", told, done.where)

    def judge_tags(self, done: Round, run: Run) -> None:
        came = f"{run.name} has the tags {run.tags}"
        if done.mark not in run.tags or done.mark not in run.metadata.get(MARK, ()):
            self.found.tell(
                "config-reaches", "the tags and metadata of the call, in each of its runs", came, done.where
            )
        if any(tag.startswith("check ") and tag != done.mark for tag in run.tags):
            self.found.tell("config-reaches", "no tags of an earlier call", came, done.where)

    def judge_root(self, done: Round, root: Run) -> None:
        if root.status != "success" or root.error is not None:
            came = f"{root.name}: {root.status}, {root.error!r}"
            self.found.tell("runs", "a run that ends with success", came, done.where)
        elif done.mode.verb not in self.unlike and not any(self.equal(it.value, root.outputs) for it in self.expected):
            came = f"{root.name}: {shown(root.outputs)}"
            self.found.tell("runs", "a run that has the output of its call", came, done.where)

    def judge_inside(self, done: Round) -> None:
        """Every runnable that was called inside has the config; an event loop was not blocked."""
        for call in done.spy.inside:
            scope: Mapping[str, Any] = call.scope or {}
            lost = [key for key in ("tags", "metadata", "configurable") if done.mark not in _marks(scope.get(key))]
            if lost:
                came = f"{call.verb} of {_name(call.runnable)} was called without the {', '.join(lost)}"
                self.found.tell("config-reaches", "what the caller said, in every call inside", came, done.where)
        for blocking in done.spy.blocking if done.mode.is_async else ():
            self.found.tell("event-loop", "nothing that makes the event loop wait", blocking, done.where)

    # ---------------------------------------------------------------------------------------------------------- errors

    def check_errors(self) -> None:
        bad = [item for item, _ in self.plan.errors]
        if not bad:
            return
        first = self.call(self.plan.modes[0], bad)
        for (item, kind), came in zip(self.plan.errors, first.outcomes, strict=False):
            if not isinstance(came.error, kind):
                self.found.tell("same-error", f"{kind.__name__} is raised", _told(came), first.where, item)
        for mode in self.plan.modes:
            for how in (BARE, HEARD):
                self.judge_failures(self.call(mode, bad, how), first.outcomes)
            if mode.is_batch:
                self.check_mixed(mode, bad, first.outcomes)

    def judge_failures(self, done: Round, expected: list[Outcome]) -> None:
        if not self.judge_values(done, expected, "same-error"):
            return
        for root in done.heard.roots():
            if root.status != "error" or not any(root.error is came.error for came in done.outcomes):
                came = f"{root.name}: {root.status}, {root.error!r}"
                self.found.tell("runs", "a run that ends with the error that the caller gets", came, done.where)

    def check_mixed(self, mode: Mode, bad: list[Any], failures: list[Outcome]) -> None:
        """Among inputs that work each failure stands in its own place; without return_exceptions it is raised."""
        good = self.plan.inputs
        expected = [*self.expected, *failures, *self.expected]
        self.judge_values(self.call(mode, [*good, *bad, *good]), expected, "same-value")
        for item, failure in zip(bad, failures, strict=False):
            done = self.call(RAISING[mode.verb], [good[0], item])
            if not self.agree(failure, done.outcomes[-1]):
                self.found.tell("same-error", _told(failure), _told(done.outcomes[-1]), done.where, item)

    # ------------------------------------------------------------------------------------------------------ early ends

    def check_early_close(self) -> None:
        for mode in self.modes_of(CLOSED_EARLY):
            for how in (BARE, HEARD):
                self.judge_closed(self.call(mode, self.plan.inputs, how, "early-close"))

    def judge_closed(self, done: Round) -> None:
        for item, came in zip(done.inputs, done.outcomes, strict=False):
            if came.error is not None:
                expected = "a close that closes all and raises nothing"
                self.found.tell("early-close", expected, _told(came), done.where, item)
            elif came.value is not None:
                scope = f"that with the tags {came.value['tags']}"
                self.found.tell("config-kept", "no config in force between two chunks", scope, done.where, item)
        for run in (run for run in done.heard.runs() if _is_unhandled(run)):
            failed = f"{run.name}: {run.error!r}"
            self.found.tell("early-close", "runs that end as cancelled or with success", failed, done.where)

    def check_lazy_batch(self) -> None:
        for mode in self.modes_of(LAZILY):
            done = self.call(mode, self.plan.inputs, BARE, "early-close", max_concurrency=_AT_ONCE)
            came, most = done.outcomes[0], 1 + _AT_ONCE  # one was taken, and so many may be under way
            if came.error is not None:
                self.found.tell("early-close", "a close that raises nothing", _told(came), done.where)
            elif came.value > most:
                self.found.tell(
                    "lazy-batch", f"at most {most} inputs pulled for one output", f"{came.value}", done.where
                )

    def check_cancel(self) -> None:
        for mode in CANCELLED if MODES["ainvoke"] in self.plan.modes else ():
            done = self.call(mode, self.plan.inputs, HEARD, "cancel")
            for item, came in zip(done.inputs, done.outcomes, strict=False):
                if came.error is not None:
                    self.found.tell("cancel", "CancelledError is raised", _told(came), done.where, item)

    # ----------------------------------------------------------------------------------------------------- concurrency

    def check_concurrent(self) -> None:
        inputs, expected = self.more(4)
        for mode in self.modes_of(TOGETHER):
            if mode.verb not in self.unlike:
                self.judge_values(self.call(mode, inputs), expected, "concurrent")

    def check_max_concurrency(self) -> None:
        inputs, _ = self.more(6)
        for mode in (mode for mode in self.plan.modes if mode.is_batch):
            done = self.call(mode, inputs, HEARD, max_concurrency=_AT_ONCE)
            if done.heard.most_open > _AT_ONCE and not self.found.broken("runs"):
                came = f"{done.heard.most_open}"
                self.found.tell("max-concurrency", f"at most {_AT_ONCE} inputs at once", came, done.where)

    # ------------------------------------------------------------------------------------------------------ describing

    def check_schemas(self) -> None:
        for which, values in (("input", self.plan.inputs), ("output", [came.value for came in self.expected])):
            where = f"get_{which}_schema"
            try:
                model = getattr(self.plan.runnable, where)()
                faults = list(_faults_of_schema(getattr(self.plan.runnable, f"get_{which}_jsonschema")()))
            except Exception as error:
                self.found.tell("schemas", "a schema", f"it raised {error!r}", where)
                continue
            for fault in faults:
                self.found.tell("schemas", "a JSON Schema that is JSON and whole", fault, f"get_{which}_jsonschema")
            for value in values:
                reason = _refusal(model, value)
                if reason and _refusal(model, streamed(value)):  # that of a model is the schema of its chunks
                    self.found.tell("schemas", f"the {which} {shown(value)} is accepted", reason, where)

    def check_repr(self) -> None:
        for show in (repr, str):
            try:
                length = len(show(self.plan.runnable))
            except Exception as error:
                self.found.tell("repr", "a text", f"it raised {error!r}", show.__name__)
                continue
            if length > _REPR_LIMIT:
                self.found.tell("repr", f"at most {_REPR_LIMIT} characters", f"{length}", show.__name__)

    def check_secrets(self) -> None:
        for secret in self.plan.secrets:
            for where, text in self.texts():
                if secret in text:
                    self.found.tell("secrets", "no secret", f"one of {len(secret)} characters", where)

    def texts(self) -> Iterator[tuple[str, str]]:
        """All that may be printed, logged or sent on."""
        runnable = self.plan.runnable
        yield "repr", _text_of(runnable.__repr__)
        yield "str", _text_of(runnable.__str__)
        for which in ("get_input_jsonschema", "get_output_jsonschema", "get_config_jsonschema"):
            yield which, _text_of(getattr(runnable, which))
        if self.plan.pickles:
            yield "pickle", _text_of(lambda: pickle.dumps(runnable).decode("latin-1"))
        for done in self.rounds.done:
            for error in (came.error for came in done.outcomes if came.error is not None):
                yield f"an exception in {done.where}", "\n".join([repr(error), *getattr(error, "__notes__", ())])
            for run in done.heard.runs():
                yield f"a run in {done.where}", f"{run.name} {run.tags} {run.metadata}"

    def check_copies(self) -> None:
        for name, copied_by in (("pickle", _pickled), ("copy.deepcopy", copy.deepcopy)) if self.plan.pickles else ():
            try:
                rounds = Rounds(copied_by(self.plan.runnable), self.plan.config)
            except Exception as error:
                self.found.tell("pickle", "a copy", f"it raised {error!r}", name)
                continue
            done = rounds.call(self.plan.modes[0], self.plan.inputs)
            for item, want, came in zip(done.inputs, self.expected, done.outcomes, strict=False):
                if not self.agree(want, came):
                    self.found.tell("pickle", f"{_told(want)} from a copy too", _told(came), name, item)


def _told(outcome: Outcome) -> str:
    if outcome.error is None:
        return shown(outcome.value)
    return str(outcome.error) if isinstance(outcome.error, Told) else f"{type(outcome.error).__name__}: {outcome.error}"


def _difference(before: Any, after: Any) -> str:
    """The keys of a config that are not what they were."""
    if not isinstance(before, Mapping):
        return shown(after)
    was, now = cast("Mapping[str, Any]", before), cast("Mapping[str, Any]", after)
    missing = object()
    keys = [key for key in {**was, **now} if not same(was.get(key, missing), now.get(key, missing))]
    return ", ".join(f"{key}: {shown(now.get(key))} for {shown(was.get(key))}" for key in keys)


def _marks(value: Any) -> Any:
    """Where the mark of a round is, in what a key of the config holds."""
    return cast("Mapping[str, Any]", value).get(MARK, ()) if isinstance(value, Mapping) else value or ()


def _refusal(model: Any, value: Any) -> str | None:
    """Why a pydantic model does not accept a value."""
    try:
        model.model_validate(value)
    except Exception as error:
        return " ".join(str(error).split())
    return None


def _faults_of_schema(schema: Any) -> Iterator[str]:
    try:
        whole = json.loads(json.dumps(schema))
    except (TypeError, ValueError) as error:
        yield str(error)
        return
    for reference in _references(whole):
        if not _leads_somewhere(whole, reference):
            yield f"the $ref {reference!r} leads nowhere"


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        parts = cast("dict[str, Any]", schema)
        if isinstance(parts.get("$ref"), str):
            yield parts["$ref"]
        for part in parts.values():
            yield from _references(part)
    if isinstance(schema, list):
        for part in cast("list[Any]", schema):
            yield from _references(part)


def _leads_somewhere(schema: Any, reference: str) -> bool:
    """As RFC 6901 and the fragment form of JSON Schema say."""
    for step in reference.removeprefix("#").split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if not isinstance(schema, dict) or name not in schema:
            return False
        schema = cast("dict[str, Any]", schema)[name]
    return reference.startswith("#")


def _text_of(show: Callable[[], Any]) -> str:
    try:
        return str(show())
    except Exception:  # other laws speak of that
        return ""


def _pickled(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))  # noqa: S301  # made a moment ago
