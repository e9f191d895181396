"""Fields and alternatives that a call may choose: the same in every mode, and never those of another call."""

from __future__ import annotations

import asyncio
import json
import pickle
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from pydantic import ConfigDict, Field, SecretStr, field_validator

from plait.errors import ChainError, ConfigError, DeadlineError
from plait.prompts import ChatPromptTemplate
from plait.runnables import (
    ConfigurableField,
    ConfigurableFieldMultiOption,
    ConfigurableFieldSingleOption,
    ConfigurableFieldSpec,
    RunnableConfig,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
    RunnableSerializable,
)
from plait.testing import FakeListChatModel, Hangs


class Scale(RunnableSerializable[int, int]):
    """Multiplies, and adds."""

    model_config = ConfigDict(frozen=True)

    factor: int = Field(default=2, ge=0, description="What to multiply by.")
    added: int = 0
    api_key: SecretStr | None = None

    @field_validator("added")
    @classmethod
    def _check(cls, value: int) -> int:
        if value < 0:
            raise ValueError("only more, not less")
        return value

    def invoke(self, input: int, config: RunnableConfig | None = None, **kwargs: Any) -> int:
        return input * self.factor + self.added


class Batcher(Scale):
    """Does many at once."""

    def batch(self, inputs: Any, config: Any = None, **kwargs: Any) -> Any:
        return [(self.factor, len(inputs), value) for value in inputs]

    async def abatch(self, inputs: Any, config: Any = None, **kwargs: Any) -> Any:
        return self.batch(inputs)


class Plain(RunnableLambda[int, int]):
    """A node of a user's own that can be made anew from its attributes."""

    def __init__(self, step: int, _hidden: int = 0) -> None:
        super().__init__(self.add)
        vars(self).update(step=step, _hidden=_hidden)

    step: int

    def add(self, number: int) -> int:
        return number + self.step


FACTOR = ConfigurableField(id="factor")
WHICH = ConfigurableField(id="which")


def configured(**values: Any) -> RunnableConfig:
    return {"configurable": values}


def count(text: str) -> int:
    return len(text)


def text_of(message: Any) -> str:
    return str(message.content)


# -------------------------------------------------------------------------------------------------------------- fields


def test_field_has_its_own_value_until_it_is_configured(run: Any) -> None:
    """P20: what a call configures holds for that call alone."""
    step = Scale().configurable_fields(factor=FACTOR)

    assert [run(step, 1, config) for config in (None, configured(factor=5), {"tags": ["a"]})] == [2, 5, 2]


def test_configured_value_reaches_a_step_in_a_chain(run: Any) -> None:
    """The config of the whole reaches each configurable step of it, however deep."""
    step = Scale().configurable_fields(factor=FACTOR)
    chain = RunnablePassthrough() | {"a": step | step, "b": RunnableLambda(lambda n: n) | step}

    assert run(chain, 1, configured(factor=3)) == {"a": 9, "b": 3}


def test_configured_value_reaches_a_call_in_a_function(run: Any) -> None:
    """A call that a function makes inherits what is configured, and a runnable that it returns as well."""
    step = Scale().configurable_fields(factor=FACTOR)
    chain = RunnableLambda(lambda n: step.invoke(n)) | (lambda _: step)

    assert run(chain, 1, configured(factor=3)) == 9


def test_call_goes_before_with_config(run: Any) -> None:
    """What with_config says is a default, which a call may overrule."""
    step = Scale().configurable_fields(factor=FACTOR).with_config(configurable={"factor": 7})

    assert (run(step, 1), run(step, 1, configured(factor=8))) == (7, 8)


def test_several_fields_are_set_together(run: Any) -> None:
    """Fields that were made configurable at once, or one after the other, are set by one config."""
    at_once = Scale().configurable_fields(factor=FACTOR, added=ConfigurableField(id="more"))
    step_by_step = Scale().configurable_fields(factor=FACTOR).configurable_fields(added=ConfigurableField(id="more"))

    assert run(at_once, 1, configured(factor=3, more=4)) == run(step_by_step, 1, configured(factor=3, more=4)) == 7


def test_field_of_what_a_wrapper_wraps_can_be_configured(run: Any) -> None:
    """P20: configurable_fields reaches through bindings, whose config and arguments stay."""
    step = Scale().with_config(tags=["a"]).configurable_fields(factor=FACTOR)

    assert run(step, 1, configured(factor=4)) == 4


def test_field_of_a_fallback_and_a_retry_can_be_configured(run: Any) -> None:
    """P20: and through what tries again, or tries another."""
    step = Scale().with_retry().with_fallbacks([Scale()]).configurable_fields(factor=FACTOR)

    assert run(step, 1, configured(factor=4)) == 4


def test_retry_itself_can_be_configured(run: Any) -> None:
    """How often a step is tried may be for the caller to say."""
    tries: list[int] = []

    def fail(number: int) -> int:
        tries.append(number)
        raise ConnectionError

    quick = {"initial": 0.0, "jitter": 0.0}
    step = RunnableLambda(fail).with_retry(stop_after_attempt=1, exponential_jitter_params=quick)
    step = step.configurable_fields(stop_after_attempt=ConfigurableField(id="tries"))

    with pytest.raises(ConnectionError):
        run(step, 1, configured(tries=3))
    assert len(tries) == 3


def test_configured_value_is_validated() -> None:
    """A value that the field would not take is refused, with the field and the key it came from."""
    step = Scale().configurable_fields(factor=ConfigurableField(id="f"))

    with pytest.raises(ConfigError, match=r"Scale cannot have factor as config\['configurable'\]\['f'\] says: .*"):
        step.invoke(1, configured(f="many"))
    with pytest.raises(ConfigError, match=r"added as config\['configurable'\]\['a'\] says: .*only more, not less"):
        step.configurable_fields(added=ConfigurableField(id="a")).invoke(1, configured(f=1, a=-1))


def test_refused_value_is_not_shown() -> None:
    """A value that is refused may be a secret: no part of the error shows it."""
    step = Scale().configurable_fields(api_key=ConfigurableField(id="key"))

    with pytest.raises(ConfigError) as caught:
        step.invoke(1, configured(key=["sk-very-secret"]))
    assert "sk-very" not in str(caught.value)
    assert caught.value.__cause__ is caught.value.__context__ is None


def test_configured_value_may_be_none(run: Any) -> None:
    """None is a value like any other."""
    step = Scale(name="a").configurable_fields(name=ConfigurableField(id="name"))

    assert run(step, 1, configured(name=None)) == 2


def test_field_of_a_prompt_is_read_anew(run: Any) -> None:
    """A template that is configured brings its own variables."""
    prompt = ChatPromptTemplate.from_messages([("human", "{a}")])
    other = ChatPromptTemplate.from_messages([("human", "{b}!")]).messages
    step = prompt.configurable_fields(messages=ConfigurableField(id="messages"))

    assert run(step, {"b": "x"}, configured(messages=other)).to_string() == "Human: x!"


def test_field_of_a_node_can_be_configured(run: Any) -> None:
    """A node of the algebra is made anew by its constructor."""
    step = RunnableLambda(abs).configurable_fields(func=ConfigurableField(id="f"))

    assert (run(step, -1), run(step, -1, configured(f=str))) == (1, "-1")


def test_field_of_a_class_of_ones_own_can_be_configured(run: Any) -> None:
    """A class that keeps its parameters as attributes is made anew from them."""
    step = Plain(1).configurable_fields(step=ConfigurableField(id="step"))

    assert (run(step, 1), run(step, 1, configured(step=10))) == (2, 11)


def test_class_that_hides_its_parameters_has_no_fields() -> None:
    """A class whose parameters cannot be read back could only be made anew without them."""

    class Hiding(RunnableLambda[int, int]):
        def __init__(self, step: int, factor: int) -> None:
            super().__init__(lambda n: n * factor + step)
            vars(self).update(step=step)

    with pytest.raises(ConfigError, match="Hiding has no field 'step'; it has none that could be changed"):
        Hiding(1, 2).configurable_fields(step=ConfigurableField(id="step"))


def test_model_is_made_anew_of_what_it_was_given(run: Any) -> None:
    """Extra fields and fields with another name outside are passed on; a default that nobody gave is not validated."""

    class Loose(Scale):
        model_config = ConfigDict(extra="allow")

        shown: str = Field(default="", alias="as")
        late: int = None  # type: ignore[assignment]  # found in many models

        def invoke(self, input: int, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
            return self.factor, self.shown, self.late, self.model_extra

    step = Loose(**{"as": "a", "more": 1}).configurable_fields(factor=FACTOR, shown=ConfigurableField(id="shown"))

    assert run(step, 1, configured(factor=3)) == (3, "a", None, {"more": 1})
    assert run(step, 1, configured(shown="b")) == (2, "b", None, {"more": 1})


def test_configured_generator_streams_as_it_goes() -> None:
    """P24: what is configured streams through, chunk by chunk."""

    def letters(text: str) -> Iterator[str]:
        yield from text

    step = RunnableLambda(str.upper).configurable_fields(func=ConfigurableField(id="f"))

    assert list(step.stream("abc", configured(f=letters))) == ["a", "b", "c"]


def test_unknown_field_is_refused_when_the_chain_is_built() -> None:
    """A misspelt field is named, with one that may be meant."""
    with pytest.raises(ConfigError, match=r"Scale has no field 'factr' \(did you mean 'factor'\?\); its fields are"):
        Scale().configurable_fields(factr=FACTOR)


def test_runnable_that_cannot_be_made_anew_has_no_fields() -> None:
    """A sequence has steps, no settings."""
    with pytest.raises(ConfigError, match="RunnableSequence has no field 'steps'; it has none that could be changed"):
        (RunnableLambda(abs) | abs).configurable_fields(steps=FACTOR)


def test_field_needs_a_description() -> None:
    """A bare value in place of a ConfigurableField is refused."""
    with pytest.raises(ConfigError, match=r"Scale.factor is made configurable by a ConfigurableField"):
        Scale().configurable_fields(factor="factor")  # type: ignore[arg-type]  # that is the point


@pytest.mark.parametrize("bad", ["", None, 1])
def test_id_is_a_text(bad: Any) -> None:
    """An id that can be no key of a config is refused when the chain is built."""
    with pytest.raises(ConfigError, match="the id of a configurable field is the key of its values"):
        Scale().configurable_fields(factor=ConfigurableField(id=bad))
    with pytest.raises(ConfigError, match="the id of a configurable field is the key of its values"):
        Scale().configurable_alternatives(ConfigurableField(id=bad), ten=Scale())


def test_keys_of_others_are_left_alone(run: Any) -> None:
    """Keys of ``configurable`` belong to everybody: one that no field here has is somebody else's."""
    step = Scale().configurable_fields(factor=FACTOR)

    assert run(step, 1, configured(session_id="a")) == 2


# ------------------------------------------------------------------------------------------------------------- options


SIZE = ConfigurableFieldSingleOption(id="size", options={"small": 1, "large": 100}, default="small")


def test_option_is_chosen_by_its_key(run: Any) -> None:
    """The config has the key of an option; the field gets its value, by default that of the default option."""
    step = Scale().configurable_fields(factor=SIZE)

    assert (run(step, 3), run(step, 3, configured(size="large"))) == (3, 300)


def test_several_options_are_chosen_by_their_keys(run: Any) -> None:
    """The config has a list of keys; the field gets the list of their values."""
    answers = ConfigurableFieldMultiOption(id="say", options={"y": "yes", "n": "no"}, default=["n"])
    step = FakeListChatModel(responses=["-"]).configurable_fields(responses=answers) | text_of

    assert (run(step, "?"), run(step, "?", configured(say=["y", "n"]))) == ("no", "yes")


def test_options_that_are_not_chosen_have_their_default(run: Any) -> None:
    """One of several fields with options may be chosen alone."""
    more = ConfigurableFieldSingleOption(id="more", options={"none": 0, "lots": 1000}, default="lots")
    step = Scale().configurable_fields(factor=SIZE, added=more)

    assert [run(step, 3, config) for config in (None, configured(size="large"))] == [1003, 1300]


@pytest.mark.parametrize("key", ["huge", None, 1, ["small"]])
def test_unknown_option_is_refused(key: Any) -> None:
    """A key that is no option is refused, with the options that there are."""
    step = Scale().configurable_fields(factor=SIZE)

    with pytest.raises(ConfigError, match=r"\['size'\], which chooses Scale.factor, must be one of 'small', 'large'"):
        step.invoke(1, configured(size=key))


def test_options_are_a_list() -> None:
    """One key where a list of them is needed is not taken for its letters."""
    answers = ConfigurableFieldMultiOption(id="say", options={"y": "yes"}, default=["y"])
    step = FakeListChatModel(responses=["-"]).configurable_fields(responses=answers)

    with pytest.raises(ConfigError, match="must be a list of 'y', got 'y'"):
        step.invoke("?", configured(say="y"))


def test_default_must_be_an_option() -> None:
    """A default that is no option is refused when the chain is built."""
    with pytest.raises(ConfigError, match=r"the default of Scale.factor \('size'\) must be one of 'small', 'large'"):
        Scale().configurable_fields(factor=SIZE._replace(default="medium"))


# -------------------------------------------------------------------------------------------------------- alternatives


def test_alternative_is_chosen_by_its_key(run: Any) -> None:
    """Runnables, functions, dicts and functions that make one: each is chosen by its key."""
    step = Scale().configurable_alternatives(
        WHICH, ten=Scale(factor=10), function=lambda n: -n, dict={"n": abs}, made=lambda: Scale(factor=7), cls=Scale
    )
    keys = ("default", "ten", "function", "dict", "made", "cls")

    assert [run(step, 1, configured(which=key)) for key in keys] == [2, 10, -1, {"n": 1}, 7, 2]
    assert run(step, 1) == 2


@pytest.mark.parametrize("key", ["tenn", None, 1, ["ten"]])
def test_unknown_alternative_is_refused(key: Any) -> None:
    """An alternative that is not there is refused, with those that are."""
    step = Scale().configurable_alternatives(WHICH, default_key="two", ten=Scale(factor=10))

    with pytest.raises(ConfigError, match=r"config\['configurable'\]\['which'\] must be one of 'two', 'ten'; got"):
        step.invoke(1, configured(which=key))


def test_default_has_a_key_of_its_own() -> None:
    """Two alternatives with one key cannot be told apart."""
    with pytest.raises(ConfigError, match="the alternative 'ten' of 'which' has the key of the default"):
        Scale().configurable_alternatives(WHICH, default_key="ten", ten=Scale())


def test_which_is_a_field() -> None:
    """A bare id in place of a ConfigurableField is refused."""
    with pytest.raises(ConfigError, match="which must be a ConfigurableField"):
        Scale().configurable_alternatives("which", ten=Scale())  # type: ignore[arg-type]  # that is the point


def test_alternative_is_made_once(run: Any) -> None:
    """A function that makes an alternative is called when that is first chosen, and once for many calls at once."""
    made = []

    def make() -> Scale:
        made.append(threading.get_ident())
        return Scale(factor=3)

    step = Scale().configurable_alternatives(WHICH, late=make)
    assert made == []

    chain = RunnableLambda(lambda n: n) | step
    assert chain.batch([1] * 20, configured(which="late")) == [3] * 20
    assert (run(chain, 1, configured(which="late")), len(made)) == (3, 1)


def test_failure_to_make_an_alternative_is_not_kept() -> None:
    """The next call tries again."""
    attempts = iter([ValueError("not yet"), None])

    def make() -> Scale:
        error = next(attempts)
        if error is not None:
            raise error
        return Scale(factor=3)

    step = Scale().configurable_alternatives(WHICH, late=make)

    with pytest.raises(ValueError, match="not yet"):
        step.invoke(1, configured(which="late"))
    assert step.invoke(1, configured(which="late")) == 3


def test_fields_of_alternatives_are_configured_with_the_choice(run: Any) -> None:
    """Fields within alternatives, and alternatives of what has fields."""
    step = (
        Scale()
        .configurable_fields(factor=FACTOR)
        .configurable_alternatives(WHICH, other=Scale(added=1).configurable_fields(factor=FACTOR))
    )

    assert [run(step, 1, configured(factor=5, **more)) for more in ({}, {"which": "other"})] == [5, 6]


def test_prefixed_keys_are_for_one_alternative(run: Any) -> None:
    """With prefix_keys each alternative has its own fields, under ids that name it."""
    step = (
        Scale()
        .configurable_fields(factor=FACTOR)
        .configurable_alternatives(
            WHICH, prefix_keys=True, other=Scale(added=1).configurable_fields(factor=FACTOR), late=lambda: step
        )
    )
    values: dict[str, Any] = {"which==default/factor": 5, "which==other/factor": 6}

    assert [run(step, 1, configured(**values, which=key)) for key in ("default", "other")] == [5, 7]
    assert run(step, 1, configured(**values)) == 5


def test_prefixed_key_of_an_unknown_alternative_is_refused() -> None:
    """A key that names an alternative that is not there can mean nothing else."""
    step = Scale().configurable_alternatives(WHICH, prefix_keys=True, other=Scale())

    with pytest.raises(ConfigError, match=r"'which' has no alternative 'othr' \(did you mean 'other'\?\)"):
        step.invoke(1, configured(**{"which==othr/factor": 1}))


def test_fields_of_a_choice_are_those_of_its_default(run: Any) -> None:
    """Fields that are made configurable after the choice belong to the default."""
    step = Scale().configurable_alternatives(WHICH, other=lambda n: -n).configurable_fields(factor=FACTOR)

    assert run(step, 1, configured(factor=9)) == 9
    assert run(step, 1, configured(factor=9, which="other")) == -1


def test_chain_with_a_choice_is_checked_for_what_is_certain() -> None:
    """What only the default needs is no reason to refuse a chain: another alternative may be chosen."""
    prompt = ChatPromptTemplate.from_messages([("human", "{a}")])
    model = FakeListChatModel(responses=["-"])
    number = RunnableLambda(count)

    assert RunnableParallel(b=abs) | prompt.configurable_fields(messages=ConfigurableField(id="m"))
    assert RunnableParallel(b=abs) | prompt.configurable_alternatives(WHICH, other=abs)
    assert number | model.configurable_alternatives(WHICH, late=lambda: RunnableLambda(abs))
    with pytest.raises(ChainError):
        number | model.configurable_alternatives(WHICH, other=model)


def test_types_of_a_choice_are_those_of_all() -> None:
    """What comes out is what one of them may give."""

    def number(_: str) -> int:
        return 1

    def word(_: str) -> str:
        return ""

    step = RunnableLambda(number).configurable_alternatives(WHICH, word=word)

    assert (step.InputType, step.OutputType) == (str, int | str)


def test_choices_nest(run: Any) -> None:
    """A choice among choices."""
    inner = ConfigurableField(id="inner")
    step = Scale().configurable_alternatives(inner, ten=Scale(factor=10)).configurable_alternatives(WHICH, no=abs)

    assert [run(step, -1, configured(inner="ten", **more)) for more in ({}, {"which": "no"})] == [-10, 1]


# ------------------------------------------------------------------------------------------------------------- batches


@pytest.mark.parametrize("vectorised", [False, True])
async def test_each_input_of_a_batch_has_its_own_values(vectorised: bool) -> None:
    """P01: a list of configs configures each input for itself, also where many are done at once."""
    step: Any = (Batcher() if vectorised else Scale()).configurable_fields(factor=FACTOR)
    configs = [configured(factor=n % 3) for n in range(6)]
    expected = [(n % 3, 2, n) if vectorised else n * (n % 3) for n in range(6)]

    assert step.batch(range(6), configs) == await step.abatch(range(6), configs) == expected


@pytest.mark.parametrize("step", [Scale(), Batcher()], ids=["one by one", "at once"])
async def test_refused_value_in_a_batch_is_in_its_own_place(step: Any) -> None:
    """P25: with return_exceptions a value that is refused fails its own input alone."""
    step = step.configurable_fields(factor=FACTOR)
    configs = [configured(factor=value) for value in (1, "many", 1)]

    for out in (
        step.batch([1, 2, 3], configs, return_exceptions=True),
        await step.abatch([1, 2, 3], configs, return_exceptions=True),
    ):
        assert [isinstance(value, ConfigError) for value in out] == [False, True, False]
    with pytest.raises(ConfigError):
        step.batch([1, 2, 3], configs)


async def test_lazy_batches_are_configured() -> None:
    """Batches that are pulled see the config of the whole, or each its own."""
    step = Scale().configurable_fields(factor=FACTOR)
    configs = [configured(factor=n) for n in range(3)]

    assert list(step.batch_iter([1, 1, 1], configured(factor=4))) == [4, 4, 4]
    assert sorted(step.batch_as_completed([1, 1, 1], configs)) == [(0, 0), (1, 1), (2, 2)]
    assert [value async for value in step.abatch_iter([1, 1, 1], configs)] == [0, 1, 2]
    assert [pair async for pair in step.abatch_as_completed([1], configured(factor=4))] == [(0, 4)]


# -------------------------------------------------------------------------------------------- never those of another


def test_threads_never_see_each_others_values() -> None:
    """P23: calls at once with different values keep them apart."""
    chain = RunnableLambda(lambda n: n) | Scale().configurable_fields(factor=FACTOR)
    start = threading.Barrier(8)

    def call(factor: int) -> bool:
        start.wait()
        return all(chain.invoke(1, configured(factor=factor)) == factor for _ in range(200))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(call, range(8)))


async def test_tasks_never_see_each_others_values() -> None:
    """P23: nor do tasks."""
    chain = Scale().configurable_fields(factor=FACTOR) | RunnableGenerator(lambda chunks: chunks)

    assert await asyncio.gather(*[chain.ainvoke(1, configured(factor=n)) for n in range(50)]) == list(range(50))


def test_values_are_told_apart_by_type(run: Any) -> None:
    """P23: what was made for 1 is not given to one who says True."""
    step = RunnableLambda(lambda _, a: repr(a)).bind(a=0).configurable_fields(kwargs=ConfigurableField(id="k"))

    assert [run(step, 0, configured(k={"a": value})) for value in (1, True, 1.0)] == ["1", "True", "1.0"]


def test_list_that_was_changed_since_is_another_list(run: Any) -> None:
    """P23: what was made for a list stays with what was in it then."""
    step = RunnableLambda(lambda _, a: repr(a)).bind(a=0).configurable_fields(kwargs=ConfigurableField(id="k"))
    mine = [1]

    assert run(step, 0, configured(k={"a": mine})) == "[1]"
    mine.append(2)
    assert [run(step, 0, configured(k={"a": value})) for value in (mine, [1])] == ["[1, 2]", "[1]"]


def test_what_was_made_is_kept_for_a_while() -> None:
    """The same values give the same runnable, whose connections stay open; of many different ones few are kept."""
    made: list[int] = []

    class Counted(Scale):
        def model_post_init(self, context: Any, /) -> None:
            made.append(self.factor)

    step = Counted().configurable_fields(factor=FACTOR)
    made.clear()

    assert [step.invoke(1, configured(factor=n)) for n in (1, 2, 1, 2)] == [1, 2, 1, 2]
    assert made == [1, 2]
    for n in range(100):
        step.invoke(1, configured(factor=n))
    step.invoke(1, configured(factor=1))
    assert made[-1] == 1


def test_pickled_node_works_elsewhere(run: Any) -> None:
    """A configurable chain can be sent to another process, whatever it has made by then."""
    step = Scale().configurable_fields(factor=FACTOR).configurable_alternatives(WHICH, ten=Scale(factor=10))
    run(step, 1, configured(factor=3))
    sent = pickle.loads(pickle.dumps(step))

    assert [run(sent, 1, configured(**given)) for given in ({"factor": 4}, {"which": "ten"})] == [4, 10]


# ------------------------------------------------------------------------------------------------------------- limits


def test_deadline_holds_for_what_was_chosen(run: Any) -> None:
    """P21: a timeout of the call ends what it chose, too."""
    step = RunnableLambda(abs).configurable_alternatives(WHICH, hangs=Hangs(abs))

    with pytest.raises(DeadlineError):
        run(step, 1, {**configured(which="hangs"), "timeout": 0.01})


# -------------------------------------------------------------------------------------------------------------- traces


def test_run_is_that_of_what_was_chosen(run: Any) -> None:
    """The choice has no run of its own: the chosen runnable's is in its place, with the tag of the step."""
    seen: list[tuple[str, list[str]]] = []
    step = Scale().configurable_alternatives(WHICH, ten=Scale(factor=10, name="Ten"))
    chain = RunnablePassthrough() | step

    class Listener:
        def on_run_start(self, run: Any) -> None:
            seen.append((run.name, run.tags))

        def on_run_chunk(self, run: Any, chunk: Any) -> None: ...

        def on_run_event(self, run: Any, name: str, data: Any) -> None: ...

        def on_run_end(self, run: Any) -> None: ...

    run(chain, 1, {**configured(which="ten"), "callbacks": [Listener()]})

    assert seen == [
        ("RunnableSequence", []),
        ("RunnablePassthrough", ["seq:step:1"]),
        ("Ten", ["seq:step:2"]),
    ]


def test_name_of_the_call_is_that_of_what_was_chosen(run: Any) -> None:
    """P30: run_name and run_id of a call belong to the run that it starts."""
    names: list[str] = []
    step = Scale().configurable_fields(factor=FACTOR).with_config(run_name="mine")
    step = step.with_listeners(on_end=lambda run: names.append(f"{run.name} {run.outputs}"))

    run(step, 1, configured(factor=3))

    assert names == ["mine 3"]


@pytest.mark.parametrize("bind_first", [False, True])
def test_listeners_hear_of_whatever_is_chosen(run: Any, bind_first: bool) -> None:
    """P38: functions that listen to a choice are told of the run that was chosen, and of no other."""
    heard: list[Any] = []
    step: Any = Scale().configurable_alternatives(WHICH, ten=Scale(factor=10) | abs, late=lambda: Scale(factor=5))
    step = step.bind() if bind_first else step
    chain = RunnablePassthrough() | step.with_listeners(on_end=lambda run: heard.append(run.outputs))

    for key in ("default", "ten", "late"):
        run(chain, 1, configured(which=key))

    assert heard == [2, 10, 5]


# ------------------------------------------------------------------------------------------------------------- schemas


def test_specs_say_what_can_be_configured() -> None:
    """config_specs describes each field, in any wrapper and at any depth, once."""
    step = Scale().configurable_fields(factor=ConfigurableField(id="factor", name="Factor", is_shared=True))
    nodes = {"a": step.bind().with_retry(), "b": step.map()}
    chain = RunnablePassthrough.assign(**nodes) | RunnableParallel(c=RunnableLambda(len).with_fallbacks([step]))

    assert chain.config_specs == [ConfigurableFieldSpec("factor", int, "Factor", "What to multiply by.", 2, True)]


def test_specs_of_alternatives_are_prefixed() -> None:
    """The fields of each alternative have ids of their own, but for those that are shared."""
    shared = ConfigurableField(id="more", is_shared=True)
    both = Scale().configurable_fields(factor=FACTOR, added=shared)
    step = both.configurable_alternatives(WHICH, prefix_keys=True, default_key="a", b=both, c=lambda: both)

    assert [spec.id for spec in step.config_specs] == ["which", "which==a/factor", "more", "which==b/factor"]
    assert step.config_specs[0].default == "a"


def test_differing_specs_of_one_id_are_refused() -> None:
    """Two fields with one id and other types or defaults cannot be described together; the error names both."""
    chain = Scale().configurable_fields(factor=FACTOR) | Scale(name="Second").configurable_fields(name=FACTOR)

    with pytest.raises(
        ConfigError, match=r"the id 'factor', and differ in annotation.*: that of Scale has .*; that of Second has .*"
    ):
        _ = chain.config_specs


def test_specs_with_defaults_that_cannot_be_compared_differ() -> None:
    """An array compares item by item, and some objects not at all: that is no reason to fail in another way."""

    class Odd:
        def __eq__(self, other: object) -> bool:
            raise ArithmeticError

        __hash__ = None  # type: ignore[assignment]  # as arrays

    def node() -> Any:
        return RunnableLambda(abs).bind(a=Odd()).configurable_fields(kwargs=FACTOR)

    one = node()

    assert len((one | one).config_specs) == 1
    with pytest.raises(ConfigError, match="differ in default"):
        _ = (one | node()).config_specs


def test_secret_default_is_in_no_spec() -> None:
    """The value of a field whose name is that of a secret is not told to those who ask for a schema."""
    step = Scale(api_key=SecretStr("sk-very-secret")).configurable_fields(api_key=ConfigurableField(id="key"))

    assert "sk-very" not in f"{step.config_specs}{step.get_config_jsonschema()}{step!r}"
    assert step.config_specs[0].default is None


def test_config_schema_describes_the_fields() -> None:
    """config_schema has a ``configurable`` object with types, titles, defaults and options."""
    step = Scale().configurable_fields(
        factor=SIZE, added=ConfigurableField(id="more", name="More", description="What to add.")
    )
    schema = step.config_schema(include=["tags"]).model_json_schema()

    assert list(schema["properties"]) == ["tags", "configurable"]
    assert schema["$defs"]["Configurable"]["properties"] == {
        "size": {
            "default": "small",
            "description": "What to multiply by.",
            "enum": ["small", "large"],
            "title": "Size",
            "type": "string",
        },
        "more": {"default": 0, "description": "What to add.", "title": "More", "type": "integer"},
    }


def test_config_schema_describes_alternatives_and_several_options() -> None:
    """A choice is an enum of the keys, several options an array of it; ids that are no names keep their spelling."""
    answers = ConfigurableFieldMultiOption(id="say", options={"y": "yes", "n": "no"}, default=["n"])
    model = FakeListChatModel(responses=["-"])
    step = model.configurable_alternatives(WHICH, prefix_keys=True, b=model.configurable_fields(responses=answers))
    properties = step.get_config_jsonschema()["$defs"]["Configurable"]["properties"]

    assert properties["which"]["enum"] == ["default", "b"]
    assert properties["which==b/say"]["items"] == {"enum": ["y", "n"], "type": "string"}
    assert step.config_schema()(configurable={"which": "b"}).model_dump()["configurable"]["which"] == "b"


def test_config_schema_without_fields_has_no_configurable() -> None:
    """A chain with nothing to configure says so."""
    assert "properties" not in RunnableLambda(abs).config_schema().model_json_schema() or (
        "configurable" not in json.dumps(RunnableLambda(abs).get_config_jsonschema())
    )


def test_schemas_follow_the_configuration() -> None:
    """The schemas are those of what a call with this config would run."""
    prompt = ChatPromptTemplate.from_messages([("human", "{a}")])
    other = ChatPromptTemplate.from_messages([("human", "{b}")])
    chain = prompt.configurable_alternatives(WHICH, other=other) | FakeListChatModel(responses=["-"])

    assert list(chain.get_input_schema().model_fields) == ["a"]
    assert list(chain.get_input_schema(configured(which="other")).model_fields) == ["b"]


def test_schemas_follow_a_config_that_is_bound() -> None:
    """What with_config says is said of the schemas too."""
    prompt = ChatPromptTemplate.from_messages([("human", "{a}")])
    other = ChatPromptTemplate.from_messages([("human", "{b}")])
    bound = prompt.configurable_alternatives(WHICH, other=other).with_config(configurable={"which": "other"})

    assert list(bound.get_input_schema().model_fields) == ["b"]


def test_printed_chain_shows_what_there_is_to_choose() -> None:
    """A printed chain and its graph show each alternative; one that has yet to be made is named by its key."""
    step = Scale().configurable_alternatives(WHICH, ten=Scale(name="Ten"), late=lambda: Scale())
    printed = str(step | abs)

    assert all(text in printed for text in ("default: Scale", "ten: Ten", "late: late (made when it is chosen)"))
    assert {"Scale", "Ten"} <= {node.name for node in (step | abs).get_graph().nodes.values()}
    assert "the config decides" in str((step | abs).stream_report())


def test_repr_names_what_is_configurable() -> None:
    """The repr says which fields and which alternatives there are."""
    step = Scale().configurable_fields(factor=FACTOR).configurable_alternatives(WHICH, ten=Scale(factor=10))

    assert repr(step) == "Scale().configurable_fields(factor).configurable_alternatives('which', ten)"
