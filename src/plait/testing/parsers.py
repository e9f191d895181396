"""``check_output_parser``: does a parser read, stream and refuse the output of a model as a chain must expect?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, cast

from plait.concurrency import in_thread
from plait.errors import OutputParserException
from plait.language_models.chat_models import chunk_of
from plait.merging import merge_all
from plait.messages import AIMessage, AIMessageChunk, BaseMessage
from plait.runnables import Runnable
from plait.testing.conformance import check_runnable
from plait.testing.equality import same, shown
from plait.testing.findings import LAWS, Law
from plait.testing.trials import FAILED, Trial, judged
from plait.testing.witness import Recorder

__all__ = ["OUTPUT_PARSER_LAWS", "acheck_output_parser", "check_output_parser"]

OUTPUT_PARSER_LAWS: Final[Mapping[str, Law]] = {
    "works": Law("An answer gives a value, and raises nothing.", "let parse take it, or leave it out of the answers"),
    "messages": Law("A message is read as its text is.", "leave the reading of the input to BaseOutputParser"),
    "only-output": Law(
        "What is neither a message nor a text is refused with a TypeError.",
        "leave the reading of the input to the base class",
    ),
    "twins": Law("The async verbs give what the sync ones give.", "let both do the same work, or write only parse"),
    "cuts": Law(
        "However an answer is cut into chunks, what is streamed adds up to its value.",
        "parse the whole, or keep what a chunk leaves open until the next; add up values as plait.merge_all does",
    ),
    "refuses": Law(
        "An answer that cannot be read raises OutputParserException, in every mode and however it is cut.",
        "raise OutputParserException(...) from error; do not guess, and give no empty value",
    ),
    "same-words": Law(
        "The exception says the same, however the answer is cut.",
        "count places from the beginning of the whole answer, and raise when it is read to its end",
    ),
    "tells-output": Law(
        "The exception holds the answer, as llm_output.", "raise OutputParserException(problem, llm_output=text)"
    ),
    "empty": Law(
        "A text of nothing, or of blanks, is no answer: it raises OutputParserException.",
        "raise it; where an empty text has a value, skip this law and say so",
    ),
    "hostile": Law(
        "Deep, odd and damaged texts give a value or an OutputParserException, and nothing else is raised.",
        "bound the depth, do not recurse without a bound, and turn what a library raises into OutputParserException",
    ),
    "instructions": Law(
        "Format instructions are a text that is not empty and the same each time, or NotImplementedError.",
        "give a text from get_format_instructions, or leave it out",
    ),
    "labels": Law("A run is of the kind parser.", "derive from BaseOutputParser or its kin, and leave invoke to them"),
    "event-loop": Law(
        "The async verbs do not make the loop wait.", "await instead, or leave them out: a thread is used"
    ),
    "nothing-left": Law(
        "When a call is over nothing of it goes on or is open: no task, thread, generator or file.",
        "await every task, join every thread and close what you open before the call returns",
    ),
}
"""What every output parser keeps to besides the laws of a runnable, by name."""

_SIZES: Final = (1, 2, 7)  # of the pieces, in characters
_DEEP: Final = 20_000
_HOSTILE: Final = {
    "deep brackets": "[" * _DEEP,
    "deep objects": '{"a":' * _DEEP,
    "deep tags": "<a>" * _DEEP,
    "a document type": '<!DOCTYPE a [<!ENTITY b "c"><!ENTITY d "&b;&b;">]><a>&d;</a>',
    "a huge number": "9" * 5000,
    "no numbers": '{"a": NaN, "b": Infinity, "c": 1e999}',
    "half of a character": "\ud83d",
    "control characters": "\x00\x01\x1b\ufeff\u2028",
    "templates": "{x} %s {{ ${y} </s>",
    "blanks": " \n\t" * _DEEP,
}
_NO_OUTPUT: Final = (1, None, ["a"], {"text": "a"})


def check_output_parser(
    parser: Runnable[Any, Any],
    answers: Iterable[str | BaseMessage],
    *,
    broken: Iterable[str | BaseMessage] = (),
    equal: Callable[[Any, Any], bool] = same,
    as_runnable: bool = True,
    skip: Mapping[str, str] | None = None,
) -> None:
    """Call a parser in every way, and raise ConformanceError, which lists each of ``OUTPUT_PARSER_LAWS`` that it breaks.

    answers: texts or messages that it reads, at least one; two with different values let a wrong order be seen.
    broken: some that it must refuse.
    equal: ``equal(expected, came)`` for values.
    as_runnable: whether ``check_runnable`` is run first, with its hundreds of calls; its laws are told then.
    skip: laws of either kind that are known not to hold, each with the reason.

    A parser that is given messages alone is not asked to read texts. It starts event loops: where one is running, use
    ``acheck_output_parser``.
    """
    good, bad, skipped = list(answers), list(broken), dict(skip or {})
    if not good:
        raise ValueError("a check needs at least one answer that can be read")
    own = {law: why for law, why in skipped.items() if law in OUTPUT_PARSER_LAWS or law not in LAWS}
    if as_runnable:
        rest = {law: why for law, why in skipped.items() if (law in LAWS and law not in own) or law in _SHARED}
        errors = [(1, TypeError), *((answer, OutputParserException) for answer in bad)]
        check_runnable(parser, good, errors=errors, equal=equal, skip=rest)
    check = _checked(parser, good, bad, equal)
    judged(parser, "an output parser", OUTPUT_PARSER_LAWS, own, check)


_SHARED: Final = LAWS.keys() & OUTPUT_PARSER_LAWS.keys()  # a law of both kinds is skipped in both


def _checked(
    parser: Any, good: list[Any], bad: list[Any], equal: Callable[[Any, Any], bool]
) -> Callable[[Trial], None]:
    return lambda trial: _Check(trial, parser, equal).run(good, bad)


async def acheck_output_parser(  # twin: it runs in a thread
    parser: Runnable[Any, Any], answers: Iterable[str | BaseMessage], **options: Any
) -> None:
    """As ``check_output_parser``, with its options, from inside an event loop; it runs in a thread."""
    await in_thread(check_output_parser, parser, answers, **options)


class _Check:
    def __init__(self, trial: Trial, parser: Any, equal: Callable[[Any, Any], bool]) -> None:
        self.trial = trial
        self.parser = parser
        self.equal = equal

    def run(self, good: Sequence[Any], bad: Sequence[Any]) -> None:
        for answer in good:
            self._value(answer)
        for answer in bad:
            self._refusal(answer)
        for given in _NO_OUTPUT:
            self._only_output(given)
        if any(isinstance(answer, str) for answer in good):
            self._empty()
            for what, text in _HOSTILE.items():
                self._hostile(what, text)
        self._instructions()
        self._label(good[0])

    # --------------------------------------------------------------------------------------------------------- values

    def _value(self, answer: Any) -> None:
        where = f"the answer {shown(answer)}"
        value = self.trial.call(where, self.parser.invoke, answer)
        came = self.trial.acall(f"ainvoke, {where}", self.parser.ainvoke, answer)
        if value is FAILED:
            return
        self._judge("twins", value, came, where)
        if isinstance(answer, str):
            came = self.trial.call(f"a message, {where}", self.parser.invoke, AIMessage(answer))
            self._judge("messages", value, came, where)
        for how, pieces in _cuts(answer):
            self._judge("cuts", value, self.trial.call(how, self._added_up, pieces), f"{how}, {where}")
            self._judge("cuts", value, self.trial.acall(how, self._aadded_up, pieces), f"async, {how}, {where}")

    def _judge(self, law: str, expected: Any, came: Any, where: str) -> None:
        if came is not FAILED and not self.equal(expected, came):
            self.trial.tell(law, shown(expected), shown(came), where)

    def _added_up(self, pieces: list[Any]) -> Any:
        return merge_all(list(self.parser.transform(iter(pieces))))

    async def _aadded_up(self, pieces: list[Any]) -> Any:  # twin: async code gets an async iterator
        return merge_all([value async for value in self.parser.atransform(_given(pieces))])

    # ------------------------------------------------------------------------------------------------------- refusals

    def _refusal(self, answer: Any) -> None:
        where = f"the broken answer {shown(answer)}"
        words = self._refused("refuses", where, self.trial.call, self.parser.invoke, answer)
        for how, call, verb, given in self._ways(answer):
            said = self._refused("refuses", f"{how}, {where}", call, verb, given)
            if None not in (words, said) and said != words:
                self.trial.tell("same-words", shown(words), shown(said), f"{how}, {where}")

    def _ways(self, answer: Any) -> Iterator[tuple[str, Any, Any, Any]]:
        yield "ainvoke", self.trial.acall, self.parser.ainvoke, answer
        for how, pieces in _cuts(answer):
            yield how, self.trial.call, self._added_up, pieces
            yield f"async, {how}", self.trial.acall, self._aadded_up, pieces

    def _refused(self, law: str, where: str, call: Any, verb: Any, given: Any) -> str | None:
        """What the exception says that a call must raise, None if it raises another or none."""
        caught = _Caught(verb)
        came: Any = call(where, caught.arun if call == self.trial.acall else caught.run, given)
        error = caught.error
        if not isinstance(error, OutputParserException):
            told = shown(came) if error is None else f"{type(error).__name__}: {str(error)[:200]}"
            self.trial.tell(law, "OutputParserException", told, where)
            return None
        output = _text(given)
        if error.llm_output is None or (output is not None and error.llm_output != output):
            self.trial.tell("tells-output", shown(output), shown(error.llm_output), where)
        return str(error)

    def _empty(self) -> None:
        for text in ("", " \n\t "):
            self._refused("empty", f"the text {text!r}", self.trial.call, self.parser.invoke, text)
            self._refused("empty", f"the text {text!r}, streamed", self.trial.call, self._added_up, [text])

    def _hostile(self, what: str, text: str) -> None:
        pieces = [text[start : start + 1000] for start in range(0, len(text), 1000)]
        ways: list[tuple[str, Any, Any]] = [("", self.parser.invoke, text), (", streamed", self._added_up, pieces)]
        for how, verb, given in ways:
            try:
                verb(given)
            except OutputParserException:
                continue
            except Exception as error:
                came = f"{type(error).__name__}: {str(error)[:200]}"
                self.trial.tell("hostile", "a value or an OutputParserException", came, what + how)

    def _only_output(self, given: Any) -> None:
        try:
            came = shown(self.parser.invoke(given))
        except TypeError:
            return
        except Exception as error:
            came = f"{type(error).__name__}: {error}"
        self.trial.tell("only-output", "TypeError", came, f"the input {shown(given)}")

    # ---------------------------------------------------------------------------------------------------------- about

    def _instructions(self) -> None:
        ask = getattr(self.parser, "get_format_instructions", None)
        if ask is None:
            return
        try:
            said, again = ask(), ask()
        except NotImplementedError:
            return
        except Exception as error:
            self.trial.tell("instructions", "a text", f"{type(error).__name__}: {error}", "get_format_instructions")
            return
        if not isinstance(said, str) or not said.strip() or said != again:
            came = f"{shown(said)}, then {shown(again)}"
            self.trial.tell("instructions", "the same text twice", came, "get_format_instructions")

    def _label(self, answer: Any) -> None:
        heard = Recorder()
        self.trial.call("a run", self.parser.invoke, answer, {"callbacks": [heard]})
        kinds = [run.kind for run in heard.roots()]
        if kinds and kinds[0] != "parser":
            self.trial.tell("labels", "a parser", f"a {kinds[0]}", "a run")


class _Caught:
    """A call that keeps what it raises."""

    def __init__(self, call: Any) -> None:
        self.call = call
        self.error: Exception | None = None

    def run(self, given: Any) -> Any:
        try:
            return self.call(given)
        except Exception as error:
            self.error = error
            return None

    async def arun(self, given: Any) -> Any:
        try:
            return await self.call(given)
        except Exception as error:
            self.error = error
            return None


async def _given(pieces: list[Any]) -> Any:
    for piece in pieces:
        yield piece


def _text(given: Any) -> str | None:
    """The text of an answer that is text alone, whole or in pieces; None for a message, of which a part may be broken."""
    parts: list[Any] = cast("list[Any]", given) if isinstance(given, list) else [given]
    return "".join(parts) if all(isinstance(part, str) for part in parts) else None


# --------------------------------------------------------------------------------------------- an answer, cut into chunks


def _cuts(answer: Any) -> Iterator[tuple[str, list[Any]]]:
    """Each way to cut an answer, with its name; nothing comes before, between and after, as servers have it."""
    for size in _SIZES:
        if isinstance(answer, str):
            pieces = ["", *_pieces(answer, size), ""]
            yield f"in pieces of {size}", pieces
            yield f"in messages of {size}", [AIMessageChunk(content=piece) for piece in pieces]
        else:
            yield f"in messages of {size}", [*_chunks(answer, size), AIMessageChunk(content="")]


def _pieces(text: str, size: int) -> list[str]:
    return [text[start : start + size] for start in range(0, len(text), size)]


def _chunks(message: BaseMessage, size: int) -> Iterator[AIMessageChunk]:
    whole = chunk_of(message)
    if isinstance(whole.content, str):
        yield from (AIMessageChunk(content=piece) for piece in _pieces(whole.content, size))
    else:
        yield AIMessageChunk(content=whole.content)
    for index, call in enumerate(getattr(whole, "tool_call_chunks", ())):
        yield from _call_chunks({**call, "index": index}, size)
    yield from _extra_chunks(whole.additional_kwargs, size)


def _call_chunks(call: dict[str, Any], size: int) -> Iterator[AIMessageChunk]:
    first: Any = {**call, "args": ""}
    yield AIMessageChunk(content="", tool_call_chunks=[first])
    for piece in _pieces(call["args"] or "", size):
        part: Any = {"name": None, "args": piece, "id": None, "index": call["index"]}
        yield AIMessageChunk(content="", tool_call_chunks=[part])


def _extra_chunks(extra: Mapping[str, Any], size: int) -> Iterator[AIMessageChunk]:
    """A function call in pieces of its arguments, anything else whole."""
    rest = {key: value for key, value in extra.items() if key != "function_call"}
    call: Any = extra.get("function_call")
    if rest:
        yield AIMessageChunk(content="", additional_kwargs=rest)
    if call:
        for given in ({**call, "arguments": ""}, *({"arguments": piece} for piece in _pieces(call["arguments"], size))):
            yield AIMessageChunk(content="", additional_kwargs={"function_call": given})
