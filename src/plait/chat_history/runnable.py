"""A chain with the history of its session before it, and its answers after it."""

# A node of the algebra from above it, with the same hooks:
# pyright: reportPrivateUsage=false

from __future__ import annotations

from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Callable,
    Generator,
    Hashable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

from pydantic import BaseModel

from plait.chat_history.base import BaseChatMessageHistory
from plait.chat_history.exchange import Keys, asked, messages_of_input, messages_of_output
from plait.chat_history.order import Line, turn_of
from plait.chat_history.sessions import SESSION_ID, Factory
from plait.chat_history.turns import Turn, aclaim, apulled, claim, leave, line_up, pulled, within
from plait.concurrency import aclose_all, acollect, agather, close_all, gather, in_thread
from plait.deadlines import left
from plait.inspection import awaitable, kind_of, name_of
from plait.messages import AnyMessage, BaseMessage, MessageLikeRepresentation
from plait.notes import trim
from plait.runnables.base import Runnable, _Wrapper, coerce_to_runnable
from plait.runnables.batches import acaller, apaired, caller, count_of, paired, permits_of, width_of
from plait.runnables.config import RunnableConfig, configs_of_batch
from plait.runs import current
from plait.schemas import value_model
from plait.stopping import check_stopped

__all__ = ["RunnableWithMessageHistory"]

Config = Any


class _Begun(NamedTuple):
    """What is known of a run when the chain is called."""

    history: BaseChatMessageHistory
    new: list[BaseMessage]
    asked: Any


class RunnableWithMessageHistory(_Wrapper[Any, Any]):
    """A chain that is given the history of its session, to which what is new is added when it has succeeded.

    ``get_session_history`` gives the history; it is called with ``config["configurable"]["session_id"]``, or, by name,
    with the ids in ``history_factory_config`` (a list of ``ConfigurableFieldSpec``). Without parameters it is called
    for every run. It may be async, and so may be called by async verbs only.

    The chain takes a list of messages (then the input is a text, a message or a list of them, and the history is put
    before it), or a dict: the new messages are in ``input_messages_key``, the history is put into
    ``history_messages_key``, or before the new messages where that is not named. It gives a text, a message, a list of
    them, or a dict with one of these in ``output_messages_key``.

    A run is written once and whole, after the chain has succeeded; a stream, after its last chunk was taken. Nothing is
    written of a run that failed, was cancelled, or whose stream was closed before its end. Runs of one session go one
    after the other, in threads and tasks of this process; ``batch`` and ``abatch`` keep the order of their inputs. A
    run nested in a run of its own session raises HistoryError, since neither could go on.
    """

    factory: Factory
    keys: Keys
    history_factory_config: tuple[Any, ...]

    def __init__(
        self,
        runnable: Any,
        get_session_history: Callable[..., Any],
        *,
        input_messages_key: str | None = None,
        output_messages_key: str | None = None,
        history_messages_key: str | None = None,
        history_factory_config: Sequence[Any] | None = None,
        name: str | None = None,
    ) -> None:
        specs = tuple(history_factory_config) if history_factory_config else (SESSION_ID,)
        self._hold(
            coerce_to_runnable(runnable),
            name=name,
            factory=Factory(get_session_history, specs),
            keys=Keys(input_messages_key, output_messages_key, history_messages_key),
            history_factory_config=specs,
        )
        vars(self).update(_inline=False, _strict_input=False)

    def _rewrapped(self, bound: Runnable[Any, Any]) -> Runnable[Any, Any]:
        return RunnableWithMessageHistory(
            bound,
            self.get_session_history,
            input_messages_key=self.keys.input,
            output_messages_key=self.keys.output,
            history_messages_key=self.keys.history,
            history_factory_config=self.history_factory_config,
            name=self.name,
        )

    @property
    def get_session_history(self) -> Callable[..., Any]:
        """The function that gives the history."""
        return self.factory.func

    @property
    def input_messages_key(self) -> str | None:
        """Where the new messages stand in the input."""
        return self.keys.input

    @property
    def output_messages_key(self) -> str | None:
        """Where the answer stands in the output."""
        return self.keys.output

    @property
    def history_messages_key(self) -> str | None:
        """Where the chain finds the history."""
        return self.keys.history

    # ------------------------------------------------------------------------------------------------------- hooks

    def _invoke(self, input: Any, config: Config, **kwargs: Any) -> Any:
        turn, values = turn_of(self), self.factory.values(config)
        try:
            with within(turn), _in_force(config):
                begun = self._prepare(turn, values, input, config)
                output = self.bound.invoke(begun.asked, config, **kwargs)
                self._keep(begun, output, config)
        finally:
            leave(turn)
        return output

    async def _ainvoke(self, input: Any, config: Config, **kwargs: Any) -> Any:
        turn, values = turn_of(self), self.factory.values(config)
        try:
            with within(turn), _in_force(config):
                begun = await self._aprepare(turn, values, input, config)
                output = await self.bound.ainvoke(begun.asked, config, **kwargs)
                await self._akeep(begun, output, config)
        finally:
            leave(turn)
        return output

    def _transform(self, chunks: Iterator[Any], config: Config, **kwargs: Any) -> Iterator[Any]:
        input = self._sum(list(chunks))
        turn, values, given = turn_of(self), self.factory.values(config), list[Any]()
        try:
            with within(turn), _in_force(config):
                begun = self._prepare(turn, values, input, config)
                stream = pulled(turn, self.bound.stream(begun.asked, config, **kwargs))
            try:
                for chunk in stream:
                    given.append(chunk)
                    yield chunk
            finally:
                close_all([stream])
            with within(turn), _in_force(config):
                self._keep(begun, self._sum(given), config)
        finally:
            leave(turn)

    async def _atransform(self, chunks: AsyncIterator[Any], config: Config, **kwargs: Any) -> AsyncGenerator[Any, None]:
        input = self._sum(await acollect(chunks))
        turn, values, given = turn_of(self), self.factory.values(config), list[Any]()
        try:
            with within(turn), _in_force(config):
                begun = await self._aprepare(turn, values, input, config)
                stream = apulled(turn, self.bound.astream(begun.asked, config, **kwargs))
            try:
                async for chunk in stream:
                    given.append(chunk)
                    yield chunk
            finally:
                await aclose_all([stream])
            with within(turn), _in_force(config):
                await self._akeep(begun, self._sum(given), config)
        finally:
            leave(turn)

    # ------------------------------------------------------------------------------------- before and after the chain

    def _prepare(self, turn: Turn, values: Mapping[str, Any], input: Any, config: Config) -> _Begun:
        new = messages_of_input(input, self.keys)
        claim(turn, self._key_of(config), permits_of(config))
        history = self._history(values)
        self._go_over(turn, config, history)
        claim(turn, history.session_key, permits_of(config))
        known = history.messages
        return _Begun(history, new, asked(input, known, new, self.keys))

    async def _aprepare(  # twin: what is a property cannot be awaited
        self, turn: Turn, values: Mapping[str, Any], input: Any, config: Config
    ) -> _Begun:
        new = messages_of_input(input, self.keys)
        await aclaim(turn, self._key_of(config), permits_of(config))
        history = await self._ahistory(values)
        self._go_over(turn, config, history)
        await aclaim(turn, history.session_key, permits_of(config))
        known = await history.aget_messages()
        return _Begun(history, new, asked(input, known, new, self.keys))

    def _go_over(self, turn: Turn, config: Config, history: BaseChatMessageHistory) -> None:
        """From the line of the function to that of the history; where no id says which session it is, that alone."""
        line_up(turn, history.session_key)
        if not self.factory.ids:
            leave(turn, self._key_of(config))

    def _keep(self, begun: _Begun, output: Any, config: Config) -> None:
        new = [*begun.new, *messages_of_output(output, self.keys)]
        self._refuse_late(config)
        begun.history.add_messages(new)

    async def _akeep(self, begun: _Begun, output: Any, config: Config) -> None:
        new = [*begun.new, *messages_of_output(output, self.keys)]
        self._refuse_late(config)
        await begun.history.aadd_messages(new)

    def _refuse_late(self, config: Config) -> None:
        """A run that is to be ended, or whose deadline has passed, is not written."""
        check_stopped()
        seconds = left(config)
        if seconds is not None and seconds <= 0:
            raise config.deadline.missed(self, None)

    def _key_of(self, config: Config) -> Hashable:
        """What runs of one session have in common, before its history is known."""
        return "function", self.factory.key(self.factory.values(config))

    def _history(self, values: Mapping[str, Any]) -> BaseChatMessageHistory:
        history = self.factory.call(values)
        if awaitable(history):
            getattr(history, "close", bool)()  # a coroutine that is never awaited would warn
            raise TypeError(
                "get_session_history is async, and was called by a synchronous verb: use ainvoke or astream"
            )
        return _checked(history)

    async def _ahistory(self, values: Mapping[str, Any]) -> BaseChatMessageHistory:  # twin: it may be async, or block
        if kind_of(self.factory.func) == "async":
            return _checked(await self.factory.call(values))
        history = await in_thread(self.factory.call, values)
        return _checked(await history if awaitable(history) else history)

    # ----------------------------------------------------------------------------------------------------- batches

    def batch(self, inputs: Any, config: Any = None, *, return_exceptions: bool = False, **kwargs: Any) -> Any:
        whole, each = configs_of_batch(config, count_of(inputs))
        call = caller(self.invoke, whole, each is not None, kwargs, return_exceptions)
        line = Line(self, self._key_of, whole, paired=each is not None)
        try:
            return gather(line.in_turn(call), line.up(paired(inputs, each)), width_of(whole), permits_of(whole))
        except Exception as error:
            trim(error)
            raise
        finally:
            line.dissolve()

    async def abatch(self, inputs: Any, config: Any = None, *, return_exceptions: bool = False, **kwargs: Any) -> Any:
        whole, each = configs_of_batch(config, count_of(inputs))
        call = acaller(self.ainvoke, whole, each is not None, kwargs, return_exceptions)
        line = Line(self, self._key_of, whole, paired=each is not None)
        try:
            return await agather(
                line.ain_turn(call), line.aup(apaired(inputs, each)), width_of(whole), permits_of(whole)
            )
        except Exception as error:
            trim(error)
            raise
        finally:
            line.dissolve()

    @property
    def _vectorised(self) -> bool:
        return False  # its batch is for the order alone

    # -------------------------------------------------------------------------------------------------- description

    @property
    def _gathers(self) -> bool:
        return True

    @property
    def _own_batch(self) -> bool:
        return False

    @property
    def _input_keys(self) -> frozenset[str] | None:
        needed = self.bound._input_keys
        return None if needed is None or self.keys.history is None else needed - {self.keys.history}

    @property
    def InputType(self) -> Any:
        return dict[str, Any] if self._takes_dict else str | BaseMessage | Sequence[MessageLikeRepresentation]

    def get_input_schema(self, config: RunnableConfig | None = None) -> type[BaseModel]:
        """A dict, or a text, a message or a list of messages."""
        kind: Any = dict[str, Any] if self._takes_dict else _WRITTEN_INPUT
        return value_model(self.get_name("Input"), kind)

    @property
    def _takes_dict(self) -> bool:
        return self.keys.input is not None or self.keys.history is not None

    @property
    def config_specs(self) -> list[Any]:
        known = self.bound.config_specs
        return [*known, *(spec for spec in self.history_factory_config if spec not in known)]

    def get_name(self, suffix: str | None = None) -> str:
        """The name given to this, or that of its class."""
        return Runnable[Any, Any].get_name(self, suffix)

    def __repr__(self) -> str:
        said = [f"{key}={value!r}" for key, value in zip(_KEY_NAMES, self.keys, strict=True) if value is not None]
        return (
            f"RunnableWithMessageHistory({', '.join([repr(self.bound), name_of(self.factory.func) or '...', *said])})"
        )


_KEY_NAMES: Final = ("input_messages_key", "output_messages_key", "history_messages_key")
_WRITTEN_INPUT: Any = str | AnyMessage | list[AnyMessage | str | tuple[str, Any] | dict[str, Any]]


def _checked(history: Any) -> BaseChatMessageHistory:
    if isinstance(history, BaseChatMessageHistory):
        return history
    raise TypeError(
        f"get_session_history must give a plait.chat_history.BaseChatMessageHistory, gave {type(history).__name__}; "
        "to keep messages elsewhere, subclass that and give it `messages`, `add_messages` and `clear`"
    )


@contextmanager
def _in_force(config: Config) -> Generator[None, None, None]:
    """While a history works it is user code: what it calls inherits the config."""
    before = current.get()
    if config is not None:
        current.set(config)
    try:
        yield
    finally:
        if config is not None:
            current.set(before)
