"""Which messages of a conversation go to the model: filter, merge runs, trim.

Each function also makes a step: called without messages it gives a Runnable that does the same to its input.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial, wraps
from itertools import groupby
from math import ceil
from typing import TYPE_CHECKING, Any, Concatenate, Literal, ParamSpec, Protocol, TypeAlias, cast, overload

from plait.errors import ConfigError
from plait.merging import merge_all
from plait.messages.blocks import Content, blocks_of
from plait.messages.convert import MessageLikeRepresentation, convert_to_messages
from plait.messages.models import AIMessage, BaseMessage, SystemMessage, ToolMessage, message_chunk_to_message
from plait.messages.sums import join_facts
from plait.messages.usage import UsageMetadata, join_usage

if TYPE_CHECKING:
    from plait.runnables import Runnable

_Params = ParamSpec("_Params")
_Messages: TypeAlias = Iterable[MessageLikeRepresentation]
Kinds: TypeAlias = str | type[BaseMessage] | Sequence[str | type[BaseMessage]]


class _AlsoStep(Protocol[_Params]):
    @overload
    def __call__(
        self, messages: None = None, /, *args: _Params.args, **kwargs: _Params.kwargs
    ) -> "Runnable[_Messages, list[BaseMessage]]": ...
    @overload
    def __call__(self, messages: _Messages, /, *args: _Params.args, **kwargs: _Params.kwargs) -> list[BaseMessage]: ...


def _also_step(select: Callable[Concatenate[list[BaseMessage], _Params], list[BaseMessage]]) -> _AlsoStep[_Params]:
    @wraps(select)
    def selected(messages: Any = None, *args: Any, **kwargs: Any) -> Any:
        if messages is None:
            from plait.runnables import RunnableLambda

            return RunnableLambda(partial(selected, *args, **kwargs), name=select.__name__, inline=True)
        return select(convert_to_messages(messages), *args, **kwargs)

    return cast(_AlsoStep[_Params], selected)


def _is_kind(message: BaseMessage, kinds: Kinds | None) -> bool:
    if kinds is None:
        return False
    wanted = [kinds] if isinstance(kinds, str | type) else kinds
    return any(isinstance(message, kind) if isinstance(kind, type) else message.type == kind for kind in wanted)


@_also_step
def filter_messages(
    messages: list[BaseMessage],
    *,
    include_names: Sequence[str] | None = None,
    exclude_names: Sequence[str] | None = None,
    include_types: Kinds | None = None,
    exclude_types: Kinds | None = None,
    include_ids: Sequence[str] | None = None,
    exclude_ids: Sequence[str] | None = None,
    exclude_tool_calls: Sequence[str] | bool | None = None,
) -> list[BaseMessage]:
    """Give the messages that match any ``include_`` (all, if there is none) and no ``exclude_``.

    Types are classes or their tags, such as ``HumanMessage`` or ``"human"``. ``exclude_tool_calls`` leaves out calls of
    tools and their results, all of them or those with these ids; a message that made other calls, too, keeps those.
    """
    anything = not (include_names or include_types or include_ids)

    def is_wanted(message: BaseMessage) -> bool:
        name, id = message.name, message.id
        if name in (exclude_names or ()) or id in (exclude_ids or ()) or _is_kind(message, exclude_types):
            return False
        named = name in (include_names or ()) or id in (include_ids or ())
        return anything or named or _is_kind(message, include_types)

    wanted = filter(is_wanted, messages)
    return [kept for message in wanted if (kept := _without_calls(message, exclude_tool_calls or ())) is not None]


def _without_calls(message: BaseMessage, ids: Sequence[str] | Literal[True]) -> BaseMessage | None:
    """The message without these calls of tools; None if it was there for them alone."""

    def gone(id: Any) -> bool:
        return ids is True or id in ids

    if isinstance(message, ToolMessage):
        return None if gone(message.tool_call_id) else message
    if not isinstance(message, AIMessage) or not any(gone(call["id"]) for call in message.tool_calls):
        return message
    calls = [call for call in message.tool_calls if not gone(call["id"])]
    content = message.content
    if isinstance(content, list):  # as Anthropic writes a call
        content = [block for block in content if isinstance(block, str) or not gone(block.get("id"))]
    return message.model_copy(update={"tool_calls": calls, "content": content}) if calls else None


@_also_step
def merge_message_runs(messages: list[BaseMessage], *, chunk_separator: str = "\n") -> list[BaseMessage]:
    """Give a conversation in which neighbours of one type are one message.

    Their texts are joined by ``chunk_separator``. Results of tools stay apart, since each answers a call of its own.
    """
    whole = map(message_chunk_to_message, messages)
    runs = groupby(enumerate(whole), key=_run_key)
    return [_merged([message for _, message in run], chunk_separator) for _, run in runs]


def _run_key(numbered: tuple[int, BaseMessage]) -> Any:
    number, message = numbered
    if isinstance(message, ToolMessage):
        return number
    return type(message), getattr(message, "role", None), getattr(message, "name", None)


def _merged(run: list[BaseMessage], separator: str) -> BaseMessage:
    if len(run) == 1:
        return run[0]
    update: dict[str, Any] = {
        "content": _joined_content([message.content for message in run], separator),
        "additional_kwargs": merge_all(message.additional_kwargs for message in run),
        "response_metadata": join_facts([message.response_metadata for message in run]),
    }
    answers = [message for message in run if isinstance(message, AIMessage)]
    if answers:
        update["tool_calls"] = [call for answer in answers for call in answer.tool_calls]
        update["invalid_tool_calls"] = [call for answer in answers for call in answer.invalid_tool_calls]
        update["usage_metadata"] = _usage(answers)
    return run[0].model_copy(update=update)


def _usage(answers: list[AIMessage]) -> UsageMetadata | None:
    counts = [answer.usage_metadata for answer in answers if answer.usage_metadata]
    return join_usage(counts) if counts else None


def _joined_content(contents: list[Content], separator: str) -> Content:
    texts = [content for content in contents if isinstance(content, str)]
    if len(texts) == len(contents):
        return separator.join(filter(None, texts))
    # Not join_content: an index says which chunk a block belongs to, and means nothing from one message to the next.
    return [item for content in contents for item in ([content] if isinstance(content, str) else content)]


TokenCounter: TypeAlias = Callable[[list[BaseMessage]], int]


@_also_step
def trim_messages(
    messages: list[BaseMessage],
    *,
    max_tokens: int,
    token_counter: Any = "approximate",
    strategy: Literal["first", "last"] = "last",
    include_system: bool = False,
    start_on: Kinds | None = None,
    end_on: Kinds | None = None,
    allow_partial: bool = False,
    text_splitter: Any = None,
) -> list[BaseMessage]:
    """Give the longest piece of a conversation that is worth at most ``max_tokens``.

    ``strategy`` says which end of it to keep. ``token_counter`` is a function of a list of messages (``len`` counts
    messages) or of one that is annotated so, a model with ``get_num_tokens_from_messages``, or ``"approximate"``; it is
    asked about log2(n) lists. With ``allow_partial`` the message that is cut off is kept as far as there is room, in
    blocks or in the pieces that ``text_splitter`` (a function, or a text splitter) makes of its text, by default lines.
    With ``"last"``, ``include_system`` keeps a system message at the start, the rest begins with a ``start_on`` message
    if that is given, and never with the result of a tool whose call was cut off. The piece ends with an ``end_on``
    message if that is given.
    """
    if strategy not in ("first", "last"):
        raise ConfigError(f"expected the strategy 'first' or 'last', got {strategy!r}")
    if strategy == "first" and (include_system or start_on is not None):
        raise ConfigError("include_system and start_on need strategy='last'; with 'first' the start is always kept")
    count = _counter(token_counter)
    parts = partial(_part, keep=strategy, split=text_splitter) if allow_partial else _no_part
    if strategy == "first":
        kept = _longest(len(messages), lambda size: count(messages[:size]) <= max_tokens)
        part = parts(messages[kept : kept + 1], lambda part: count([*messages[:kept], part]) <= max_tokens)
        return _ending_on([*messages[:kept], *part], end_on)
    head = messages[:1] if include_system and messages and isinstance(messages[0], SystemMessage) else []
    rest = _ending_on(messages[len(head) :], end_on)
    kept = _longest(len(rest), lambda size: count([*head, *rest[len(rest) - size :]]) <= max_tokens)
    cut, tail = len(rest) - kept, rest[len(rest) - kept :]
    part = parts(rest[:cut][-1:], lambda part: count([*head, part, *tail]) <= max_tokens)
    tail = _starting_on([*rest[: cut - len(part)], *part, *tail], cut - len(part), start_on)
    return [*head, *tail] if tail or count(head) <= max_tokens else []


def _counter(token_counter: Any) -> TokenCounter:
    if token_counter == "approximate":
        return count_tokens_approximately
    count = getattr(token_counter, "get_num_tokens_from_messages", token_counter)
    if not callable(count):
        raise ConfigError(f"expected token_counter to be a function of messages or a model, got {token_counter!r}")
    if _counts_one(count):
        count_one = cast("Callable[[BaseMessage], int]", count)
        return lambda messages: sum(map(count_one, messages))
    return cast(TokenCounter, count)


def _counts_one(count: Any) -> bool:
    """Whether a function is annotated to take a message, not a list of them."""
    said = [of for name, of in getattr(count, "__annotations__", {}).items() if name != "return"]
    return bool(said) and said[0] in (BaseMessage, "BaseMessage")


Fits: TypeAlias = Callable[[BaseMessage], bool]


def _no_part(cut: list[BaseMessage], fits: Fits) -> list[BaseMessage]:
    return []


def _part(cut: list[BaseMessage], fits: Fits, keep: Literal["first", "last"], split: Any) -> list[BaseMessage]:
    """As much of the message that is cut off as fits; nothing if no part of it does."""
    if not cut:
        return []
    whole = message_chunk_to_message(cut[0])
    text = whole.content if isinstance(whole.content, str) else None
    parts: list[Any] = list(whole.content) if text is None else _pieces(text, split)

    def of_size(size: int) -> BaseMessage:
        kept = parts[:size] if keep == "first" else parts[len(parts) - size :]
        return whole.model_copy(update={"content": kept if text is None else "".join(kept)})

    size = _longest(len(parts), lambda size: fits(of_size(size)))
    return [of_size(size)] if size else []


def _pieces(text: str, split: Any) -> list[str]:
    return text.splitlines(keepends=True) if split is None else list(getattr(split, "split_text", split)(text))


def _longest(limit: int, fits: Callable[[int], bool]) -> int:
    """Give the greatest size up to ``limit`` that fits, by bisection: what is shorter fits too."""
    low, high = 0, limit
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


def _ending_on(messages: list[BaseMessage], kinds: Kinds | None) -> list[BaseMessage]:
    if kinds is None:
        return messages
    size = len(messages)
    while size and not _is_kind(messages[size - 1], kinds):
        size -= 1
    return messages[:size]


def _starting_on(messages: list[BaseMessage], start: int, kinds: Kinds | None) -> list[BaseMessage]:
    while start < len(messages) and not _may_start(messages[start], start, kinds):
        start += 1
    return messages[start:]


def _may_start(message: BaseMessage, position: int, kinds: Kinds | None) -> bool:
    if position and isinstance(message, ToolMessage):
        return False
    return kinds is None or _is_kind(message, kinds)


def count_tokens_approximately(
    messages: Iterable[MessageLikeRepresentation],
    *,
    chars_per_token: float = 4.0,
    extra_tokens_per_message: float = 3.0,
    tokens_per_image: int = 85,
) -> int:
    """Guess how many tokens messages are worth from the length of their text; nothing is fetched or decoded."""
    total = 0.0
    for message in convert_to_messages(messages):
        images = sum(block["type"] == "image" for block in blocks_of(message.content))
        total += ceil(_chars(message) / chars_per_token) + extra_tokens_per_message + images * tokens_per_image
    return ceil(total)


def _chars(message: BaseMessage) -> int:
    calls = [(call["name"], call["args"]) for call in message.tool_calls] if isinstance(message, AIMessage) else []
    return len(message.text) + len(message.name or "") + len(message.type) + sum(len(str(call)) for call in calls)
