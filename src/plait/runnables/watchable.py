"""How a Runnable is watched while it runs: its log as JSON Patch, and its events."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Generic, Literal, TypeVar, cast

from plait.runnables.config import RunnableConfig, also_telling

__all__ = ["Watchable"]

Input = TypeVar("Input", contravariant=True)


class Watchable(Generic[Input]):
    """The watching half of every Runnable; it needs no more of it than ``astream``."""

    def astream_log(
        self,
        input: Input,
        config: RunnableConfig | None = None,
        *,
        diff: bool = True,
        with_streamed_output_list: bool = True,
        include_names: Sequence[str] | None = None,
        include_types: Sequence[str] | None = None,
        include_tags: Sequence[str] | None = None,
        include_metadata: Any = None,
        exclude_names: Sequence[str] | None = None,
        exclude_types: Sequence[str] | None = None,
        exclude_tags: Sequence[str] | None = None,
        exclude_metadata: Any = None,
        **kwargs: Any,
    ) -> AsyncIterator[Any]:
        """What happens in this and in its steps, as it happens: JSON Patch operations that build up a ``RunState``.

        Each is a ``RunLogPatch``; with ``diff=False`` a ``RunLog``, the state so far. The filters choose the steps
        that are told of: those of which one ``include_…`` holds (all, if there is none) and no ``exclude_…``; the
        chain itself always is. Metadata are given as a dict, all of whose items a step must have.
        """
        from plait.watching.filters import RunFilter  # only who watches loads what is needed for it
        from plait.watching.log import log_stream

        given = (include_names, include_types, include_tags, include_metadata)
        filters = RunFilter(*given, exclude_names, exclude_types, exclude_tags, exclude_metadata)
        open = self._listened_to(input, config, kwargs)
        return log_stream(open, diff=diff, with_streamed_output_list=with_streamed_output_list, filters=filters)

    def astream_events(
        self,
        input: Input,
        config: RunnableConfig | None = None,
        *,
        version: Literal["v2"] = "v2",
        include_names: Sequence[str] | None = None,
        include_types: Sequence[str] | None = None,
        include_tags: Sequence[str] | None = None,
        include_metadata: Any = None,
        exclude_names: Sequence[str] | None = None,
        exclude_types: Sequence[str] | None = None,
        exclude_tags: Sequence[str] | None = None,
        exclude_metadata: Any = None,
        **kwargs: Any,
    ) -> AsyncIterator[Any]:
        """What happens in this and in its steps, as it happens: an event for each start, chunk, end and error.

        An event is a dict of ``event`` (``on_<kind>_<start|stream|end|error|cancelled>``, or ``on_custom_event``),
        ``name``, ``run_id``, ``parent_ids``, ``tags``, ``metadata`` and ``data``. The filters are those of
        ``astream_log``, and hold for the chain itself as well.
        """
        from plait.watching.events import event_stream  # only who watches loads what is needed for it
        from plait.watching.filters import RunFilter

        given = (include_names, include_types, include_tags, include_metadata)
        filters = RunFilter(*given, exclude_names, exclude_types, exclude_tags, exclude_metadata)
        return event_stream(self._listened_to(input, config, kwargs), version=version, filters=filters)

    def _listened_to(self, input: Any, config: Any, kwargs: dict[str, Any]) -> Callable[[Any], AsyncIterator[Any]]:
        return lambda listener: self.astream(input, cast("RunnableConfig", also_telling(config, [listener])), **kwargs)

    def astream(self, input: Input, config: RunnableConfig | None = None, **kwargs: Any) -> AsyncIterator[Any]:
        raise NotImplementedError
