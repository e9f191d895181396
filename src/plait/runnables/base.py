"""The protocol and its algebra: what every Runnable can do, and everything that ``|`` and the fluent methods give.

The verbs (``invoke``, ``stream``, ``batch`` and their kin) are written once, on ``Runnable``: they find out what
configuration is in force, start and end the run if somebody listens, and call one of four hooks. A node is its hooks:

    _invoke      value  -> value          _ainvoke      its twin; by default _invoke in a thread
    _transform   chunks -> chunks         _atransform   its twin; by default one value for the sum of the chunks

A hook gets the scope that is in force as its ``config``, or None when nothing is configured and nobody listens.
This file is long because the algebra is closed: what a method of Runnable returns is a Runnable defined here.
"""

# The hooks are protected, and one node calls those of another:
# pyright: reportPrivateUsage=false

from __future__ import annotations

from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from copy import copy
from functools import cached_property, partial
from operator import length_hint, methodcaller
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, Literal, NoReturn, TypeVar, cast, overload

from plait.anatomy import Anatomy, Part
from plait.clocks import clock
from plait.concurrency import (
    aas_completed,
    aclose_all,
    acollect,
    afan_in,
    agather,
    aiter_in_thread,
    aonce,
    as_completed,
    atee,
    atransform_in_thread,
    close_all,
    fan_in,
    gather,
    in_thread,
    once,
    tee,
)
from plait.deadlines import akept, akept_batch, kept, kept_batch, left
from plait.errors import ChainError, ConfigError, EmptyStreamError
from plait.inspection import awaitable, config_parameter, kind_of, name_of
from plait.merging import TO_BE_SUMMED, DictSnapshot, StreamReset, merge_all, snapshot
from plait.notes import (
    NOTHING,
    alternative_of,
    attempt_of,
    branch_of,
    culprit,
    frames_of,
    place,
    position_of,
    trim,
    values_in,
)
from plait.runnables.attempts import (
    Again,
    Tape,
    abatched,
    ain_rounds,
    all_failed,
    at_attempt,
    at_fallback,
    attempt_tag,
    awith_key,
    batched,
    fallback_tag,
    in_all,
    in_rounds,
    with_key,
)
from plait.runnables.batches import (
    Rows,
    acaller,
    aoutputs_of,
    apaired,
    at_least_0,
    caller,
    count_of,
    has_own_permits,
    outputs_of,
    paired,
    permits_of,
    width_of,
)
from plait.runnables.config import (
    RunnableConfig,
    as_config,
    configs_of_batch,
    enter,
    merge_configs,
    with_defaults,
)
from plait.runnables.configuring import (
    AnyConfigurableField,
    ConfigurableField,
    Kept,
    alternative_spec,
    can_be_called_bare,
    check_alternatives,
    check_fields,
    default_of,
    field_spec,
    narrowed,
    prefixed,
    refuse_alternative,
    spelled,
    unique_specs,
    value_of,
)
from plait.runnables.describing import Described, schemas
from plait.runnables.forwarding import forwarded
from plait.runnables.own_verbs import BRIDGES, SCOPED, stream_by_verb
from plait.runnables.restarts import areplayed, arestarting, replayed, restartable, restarting
from plait.runnables.retrying import MidStream, Policy, exceptions_of, mid_stream_of, policy_of
from plait.runnables.stages import (
    Config,
    Placed,
    Stage,
    achained,
    aeach_stage,
    aending,
    ahop_stage,
    ainside,
    at,
    atransform_of,
    avalue_stage,
    blamable,
    chained,
    each_stage,
    ending,
    fused,
    hop_stage,
    inside,
    transform_of,
    unfused,
    value_stage,
)
from plait.runnables.watchable import Watchable
from plait.runnables.watched import alimited, awatched, awatched_batch, limited, watched, watched_batch
from plait.runs import UNKNOWN, Scope, Watch, current, deeper, hand_out
from plait.signatures import chunk_types, function_types
from plait.stopping import asleep, check_stopped, in_time, is_cancelled, sleep, stopping

if TYPE_CHECKING:
    from pydantic import BaseModel

Input = TypeVar("Input", contravariant=True)
Output = TypeVar("Output", covariant=True)
Other = TypeVar("Other")
In = TypeVar("In")
Out = TypeVar("Out")


class Runnable(Described, Watchable[Input], Generic[Input, Output]):
    """Something that can be invoked, streamed, batched and joined with others by ``|``.

    Subclass it and write ``invoke`` (and whichever of ``ainvoke``, ``stream``, ``astream``, ``transform``,
    ``atransform`` you can do better); everything else follows from what you wrote. Instances must not change after
    ``__init__``: a chain may be used by many threads and tasks at once.
    """

    # What a run of this node is called by those who watch.
    _kind: ClassVar[str] = "chain"
    # Tags and metadata of its own runs, which nothing inherits.
    _labels: ClassVar[tuple[Iterable[str], Mapping[str, Any]]] = ((), {})
    # Cheap and without I/O, so that an event loop may run it without a thread.
    _inline: ClassVar[bool] = False
    # Refuses inputs that are not of InputType, so that a chain can be checked when it is built.
    _strict_input: ClassVar[bool] = False
    # Verbs that a class writes itself are user code, and run with its config in force.
    _own_verbs: ClassVar[bool] = True
    # May give a StreamReset among the chunks of a stream: then the steps after it begin anew.
    _resets: ClassVar[bool] = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for verb, hook, bridge in BRIDGES:
            if verb in vars(cls) and getattr(cls, hook) is getattr(Runnable, hook):
                setattr(cls, hook, bridge)
        for verb, scoped in SCOPED.items():
            if cls._own_verbs and verb in vars(cls):
                setattr(cls, verb, scoped(vars(cls)[verb]))

    # ------------------------------------------------------------------------------------------------------- verbs

    def invoke(self, input: Input, config: RunnableConfig | None = None, **kwargs: Any) -> Output:
        """The output for one input."""
        scope = current.get() if config is None else enter(config)
        try:
            if scope is None:
                return self._invoke(input, None, **kwargs)  # type: ignore[no-any-return]  # a hook gives Output
            if scope.deadline is not None:
                if scope.fresh or stopping.get() is None:  # a task that waits for this thread cannot end it
                    with kept(scope.deadline, self):
                        return self.invoke(input, as_config(scope.kept()), **kwargs)
                check_stopped()
            if not scope.listeners:
                return self._invoke(input, scope.below(), **kwargs)  # type: ignore[no-any-return]  # a hook gives Output
            with Watch(self, input, scope) as watch:
                return watch.end(self._invoke(input, watch.scope, **kwargs))  # type: ignore[no-any-return]  # a hook gives Output
        except Exception as error:
            trim(error)
            raise

    async def ainvoke(  # twin: a task is cancelled, where a thread has to ask whether to go on
        self, input: Input, config: RunnableConfig | None = None, **kwargs: Any
    ) -> Output:
        """The output for one input."""
        scope = current.get() if config is None else enter(config)
        try:
            if scope is None:
                return await self._ainvoke(input, None, **kwargs)  # type: ignore[no-any-return]  # a hook gives Output
            if scope.deadline is not None and scope.fresh:
                async with akept(scope.deadline, self):
                    return await self.ainvoke(input, as_config(scope.kept()), **kwargs)
            if not scope.listeners:
                return await self._ainvoke(input, scope.below(), **kwargs)  # type: ignore[no-any-return]  # a hook gives Output
            async with Watch(self, input, scope) as watch:
                return watch.end(await self._ainvoke(input, watch.scope, **kwargs))  # type: ignore[no-any-return]  # a hook gives Output
        except Exception as error:
            trim(error)
            raise

    def stream(self, input: Input, config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[Output]:
        """The output for one input in chunks, as they come; their sum (``plait.merge_all``) is what invoke gives.

        Closing the iterator ends the work at once: every ``finally`` above has run when ``close`` returns.
        """
        scope = current.get() if config is None else enter(config)
        if scope is not None and scope.fresh:
            return limited(self.stream(input, as_config(scope.kept()), **kwargs), scope, self)
        if scope is not None and scope.listeners and self._hooked:
            return watched(self, once(input), input, scope, self._opened_with(kwargs))
        return self.transform(once(input), cast("RunnableConfig | None", scope), **kwargs)

    def astream(self, input: Input, config: RunnableConfig | None = None, **kwargs: Any) -> AsyncIterator[Output]:
        """The output for one input in chunks, as they come; their sum (``plait.merge_all``) is what ainvoke gives.

        Closing the iterator ends the work at once: every ``finally`` above has run when ``await aclose()`` returns.
        """
        scope = current.get() if config is None else enter(config)
        if scope is not None and scope.fresh:
            return alimited(self.astream(input, as_config(scope.kept()), **kwargs), scope, self)
        if scope is not None and scope.listeners and self._hooked:
            return awatched(self, aonce(input), input, scope, self._aopened_with(kwargs))
        return self.atransform(aonce(input), cast("RunnableConfig | None", scope), **kwargs)

    def transform(
        self, input: Iterator[Input], config: RunnableConfig | None = None, **kwargs: Any
    ) -> Iterator[Output]:
        """The output in chunks for an input that itself comes in chunks."""
        scope = current.get() if config is None else enter(config)
        if scope is not None and scope.fresh:
            return limited(self.transform(input, as_config(scope.kept()), **kwargs), scope, self)
        if scope is not None and scope.listeners:
            return watched(self, input, UNKNOWN, scope, self._opened_with(kwargs))
        stream = self._transform(input, None if scope is None else scope.below(), **kwargs)
        return ending(stream, input) if hasattr(input, "throw") else stream

    def atransform(
        self, input: AsyncIterator[Input], config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[Output]:
        """The output in chunks for an input that itself comes in chunks."""
        scope = current.get() if config is None else enter(config)
        if scope is not None and scope.fresh:
            return alimited(self.atransform(input, as_config(scope.kept()), **kwargs), scope, self)
        if scope is not None and scope.listeners:
            return awatched(self, input, UNKNOWN, scope, self._aopened_with(kwargs))
        stream = self._atransform(input, None if scope is None else scope.below(), **kwargs)
        return aending(stream, input) if hasattr(input, "athrow") else stream

    def _opened_with(self, kwargs: dict[str, Any]) -> Callable[[Any, Scope], Iterator[Any]]:
        return lambda chunks, scope: self._transform(chunks, scope, **kwargs)

    def _aopened_with(self, kwargs: dict[str, Any]) -> Callable[[Any, Scope], AsyncIterator[Any]]:
        return lambda chunks, scope: self._atransform(chunks, scope, **kwargs)

    @overload
    def batch(
        self,
        inputs: Iterable[Input],
        config: RunnableConfig | Sequence[RunnableConfig] | None = None,
        *,
        return_exceptions: Literal[False] = False,
        **kwargs: Any,
    ) -> list[Output]: ...

    @overload
    def batch(
        self,
        inputs: Iterable[Input],
        config: RunnableConfig | Sequence[RunnableConfig] | None = None,
        *,
        return_exceptions: bool,
        **kwargs: Any,
    ) -> list[Output | Exception]: ...

    def batch(
        self,
        inputs: Iterable[Input],
        config: RunnableConfig | Sequence[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[Any]:
        """The outputs for many inputs, in their order; each goes through the chain on its own.

        ``max_concurrency`` in the config (16 when it is not there) bounds how many run at once. ``config`` may be a
        list, one for each input. The first failure stops the rest and is raised; with ``return_exceptions`` it
        stands in its place and the rest goes on.
        """
        whole, each = configs_of_batch(config, count_of(inputs))
        call = caller(self.invoke, whole, each is not None, kwargs, return_exceptions)
        try:
            return gather(call, paired(inputs, each), width_of(whole), permits_of(whole))
        except Exception as error:
            trim(error)
            raise

    @overload
    async def abatch(
        self,
        inputs: Iterable[Input] | AsyncIterable[Input],
        config: RunnableConfig | Sequence[RunnableConfig] | None = None,
        *,
        return_exceptions: Literal[False] = False,
        **kwargs: Any,
    ) -> list[Output]: ...

    @overload
    async def abatch(
        self,
        inputs: Iterable[Input] | AsyncIterable[Input],
        config: RunnableConfig | Sequence[RunnableConfig] | None = None,
        *,
        return_exceptions: bool,
        **kwargs: Any,
    ) -> list[Output | Exception]: ...

    async def abatch(
        self,
        inputs: Iterable[Input] | AsyncIterable[Input],
        config: RunnableConfig | Sequence[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[Any]:
        """The outputs for many inputs, in their order; each goes through the chain on its own.

        As ``batch``; the first failure cancels the rest, which has ended when it is raised. Takes async iterables too.
        """
        whole, each = configs_of_batch(config, count_of(inputs))
        call = acaller(self.ainvoke, whole, each is not None, kwargs, return_exceptions)
        try:
            return await agather(call, apaired(inputs, each), width_of(whole), permits_of(whole))
        except Exception as error:
            trim(error)
            raise

    def batch_as_completed(
        self,
        inputs: Iterable[Input],
        config: RunnableConfig | Sequence[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        buffer: int = 0,
        **kwargs: Any,
    ) -> Iterator[tuple[int, Any]]:
        """``(index, output)`` for many inputs, each as soon as it is done.

        Lazy: takes any iterable, endless ones too, and pulls an input only while fewer than ``max_concurrency`` plus
        ``buffer`` of them are pulled and not yet taken by you. Closing the iterator stops the pulling and waits for
        what runs.
        """
        return self._lazily(inputs, config, kwargs, return_exceptions, buffer, ordered=False)

    def abatch_as_completed(
        self,
        inputs: Iterable[Input] | AsyncIterable[Input],
        config: RunnableConfig | Sequence[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        buffer: int = 0,
        **kwargs: Any,
    ) -> AsyncIterator[tuple[int, Any]]:
        """``(index, output)`` for many inputs, each as soon as it is done.

        As ``batch_as_completed``; closing the iterator cancels what runs. Takes async iterables too.
        """
        return self._alazily(inputs, config, kwargs, return_exceptions, buffer, ordered=False)

    def batch_iter(
        self,
        inputs: Iterable[Input],
        config: RunnableConfig | Sequence[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        buffer: int = 0,
        **kwargs: Any,
    ) -> Iterator[Any]:
        """The outputs for many inputs, in their order, as lazily as ``batch_as_completed``.

        A slow input holds up those behind it; ``buffer`` lets that many more be done in the meantime.
        """
        numbered = self._lazily(inputs, config, kwargs, return_exceptions, buffer, ordered=True)
        return outputs_of(numbered)

    def abatch_iter(
        self,
        inputs: Iterable[Input] | AsyncIterable[Input],
        config: RunnableConfig | Sequence[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        buffer: int = 0,
        **kwargs: Any,
    ) -> AsyncIterator[Any]:
        """The outputs for many inputs, in their order, as lazily as ``abatch_as_completed``."""
        numbered = self._alazily(inputs, config, kwargs, return_exceptions, buffer, ordered=True)
        return aoutputs_of(numbered)

    def _lazily(
        self,
        inputs: Iterable[Any],
        config: RunnableConfig | Sequence[RunnableConfig] | None,
        kwargs: dict[str, Any],
        return_exceptions: bool,
        buffer: int,
        *,
        ordered: bool,
        lent: bool = False,
    ) -> Iterator[tuple[int, Any]]:
        whole, each = configs_of_batch(config, count_of(inputs))
        call = caller(self.invoke, whole, each is not None, kwargs, return_exceptions)
        return as_completed(
            call,
            paired(inputs, each),
            width_of(whole),
            permits_of(whole),
            window=width_of(whole) + at_least_0(buffer),
            ordered=ordered,
            lent=lent or has_own_permits(whole, config),
        )

    def _alazily(
        self,
        inputs: Iterable[Any] | AsyncIterable[Any],
        config: RunnableConfig | Sequence[RunnableConfig] | None,
        kwargs: dict[str, Any],
        return_exceptions: bool,
        buffer: int,
        *,
        ordered: bool,
        lent: bool = False,
    ) -> AsyncIterator[tuple[int, Any]]:
        whole, each = configs_of_batch(config, count_of(inputs))
        call = acaller(self.ainvoke, whole, each is not None, kwargs, return_exceptions)
        return aas_completed(
            call,
            apaired(inputs, each),
            width_of(whole),
            permits_of(whole),
            window=width_of(whole) + at_least_0(buffer),
            ordered=ordered,
            lent=lent or has_own_permits(whole, config),
        )

    # ------------------------------------------------------------------------------------------------------- hooks

    def _invoke(self, input: Any, config: Config, **kwargs: Any) -> Any:
        raise TypeError(
            f"{self.get_name()} has no synchronous form: use ainvoke, astream or abatch, or give its class an `invoke`"
        )

    async def _ainvoke(self, input: Any, config: Config, **kwargs: Any) -> Any:  # twin: where the work is done
        if self._inline:
            return self._invoke(input, config, **kwargs)
        return await in_thread(self._invoke, input, config, **kwargs)

    def _transform(self, chunks: Iterator[Any], config: Config, **kwargs: Any) -> Iterator[Any]:
        value = self._sum(list(chunks))
        yield self._invoke(value, config, **kwargs)

    async def _atransform(self, chunks: AsyncIterator[Any], config: Config, **kwargs: Any) -> AsyncGenerator[Any, None]:
        value = self._sum(await acollect(chunks))
        yield await self._ainvoke(value, config, **kwargs)

    def _sum(self, chunks: list[Any]) -> Any:
        """The value of a stream that this node reads whole, or of its own."""
        if not chunks:
            raise EmptyStreamError(f"{self.get_name()}: the stream ended without a chunk, so there is no value")
        return chunks[0] if len(chunks) == 1 and type(chunks[0]) not in TO_BE_SUMMED else merge_all(chunks)

    @property
    def _each(self) -> Callable[[Any], Any] | None:
        """Chunk to chunk, for a node that streams one to one."""
        return None

    @property
    def _input_keys(self) -> frozenset[str] | None:
        """The keys that a dict input must have, where that is certain."""
        return None

    def _output_keys(self, given: frozenset[str] | None) -> frozenset[str] | None:
        """The keys of the dict that this node gives for a dict with the keys ``given``, where that is certain."""
        return None

    def _calls(self) -> Callable[[Any], Any]:
        """What a sequence calls for this step when nothing is configured and nobody listens."""
        if cast(Any, type(self)).invoke is not Runnable[Any, Any].invoke:
            return self.invoke
        hook = self._invoke
        return lambda value: hook(value, None)

    def _acalls(self) -> Callable[[Any], Awaitable[Any]]:
        """What a sequence calls for this step when nothing is configured and nobody listens."""
        if cast(Any, type(self)).ainvoke is not Runnable[Any, Any].ainvoke:
            return self.ainvoke
        hook = self._ainvoke
        return lambda value: hook(value, None)

    @property
    def _barrier(self) -> bool:
        """Whether this node reads its whole input before it gives anything, and gives it in one piece."""
        cls: Any = type(self)
        return self._hooked and all(getattr(cls, hook) is getattr(Runnable, hook) for hook in _STREAMING_HOOKS)

    @property
    def _gathers(self) -> bool:
        """Whether this node reads its whole input before it does anything, even if it gives its output in chunks."""
        cls: Any = type(self)
        return cls._transform in (Runnable[Any, Any]._transform, stream_by_verb)

    @property
    def _hooked(self) -> bool:
        """Whether the streaming verbs of this are those of Runnable, which do nothing but call its hooks."""
        cls: Any = type(self)
        return all(getattr(cls, verb) is getattr(Runnable, verb) for verb in _STREAMING_VERBS)

    @property
    def _identity(self) -> bool:
        """Whether this node passes every chunk on unchanged."""
        return False

    @property
    def _vectorised(self) -> bool:
        """Whether this node does many inputs better in one call than one by one."""
        cls: Any = type(self)
        return any(getattr(cls, verb) is not getattr(Runnable, verb) for verb in ("batch", "abatch"))

    @property
    def _own_batch(self) -> bool:
        """Whether a batch of this is a user's, which may know nothing of a list of configs."""
        return self._own_verbs and self._vectorised

    # --------------------------------------------------------------------------------------------------- composing

    @overload
    def __or__(self, other: Runnable[Output, Other]) -> RunnableSequence[Input, Other]: ...

    @overload
    def __or__(self, other: Callable[[Output], Coroutine[Any, Any, Other]]) -> RunnableSequence[Input, Other]: ...

    @overload
    def __or__(
        self, other: Callable[[AsyncIterator[Output]], AsyncIterator[Other]]
    ) -> RunnableSequence[Input, Other]: ...

    @overload
    def __or__(self, other: Callable[[Iterator[Output]], Iterator[Other]]) -> RunnableSequence[Input, Other]: ...

    @overload
    def __or__(self, other: Callable[[Output], Other]) -> RunnableSequence[Input, Other]: ...

    @overload
    def __or__(self, other: Mapping[str, Any]) -> RunnableSequence[Input, dict[str, Any]]: ...

    def __or__(self, other: Any) -> Any:
        """This, then ``other``: a Runnable, a function, or a dict of them."""
        if not _is_operand(other):
            return _unknown_operand(other, "__ror__")
        return RunnableSequence[Any, Any](self, other)

    @overload
    def __ror__(self, other: Callable[[Other], Coroutine[Any, Any, Input]]) -> RunnableSequence[Other, Output]: ...

    @overload
    def __ror__(
        self, other: Callable[[AsyncIterator[Other]], AsyncIterator[Input]]
    ) -> RunnableSequence[Other, Output]: ...

    @overload
    def __ror__(self, other: Callable[[Iterator[Other]], Iterator[Input]]) -> RunnableSequence[Other, Output]: ...

    @overload
    def __ror__(self, other: Callable[[Other], Input]) -> RunnableSequence[Other, Output]: ...

    @overload
    def __ror__(self, other: Mapping[str, Any]) -> RunnableSequence[Any, Output]: ...

    def __ror__(self, other: Any) -> Any:
        """``other``, then this."""
        if not _is_operand(other):
            return _unknown_operand(other, None)
        return RunnableSequence[Any, Any](other, self)

    @overload
    def pipe(self, other: Runnable[Output, Other], /, *, name: str | None = None) -> RunnableSequence[Input, Other]: ...

    @overload
    def pipe(
        self, other: Callable[[Output], Coroutine[Any, Any, Other]], /, *, name: str | None = None
    ) -> RunnableSequence[Input, Other]: ...

    @overload
    def pipe(
        self, other: Callable[[Output], Other], /, *, name: str | None = None
    ) -> RunnableSequence[Input, Other]: ...

    @overload
    def pipe(
        self, other: Mapping[str, Any], /, *, name: str | None = None
    ) -> RunnableSequence[Input, dict[str, Any]]: ...

    @overload
    def pipe(
        self, other: Any, another: Any, /, *others: Any, name: str | None = None
    ) -> RunnableSequence[Input, Any]: ...

    def pipe(self, *others: Any, name: str | None = None) -> RunnableSequence[Input, Any]:
        """This, then each of ``others``; as ``|``, with a name for the whole."""
        return RunnableSequence(self, *others, name=name)

    def pick(self, keys: str | list[str]) -> RunnableSequence[Input, Any]:
        """Of the dict that this gives: the value of one key, or a dict of several."""
        return RunnableSequence(self, RunnablePick(keys))

    def assign(self, **steps: Any) -> RunnableSequence[Input, dict[str, Any]]:
        """The dict that this gives, with a key more for each of ``steps``, which get that dict."""
        return RunnableSequence(self, RunnableAssign(RunnableParallel(steps)))

    def map(self: Runnable[In, Out]) -> RunnableEach[In, Out]:
        """This for every item of a list, at once."""
        return RunnableEach(self)

    def bind(self, **kwargs: Any) -> RunnableBinding[Input, Output]:
        """This with keyword arguments that go to every call."""
        return RunnableBinding(self, kwargs=kwargs)

    def with_config(self, config: RunnableConfig | None = None, **kwargs: Any) -> RunnableBinding[Input, Output]:
        """This with a config; what a call says goes before it."""
        return RunnableBinding(self, config=merge_configs(config, kwargs))

    def with_listeners(
        self, *, on_start: Any = None, on_end: Any = None, on_error: Any = None, on_cancelled: Any = None
    ) -> RunnableBinding[Input, Output]:
        """This with functions that are told of its own runs, not of those within: each gets the ``Run``.

        They may be async, and get the config as any function of a chain does: by a parameter of that name. A run that was cancelled is told to
        ``on_cancelled``, or, without one, to ``on_error``.
        """
        return RunnableBinding(self).with_listeners(
            on_start=on_start, on_end=on_end, on_error=on_error, on_cancelled=on_cancelled
        )

    def with_alisteners(
        self, *, on_start: Any = None, on_end: Any = None, on_error: Any = None, on_cancelled: Any = None
    ) -> RunnableBinding[Input, Output]:
        """As ``with_listeners``, which takes async functions as well."""
        return self.with_listeners(on_start=on_start, on_end=on_end, on_error=on_error, on_cancelled=on_cancelled)

    def with_types(
        self, *, input_type: type[Any] | None = None, output_type: type[Any] | None = None
    ) -> RunnableBinding[Input, Output]:
        """This with types of your own for its schemas."""
        return RunnableBinding(self, input_type=input_type, output_type=output_type)

    def configurable_fields(self, **fields: AnyConfigurableField) -> Runnable[Input, Output]:
        """This with fields that a call may set: ``config["configurable"]`` has their values, by the ids given here.

        Raises ConfigError for a field that this does not have.
        """
        return RunnableConfigurableFields(default=self, fields=fields)

    def configurable_alternatives(
        self,
        which: ConfigurableField,
        *,
        default_key: str = "default",
        prefix_keys: bool = False,
        **kwargs: Any,
    ) -> Runnable[Input, Output]:
        """This, or what a call names in its place: ``config["configurable"]`` has the key of one of ``kwargs``.

        Each of those is a Runnable, what ``|`` makes one of, or a function without parameters that gives one when it is
        first chosen. With ``prefix_keys`` the ids of an alternative's own fields begin with ``<which>==<key>/``.
        """
        return RunnableConfigurableAlternatives(
            which=which, default=self, alternatives=kwargs, default_key=default_key, prefix_keys=prefix_keys
        )

    def with_retry(
        self,
        *,
        retry_if_exception_type: type[Exception]
        | tuple[type[Exception], ...]
        | Callable[[Exception], bool]
        | None = None,
        wait_exponential_jitter: bool = True,
        exponential_jitter_params: Mapping[str, float] | None = None,
        stop_after_attempt: int = 3,
        mid_stream: MidStream = "raise",
    ) -> RunnableRetry[Input, Output]:
        """This, tried again when it fails; the exception of the last attempt is raised.

        retry_if_exception_type: what is tried again: exception types, or a function that says so of an exception. By
            default all but mistakes of the program or its configuration, and requests that the provider refuses.
        wait_exponential_jitter: whether to wait before another attempt. What the provider asks for in ``retry-after``
            is waited for in any case; if that is more than ``max``, the error is raised at once.
        exponential_jitter_params: in seconds, ``initial`` (1), ``max`` (60), ``exp_base`` (2), ``jitter`` (1).
        stop_after_attempt: how often it is tried in all.
        mid_stream: a stream is tried again until its first chunk. After it the error is raised; or, with "restart",
            a ``StreamReset`` tells the consumer that all begins anew.
        """
        return RunnableRetry(
            self,
            retry_if_exception_type=retry_if_exception_type,
            wait_exponential_jitter=wait_exponential_jitter,
            exponential_jitter_params=exponential_jitter_params,
            stop_after_attempt=stop_after_attempt,
            mid_stream=mid_stream,
        )

    def as_tool(
        self,
        args_schema: Any = None,
        *,
        name: str | None = None,
        description: str | None = None,
        arg_types: Mapping[str, Any] | None = None,
    ) -> Any:
        """This as a ``BaseTool``, which a model may call; see ``plait.tools.as_tool``."""
        from plait.tools.runnables import as_tool  # the one import that points up: see the contracts

        return as_tool(self, args_schema, name=name, description=description, arg_types=arg_types)

    def with_fallbacks(
        self,
        fallbacks: Sequence[Any],
        *,
        exceptions_to_handle: type[Exception] | tuple[type[Exception], ...] = (Exception,),
        exception_key: str | None = None,
        mid_stream: MidStream = "raise",
    ) -> RunnableWithFallbacks[Input, Output]:
        """This, and when it fails the first of ``fallbacks`` that does not; if all fail, the error of this is raised.

        exceptions_to_handle: any other exception is raised at once.
        exception_key: the key of the input, which must be a dict, under which a fallback finds what the one before it
            has failed with.
        mid_stream: as for ``with_retry``.
        """
        return RunnableWithFallbacks(
            self,
            fallbacks,
            exceptions_to_handle=exceptions_to_handle,
            exception_key=exception_key,
            mid_stream=mid_stream,
        )


# ----------------------------------------------------------------------------------------------- what | takes and gives


def _is_operand(other: Any) -> bool:
    if isinstance(other, type) and issubclass(other, Runnable):
        raise TypeError(
            f"a chain is joined with instances, got the class {other.__name__}: write {other.__name__}(...)"
        )
    return isinstance(other, Runnable | Mapping) or callable(cast(object, other))


_ACCEPTED: Final = "a Runnable, a function (plain, async or a generator), or a dict of them"


def _unknown_operand(other: object, reflected: str | None) -> Any:
    """NotImplemented where the other side may still know what to do; otherwise an error that says what is accepted."""
    if _is_langchains(other):
        raise TypeError(f"a chain is joined with {_ACCEPTED}; got {_described(other)}")
    defined = any(reflected in vars(cls) for cls in type(other).__mro__)  # hasattr would look at the metaclass too
    if defined and type(other).__module__ != "builtins":
        return NotImplemented
    raise TypeError(f"a chain is joined with {_ACCEPTED}; got {_described(other)}")


def _is_langchains(thing: object) -> bool:
    """Whether it is a Runnable of langchain-core's, told without importing that."""
    return any(cls.__module__.startswith("langchain_core.") for cls in type(thing).__mro__)


def _described(thing: object) -> str:
    if _is_langchains(thing):
        return f"{type(thing).__name__} of LangChain's: write from_langchain(...) around it (plait.from_langchain)"
    return "None" if thing is None else f"an object of type {type(thing).__name__}"  # its repr may hold a secret


def coerce_to_runnable(thing: object) -> Runnable[Any, Any]:
    """A Runnable of what ``|`` accepts: generator functions read chunks, other functions values, dicts run their steps.

    Raises TypeError for anything else.
    """
    if isinstance(thing, Runnable):
        return cast("Runnable[Any, Any]", thing)
    if isinstance(thing, Mapping):
        return RunnableParallel(cast("Mapping[str, Any]", thing))
    if _is_operand(thing):
        function = cast("Callable[..., Any]", thing)
        return RunnableGenerator(function) if kind_of(function) in ("gen", "agen") else RunnableLambda(function)
    raise TypeError(f"expected {_ACCEPTED}; got {_described(thing)}")


_STREAMING_VERBS: Final = ("transform", "atransform")
_STREAMING_HOOKS: Final = ("_transform", "_atransform")


class _Node(Runnable[Input, Output]):
    """A node of the algebra: immutable, and pickled as what its class declares to be its state."""

    _own_verbs = False
    _derived: ClassVar[tuple[str, ...]] = ()  # attributes that are made anew when they are missing

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is immutable: it may be in use; build a new one instead")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is immutable: it may be in use; build a new one instead")

    def __str__(self) -> str:
        if self._anatomy.kind == "leaf":
            return repr(self)
        from plait.listing import listing  # for those who print a chain

        return listing(self)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        from plait.listing import mimebundle  # for notebooks

        return mimebundle(self)

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in vars(self).items() if key not in self._derived}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)


# ------------------------------------------------------------------------------------------------------------ sequence


class RunnableSequence(_Node[Input, Output]):
    """Steps one after another, each given what the one before it gave; flat, immutable, of any length.

    ``first``, ``middle`` and ``last`` may be given by name instead of ``steps``. Keyword arguments of a call go to the
    first step. In a batch each input goes through all steps on its own, except that a step with a ``batch`` of its
    own gets all inputs at once. Steps that cannot fit together raise ChainError here.
    """

    steps: tuple[Runnable[Any, Any], ...]
    _keys: frozenset[str] | None  # of the dict that comes out, where that is certain
    _whole: bool  # what _gathers gives, found once, since parts may be shared and nested without end
    _derived = ("_plain", "_aplain", "_stages", "_astages", "_places")

    def __init__(
        self,
        *steps: Any,
        name: str | None = None,
        first: Any = None,
        middle: Sequence[Any] | None = None,
        last: Any = None,
    ) -> None:
        given = [*(() if first is None else (first,)), *(middle or ()), *steps, *(() if last is None else (last,))]
        if not given:
            raise ValueError("a sequence needs at least one step")
        first_given: Any = given[0]
        if type(first_given) is RunnableSequence and first_given.name is None:
            joined, keys, inline, rest = first_given.steps, first_given._keys, first_given._inline, given[1:]
            resets = first_given._resets
        else:
            joined, keys, inline, rest, resets = (), None, True, given, False
        added: list[Runnable[Any, Any]] = []
        for step in rest:
            runnable: Any = coerce_to_runnable(step)
            flat = type(runnable) is RunnableSequence and not runnable.name
            added += runnable.steps if flat else [runnable]
        for before, step in zip((joined[-1] if joined else None, *added), added, strict=False):
            keys = _fit(before, step, keys)
        inline = inline and all(step._inline for step in added)
        whole = joined[0]._gathers if joined else added[0]._gathers
        resets = resets or any(step._resets for step in added)
        vars(self).update(steps=(*joined, *added), name=name, _keys=keys, _inline=inline, _whole=whole, _resets=resets)

    @property
    def first(self) -> Runnable[Any, Any]:
        """The first step."""
        return self.steps[0]

    @property
    def middle(self) -> list[Runnable[Any, Any]]:
        """The steps between the first and the last."""
        return list(self.steps[1:-1])

    @property
    def last(self) -> Runnable[Any, Any]:
        """The last step."""
        return self.steps[-1]

    @cached_property
    def _plain(self) -> tuple[Callable[[Any], Any], ...]:
        return tuple(step._calls() for step in self.steps)

    @cached_property
    def _aplain(self) -> tuple[Callable[[Any], Awaitable[Any]], ...]:
        return tuple(step._acalls() for step in self.steps)

    def _invoke(self, input: Any, config: Config, **kwargs: Any) -> Any:
        pending = iter(self._plain) if config is None and not kwargs else self._pending(_invoked, config, kwargs)
        try:
            for call in pending:
                input = call(input)
        except BaseException as error:
            if blamable(error, config):
                self._blame(error, len(self.steps) - length_hint(pending) - 1, input)
            raise
        return input

    async def _ainvoke(self, input: Any, config: Config, **kwargs: Any) -> Any:
        pending = iter(self._aplain) if config is None and not kwargs else self._pending(_ainvoked, config, kwargs)
        try:
            for call in pending:
                input = await call(input)
        except BaseException as error:
            if blamable(error, config):
                self._blame(error, len(self.steps) - length_hint(pending) - 1, input)
            raise
        return input

    def _pending(self, verb: Callable[..., Any], config: Config, kwargs: dict[str, Any]) -> Iterator[Any]:
        """The calls of the steps, each at its place, the first with the arguments of the call."""
        if config is None or not config.listeners:
            return iter([verb(step, config, {} if n else kwargs) for n, step in enumerate(self.steps)])
        places = zip(self.steps, self._places, strict=True)
        return iter([verb(step, config.at(place), {} if n else kwargs) for n, (step, place) in enumerate(places)])

    @cached_property
    def _places(self) -> list[str]:
        return [f"seq:step:{number}" for number in range(1, len(self.steps) + 1)]

    def _blame(self, error: BaseException, index: int, input: Any) -> None:
        step = self.steps[index].get_name()
        place(error, position_of(step, index + 1, len(self.steps), self.get_name()), input)

    def _transform(self, chunks: Iterator[Any], config: Config, **kwargs: Any) -> Iterator[Any]:
        opened, positions, frames = [chunks], [0], list[Any]()
        try:
            for stage, position in self._plan(config, kwargs):
                opened.append(stage(opened[-1], config))
                positions.append(position)
            frames = frames_of(opened)
            for chunk in opened[-1]:
                yield chunk
        except BaseException as error:
            if blamable(error, config):
                self._blame_stage(error, frames, positions)
            raise
        finally:
            frames.clear()  # each holds the one that pulled it, and so this one
            close_all(reversed(opened))

    async def _atransform(self, chunks: AsyncIterator[Any], config: Config, **kwargs: Any) -> AsyncGenerator[Any, None]:
        opened, positions, frames = [chunks], [0], list[Any]()
        try:
            for stage, position in self._aplan(config, kwargs):
                opened.append(stage(opened[-1], config))
                positions.append(position)
            frames = frames_of(opened)
            async for chunk in opened[-1]:
                yield chunk
        except BaseException as error:
            if blamable(error, config):
                self._blame_stage(error, frames, positions)
            raise
        finally:
            frames.clear()  # each holds the one that pulled it, and so this one
            await aclose_all(reversed(opened))

    def _blame_stage(self, error: BaseException, frames: list[Any], positions: list[int]) -> None:
        found = culprit(error, frames)
        if found is not None:
            index, seen = positions[found], values_in(error, frames[found])
            self._blame(error, min(index + seen.passed, len(self.steps) - 1), seen.value)

    @cached_property
    def _stages(self) -> list[Placed]:
        stages = fused(self.steps, transform_of, each_stage, value_stage, hop_stage)
        return restartable(stages, self.steps, restarting) if self._resets else stages

    @cached_property
    def _astages(self) -> list[Placed]:
        stages = fused(self.steps, atransform_of, aeach_stage, avalue_stage, ahop_stage)
        return restartable(stages, self.steps, arestarting) if self._resets else stages

    def _plan(self, config: Config, kwargs: dict[str, Any]) -> Iterable[Placed]:
        if kwargs or (config is not None and config.listeners):
            stages = unfused(self.steps, _verb_of, hop_stage, kwargs)
            return restartable(stages, self.steps, restarting) if self._resets else stages
        return self._stages

    def _aplan(self, config: Config, kwargs: dict[str, Any]) -> Iterable[Placed]:
        if kwargs or (config is not None and config.listeners):
            stages = unfused(self.steps, _averb_of, ahop_stage, kwargs)
            return restartable(stages, self.steps, arestarting) if self._resets else stages
        return self._astages

    @property
    def _vectorised(self) -> bool:
        return any(step._vectorised for step in self.steps)

    def batch(self, inputs: Any, config: Any = None, *, return_exceptions: bool = False, **kwargs: Any) -> Any:
        if not self._vectorised:
            return super().batch(inputs, config, return_exceptions=return_exceptions, **kwargs)
        rows = Rows(inputs, config)
        if (limit := rows.limit()) is not None:
            given: dict[str, Any] = {"return_exceptions": return_exceptions}
            again = partial(self.batch, rows.values, rows.kept(), **given, **kwargs)
            return kept_batch(limit, self, again, len(rows.values), **given)
        if not rows.listened_to():
            return self._through(self._parts(), rows, return_exceptions, kwargs)

        def call(scopes: list[Scope]) -> list[Any]:
            return self._through(self.steps, rows.within(scopes), return_exceptions, kwargs)

        return watched_batch(self, rows.inputs(), rows.scopes(), call)

    async def abatch(  # twin: async inputs are collected first
        self, inputs: Any, config: Any = None, *, return_exceptions: bool = False, **kwargs: Any
    ) -> Any:
        if not self._vectorised:
            return await super().abatch(inputs, config, return_exceptions=return_exceptions, **kwargs)
        rows = Rows(await _listed_async(inputs), config)
        if (limit := rows.limit()) is not None:
            given: dict[str, Any] = {"return_exceptions": return_exceptions}
            again = partial(self.abatch, rows.values, rows.kept(), **given, **kwargs)
            return await akept_batch(limit, self, again, len(rows.values), **given)
        if not rows.listened_to():
            return await self._athrough(self._parts(), rows, return_exceptions, kwargs)

        async def call(scopes: list[Scope]) -> list[Any]:
            return await self._athrough(self.steps, rows.within(scopes), return_exceptions, kwargs)

        return await awatched_batch(self, rows.inputs(), rows.scopes(), call)

    def _through(
        self, parts: Iterable[Runnable[Any, Any]], rows: Rows, return_exceptions: bool, kwargs: dict[str, Any]
    ) -> list[Any]:
        """All rows through one part after the other."""
        for number, part in enumerate(parts, 1):
            configs = rows.configs(f"seq:step:{number}", one=part._own_batch)
            rows.put(part.batch(rows.inputs(), configs, return_exceptions=return_exceptions, **kwargs))
            kwargs = {}
        return rows.outputs()

    async def _athrough(
        self, parts: Iterable[Runnable[Any, Any]], rows: Rows, return_exceptions: bool, kwargs: dict[str, Any]
    ) -> list[Any]:
        """All rows through one part after the other."""
        for number, part in enumerate(parts, 1):
            configs = rows.configs(f"seq:step:{number}", one=part._own_batch)
            rows.put(await part.abatch(rows.inputs(), configs, return_exceptions=return_exceptions, **kwargs))
            kwargs = {}
        return rows.outputs()

    def _parts(self) -> Iterator[Runnable[Any, Any]]:
        """The steps that own a batch, and sequences of those between them."""
        between: list[Runnable[Any, Any]] = []
        for step in self.steps:
            if not step._vectorised:
                between.append(step)
                continue
            if between:
                yield RunnableSequence(*between)
            between = []
            yield step
        if between:
            yield RunnableSequence(*between)

    @property
    def _gathers(self) -> bool:
        return self._whole

    @property
    def _anatomy(self) -> Anatomy:
        return Anatomy("sequence", tuple(Part(str(number), step) for number, step in enumerate(self.steps, 1)))

    @property
    def _input_keys(self) -> frozenset[str] | None:
        return self.steps[0]._input_keys

    def _output_keys(self, given: frozenset[str] | None) -> frozenset[str] | None:
        for step in self.steps:
            given = step._output_keys(given)
        return given

    @property
    def InputType(self) -> Any:
        return self.steps[0].InputType

    @property
    def OutputType(self) -> Any:
        return self.steps[-1].OutputType

    def get_input_schema(self, config: RunnableConfig | None = None) -> type[BaseModel]:
        return self.steps[0].get_input_schema(config)

    def get_output_schema(self, config: RunnableConfig | None = None) -> type[BaseModel]:
        return self.steps[-1].get_output_schema(config)

    @property
    def config_specs(self) -> list[Any]:
        return _specs(self.steps)

    def __repr__(self) -> str:
        return " | ".join(f"({step!r})" if isinstance(step, RunnableSequence) else repr(step) for step in self.steps)


def _invoked(step: Runnable[Any, Any], config: Config, kwargs: dict[str, Any]) -> Callable[[Any], Any]:
    if config is not None and config.deadline is not None:
        return lambda value: in_time(step.invoke(value, config, **kwargs))
    return lambda value: step.invoke(value, config, **kwargs)


def _ainvoked(  # twin: a task is cancelled while the step runs
    step: Runnable[Any, Any], config: Config, kwargs: dict[str, Any]
) -> Callable[[Any], Any]:
    return lambda value: step.ainvoke(value, config, **kwargs)


def _verb_of(step: Runnable[Any, Any]) -> Stage:
    return step.transform


def _averb_of(step: Runnable[Any, Any]) -> Stage:
    return step.atransform


def _fit(
    before: Runnable[Any, Any] | None, step: Runnable[Any, Any], keys: frozenset[str] | None
) -> frozenset[str] | None:
    """The keys that are certain after ``step``; raises ChainError if it can never take what ``before`` gives."""
    if before is not None:
        needed = step._input_keys
        if keys is not None and needed and not needed <= keys:
            raise ChainError(
                f"{step.get_name()} needs {_listed(needed - keys)}, which {before.get_name()} before it does not give; "
                f"it gives {_listed(keys)}"
            )
        if step._strict_input:
            from plait.fit import mismatch  # only steps that refuse inputs need it

            reason = mismatch(before.OutputType, step.InputType)
            if reason is not None:
                raise ChainError(f"{step.get_name()} cannot follow {before.get_name()}: {reason}")
    return step._output_keys(keys)


async def _listed_async(inputs: Any) -> Any:
    return await acollect(aiter(cast("AsyncIterable[Any]", inputs))) if isinstance(inputs, AsyncIterable) else inputs


def _listed(keys: Iterable[str]) -> str:
    return ", ".join(repr(key) for key in sorted(keys)) or "nothing"


def _specs(steps: Iterable[Runnable[Any, Any]]) -> list[Any]:
    return unique_specs((step.get_name(), spec) for step in steps for spec in step.config_specs)


# ------------------------------------------------------------------------------------------------------------ functions


_PLAIN: Final = frozenset({str, int, float, bool, dict, list, tuple, type(None), bytes, set})
"""Types of which a value is neither a Runnable nor awaitable, so that nothing has to be looked up."""


def _settle(value: Any, input: Any, config: Config, name: str) -> Any:
    """What a function's result stands for: a Runnable is run on the same input."""
    if type(value) in _PLAIN:
        return value
    if isinstance(value, Runnable):
        return cast("Runnable[Any, Any]", value).invoke(input, as_config(deeper(config, name)))
    if awaitable(value):
        getattr(value, "close", bool)()  # a coroutine that is never awaited would warn
        raise TypeError(_ASYNC_ONLY.format(name))
    return value


async def _asettle(value: Any, input: Any, config: Config, name: str) -> Any:  # twin: what is awaitable is awaited
    """What a function's result stands for: a Runnable is run on the same input, what is awaitable is awaited."""
    if type(value) in _PLAIN:
        return value
    if isinstance(value, Runnable):
        return await cast("Runnable[Any, Any]", value).ainvoke(input, as_config(deeper(config, name)))
    if awaitable(value):
        return await _asettle(await value, input, config, name)
    return value


_ASYNC_ONLY: Final = (
    "{0} is async, and was called by a synchronous verb: use ainvoke, astream or abatch, or give a sync form"
)


class RunnableLambda(_Node[Input, Output]):
    """A function as a step.

    The function may be sync, async, a generator or an async generator (whose chunks are the stream), a partial, a
    method or a callable object; ``afunc`` is its async form if there are two. It gets the input, and the config if it
    has a further parameter named ``config`` or annotated RunnableConfig. If it returns a Runnable, that is run on
    the same input, at most ``recursion_limit`` deep.

    It is called with the whole input, once. ``chunkwise=True`` says that f(a) + f(b) is f(a + b), so that a stream
    goes through it chunk by chunk. Under an async verb a sync function runs in a thread; ``inline=True`` says that it
    neither waits nor computes long, so that it is called on the event loop. ``resets=True`` says that a runnable that it
    returns may begin its stream anew (``StreamReset``), or that it yields such resets itself; without it such a
    runnable is not streamed, but invoked.
    """

    func: Callable[..., Any] | None
    afunc: Callable[..., Any] | None

    @overload
    def __init__(
        self: RunnableLambda[In, Out],
        func: Callable[[In], Coroutine[Any, Any, Out]] | Callable[[In, RunnableConfig], Coroutine[Any, Any, Out]],
        afunc: None = None,
        name: str | None = None,
        *,
        chunkwise: bool = False,
        inline: bool = False,
        resets: bool = False,
    ) -> None: ...

    @overload
    def __init__(
        self: RunnableLambda[In, Out],
        func: Callable[[In], AsyncIterator[Out]] | Callable[[In, RunnableConfig], AsyncIterator[Out]],
        afunc: None = None,
        name: str | None = None,
        *,
        chunkwise: bool = False,
        inline: bool = False,
        resets: bool = False,
    ) -> None: ...

    @overload
    def __init__(
        self: RunnableLambda[In, Out],
        func: Callable[[In], Runnable[In, Out]] | Callable[[In, RunnableConfig], Runnable[In, Out]],
        afunc: Callable[..., Any] | None = None,
        name: str | None = None,
        *,
        chunkwise: bool = False,
        inline: bool = False,
        resets: bool = False,
    ) -> None: ...

    @overload
    def __init__(
        self: RunnableLambda[In, Out],
        func: Callable[[In], Out] | Callable[[In, RunnableConfig], Out],
        afunc: Callable[..., Any] | None = None,
        name: str | None = None,
        *,
        chunkwise: bool = False,
        inline: bool = False,
        resets: bool = False,
    ) -> None: ...

    def __init__(
        self,
        func: Callable[..., Any],
        afunc: Callable[..., Any] | None = None,
        name: str | None = None,
        *,
        chunkwise: bool = False,
        inline: bool = False,
        resets: bool = False,
    ) -> None:
        if isinstance(func, Runnable):
            raise TypeError(
                f"RunnableLambda takes a function, got the runnable {func.get_name()}, which needs no wrapping"
            )
        forms = _forms(func, afunc, "RunnableLambda takes a function")
        vars(self).update(
            func=forms[0],
            afunc=forms[1],
            name=name or name_of(func),
            chunkwise=chunkwise,
            _inline=inline or type(func).__module__ == "operator",
            _resets=resets,
            _kinds=tuple(None if form is None else kind_of(form) for form in forms),
            _configs=tuple(None if form is None else config_parameter(form) for form in forms),
        )

    chunkwise: bool
    _kinds: tuple[str | None, str | None]
    _configs: tuple[str | None, str | None]

    def __call__(self, input: Input, /, *args: Any, **kwargs: Any) -> object:
        """Call the function itself, as if it had never been made a step."""
        return cast("Callable[..., Any]", self.func or self.afunc)(input, *args, **kwargs)

    @property
    def _barrier(self) -> bool:
        return not self.chunkwise and self._kinds[0] != "gen" and self._kinds[1] != "agen"

    @property
    def _gathers(self) -> bool:
        return not self.chunkwise

    def _calls(self) -> Callable[[Any], Any]:
        func, name = self.func, self.get_name()
        mine = cast(Any, type(self)).invoke is Runnable[Any, Any].invoke  # and not that of a class below this one
        if func is None or self._configs[0] is not None or self._kinds[0] == "gen" or not mine:
            return self.invoke

        def call(input: Any) -> Any:
            value = func(input)
            return value if type(value) in _PLAIN else _settle(value, input, None, name)

        return call

    def _acalls(self) -> Callable[[Any], Awaitable[Any]]:  # twin: the other one of its two functions
        afunc, name = self.afunc, self.get_name()
        mine = cast(Any, type(self)).ainvoke is Runnable[Any, Any].ainvoke  # and not that of a class below this one
        if afunc is None or self._configs[1] is not None or self._kinds[1] == "agen" or not mine:
            return self.ainvoke

        async def call(input: Any) -> Any:
            value = await afunc(input)
            return value if type(value) in _PLAIN else await _asettle(value, input, None, name)

        return call

    def _called(self, func: Callable[..., Any], input: Any, config: Config, kwargs: dict[str, Any]) -> Any:
        """Call the user's function with what is in force around it."""
        parameter = self._configs[func is self.afunc]
        if parameter is not None:
            kwargs = {**kwargs, parameter: hand_out(config)}
        if config is None:
            return func(input, **kwargs)
        before = current.get()
        current.set(config)
        try:
            return func(input, **kwargs)
        finally:
            current.set(before)

    async def _acalled(self, func: Callable[..., Any], input: Any, config: Config, kwargs: dict[str, Any]) -> Any:
        """Call the user's function with what is in force around it."""
        parameter = self._configs[func is self.afunc]
        if parameter is not None:
            kwargs = {**kwargs, parameter: hand_out(config)}
        if config is None:
            return await func(input, **kwargs)
        before = current.get()
        current.set(config)
        try:
            return await func(input, **kwargs)
        finally:
            current.set(before)

    def _invoke(self, input: Any, config: Config, **kwargs: Any) -> Any:
        if self.func is None:
            raise TypeError(_ASYNC_ONLY.format(self.get_name()))
        value = self._called(self.func, input, config, kwargs)
        if self._kinds[0] == "gen":
            return self._sum(list(inside(value, config)))
        return value if type(value) in _PLAIN else _settle(value, input, config, self.get_name())

    async def _ainvoke(self, input: Any, config: Config, **kwargs: Any) -> Any:  # twin: a sync function has a thread
        if self.afunc is not None and self._kinds[1] == "agen":
            return self._sum(await acollect(ainside(self._called(self.afunc, input, config, kwargs), config)))
        if self.afunc is None and self._kinds[0] == "gen":
            return await in_thread(self._invoke, input, config, **kwargs)
        value = await self._off_loop(input, config, kwargs)
        return value if type(value) in _PLAIN else await _asettle(value, input, config, self.get_name())

    async def _off_loop(self, input: Any, config: Config, kwargs: dict[str, Any]) -> Any:
        """What the function gives, without blocking the event loop."""
        if self.afunc is not None:
            return await self._acalled(self.afunc, input, config, kwargs)
        func = cast("Callable[..., Any]", self.func)
        if self._inline:
            return self._called(func, input, config, kwargs)
        return await in_thread(self._called, func, input, config, kwargs)

    def _expects(self, given: Any) -> bool:
        """Whether the chunks of a runnable that the function gave can be given on, resets included."""
        return self._resets or not given._resets

    def _transform(self, chunks: Iterator[Any], config: Config, **kwargs: Any) -> Iterator[Any]:
        if self.func is None:
            raise TypeError(_ASYNC_ONLY.format(self.get_name()))
        for input in chunks if self.chunkwise else (self._sum(list(chunks)),):
            output = self._called(self.func, input, config, kwargs)
            stream: Iterator[Any]
            if self._kinds[0] == "gen":
                stream = inside(output, config)
            elif isinstance(output, Runnable) and self._expects(output):
                stream = cast("Runnable[Any, Any]", output).stream(input, as_config(deeper(config, self.get_name())))
            else:
                yield _settle(output, input, config, self.get_name())
                continue
            try:
                for chunk in stream:
                    yield chunk
            finally:
                close_all([stream])

    async def _atransform(  # twin: a sync function has a thread
        self, chunks: AsyncIterator[Any], config: Config, **kwargs: Any
    ) -> AsyncGenerator[Any, None]:
        async for input in chunks if self.chunkwise else aonce(self._sum(await acollect(chunks))):
            stream: AsyncIterator[Any]
            if self.afunc is not None and self._kinds[1] == "agen":
                stream = ainside(self._called(self.afunc, input, config, kwargs), config)
            elif self.afunc is None and self._kinds[0] == "gen":
                chunks_of = cast("Callable[..., Any]", self.func)
                stream = aiter_in_thread(inside(self._called(chunks_of, input, config, kwargs), config))
            else:
                output = await self._off_loop(input, config, kwargs)
                if not (isinstance(output, Runnable) and self._expects(output)):
                    yield await _asettle(output, input, config, self.get_name())
                    continue
                stream = cast("Runnable[Any, Any]", output).astream(input, as_config(deeper(config, self.get_name())))
            try:
                async for chunk in stream:
                    yield chunk
            finally:
                await aclose_all([stream])

    @property
    def InputType(self) -> Any:
        return function_types(self.func or self.afunc)[0]

    @property
    def OutputType(self) -> Any:
        given = function_types(self.func or self.afunc)[1]
        return Any if _is_runnable_type(given) else given  # what that runnable gives is not known

    def __repr__(self) -> str:
        return f"RunnableLambda({self.get_name()})"


def _is_runnable_type(hint: Any) -> bool:
    origin = getattr(hint, "__origin__", hint)
    return isinstance(origin, type) and issubclass(origin, Runnable)


def _forms(
    func: Callable[..., Any], afunc: Callable[..., Any] | None, expected: str
) -> tuple[Callable[..., Any] | None, Callable[..., Any] | None]:
    """The sync and the async form of a function of which the first given may be either."""
    for given in (func, afunc or func):
        if not callable(given):
            raise TypeError(f"{expected}, got {_described(given)}")
    if kind_of(func) not in ("async", "agen"):
        return func, afunc
    if afunc is not None:
        raise TypeError("the first function is async already: give the sync form first and the async one second")
    return None, func


class RunnableGenerator(_Node[Input, Output]):
    """A generator function over chunks as a step: it gets an iterator of input chunks and yields output chunks.

    ``transform`` may be a generator or an async generator function; ``atransform`` is the async form if there are
    two. The config is passed as for RunnableLambda. With only a sync form, async verbs run it in threads.
    ``resets=True`` says that it may yield a ``StreamReset``, after which it begins anew; then the steps after it do, too.
    """

    transform_func: Callable[..., Iterator[Any]] | None
    atransform_func: Callable[..., AsyncIterator[Any]] | None

    @overload
    def __init__(
        self: RunnableGenerator[In, Out],
        transform: Callable[[AsyncIterator[In]], AsyncIterator[Out]],
        atransform: None = None,
        *,
        name: str | None = None,
        resets: bool = False,
    ) -> None: ...

    @overload
    def __init__(
        self: RunnableGenerator[In, Out],
        transform: Callable[[Iterator[In]], Iterator[Out]],
        atransform: Callable[[AsyncIterator[In]], AsyncIterator[Out]] | None = None,
        *,
        name: str | None = None,
        resets: bool = False,
    ) -> None: ...

    def __init__(
        self,
        transform: Callable[..., Any],
        atransform: Callable[..., Any] | None = None,
        *,
        name: str | None = None,
        resets: bool = False,
    ) -> None:
        forms = _forms(transform, atransform, "RunnableGenerator takes a generator function")
        if any(form is not None and kind_of(form) == "async" for form in forms):
            raise TypeError("RunnableGenerator takes generator functions, got a coroutine function: make it yield")
        vars(self).update(
            transform_func=forms[0],
            atransform_func=forms[1],
            name=name or name_of(transform),
            _configs=tuple(None if form is None else config_parameter(form) for form in forms),
            _resets=resets,
        )

    _configs: tuple[str | None, str | None]

    def _opened(self, func: Callable[..., Any], chunks: Any, config: Config, kwargs: dict[str, Any]) -> Any:
        parameter = self._configs[func is self.atransform_func]
        if parameter is not None:
            kwargs = {**kwargs, parameter: hand_out(config)}
        return func(chunks, **kwargs)

    def _transform(self, chunks: Iterator[Any], config: Config, **kwargs: Any) -> Iterator[Any]:
        if self.transform_func is None:
            raise TypeError(_ASYNC_ONLY.format(self.get_name()))
        stream = self._opened(self.transform_func, chunks, config, kwargs)
        return iter(stream) if config is None else inside(stream, config)

    def _atransform(  # twin: a sync generator has threads
        self, chunks: AsyncIterator[Any], config: Config, **kwargs: Any
    ) -> AsyncGenerator[Any, None]:
        if self.atransform_func is not None:
            stream = self._opened(self.atransform_func, chunks, config, kwargs)
            return cast("AsyncGenerator[Any, None]", aiter(stream)) if config is None else ainside(stream, config)
        return atransform_in_thread(lambda upstream: self._transform(upstream, config, **kwargs), chunks)

    def _invoke(self, input: Any, config: Config, **kwargs: Any) -> Any:
        return self._sum(list(self._transform(once(input), config, **kwargs)))

    async def _ainvoke(self, input: Any, config: Config, **kwargs: Any) -> Any:
        return self._sum(await acollect(self._atransform(aonce(input), config, **kwargs)))

    @property
    def InputType(self) -> Any:
        return chunk_types(self.transform_func or self.atransform_func)[0]

    @property
    def OutputType(self) -> Any:
        return chunk_types(self.transform_func or self.atransform_func)[1]

    def __repr__(self) -> str:
        return f"RunnableGenerator({self.get_name()})"


# ------------------------------------------------------------------------------------------------------------- dicts


def _forked(input: Any) -> Any:
    """What each of several readers gets: a dict of its own, since one that is edited must not change under another."""
    if type(input) is dict:
        return cast("dict[str, Any]", input).copy()
    return copy(cast(Any, input)) if isinstance(input, dict) else input


class RunnableParallel(_Node[Input, dict[str, Any]]):
    """A dict of steps that get the same input together; gives a dict of what they give, in the order of the steps.

    Each branch gets its own shallow copy of a dict input. The first branch that fails ends the others. A stream
    yields ``{key: chunk}`` as the branches yield.
    """

    steps__: dict[str, Runnable[Any, Any]]

    def __init__(self, steps__: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        given = {**(steps__ or {}), **kwargs}
        bad = [key for key in given if type(key) is not str]
        if bad or not given:
            raise TypeError(f"a dict of steps needs text keys, at least one; got {bad or 'none'}")
        steps = {key: coerce_to_runnable(step) for key, step in given.items()}
        vars(self).update(
            steps__=steps,
            name=None,
            _inline=all(step._inline for step in steps.values()),
            _whole=all(step._gathers for step in steps.values()),
            _resets=any(step._resets for step in steps.values()),
            _light=tuple((key, step) for key, step in steps.items() if step._inline),
            _heavy=tuple((key, step) for key, step in steps.items() if not step._inline),
        )

    _whole: bool
    _light: tuple[tuple[str, Runnable[Any, Any]], ...]
    _heavy: tuple[tuple[str, Runnable[Any, Any]], ...]

    @property
    def steps(self) -> dict[str, Runnable[Any, Any]]:
        """The steps by their keys."""
        return dict(self.steps__)

    def get_name(self, suffix: str | None = None) -> str:
        """``RunnableParallel<its keys>``, unless a name was given."""
        name = f"{type(self).__name__}<{','.join(self.steps__)}>"
        return name + suffix[0].upper() + suffix[1:] if suffix else name

    def _invoke(self, input: Any, config: Config, **kwargs: Any) -> Any:
        outputs = dict.fromkeys(self.steps__)

        def call(_: int, branch: tuple[str, Runnable[Any, Any]]) -> Any:
            key, step = branch
            try:
                return step.invoke(_forked(input), at(config, "map:key:" + key), **kwargs)
            except BaseException as error:
                if blamable(error, config):
                    self._blame(error, key, input)
                raise

        for branch in self._light:
            outputs[branch[0]] = call(0, branch)
        if self._heavy:
            given = gather(call, self._heavy, len(self._heavy), permits_of(config))
            outputs.update(zip((key for key, _ in self._heavy), given, strict=True))
        return outputs

    async def _ainvoke(self, input: Any, config: Config, **kwargs: Any) -> Any:
        outputs = dict.fromkeys(self.steps__)

        async def call(_: int, branch: tuple[str, Runnable[Any, Any]]) -> Any:
            key, step = branch
            try:
                return await step.ainvoke(_forked(input), at(config, "map:key:" + key), **kwargs)
            except BaseException as error:
                if blamable(error, config):
                    self._blame(error, key, input)
                raise

        for branch in self._light:
            outputs[branch[0]] = await call(0, branch)
        if self._heavy:
            given = await agather(call, self._heavy, len(self._heavy), permits_of(config))
            outputs.update(zip((key for key, _ in self._heavy), given, strict=True))
        return outputs

    def _transform(self, chunks: Iterator[Any], config: Config, **kwargs: Any) -> Iterator[Any]:
        stream = self._merged(chunks, config, **kwargs)
        return replayed(stream, self.steps__, self._refuse_silent) if self._resets else stream

    def _atransform(self, chunks: AsyncIterator[Any], config: Config, **kwargs: Any) -> AsyncGenerator[Any, None]:
        stream = self._amerged(chunks, config, **kwargs)
        return areplayed(stream, self.steps__, self._refuse_silent) if self._resets else stream

    def _merged(self, chunks: Iterator[Any], config: Config, **kwargs: Any) -> Iterator[Any]:
        branches = tee(chunks, len(self.steps__), _forked, permits_of(config))
        streams = [
            (key, step.transform(branch, at(config, "map:key:" + key), **kwargs), branch)
            for (key, step), branch in zip(self.steps__.items(), branches, strict=True)
        ]
        silent, frames = set(self.steps__), frames_of(stream for _, stream, _ in streams)
        merged = fan_in(streams, permits_of(config))
        try:
            for key, chunk in merged:
                silent.discard(key)
                yield {key: chunk}
        except BaseException as error:
            if blamable(error, config):
                self._blame_stream(error, frames)
            raise
        finally:
            frames.clear()
            close_all([merged])
        self._refuse_silent(silent)

    async def _amerged(self, chunks: AsyncIterator[Any], config: Config, **kwargs: Any) -> AsyncGenerator[Any, None]:
        branches = atee(chunks, len(self.steps__), _forked, permits_of(config))
        streams = [
            (key, step.atransform(branch, at(config, "map:key:" + key), **kwargs), branch)
            for (key, step), branch in zip(self.steps__.items(), branches, strict=True)
        ]
        silent, frames = set(self.steps__), frames_of(stream for _, stream, _ in streams)
        merged = afan_in(streams, permits_of(config))
        try:
            async for key, chunk in merged:
                silent.discard(key)
                yield {key: chunk}
        except BaseException as error:
            if blamable(error, config):
                self._blame_stream(error, frames)
            raise
        finally:
            frames.clear()
            await aclose_all([merged])
        self._refuse_silent(silent)

    def _blame(self, error: BaseException, key: str, input: Any) -> None:
        place(error, branch_of(key, self.get_name()), input)

    def _blame_stream(self, error: BaseException, frames: list[Any]) -> None:
        found = culprit(error, frames)
        if found is not None:
            self._blame(error, list(self.steps__)[found], values_in(error, frames[found]).value)

    def _refuse_silent(self, silent: set[str]) -> None:
        if silent:
            raise EmptyStreamError(f"{self.get_name()}: the stream of {_listed(silent)} ended without a chunk")

    @property
    def _gathers(self) -> bool:
        return self._whole

    @property
    def _anatomy(self) -> Anatomy:
        return Anatomy("parallel", tuple(Part(key, step) for key, step in self.steps__.items()))

    def _output_keys(self, given: frozenset[str] | None) -> frozenset[str] | None:
        return frozenset(self.steps__)

    @property
    def _input_keys(self) -> frozenset[str] | None:
        needed = [step._input_keys for step in self.steps__.values()]
        return frozenset[str]().union(*(keys for keys in needed if keys)) or None

    def get_input_schema(self, config: RunnableConfig | None = None) -> type[BaseModel]:
        """The properties that the branches ask for, together; free where a branch takes anything but an object."""
        models = [step.get_input_schema(config) for step in self.steps__.values()]
        merged = schemas().merge_objects(self.get_name("Input"), models)
        return cast("type[BaseModel]", merged or schemas().value_model(self.get_name("Input"), Any))

    def get_output_schema(self, config: RunnableConfig | None = None) -> type[BaseModel]:
        """One property for each branch."""
        fields = {key: (step.get_output_schema(config), ...) for key, step in self.steps__.items()}
        return cast("type[BaseModel]", schemas().object_model(self.get_name("Output"), fields))

    @property
    def InputType(self) -> Any:
        types = [step.InputType for step in self.steps__.values()]
        return types[0] if all(kind == types[0] for kind in types) else Any

    @property
    def OutputType(self) -> Any:
        return dict[str, Any]

    @property
    def config_specs(self) -> list[Any]:
        return _specs(self.steps__.values())

    def __repr__(self) -> str:
        return "{" + ", ".join(f"{key!r}: {step!r}" for key, step in self.steps__.items()) + "}"


RunnableMap = RunnableParallel


class RunnablePassthrough(_Node[Other, Other]):
    """Gives its input unchanged, chunk by chunk; ``func`` (or ``afunc``) is called with the whole of it for its effect."""

    func: Callable[..., Any] | None
    afunc: Callable[..., Any] | None

    def __init__(
        self,
        func: Callable[..., Any] | None = None,
        afunc: Callable[..., Any] | None = None,
        *,
        input_type: type[Other] | None = None,
    ) -> None:
        effect = None if func is None and afunc is None else _effect(func, afunc)
        vars(self).update(func=func, afunc=afunc, name=None, _effect=effect, _type=input_type, _inline=effect is None)

    _effect: RunnableLambda[Any, Any] | None
    _type: Any

    @classmethod
    def assign(cls, **steps: Any) -> RunnableAssign:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        """A step that adds keys to a dict: each of ``steps`` gets the dict and gives one value."""
        return RunnableAssign(RunnableParallel(steps))

    @property
    def _identity(self) -> bool:
        return self._effect is None

    def _invoke(self, input: Any, config: Config, **kwargs: Any) -> Any:
        if self._effect is not None:
            self._effect.invoke(input, config, **kwargs)
        return input

    async def _ainvoke(self, input: Any, config: Config, **kwargs: Any) -> Any:
        if self._effect is not None:
            await self._effect.ainvoke(input, config, **kwargs)
        return input

    def _transform(self, chunks: Iterator[Any], config: Config, **kwargs: Any) -> Iterator[Any]:
        seen: list[Any] = []
        for chunk in chunks:
            if self._effect is not None:
                seen.append(chunk)
            yield chunk
        if self._effect is not None:
            self._effect.invoke(self._sum(seen), config, **kwargs)

    async def _atransform(self, chunks: AsyncIterator[Any], config: Config, **kwargs: Any) -> AsyncGenerator[Any, None]:
        seen: list[Any] = []
        async for chunk in chunks:
            if self._effect is not None:
                seen.append(chunk)
            yield chunk
        if self._effect is not None:
            await self._effect.ainvoke(self._sum(seen), config, **kwargs)

    def _output_keys(self, given: frozenset[str] | None) -> frozenset[str] | None:
        return given

    @property
    def InputType(self) -> Any:
        return self._type or Any

    @property
    def OutputType(self) -> Any:
        return self._type or Any


def _effect(func: Callable[..., Any] | None, afunc: Callable[..., Any] | None) -> RunnableLambda[Any, Any]:
    if func is None:
        return RunnableLambda(cast("Callable[..., Any]", afunc))
    return RunnableLambda(func, afunc)


def _dict_chunk(chunk: object, who: str) -> Mapping[str, Any]:
    if not isinstance(chunk, Mapping):
        raise TypeError(f"{who} needs a dict, got {_described(chunk)}")
    return cast("Mapping[str, Any]", chunk)


class _Whole:
    """Takes snapshots of a dict apart: of each that comes, a dict of what is new in it, each value a snapshot itself."""

    __slots__ = ("_last",)

    def __init__(self) -> None:
        self._last: Mapping[str, Any] = {}

    def pieces(self, chunk: Any) -> Any:
        """What of a chunk can be passed on key by key: all of it, unless it is a snapshot."""
        if type(chunk) is not DictSnapshot:
            return chunk
        last, self._last = self._last, cast("Mapping[str, Any]", chunk)
        growth = getattr(chunk, "growth", None)
        return {
            key: snapshot(value, growth)
            for key, value in self._last.items()
            if key not in last or last[key] is not value  # what was not touched since is the same object
        }


class RunnableAssign(_Node[dict[str, Any], dict[str, Any]]):
    """A dict, with what the steps of ``mapper`` give for it added under their keys.

    A stream passes the chunks of the input on as they come, without the keys that the mapper replaces, and the
    chunks of the mapper among them.
    """

    mapper: RunnableParallel[Any]

    def __init__(self, mapper: RunnableParallel[Any] | Mapping[str, Any], **kwargs: Any) -> None:
        if not isinstance(mapper, RunnableParallel):
            mapper = RunnableParallel(mapper, **kwargs)
        vars(self).update(mapper=mapper, name=None, _inline=mapper._inline, _resets=mapper._resets)

    def get_name(self, suffix: str | None = None) -> str:
        """``RunnableAssign<the keys it adds>``."""
        name = f"RunnableAssign<{','.join(self.mapper.steps__)}>"
        return name + suffix[0].upper() + suffix[1:] if suffix else name

    def _invoke(self, input: Any, config: Config, **kwargs: Any) -> Any:
        given = _dict_chunk(input, self.get_name())
        return {**given, **self.mapper.invoke(input, config, **kwargs)}

    async def _ainvoke(self, input: Any, config: Config, **kwargs: Any) -> Any:
        given = _dict_chunk(input, self.get_name())
        return {**given, **await self.mapper.ainvoke(input, config, **kwargs)}

    def _passed(self, chunks: Iterator[Any]) -> Iterator[Any]:
        whole = _Whole()
        for chunk in chunks:
            rest = {
                key: value
                for key, value in whole.pieces(_dict_chunk(chunk, self.get_name())).items()
                if key not in self.mapper.steps__
            }
            if rest:
                yield rest

    async def _apassed(self, chunks: AsyncIterator[Any]) -> AsyncGenerator[Any, None]:
        whole = _Whole()
        async for chunk in chunks:
            rest = {
                key: value
                for key, value in whole.pieces(_dict_chunk(chunk, self.get_name())).items()
                if key not in self.mapper.steps__
            }
            if rest:
                yield rest

    def _transform(self, chunks: Iterator[Any], config: Config, **kwargs: Any) -> Iterator[Any]:
        stream = self._merged(chunks, config, **kwargs)
        mapper = self.mapper
        return replayed(stream, mapper.steps__, mapper._refuse_silent) if self._resets else stream

    def _atransform(self, chunks: AsyncIterator[Any], config: Config, **kwargs: Any) -> AsyncGenerator[Any, None]:
        stream = self._amerged(chunks, config, **kwargs)
        mapper = self.mapper
        return areplayed(stream, mapper.steps__, mapper._refuse_silent) if self._resets else stream

    def _merged(self, chunks: Iterator[Any], config: Config, **kwargs: Any) -> Iterator[Any]:
        passed, mapped = tee(chunks, 2, _forked, permits_of(config))
        added = self.mapper.transform(mapped, config, **kwargs)
        merged = fan_in([(0, self._passed(passed), passed), (1, added, mapped)], permits_of(config))
        try:
            for _, chunk in merged:
                yield chunk
        finally:
            close_all([merged])

    async def _amerged(self, chunks: AsyncIterator[Any], config: Config, **kwargs: Any) -> AsyncGenerator[Any, None]:
        passed, mapped = atee(chunks, 2, _forked, permits_of(config))
        added = self.mapper.atransform(mapped, config, **kwargs)
        merged = afan_in([(0, self._apassed(passed), passed), (1, added, mapped)], permits_of(config))
        try:
            async for _, chunk in merged:
                yield chunk
        finally:
            await aclose_all([merged])

    @property
    def _anatomy(self) -> Anatomy:
        return Anatomy("assign", self.mapper._anatomy.parts)

    def _output_keys(self, given: frozenset[str] | None) -> frozenset[str] | None:
        return None if given is None else given | frozenset(self.mapper.steps__)

    @property
    def _input_keys(self) -> frozenset[str] | None:
        return self.mapper._input_keys

    def get_input_schema(self, config: RunnableConfig | None = None) -> type[BaseModel]:
        """A dict with at least what the steps ask for."""
        needed = self.mapper.get_input_schema(config)
        return cast("type[BaseModel]", schemas().extend_object(self.get_name("Input"), needed, {}))

    def get_output_schema(self, config: RunnableConfig | None = None) -> type[BaseModel]:
        """The input, and a property for each step."""
        fields = {key: (step.get_output_schema(config), ...) for key, step in self.mapper.steps__.items()}
        return cast(
            "type[BaseModel]", schemas().extend_object(self.get_name("Output"), self.get_input_schema(config), fields)
        )

    @property
    def InputType(self) -> Any:
        return dict[str, Any]

    @property
    def OutputType(self) -> Any:
        return dict[str, Any]

    @property
    def config_specs(self) -> list[Any]:
        return self.mapper.config_specs

    def __repr__(self) -> str:
        return f"RunnableAssign({self.mapper!r})"


class RunnablePick(_Node[Mapping[str, Any], Any]):
    """The value of one key of a dict, or a dict of those of several keys that are there; KeyError when none is.

    A stream yields what each chunk has of them.
    """

    keys: str | list[str]
    _inline = True

    def __init__(self, keys: str | list[str]) -> None:
        vars(self).update(keys=keys if isinstance(keys, str) else list(keys), name=None)

    def _picked(self, chunk: Any) -> tuple[Any, ...]:
        given = _dict_chunk(chunk, self.get_name())
        if isinstance(self.keys, str):
            return (given[self.keys],) if self.keys in given else ()
        found = {key: given[key] for key in self.keys if key in given}
        return (found,) if found else ()

    def _missing(self, seen: Iterable[str]) -> NoReturn:
        raise KeyError(f"pick({self.keys!r}): no such key, the dict has {_listed(map(str, seen))}")

    def _invoke(self, input: Any, config: Config, **kwargs: Any) -> Any:
        found = self._picked(input)
        return found[0] if found else self._missing(input)

    def _transform(self, chunks: Iterator[Any], config: Config, **kwargs: Any) -> Iterator[Any]:
        seen: dict[str, None] = {}
        found, whole = False, _Whole()
        for chunk in chunks:
            for part in self._picked(whole.pieces(chunk)):
                found = True
                yield part
            seen.update(dict.fromkeys(chunk))
        if not found:
            self._missing(seen)

    async def _atransform(self, chunks: AsyncIterator[Any], config: Config, **kwargs: Any) -> AsyncGenerator[Any, None]:
        seen: dict[str, None] = {}
        found, whole = False, _Whole()
        async for chunk in chunks:
            for part in self._picked(whole.pieces(chunk)):
                found = True
                yield part
            seen.update(dict.fromkeys(chunk))
        if not found:
            self._missing(seen)

    def _output_keys(self, given: frozenset[str] | None) -> frozenset[str] | None:
        return None if given is None or isinstance(self.keys, str) else given & frozenset(self.keys)

    @property
    def _input_keys(self) -> frozenset[str] | None:
        return frozenset({self.keys}) if isinstance(self.keys, str) else None

    @property
    def InputType(self) -> Any:
        return dict[str, Any]

    def __repr__(self) -> str:
        return f"RunnablePick({self.keys!r})"


# ------------------------------------------------------------------------------------------------- choosing and mapping


class RunnableBranch(_Node[Input, Output]):
    """The runnable of the first ``(condition, runnable)`` whose condition holds for the input, else the last argument.

    The conditions get the whole input, and the chosen runnable the chunks it came in. If every condition is
    ``chunkwise`` (a RunnableLambda made so), the first chunk decides, and the rest is passed on as it comes.
    """

    branches: tuple[tuple[Runnable[Any, Any], Runnable[Any, Any]], ...]
    default: Runnable[Any, Any]

    def __init__(self, *branches: Any) -> None:
        if len(branches) < 2:
            raise ValueError("a branch needs at least one (condition, runnable) and a default")
        for branch in branches[:-1]:
            if not isinstance(branch, tuple | list) or len(cast("Sequence[Any]", branch)) != 2:
                raise TypeError(
                    f"a branch takes (condition, runnable) pairs and then a default, got {_described(cast(object, branch))}"
                )
        pairs = tuple((coerce_to_runnable(condition), coerce_to_runnable(then)) for condition, then in branches[:-1])
        vars(self).update(
            branches=pairs,
            default=coerce_to_runnable(branches[-1]),
            name=None,
            _first_decides=all(isinstance(test, RunnableLambda) and test.chunkwise for test, _ in pairs),
        )
        vars(self).update(_resets=any(step._resets for step in self._inner()))

    _first_decides: bool

    def _chosen(self, input: Any, config: Config) -> tuple[str, Runnable[Any, Any]]:
        """Which one it is, as it is called in tags, and the runnable."""
        for number, (condition, runnable) in enumerate(self.branches, 1):
            if condition.invoke(_forked(input), at(config, f"branch:condition:{number}")):
                return f"branch:{number}", runnable
        return "branch:default", self.default

    async def _achosen(self, input: Any, config: Config) -> tuple[str, Runnable[Any, Any]]:
        """Which one it is, as it is called in tags, and the runnable."""
        for number, (condition, runnable) in enumerate(self.branches, 1):
            if await condition.ainvoke(_forked(input), at(config, f"branch:condition:{number}")):
                return f"branch:{number}", runnable
        return "branch:default", self.default

    def _invoke(self, input: Any, config: Config, **kwargs: Any) -> Any:
        name = "its condition"
        try:
            name, chosen = self._chosen(input, config)
            return chosen.invoke(input, at(config, name), **kwargs)
        except Exception as error:
            place(error, branch_of(name, self.get_name()), input)
            raise

    async def _ainvoke(self, input: Any, config: Config, **kwargs: Any) -> Any:
        name = "its condition"
        try:
            name, chosen = await self._achosen(input, config)
            return await chosen.ainvoke(input, at(config, name), **kwargs)
        except Exception as error:
            place(error, branch_of(name, self.get_name()), input)
            raise

    def _transform(self, chunks: Iterator[Any], config: Config, **kwargs: Any) -> Iterator[Any]:
        read: list[Any] = []
        for chunk in chunks:
            read.append(chunk)
            if self._first_decides:
                break
        name, chosen = self._chosen(self._sum(read), config)
        stream = chosen.transform(chained(read, chunks), at(config, name), **kwargs)
        try:
            for chunk in stream:
                yield chunk
        except Exception as error:
            place(error, branch_of(name, self.get_name()))
            raise
        finally:
            close_all([stream])

    async def _atransform(self, chunks: AsyncIterator[Any], config: Config, **kwargs: Any) -> AsyncGenerator[Any, None]:
        read: list[Any] = []
        async for chunk in chunks:
            read.append(chunk)
            if self._first_decides:
                break
        name, chosen = await self._achosen(self._sum(read), config)
        stream = chosen.atransform(achained(read, chunks), at(config, name), **kwargs)
        try:
            async for chunk in stream:
                yield chunk
        except Exception as error:
            place(error, branch_of(name, self.get_name()))
            raise
        finally:
            await aclose_all([stream])

    @property
    def _gathers(self) -> bool:
        return not self._first_decides

    @property
    def _anatomy(self) -> Anatomy:
        parts = (Part(condition.get_name(), runnable) for condition, runnable in self.branches)
        return Anatomy("choice", (*parts, Part("default", self.default)))

    def _inner(self) -> list[Runnable[Any, Any]]:
        return [*(runnable for _, runnable in self.branches), self.default]

    @property
    def InputType(self) -> Any:
        return next((kind for kind in (step.InputType for step in self._inner()) if kind is not Any), Any)

    @property
    def OutputType(self) -> Any:
        return _union_type([step.OutputType for step in self._inner()])

    @property
    def config_specs(self) -> list[Any]:
        return _specs([step for pair in self.branches for step in pair] + [self.default])

    def __repr__(self) -> str:
        pairs = ", ".join(f"({condition!r}, {runnable!r})" for condition, runnable in self.branches)
        return f"RunnableBranch({pairs}, {self.default!r})"


def _union_type(types: list[Any]) -> Any:
    if any(kind is Any for kind in types):
        return Any
    union = types[0]
    for kind in types[1:]:
        union = union | kind
    return union


class RouterRunnable(_Node[Mapping[str, Any], Output]):
    """Of several runnables the one named by ``input["key"]``, run on ``input["input"]``; KeyError names the others."""

    runnables: dict[str, Runnable[Any, Any]]

    def __init__(self, runnables: Mapping[str, Any]) -> None:
        steps = {key: coerce_to_runnable(step) for key, step in runnables.items()}
        vars(self).update(runnables=steps, name=None, _resets=any(step._resets for step in steps.values()))

    def _routed(self, input: Any) -> tuple[Runnable[Any, Any], Any]:
        given = _dict_chunk(input, self.get_name())
        if "key" not in given or "input" not in given:
            raise KeyError(f"a router needs a dict with 'key' and 'input', got {_listed(map(str, given))}")
        if given["key"] not in self.runnables:
            raise KeyError(f"no runnable for the key {given['key']!r}; there are {_listed(self.runnables)}")
        return self.runnables[given["key"]], given["input"]

    def _invoke(self, input: Any, config: Config, **kwargs: Any) -> Any:
        runnable, value = self._routed(input)
        return runnable.invoke(value, config, **kwargs)

    async def _ainvoke(self, input: Any, config: Config, **kwargs: Any) -> Any:
        runnable, value = self._routed(input)
        return await runnable.ainvoke(value, config, **kwargs)

    def _transform(self, chunks: Iterator[Any], config: Config, **kwargs: Any) -> Iterator[Any]:
        runnable, value = self._routed(self._sum(list(chunks)))
        stream = runnable.stream(value, config, **kwargs)
        try:
            for chunk in stream:
                yield chunk
        finally:
            close_all([stream])

    async def _atransform(self, chunks: AsyncIterator[Any], config: Config, **kwargs: Any) -> AsyncGenerator[Any, None]:
        runnable, value = self._routed(self._sum(await acollect(chunks)))
        stream = runnable.astream(value, config, **kwargs)
        try:
            async for chunk in stream:
                yield chunk
        finally:
            await aclose_all([stream])

    @property
    def _gathers(self) -> bool:
        return True

    @property
    def _anatomy(self) -> Anatomy:
        return Anatomy("choice", tuple(Part(key, step) for key, step in self.runnables.items()))

    @property
    def _input_keys(self) -> frozenset[str] | None:
        return frozenset({"key", "input"})

    @property
    def InputType(self) -> Any:
        return dict[str, Any]

    @property
    def OutputType(self) -> Any:
        return _union_type([step.OutputType for step in self.runnables.values()])

    @property
    def config_specs(self) -> list[Any]:
        return _specs(self.runnables.values())

    def __repr__(self) -> str:
        return f"RouterRunnable({self.runnables!r})"


class RunnableEach(_Node[list[In], list[Out]]):
    """A runnable for every item of a list, at once; gives the list of outputs in the order of the items.

    A stream yields ``[output]`` for one item after the other, each as soon as it and those before it are done.
    """

    bound: Runnable[In, Out]

    def __init__(self, bound: Runnable[In, Out]) -> None:
        bound = coerce_to_runnable(bound)
        vars(self).update(bound=bound, name=None, _inline=bound._inline)

    def get_name(self, suffix: str | None = None) -> str:
        """``RunnableEach<the name of what is run>``."""
        name = f"RunnableEach<{self.bound.get_name()}>"
        return name + suffix[0].upper() + suffix[1:] if suffix else name

    @property
    def _gathers(self) -> bool:
        return True

    @property
    def _anatomy(self) -> Anatomy:
        return Anatomy("map", (Part("each", self.bound),))

    def _items(self, input: Any) -> Iterable[Any]:
        if isinstance(input, str | bytes | Mapping) or not isinstance(input, Iterable):
            raise TypeError(f"{self.get_name()} needs a list of inputs, got {_described(cast(object, input))}")
        return cast("Iterable[Any]", input)

    def _invoke(self, input: Any, config: Config, **kwargs: Any) -> Any:
        return cast("list[Any]", self.bound.batch(self._items(input), config, **kwargs))

    async def _ainvoke(self, input: Any, config: Config, **kwargs: Any) -> Any:
        return cast("list[Any]", await self.bound.abatch(self._items(input), config, **kwargs))

    def _transform(self, chunks: Iterator[Any], config: Config, **kwargs: Any) -> Iterator[Any]:
        items = list(self._items(self._sum(list(chunks))))
        if not items or self.bound._vectorised:
            yield self._invoke(items, config, **kwargs)
            return
        outputs = self.bound.batch_iter(items, config, buffer=len(items), **kwargs)
        try:
            for output in outputs:
                yield [output]
        finally:
            close_all([outputs])

    async def _atransform(self, chunks: AsyncIterator[Any], config: Config, **kwargs: Any) -> AsyncGenerator[Any, None]:
        items = list(self._items(self._sum(await acollect(chunks))))
        if not items or self.bound._vectorised:
            yield await self._ainvoke(items, config, **kwargs)
            return
        outputs = self.bound.abatch_iter(items, config, buffer=len(items), **kwargs)
        try:
            async for output in outputs:
                yield [output]
        finally:
            await aclose_all([outputs])

    @property
    def InputType(self) -> Any:
        return list[self.bound.InputType]  # type: ignore[name-defined]  # known when it runs

    @property
    def OutputType(self) -> Any:
        return list[self.bound.OutputType]  # type: ignore[name-defined]  # known when it runs

    def get_input_schema(self, config: RunnableConfig | None = None) -> type[BaseModel]:
        """A list of what is run takes."""
        model = self.bound.get_input_schema(config)
        return cast("type[BaseModel]", schemas().value_model(self.get_name("Input"), list[model]))  # type: ignore[valid-type]

    def get_output_schema(self, config: RunnableConfig | None = None) -> type[BaseModel]:
        """A list of what is run gives."""
        model = self.bound.get_output_schema(config)
        return cast("type[BaseModel]", schemas().value_model(self.get_name("Output"), list[model]))  # type: ignore[valid-type]

    @property
    def config_specs(self) -> list[Any]:
        return self.bound.config_specs

    def __repr__(self) -> str:
        return f"RunnableEach({self.bound!r})"


# ------------------------------------------------------------------------------------------------------------ wrappers


class _Wrapper(_Node[Input, Output]):
    """A node around one other: with its types, keys and public methods.

    A method that gives a Runnable gives it wrapped like this one: see ``_rewrapped`` and ``_forwarded``.
    """

    bound: Runnable[Input, Output]
    _whole: bool  # what _gathers gives, found once, since parts may be shared and nested without end

    def _hold(self, bound: Runnable[Input, Output], **state: Any) -> None:
        inherited = {"_inline": bound._inline, "_strict_input": bound._strict_input, "_whole": bound._gathers}
        vars(self).update({"bound": bound, "_resets": bound._resets, **inherited, **state})

    if not TYPE_CHECKING:  # for type checkers a misspelt name is still an error

        def __getattr__(self, name: str) -> Any:
            return forwarded(self, name, self._forwarded)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *(name for name in dir(self.bound) if not name.startswith("_"))})

    def _forwarded(self, call: Callable[[Any], Any]) -> Any:
        """What a method of ``bound`` gives here; ``call`` calls it on whatever it is given, and can be pickled."""
        result: Any = call(self.bound)
        return self._rewrapped(cast("Runnable[Any, Any]", result)) if isinstance(result, Runnable) else result

    def _rewrapped(self, bound: Runnable[Any, Any]) -> Runnable[Any, Any]:
        """The same wrapper around another runnable, which a method of the one within has given."""
        return bound

    @property
    def _barrier(self) -> bool:
        return self.bound._barrier

    @property
    def _gathers(self) -> bool:
        return self._whole

    @property
    def _anatomy(self) -> Anatomy:
        return Anatomy("wrapper", (Part("", self.bound),))

    @property
    def _vectorised(self) -> bool:
        return self.bound._vectorised

    @property
    def _own_batch(self) -> bool:
        return self.bound._own_batch

    @property
    def _input_keys(self) -> frozenset[str] | None:
        return self.bound._input_keys

    def _output_keys(self, given: frozenset[str] | None) -> frozenset[str] | None:
        return self.bound._output_keys(given)

    def get_name(self, suffix: str | None = None) -> str:
        """The name of what is wrapped."""
        return self.bound.get_name(suffix)

    @property
    def InputType(self) -> Any:
        return self.bound.InputType

    @property
    def OutputType(self) -> Any:
        return self.bound.OutputType

    def get_input_schema(self, config: RunnableConfig | None = None) -> type[BaseModel]:
        return self.bound.get_input_schema(config)

    def get_output_schema(self, config: RunnableConfig | None = None) -> type[BaseModel]:
        return self.bound.get_output_schema(config)

    @property
    def config_specs(self) -> list[Any]:
        return self.bound.config_specs

    def configurable_fields(self, **fields: AnyConfigurableField) -> Runnable[Input, Output]:
        """Fields that this has itself, or else what it wraps."""
        from plait.runnables.remaking import settings_of  # only who configures needs it

        own = {name: field for name, field in fields.items() if name in settings_of(self)}
        rest = {name: field for name, field in fields.items() if name not in own}
        inner = self._forwarded(methodcaller("configurable_fields", **rest)) if rest else self
        return RunnableConfigurableFields(default=inner, fields=own) if own else inner


# ------------------------------------------------------------------------------------------------------------- binding

_defaulted: Final[Callable[..., Any]] = with_defaults  # its Scope is a RunnableConfig, which types cannot say


class RunnableBinding(_Wrapper[Input, Output]):
    """A runnable with keyword arguments, a config or types of its own; it has no run of its own.

    What a call says goes before what is bound here, and that before what is inherited. Tags and callbacks are joined.
    """

    kwargs: Mapping[str, Any]
    config: RunnableConfig

    def __init__(
        self,
        bound: Runnable[Input, Output],
        *,
        kwargs: Mapping[str, Any] | None = None,
        config: RunnableConfig | Mapping[str, Any] | None = None,
        input_type: Any = None,
        output_type: Any = None,
    ) -> None:
        enter({} if config is None else config)  # raises now what would be raised in every call
        bound, config, kwargs = coerce_to_runnable(bound), merge_configs(config), dict(kwargs or {})
        self._hold(bound, kwargs=kwargs, config=config, input_type=input_type, output_type=output_type)
        vars(self).update(_binds=(bound, config, kwargs))

    input_type: Any
    output_type: Any
    _binds: tuple[Runnable[Input, Output], RunnableConfig, Mapping[str, Any]]  # one look-up: __getattr__ slows each

    def _forwarded(self, call: Callable[[Any], Any]) -> Any:
        if type(self.bound) is not RunnableBinding:
            return super()._forwarded(call)
        return cast("RunnableBinding[Any, Any]", self.bound)._and(self)._forwarded(call)

    def _rewrapped(self, bound: Runnable[Any, Any]) -> Runnable[Any, Any]:
        """With what is bound here; but what the method has bound was said later, in a sequence by its first step."""
        kind: Any = type(bound)
        steps = cast("Any", bound).steps if kind is RunnableSequence else ()
        if steps and self.kwargs and type(steps[0]) is RunnableBinding:
            model = cast("RunnableBinding[Any, Any]", steps[0])
            first = RunnableBinding(model.bound, kwargs=self.kwargs)._and(model)
            said: dict[str, Any] = {**self._said(), "kwargs": {}}
            return RunnableBinding(RunnableSequence[Any, Any](first, *steps[1:], name=bound.name), **said)
        if type(bound) is not RunnableBinding:
            return RunnableBinding(bound, **self._said())
        later = cast("RunnableBinding[Any, Any]", bound)
        return RunnableBinding(later.bound, **self._said())._and(later)

    def _and(self, later: RunnableBinding[Any, Any]) -> RunnableBinding[Any, Any]:
        types = {"input_type": later.input_type, "output_type": later.output_type}
        return self.bind(**later.kwargs).with_config(later.config).with_types(**types)

    def _scope(self, config: Any) -> Any:
        return _defaulted(self.config, config) if self.config else config

    def _scopes(self, config: Any) -> Any:
        if config is None or isinstance(config, Mapping):
            return self._scope(config)
        return [self._scope(given) for given in config]

    def bind(self, **kwargs: Any) -> RunnableBinding[Input, Output]:
        return self._with(kwargs={**self.kwargs, **kwargs})

    def with_config(self, config: RunnableConfig | None = None, **kwargs: Any) -> RunnableBinding[Input, Output]:
        return self._with(config=merge_configs(self.config, config, kwargs))

    def with_listeners(
        self, *, on_start: Any = None, on_end: Any = None, on_error: Any = None, on_cancelled: Any = None
    ) -> RunnableBinding[Input, Output]:
        from plait.watching.listeners import RunFunctions  # only who listens needs it

        node: Any = self.bound
        while isinstance(node, RunnableBinding):
            node = cast("RunnableBinding[Any, Any]", node).bound
        if isinstance(node, _Configurable):  # the runs are those of what it chooses
            chosen = self.bound.with_listeners(
                on_start=on_start, on_end=on_end, on_error=on_error, on_cancelled=on_cancelled
            )
            return RunnableBinding(chosen, **self._said())
        return self.with_config(callbacks=[RunFunctions(node, on_start, on_end, on_error, on_cancelled)])

    def with_types(
        self, *, input_type: type[Any] | None = None, output_type: type[Any] | None = None
    ) -> RunnableBinding[Input, Output]:
        return self._with(input_type=input_type or self.input_type, output_type=output_type or self.output_type)

    def _with(self, **changes: Any) -> RunnableBinding[Input, Output]:
        return RunnableBinding(self.bound, **{**self._said(), **changes})

    def _said(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("kwargs", "config", "input_type", "output_type")}

    def invoke(self, input: Input, config: RunnableConfig | None = None, **kwargs: Any) -> Output:
        bound, said, given = self._binds
        return bound.invoke(input, _defaulted(said, config) if said else config, **{**given, **kwargs})

    async def ainvoke(self, input: Input, config: RunnableConfig | None = None, **kwargs: Any) -> Output:
        bound, said, given = self._binds
        return await bound.ainvoke(input, _defaulted(said, config) if said else config, **{**given, **kwargs})

    def stream(self, input: Input, config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[Output]:
        bound, said, given = self._binds
        return bound.stream(input, _defaulted(said, config) if said else config, **{**given, **kwargs})

    def astream(self, input: Input, config: RunnableConfig | None = None, **kwargs: Any) -> AsyncIterator[Output]:
        bound, said, given = self._binds
        return bound.astream(input, _defaulted(said, config) if said else config, **{**given, **kwargs})

    def transform(
        self, input: Iterator[Input], config: RunnableConfig | None = None, **kwargs: Any
    ) -> Iterator[Output]:
        bound, said, given = self._binds
        return bound.transform(input, _defaulted(said, config) if said else config, **{**given, **kwargs})

    def atransform(
        self, input: AsyncIterator[Input], config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[Output]:
        bound, said, given = self._binds
        return bound.atransform(input, _defaulted(said, config) if said else config, **{**given, **kwargs})

    def batch(self, inputs: Any, config: Any = None, *, return_exceptions: bool = False, **kwargs: Any) -> Any:
        given = {**self.kwargs, **kwargs}
        return self.bound.batch(inputs, self._scopes(config), return_exceptions=return_exceptions, **given)

    async def abatch(self, inputs: Any, config: Any = None, *, return_exceptions: bool = False, **kwargs: Any) -> Any:
        given = {**self.kwargs, **kwargs}
        return await self.bound.abatch(inputs, self._scopes(config), return_exceptions=return_exceptions, **given)

    def _lazily(self, inputs: Any, config: Any, kwargs: Any, *options: Any, lent: bool = False, **more: Any) -> Any:
        scopes, given = self._scopes(config), {**self.kwargs, **kwargs}
        lent = lent or has_own_permits(scopes, config)
        return self.bound._lazily(inputs, scopes, given, *options, lent=lent, **more)

    def _alazily(self, inputs: Any, config: Any, kwargs: Any, *options: Any, lent: bool = False, **more: Any) -> Any:
        scopes, given = self._scopes(config), {**self.kwargs, **kwargs}
        lent = lent or has_own_permits(scopes, config)
        return self.bound._alazily(inputs, scopes, given, *options, lent=lent, **more)

    def get_name(self, suffix: str | None = None) -> str:
        """The name in the config, or that of what is bound."""
        name = self.config.get("run_name")
        if not name:
            return self.bound.get_name(suffix)
        return name + suffix[0].upper() + suffix[1:] if suffix else name

    @property
    def InputType(self) -> Any:
        return self.input_type or self.bound.InputType

    @property
    def OutputType(self) -> Any:
        return self.output_type or self.bound.OutputType

    def get_input_schema(self, config: RunnableConfig | None = None) -> type[BaseModel]:
        if self.input_type is None:
            return self.bound.get_input_schema(self._scope(config))
        return super().get_input_schema(config)

    def get_output_schema(self, config: RunnableConfig | None = None) -> type[BaseModel]:
        if self.output_type is None:
            return self.bound.get_output_schema(self._scope(config))
        return super().get_output_schema(config)

    def __repr__(self) -> str:
        said = [f".bind({', '.join(sorted(self.kwargs))})"] if self.kwargs else []
        said += [f".with_config({', '.join(sorted(self.config))})"] if self.config else []
        said += [".with_types()"] if self.input_type or self.output_type else []
        return f"{self.bound!r}{''.join(said)}"


# ------------------------------------------------------------------------------------------------------- under failure


class _Repeating(_Wrapper[Input, Output]):
    """A wrapper that does what has failed again; a batch of what does many inputs at once in rounds."""

    def batch(self, inputs: Any, config: Any = None, *, return_exceptions: bool = False, **kwargs: Any) -> Any:
        if not self._vectorised:
            return super().batch(inputs, config, return_exceptions=return_exceptions, **kwargs)
        return in_rounds(self, Again(inputs, config), return_exceptions, kwargs)

    async def abatch(  # twin: async inputs are collected first
        self, inputs: Any, config: Any = None, *, return_exceptions: bool = False, **kwargs: Any
    ) -> Any:
        if not self._vectorised:
            return await super().abatch(inputs, config, return_exceptions=return_exceptions, **kwargs)
        return await ain_rounds(self, Again(await _listed_async(inputs), config), return_exceptions, kwargs)

    @property
    def _own_batch(self) -> bool:
        return False


class RunnableRetry(_Repeating[Input, Output]):
    """A runnable that is tried again when it fails; ``with_retry`` makes it, and says when and how often.

    It has a run of its own. Each attempt is one within it, from the second on tagged ``retry:attempt:2`` and so on.
    """

    policy: Policy
    mid_stream: MidStream
    _derived = ("_plain", "_aplain")

    def __init__(
        self,
        bound: Runnable[Input, Output],
        *,
        retry_if_exception_type: Any = None,
        wait_exponential_jitter: bool = True,
        exponential_jitter_params: Mapping[str, float] | None = None,
        stop_after_attempt: int = 3,
        mid_stream: MidStream = "raise",
    ) -> None:
        policy = policy_of(
            retry_if_exception_type, wait_exponential_jitter, exponential_jitter_params, stop_after_attempt
        )
        self._hold_with(coerce_to_runnable(bound), policy, mid_stream_of(mid_stream))

    def _hold_with(self, bound: Runnable[Any, Any], policy: Policy, mid_stream: MidStream) -> None:
        self._hold(bound, policy=policy, mid_stream=mid_stream, name=None)
        vars(self).update(_inline=False, _resets=bound._resets or mid_stream == "restart")  # it may wait

    @property
    def stop_after_attempt(self) -> int:
        """How often it is tried at most."""
        return self.policy.attempts

    @property
    def retry_if_exception_type(self) -> Any:
        """What is tried again; None is the default."""
        return self.policy.kinds

    @property
    def wait_exponential_jitter(self) -> bool:
        """Whether there is a wait before another attempt."""
        return self.policy.backs_off

    @property
    def exponential_jitter_params(self) -> Mapping[str, float]:
        """How long that wait is."""
        return self.policy.schedule._asdict()

    def _rewrapped(self, bound: Runnable[Any, Any]) -> Runnable[Any, Any]:
        other = copy(self)
        other._hold_with(bound, self.policy, self.mid_stream)
        return other

    def _wait(self, error: Exception, attempt: int, config: Config, *input: Any) -> float | None:
        """The seconds until the next attempt; None if there is none, which is noted on the error."""
        from random import random  # only who fails needs it

        if is_cancelled():
            return None

        now = clock.get().time()
        chance = random()  # noqa: S311 - it keeps no secret
        verdict = self.policy.judge(error, attempt, chance=chance, now=now, left=left(config))
        if verdict.wait is None:
            self._blame(error, attempt, verdict.why, *input)
        return verdict.wait

    def _wait_in_stream(self, error: Exception, attempt: int, config: Config, tape: Tape) -> float | None:
        if tape.broken:
            return None  # what the input itself has raised is not ours
        if tape.begun and self.mid_stream == "raise":
            self._blame(error, attempt, "it had begun to stream")
            return None
        return self._wait(error, attempt, config)

    def _blame(self, error: Exception, attempt: int, why: str, *input: Any) -> None:
        place(error, attempt_of(attempt, self.policy.attempts, self.get_name(), why), *input)

    @cached_property
    def _plain(self) -> Callable[[Any], Any]:
        return self.bound._calls()

    @cached_property
    def _aplain(self) -> Callable[[Any], Awaitable[Any]]:
        return self.bound._acalls()

    def _invoke(self, input: Any, config: Config, **kwargs: Any) -> Any:
        attempt = 1
        while True:
            given = _forked(input)
            try:
                if config is None and not kwargs:
                    return self._plain(given)
                return self.bound.invoke(given, at_attempt(config, attempt), **kwargs)
            except Exception as error:
                wait = self._wait(error, attempt, config, input)
                if wait is None:
                    raise
            sleep(wait)
            attempt += 1

    async def _ainvoke(self, input: Any, config: Config, **kwargs: Any) -> Any:
        attempt = 1
        while True:
            given = _forked(input)
            try:
                if config is None and not kwargs:
                    return await self._aplain(given)
                return await self.bound.ainvoke(given, at_attempt(config, attempt), **kwargs)
            except Exception as error:
                wait = self._wait(error, attempt, config, input)
                if wait is None:
                    raise
            await asleep(wait)
            attempt += 1

    def _transform(self, chunks: Iterator[Any], config: Config, **kwargs: Any) -> Iterator[Any]:
        tape, attempt = Tape(chunks, _forked, restarts=self.mid_stream == "restart"), 1
        while True:
            opened: list[Any] = [tape.rewound()]
            try:
                opened.append(self.bound.transform(opened[0], at_attempt(config, attempt), **kwargs))
                for chunk in opened[1]:
                    if not tape.begun:
                        tape.commit()
                    yield chunk
                return
            except Exception as error:
                wait, reset = self._wait_in_stream(error, attempt, config, tape), StreamReset(type(error).__name__)
                if wait is None:
                    raise
            finally:
                close_all(reversed(opened))
            if tape.begun:
                yield reset
            sleep(wait)
            attempt += 1

    async def _atransform(self, chunks: AsyncIterator[Any], config: Config, **kwargs: Any) -> AsyncGenerator[Any, None]:
        tape, attempt = Tape(chunks, _forked, restarts=self.mid_stream == "restart"), 1
        while True:
            opened: list[Any] = [tape.arewound()]
            try:
                opened.append(self.bound.atransform(opened[0], at_attempt(config, attempt), **kwargs))
                async for chunk in opened[1]:
                    if not tape.begun:
                        tape.commit()
                    yield chunk
                return
            except Exception as error:
                wait, reset = self._wait_in_stream(error, attempt, config, tape), StreamReset(type(error).__name__)
                if wait is None:
                    raise
            finally:
                await aclose_all(reversed(opened))
            if tape.begun:
                yield reset
            await asleep(wait)
            attempt += 1

    def _rounds(self, rows: Again, return_exceptions: bool, kwargs: dict[str, Any]) -> list[Any]:
        """All inputs at once, and then those again that failed."""
        attempt = 1
        while rows.live:
            configs = rows.of_round(attempt_tag(attempt), one=self.bound._own_batch)
            inputs = [_forked(input) for input in rows.inputs()]
            outputs = batched(self.bound, inputs, configs, kwargs)
            sleep(self._wait_of_round(rows, outputs, attempt, return_exceptions))
            attempt += 1
        return rows.results

    async def _arounds(self, rows: Again, return_exceptions: bool, kwargs: dict[str, Any]) -> list[Any]:
        """All inputs at once, and then those again that failed."""
        attempt = 1
        while rows.live:
            configs = rows.of_round(attempt_tag(attempt), one=self.bound._own_batch)
            inputs = [_forked(input) for input in rows.inputs()]
            outputs = await abatched(self.bound, inputs, configs, kwargs)
            await asleep(self._wait_of_round(rows, outputs, attempt, return_exceptions))
            attempt += 1
        return rows.results

    def _wait_of_round(self, rows: Again, outputs: Sequence[Any], attempt: int, return_exceptions: bool) -> float:
        """The seconds until those that failed go on; raises what one has failed with for good, unless it is a result."""
        waits = [0.0]

        def goes_on(index: int, error: Exception) -> bool:
            wait = self._wait(error, attempt, rows.scope(index), rows.values[index])
            waits.append(wait or 0.0)
            if wait is None and not return_exceptions:
                raise error
            return wait is not None

        rows.note(outputs, goes_on)
        return max(waits)

    def __repr__(self) -> str:
        return f"{self.bound!r}.with_retry({self.policy.attempts})"


class RunnableWithFallbacks(_Repeating[Input, Output]):
    """A runnable, and others that take its place, one after the other, when it fails; ``with_fallbacks`` makes it.

    Each that is tried is a run within its own, the others tagged ``fallback:1`` and so on. If all fail, the exception
    of the first is raised, with a note of how the others failed.
    """

    fallbacks: tuple[Runnable[Any, Any], ...]
    exceptions_to_handle: tuple[type[Exception], ...]
    exception_key: str | None
    mid_stream: MidStream

    def __init__(
        self,
        runnable: Runnable[Input, Output],
        fallbacks: Sequence[Any],
        *,
        exceptions_to_handle: Any = (Exception,),
        exception_key: str | None = None,
        mid_stream: MidStream = "raise",
    ) -> None:
        handled = exceptions_of(exceptions_to_handle, "exceptions_to_handle")
        all_of_them = (coerce_to_runnable(runnable), *_fallbacks(fallbacks))
        _refuse_key(exception_key, all_of_them)
        self._hold_all(all_of_them, handled, exception_key, mid_stream_of(mid_stream))

    def _hold_all(self, nodes: Sequence[Runnable[Any, Any]], handled: Any, key: str | None, mid_stream: Any) -> None:
        state = {"exceptions_to_handle": handled, "exception_key": key, "mid_stream": mid_stream, "name": None}
        self._hold(nodes[0], fallbacks=tuple(nodes[1:]), **state)
        vars(self).update(
            _inline=False,  # whatever fails may have waited
            _resets=mid_stream == "restart" or any(node._resets for node in nodes),
            _strict_input=all(node._strict_input for node in nodes),
            _in_one=all(node._barrier for node in nodes),
            _for_many=any(node._vectorised for node in nodes),
        )

    _in_one: bool
    _for_many: bool

    def _forwarded(self, call: Callable[[Any], Any]) -> Any:
        result: Any = call(self.bound)
        if not isinstance(result, Runnable):
            return result
        other, rest = copy(self), [call(node) for node in self.fallbacks]
        nodes = (cast("Runnable[Any, Any]", result), *_fallbacks(rest))
        other._hold_all(nodes, self.exceptions_to_handle, self.exception_key, self.mid_stream)
        return other

    @property
    def runnable(self) -> Runnable[Input, Output]:
        """The one that is tried first."""
        return self.bound

    @property
    def runnables(self) -> tuple[Runnable[Any, Any], ...]:
        """All of them, in the order in which they are tried."""
        return (self.bound, *self.fallbacks)

    def get_name(self, suffix: str | None = None) -> str:
        """``RunnableWithFallbacks``."""
        return Described.get_name(self, suffix)

    def _given(self, input: Any, errors: list[Exception]) -> Any:
        """What the next one gets: the input, and under ``exception_key`` what the one before it has failed with."""
        if self.exception_key is None:
            return _forked(input)
        given = dict(_dict_chunk(input, f"{self.get_name()} with exception_key={self.exception_key!r}"))
        return {**given, self.exception_key: errors[-1]} if errors else given

    def _fork(self, chunk: Any) -> Any:
        return chunk if isinstance(chunk, StreamReset) else self._given(chunk, [])

    def _keyed(self, chunks: Iterator[Any], errors: list[Exception]) -> Iterator[Any]:
        return with_key(chunks, self.exception_key, errors[-1]) if self.exception_key and errors else chunks

    def _akeyed(self, chunks: AsyncIterator[Any], errors: list[Exception]) -> AsyncIterator[Any]:
        return awith_key(chunks, self.exception_key, errors[-1]) if self.exception_key and errors else chunks

    def _goes_on(self, error: Exception, errors: list[Exception], *input: Any) -> bool:
        """Whether the next one is tried; otherwise the error is raised, with a note of which one it came from."""
        if is_cancelled():
            return False
        if self._handles(error):
            errors.append(error)
            check_stopped()  # or the next one would run for nobody
            return True
        self._blame(error, errors, f"{type(error).__name__} is not handled", *input)
        return False

    def _handles(self, error: Exception) -> bool:
        """A mistake in the config would be made again, so that it has to be asked for by its name."""
        misused = isinstance(error, ConfigError | ChainError)
        return isinstance(
            error, tuple(kind for kind in self.exceptions_to_handle if not misused or kind is not Exception)
        )

    def _goes_on_in_stream(self, error: Exception, errors: list[Exception], tape: Tape) -> bool:
        if tape.broken:
            return False  # what the input itself has raised is not ours
        if tape.begun and self.mid_stream == "raise":
            self._blame(error, errors, "it had begun to stream")
            return False
        return self._goes_on(error, errors)

    def _blame(self, error: Exception, errors: list[Exception], why: str, *input: Any) -> None:
        place(error, alternative_of(len(errors) + 1, len(self.fallbacks) + 1, self.get_name(), why), *input)

    def _invoke(self, input: Any, config: Config, **kwargs: Any) -> Any:
        errors: list[Exception] = []
        try:
            for node in self.runnables:
                given = self._given(input, errors)
                try:
                    return node.invoke(given, at_fallback(config, errors), **kwargs)
                except Exception as error:
                    if not self._goes_on(error, errors, input):
                        raise
            raise all_failed(errors, self.get_name(), input)
        finally:
            del errors[:]  # their tracebacks hold this frame

    async def _ainvoke(self, input: Any, config: Config, **kwargs: Any) -> Any:
        errors: list[Exception] = []
        try:
            for node in self.runnables:
                given = self._given(input, errors)
                try:
                    return await node.ainvoke(given, at_fallback(config, errors), **kwargs)
                except Exception as error:
                    if not self._goes_on(error, errors, input):
                        raise
            raise all_failed(errors, self.get_name(), input)
        finally:
            del errors[:]  # their tracebacks hold this frame

    def _transform(self, chunks: Iterator[Any], config: Config, **kwargs: Any) -> Iterator[Any]:
        errors: list[Exception] = []
        tape = Tape(chunks, self._fork, restarts=self.mid_stream == "restart")
        try:
            for node in self.runnables:
                if tape.begun:
                    yield StreamReset(type(errors[-1]).__name__)
                opened: list[Any] = [self._keyed(tape.rewound(), errors)]
                try:
                    opened.append(node.transform(opened[0], at_fallback(config, errors), **kwargs))
                    for chunk in opened[1]:
                        if not tape.begun:
                            tape.commit()
                        yield chunk
                    return
                except Exception as error:
                    if not self._goes_on_in_stream(error, errors, tape):
                        raise
                finally:
                    close_all(reversed(opened))
            raise all_failed(errors, self.get_name(), NOTHING)
        finally:
            del errors[:]  # their tracebacks hold this frame

    async def _atransform(self, chunks: AsyncIterator[Any], config: Config, **kwargs: Any) -> AsyncGenerator[Any, None]:
        errors: list[Exception] = []
        tape = Tape(chunks, self._fork, restarts=self.mid_stream == "restart")
        try:
            for node in self.runnables:
                if tape.begun:
                    yield StreamReset(type(errors[-1]).__name__)
                opened: list[Any] = [self._akeyed(tape.arewound(), errors)]
                try:
                    opened.append(node.atransform(opened[0], at_fallback(config, errors), **kwargs))
                    async for chunk in opened[1]:
                        if not tape.begun:
                            tape.commit()
                        yield chunk
                    return
                except Exception as error:
                    if not self._goes_on_in_stream(error, errors, tape):
                        raise
                finally:
                    await aclose_all(reversed(opened))
            raise all_failed(errors, self.get_name(), NOTHING)
        finally:
            del errors[:]  # their tracebacks hold this frame

    def _rounds(self, rows: Again, return_exceptions: bool, kwargs: dict[str, Any]) -> list[Any]:
        """All inputs to the first, and to each that follows those that failed."""
        for number, node in enumerate(self.runnables):
            inputs = rows.handed(self._given, return_exceptions)
            if inputs:
                configs = rows.of_round(fallback_tag(number), one=node._own_batch)
                outputs = batched(node, inputs, configs, kwargs)
                rows.note(outputs, partial(self._is_left, rows, return_exceptions))
        return rows.results

    async def _arounds(self, rows: Again, return_exceptions: bool, kwargs: dict[str, Any]) -> list[Any]:
        """All inputs to the first, and to each that follows those that failed."""
        for number, node in enumerate(self.runnables):
            inputs = rows.handed(self._given, return_exceptions)
            if inputs:
                configs = rows.of_round(fallback_tag(number), one=node._own_batch)
                outputs = await abatched(node, inputs, configs, kwargs)
                rows.note(outputs, partial(self._is_left, rows, return_exceptions))
        return rows.results

    def _is_left(self, rows: Again, return_exceptions: bool, index: int, error: Exception) -> bool:
        """Whether the input goes on to the next one; raises what it has failed with for good, unless that is a result."""
        errors = rows.failures.setdefault(index, [])
        goes_on = self._goes_on(error, errors, rows.values[index])
        if goes_on and len(errors) <= len(self.fallbacks):
            return True
        rows.results[index] = all_failed(errors, self.get_name(), rows.values[index]) if goes_on else error
        if not return_exceptions:
            raise cast(Exception, rows.results[index])
        return False

    @property
    def _barrier(self) -> bool:
        return self._in_one

    @property
    def _vectorised(self) -> bool:
        return self._for_many

    @property
    def _anatomy(self) -> Anatomy:
        others = (Part(f"fallback {number}", node) for number, node in enumerate(self.fallbacks, 1))
        return Anatomy("fallback", (Part("first", self.bound), *others))

    @property
    def _input_keys(self) -> frozenset[str] | None:
        return in_all([node._input_keys for node in self.runnables])  # what one of them needs another may do without

    def _output_keys(self, given: frozenset[str] | None) -> frozenset[str] | None:
        return in_all([node._output_keys(given) for node in self.runnables])

    @property
    def OutputType(self) -> Any:
        return _union_type([node.OutputType for node in self.runnables])

    def get_output_schema(self, config: RunnableConfig | None = None) -> type[BaseModel]:
        return Described.get_output_schema(self, config)

    @property
    def config_specs(self) -> list[Any]:
        return _specs(self.runnables)

    def __repr__(self) -> str:
        return f"{self.bound!r}.with_fallbacks({list(self.fallbacks)!r})"


def _fallbacks(given: Any) -> list[Runnable[Any, Any]]:
    if not isinstance(given, list | tuple):
        raise ConfigError(f"fallbacks must be a list of runnables, got {_described(given)}")
    nodes = [coerce_to_runnable(node) for node in cast("Sequence[Any]", given)]
    if not nodes:
        raise ConfigError("fallbacks must be a list of at least one runnable, got an empty one")
    return nodes


def _refuse_key(key: Any, nodes: Iterable[Runnable[Any, Any]]) -> None:
    """Raise if the exception of one cannot be given to the next under this key."""
    if key is None:
        return
    if not isinstance(key, str) or not key:
        raise ConfigError(f"exception_key must be the name of a key, got {_described(key) if key != '' else repr(key)}")
    from plait.fit import mismatch  # only who wants a key needs it

    for node in nodes:
        reason = mismatch(dict[str, Any], node.InputType) if node._strict_input else None
        if reason is not None:
            raise ChainError(f"exception_key={key!r} needs inputs that are dicts, for {node.get_name()} too: {reason}")


# -------------------------------------------------------------------------------------------------------- configurable


class _Configurable(_Wrapper[Input, Output]):
    """A wrapper that learns from the config of each call what to run: ``bound``, if that says nothing of it."""

    _then: tuple[Callable[[Any], Any], ...]  # methods that were called on this, to be called on whatever is run
    _kept: Kept  # its copies are empty

    def _chosen(self, scope: Scope) -> tuple[Runnable[Any, Any], Scope]:
        """What to run with a config that has values, and the scope for it."""
        raise NotImplementedError

    def _ready(self, config: Any) -> tuple[Runnable[Any, Any], Any]:
        scope = current.get() if config is None else enter(config)
        return (self.bound, scope) if scope is None or not scope["configurable"] else self._chosen(scope)

    def _finished(self, node: Any) -> Any:
        for call in self._then:
            node = call(node)
        return node

    def _forwarded(self, call: Callable[[Any], Any]) -> Any:
        result: Any = call(self._ready(None)[0])
        return self._followed_by(call) if isinstance(result, Runnable) else result

    def _followed_by(self, call: Callable[[Any], Any]) -> Any:
        """The same, with a method called on whatever is chosen."""
        made = copy(self)
        made._hold(call(self.bound), _then=(*self._then, call), _kept=copy(self._kept))
        vars(made).update({"_resets": self._resets or made._resets})
        vars(made).update(made._together())
        return made

    def _together(self) -> dict[str, Any]:
        """What holds whichever is chosen, where that is not what holds of ``bound``."""
        return {}

    def with_listeners(
        self, *, on_start: Any = None, on_end: Any = None, on_error: Any = None, on_cancelled: Any = None
    ) -> RunnableBinding[Input, Output]:
        functions = {"on_start": on_start, "on_end": on_end, "on_error": on_error, "on_cancelled": on_cancelled}
        return RunnableBinding(self._followed_by(methodcaller("with_listeners", **functions)))

    def _calls(self) -> Callable[[Any], Any]:
        return self.bound._calls()

    def _acalls(self) -> Callable[[Any], Awaitable[Any]]:
        return self.bound._acalls()

    def invoke(self, input: Input, config: RunnableConfig | None = None, **kwargs: Any) -> Output:
        node, scope = self._ready(config)
        return cast(Output, node.invoke(input, scope, **kwargs))

    async def ainvoke(self, input: Input, config: RunnableConfig | None = None, **kwargs: Any) -> Output:
        node, scope = self._ready(config)
        return cast(Output, await node.ainvoke(input, scope, **kwargs))

    def stream(self, input: Input, config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[Output]:
        node, scope = self._ready(config)
        return node.stream(input, scope, **kwargs)

    def astream(self, input: Input, config: RunnableConfig | None = None, **kwargs: Any) -> AsyncIterator[Output]:
        node, scope = self._ready(config)
        return node.astream(input, scope, **kwargs)

    def transform(
        self, input: Iterator[Input], config: RunnableConfig | None = None, **kwargs: Any
    ) -> Iterator[Output]:
        node, scope = self._ready(config)
        return node.transform(input, scope, **kwargs)

    def atransform(
        self, input: AsyncIterator[Input], config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[Output]:
        node, scope = self._ready(config)
        return node.atransform(input, scope, **kwargs)

    def batch(self, inputs: Any, config: Any = None, *, return_exceptions: bool = False, **kwargs: Any) -> Any:
        if config is None or isinstance(config, Mapping):
            node, scope = self._ready(config)
            return node.batch(inputs, scope, return_exceptions=return_exceptions, **kwargs)
        if not self._vectorised:
            return super().batch(inputs, config, return_exceptions=return_exceptions, **kwargs)
        rows = Rows(inputs, config)
        for node, places, configs in rows.shared(self._ready, return_exceptions):
            values = [rows.values[place] for place in places]
            rows.settle(places, node.batch(values, configs, return_exceptions=return_exceptions, **kwargs))
        return rows.outputs()

    async def abatch(  # twin: async inputs are collected first
        self, inputs: Any, config: Any = None, *, return_exceptions: bool = False, **kwargs: Any
    ) -> Any:
        if config is None or isinstance(config, Mapping):
            node, scope = self._ready(config)
            return await node.abatch(inputs, scope, return_exceptions=return_exceptions, **kwargs)
        if not self._vectorised:
            return await super().abatch(inputs, config, return_exceptions=return_exceptions, **kwargs)
        rows = Rows(await _listed_async(inputs), config)
        for node, places, configs in rows.shared(self._ready, return_exceptions):
            values = [rows.values[place] for place in places]
            rows.settle(places, await node.abatch(values, configs, return_exceptions=return_exceptions, **kwargs))
        return rows.outputs()

    def _lazily(self, inputs: Any, config: Any, kwargs: Any, *options: Any, lent: bool = False, **more: Any) -> Any:
        if config is not None and not isinstance(config, Mapping):
            return super()._lazily(inputs, config, kwargs, *options, lent=lent, **more)
        node, scope = self._ready(config)
        return node._lazily(inputs, scope, kwargs, *options, lent=lent or has_own_permits(scope, config), **more)

    def _alazily(self, inputs: Any, config: Any, kwargs: Any, *options: Any, lent: bool = False, **more: Any) -> Any:
        if config is not None and not isinstance(config, Mapping):
            return super()._alazily(inputs, config, kwargs, *options, lent=lent, **more)
        node, scope = self._ready(config)
        return node._alazily(inputs, scope, kwargs, *options, lent=lent or has_own_permits(scope, config), **more)

    def get_input_schema(self, config: RunnableConfig | None = None) -> type[BaseModel]:
        """Of what runs with this config."""
        node, scope = self._ready(config)
        return node.get_input_schema(scope)

    def get_output_schema(self, config: RunnableConfig | None = None) -> type[BaseModel]:
        """Of what runs with this config."""
        node, scope = self._ready(config)
        return node.get_output_schema(scope)

    @property
    def _input_keys(self) -> frozenset[str] | None:
        return None  # of this one there may be others in another call

    def _output_keys(self, given: frozenset[str] | None) -> frozenset[str] | None:
        return None


class RunnableConfigurableFields(_Configurable[Input, Output]):
    """A runnable with fields that a call may set; it has no run of its own.

    With other values it is made anew, as its constructor makes it, and kept for the next call with the same ones.
    """

    default: Runnable[Input, Output]
    fields: Mapping[str, AnyConfigurableField]
    _base: Runnable[Input, Output]  # the default with the default options

    def __init__(self, *, default: Runnable[Input, Output], fields: Mapping[str, AnyConfigurableField]) -> None:
        from plait.runnables.remaking import known_as, remade, settings_of  # only who configures needs it

        owner = type(default).__name__
        named = {known_as(default, name): field for name, field in fields.items()}
        check_fields(owner, settings_of(default), named)
        options = {name: given[0] for name, field in named.items() if (given := default_of(field, f"{owner}.{name}"))}
        base = remade(default, options, {name: named[name].id for name in options}) if options else default
        self._hold(base, default=default, fields=named, _base=base, _then=(), _kept=Kept())
        if isinstance(default, _Node):  # what is in it may be set, and whether it begins its stream anew
            vars(self).update(_resets=True)

    def _chosen(self, scope: Scope) -> tuple[Runnable[Any, Any], Scope]:
        values = scope["configurable"]
        given = {name: values[field.id] for name, field in self.fields.items() if field.id in values}
        return (self._kept.get(given, self._made) if given else self.bound), scope

    def _made(self, given: dict[str, Any]) -> Runnable[Any, Any]:
        from plait.runnables.remaking import remade

        owner = type(self.default).__name__
        changes = {name: value_of(self.fields[name], value, f"{owner}.{name}") for name, value in given.items()}
        made = remade(self._base, changes, {name: self.fields[name].id for name in given})
        return cast("Runnable[Any, Any]", self._finished(made))

    def configurable_fields(self, **fields: AnyConfigurableField) -> Runnable[Input, Output]:
        """These fields as well."""
        if self._then or isinstance(self.default, _Wrapper):
            return cast("Runnable[Any, Any]", self._forwarded(methodcaller("configurable_fields", **fields)))
        return RunnableConfigurableFields(default=self.default, fields={**self.fields, **fields})

    @property
    def config_specs(self) -> list[Any]:
        from plait.runnables.remaking import settings_of

        settings, owner = settings_of(self.default), self.get_name()
        own = [field_spec(field, *settings[name]) for name, field in self.fields.items()]
        return unique_specs((owner, spec) for spec in [*own, *self.bound.config_specs])

    def __repr__(self) -> str:
        return f"{self.bound!r}.configurable_fields({', '.join(self.fields)})"


class RunnableConfigurableAlternatives(_Configurable[Input, Output]):
    """Several runnables of which a call names the one to run; it has no run of its own."""

    which: ConfigurableField
    default: Runnable[Input, Output]
    alternatives: Mapping[str, Any]
    default_key: str
    prefix_keys: bool

    def __init__(
        self,
        *,
        which: ConfigurableField,
        default: Runnable[Input, Output],
        alternatives: Mapping[str, Any],
        default_key: str = "default",
        prefix_keys: bool = False,
    ) -> None:
        check_alternatives(which, default_key, alternatives)
        default, given = coerce_to_runnable(default), {key: _alternative(it) for key, it in alternatives.items()}
        self._hold(default, default=default, which=which, alternatives=given, default_key=default_key)
        vars(self).update(prefix_keys=prefix_keys, _then=(), _kept=Kept(len(given)))
        vars(self).update(self._together())

    def _together(self) -> dict[str, Any]:
        """What holds whichever is chosen; of one that has yet to be made nothing is known."""
        known, late = self._known(), len(self._known()) <= len(self.alternatives)
        return {
            "_inline": not late and all(node._inline for node in known),
            "_strict_input": not late and all(node._strict_input for node in known),
            "_whole": not late and all(node._gathers for node in known),
            "_resets": late or self._resets or any(node._resets for node in known),
        }

    def _known(self) -> list[Runnable[Any, Any]]:
        if self._then:
            return [self.bound]
        return [self.bound, *(node for node in self.alternatives.values() if isinstance(node, Runnable))]

    def _chosen(self, scope: Scope) -> tuple[Runnable[Any, Any], Scope]:
        values = scope["configurable"]
        key = values.get(self.which.id, self.default_key)
        node = self._alternative(key)
        own = narrowed(values, self.which, key, (self.default_key, *self.alternatives)) if self.prefix_keys else None
        return node, with_defaults({"configurable": own}, scope) if own else scope

    def _alternative(self, key: Any) -> Runnable[Any, Any]:
        if not isinstance(key, str) or key not in (self.default_key, *self.alternatives):
            raise refuse_alternative(self.which, key, (self.default_key, *self.alternatives))
        if key == self.default_key:
            return self.bound
        given = self.alternatives[key]
        if isinstance(given, Runnable) and not self._then:
            return cast("Runnable[Any, Any]", given)
        return cast("Runnable[Any, Any]", self._kept.get(key, lambda _: self._made(given)))

    def _made(self, given: Any) -> Any:
        return self._finished(given if isinstance(given, Runnable) else coerce_to_runnable(given()))

    def configurable_fields(self, **fields: AnyConfigurableField) -> Runnable[Input, Output]:
        """Fields of the default; give an alternative its own before it becomes one."""
        made = copy(self)
        vars(made).update(default=self.default.configurable_fields(**fields), _kept=copy(self._kept))
        vars(made).update(bound=self._finished(made.default))
        return made

    def get_name(self, suffix: str | None = None) -> str:
        """``RunnableConfigurableAlternatives<the id of the choice>``."""
        name = f"RunnableConfigurableAlternatives<{self.which.id}>"
        return name + suffix[0].upper() + suffix[1:] if suffix else name

    @property
    def _anatomy(self) -> Anatomy:
        late = ((key, _Unmade(key)) for key, given in self.alternatives.items() if not isinstance(given, Runnable))
        nodes = {self.default_key: self.bound, **self.alternatives, **dict(late)}
        return Anatomy("choice", tuple(Part(key, node) for key, node in nodes.items()))

    @property
    def _barrier(self) -> bool:
        return len(self._known()) > len(self.alternatives) and all(node._barrier for node in self._known())

    @property
    def _vectorised(self) -> bool:
        return any(node._vectorised for node in self._known())

    @property
    def _own_batch(self) -> bool:
        return any(node._own_batch for node in self._known())

    @property
    def InputType(self) -> Any:
        return _union_type([node.InputType for node in self._known()])

    @property
    def OutputType(self) -> Any:
        return _union_type([node.OutputType for node in self._known()])

    @property
    def config_specs(self) -> list[Any]:
        keys = (self.default_key, *self.alternatives)
        found: list[tuple[str, Any]] = [(self.get_name(), alternative_spec(self.which, keys, self.default_key))]
        for key, node in {self.default_key: self.bound, **self.alternatives}.items():
            prefix = spelled(self.which, key) if self.prefix_keys else ""
            specs = node.config_specs if isinstance(node, Runnable) else []
            found += [(f"{self.which.id}={key}", prefixed(spec, prefix)) for spec in specs]
        return unique_specs(found)

    def __repr__(self) -> str:
        return f"{self.bound!r}.configurable_alternatives({', '.join([repr(self.which.id), *self.alternatives])})"


def _alternative(given: Any) -> Any:
    """A Runnable, or a function that gives one and is called when that is wanted."""
    if isinstance(given, Runnable | Mapping) or not can_be_called_bare(given):
        return coerce_to_runnable(cast(object, given))
    return given


class _Unmade(_Node[Any, Any]):
    """In pictures and reports, an alternative that is made when it is first chosen."""

    def __init__(self, key: str) -> None:
        vars(self).update(name=f"{key} (made when it is chosen)")

    @property
    def _barrier(self) -> bool:
        return False  # it is trusted to stream

    @property
    def _gathers(self) -> bool:
        return False
