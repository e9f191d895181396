"""``check_chat_model``: does a chat model do what whoever puts it into a chain must be able to expect?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, cast

from plait.caches import InMemoryCache
from plait.concurrency import acollect, in_thread
from plait.errors import OutputParserException, PlaitError
from plait.language_models import BaseChatModel
from plait.merging import merge_all
from plait.messages import AIMessage, AIMessageChunk, HumanMessage, SystemMessage, ToolMessage, message_chunk_to_message
from plait.outputs import LLMResult
from plait.prompt_values import ChatPromptValue, StringPromptValue
from plait.testing.conformance import check_runnable
from plait.testing.equality import same, shown
from plait.testing.findings import LAWS, Law
from plait.testing.trials import FAILED, Trial, judged

__all__ = ["CHAT_MODEL_LAWS", "acheck_chat_model", "check_chat_model"]

CHAT_MODEL_LAWS: Final[Mapping[str, Law]] = {
    "works": Law("A question gives an answer, and raises nothing.", "let _generate take any conversation"),
    "answer": Law(
        "An answer is an AIMessage with an id of its own.", "give ChatResult(generations=[ChatGeneration(message=...)])"
    ),
    "input-forms": Law(
        "A text, a list of messages, pairs or dicts, and a prompt value that say the same give the same.",
        "leave the reading of the input to the base class: write _generate or _stream, not invoke",
    ),
    "bad-input": Law(
        "What is no conversation is refused with a TypeError or a ValueError.",
        "leave the reading of it to the base class",
    ),
    "chunks": Law(
        "A stream gives AIMessageChunks, all with one id.", "give ChatGenerationChunk(message=AIMessageChunk())"
    ),
    "stream-sum": Law(
        "The chunks of a stream add up to the answer: its text, its calls and what was used.",
        "give in the chunks what _generate gives, counts and facts once, with the last one",
    ),
    "twins": Law("The async verbs give what the sync ones give.", "let both do the same work, or write only one"),
    "usage": Law(
        "Counts of tokens are whole numbers, and their total is their sum.",
        "fill usage_metadata with what the server said, or leave it out",
    ),
    "generate": Law(
        "generate gives one list of candidates for each conversation, in their order.",
        "leave generate to the base class",
    ),
    "stop": Law("No answer has the text of a stop in it, and a call may say one.", "hand `stop` on to the model"),
    "system": Law(
        "A conversation may begin with what the system says.", "send system messages where the API wants them"
    ),
    "tools": Law(
        "bind_tools takes functions and every form of tool_choice, and refuses the name of a tool that is not there.",
        "write bind_tools, or leave it out: then it says that the model has none",
    ),
    "tool-messages": Law(
        "A conversation may hold calls of tools and their results, failures among them.",
        "send ToolMessages in the form of the API, with the id of the call",
    ),
    "structured": Law(
        "with_structured_output gives a value of the schema or raises OutputParserException, and refuses what is none.",
        "leave it to the base class, and say in _methods and _asked_for how the model is asked",
    ),
    "cache": Law(
        "An answer from a cache is the answer, under an id of its own, and says that it cost nothing.",
        "leave caching to the base class; name in _unasked the fields that change no answer",
    ),
    "event-loop": Law(
        "The async verbs do not make the loop wait.", "await instead, or leave them out: a thread is used"
    ),
    "nothing-left": Law(
        "When a call is over nothing of it goes on or is open: no task, thread, generator or file.",
        "await every task, join every thread and close what you open before the call returns",
    ),
}
"""What every chat model keeps to besides the laws of a runnable, by name."""

_CALL: Final = {"name": "add", "args": {"a": 1, "b": 2}, "id": "call_1"}
_SCHEMA: Final = {
    "title": "Answer",
    "description": "An answer.",
    "type": "object",
    "properties": {"text": {"type": "string", "maxLength": 20}},
    "required": ["text"],
}


def check_chat_model(
    model: BaseChatModel | Callable[[], BaseChatModel],
    *,
    question: str = "Say hello.",
    equal: Callable[[Any, Any], bool] | None = None,
    as_runnable: bool = True,
    errors: Iterable[tuple[Any, type[Exception]]] = (),
    secrets: Iterable[str] = (),
    skip: Mapping[str, str] | None = None,
) -> None:
    """Call a chat model in every way, and raise ConformanceError, which lists each of ``CHAT_MODEL_LAWS`` that it breaks.

    model: the model, or a function that makes one; it must give the same answer to ``question`` every time.
    equal: ``equal(expected, came)`` for messages that differ from call to call; by default content and calls count.
    as_runnable: whether ``check_runnable`` is run first, with its hundreds of calls; its laws are told then.
    errors: ``(input, exception type)`` pairs of inputs that must fail.
    secrets: texts, such as a key, that must not be seen anywhere.
    skip: laws of either kind that are known not to hold, each with the reason.

    Some forty calls are made besides. It starts event loops: where one is running, use ``acheck_chat_model``.
    """
    made = model if isinstance(model, BaseChatModel) else model()
    skipped = dict(skip or {})
    own = {law: why for law, why in skipped.items() if law in CHAT_MODEL_LAWS or law not in LAWS}
    if as_runnable:
        rest = {law: why for law, why in skipped.items() if law in LAWS}
        questions = [question, [HumanMessage(question)]]
        check_runnable(made, questions, errors=errors, equal=equal or says_the_same, secrets=secrets, skip=rest)
    judged(
        made,
        "a chat model",
        CHAT_MODEL_LAWS,
        own,
        lambda trial: _Check(trial, made, question, equal or says_the_same).run(),
    )


async def acheck_chat_model(  # twin: it runs in a thread
    model: BaseChatModel | Callable[[], BaseChatModel], **options: Any
) -> None:
    """As ``check_chat_model``, with its options, from inside an event loop; it runs in a thread."""
    await in_thread(check_chat_model, model, **options)


def says_the_same(expected: Any, came: Any) -> bool:
    """Whether two messages have the same content and calls; what a server says beside them differs from call to call."""
    if not isinstance(expected, AIMessage) or not isinstance(came, AIMessage):
        return same(expected, came)
    return same([expected.content, expected.tool_calls], [came.content, came.tool_calls])


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


class _Check:
    """One check: what is expected is the first answer."""

    def __init__(self, trial: Trial, model: BaseChatModel, question: str, equal: Callable[[Any, Any], bool]) -> None:
        self.trial = trial
        self.model = model
        self.question = question
        self.equal = equal
        self.answer: Any = FAILED

    def run(self) -> None:
        self.answer = self.trial.call("invoke", self.model.invoke, self.question)
        if self.answer is FAILED or not self.is_answer(self.answer, "invoke"):
            return
        self.check_forms()
        self.check_bad_input()
        self.check_streams()
        self.check_twins()
        self.check_usage()
        self.check_generate()
        self.check_parameters()
        self.check_tools()
        self.check_structured()
        self.check_cache()

    def tell(self, law: str, expected: str, came: str, where: str) -> None:
        self.trial.tell(law, expected, came, where)

    def is_answer(self, answer: Any, where: str) -> bool:
        if not isinstance(answer, AIMessage) or isinstance(answer, AIMessageChunk):
            self.tell("answer", "an AIMessage", shown(answer), where)
            return False
        if not answer.id:
            self.tell("answer", "an id", f"the id {answer.id!r}", where)
        return True

    def expect(self, law: str, answer: Any, where: str) -> None:
        if answer is not FAILED and self.is_answer(answer, where) and not self.equal(self.answer, answer):
            self.tell(law, shown(self.answer), shown(answer), where)

    # ----------------------------------------------------------------------------------------------- inputs, streams

    def check_forms(self) -> None:
        said = HumanMessage(self.question)
        for where, form in {
            "a list of a message": [said],
            "a list of a text": [self.question],
            "a list of a pair": [("user", self.question)],
            "a list of a dict": [{"role": "user", "content": self.question}],
            "a chat prompt value": ChatPromptValue(messages=[said]),
            "a string prompt value": StringPromptValue(text=self.question),
        }.items():
            self.expect("input-forms", self.trial.call(where, self.model.invoke, cast("Any", form)), where)

    def check_bad_input(self) -> None:
        for where, form in {"an int": 7, "a dict": {"question": "x"}, "a list of an int": [7]}.items():
            try:
                came = shown(self.model.invoke(cast("Any", form)))
            except (TypeError, ValueError):
                continue
            except Exception as error:
                came = f"{type(error).__name__}: {error}"
            self.tell("bad-input", "a TypeError or a ValueError", came, where)

    def check_streams(self) -> None:
        for where, chunks in (
            ("stream", self.trial.call("stream", lambda: list(self.model.stream(self.question)))),
            ("astream", self.trial.acall("astream", self.gathered)),
        ):
            if chunks is FAILED:
                continue
            odd = [chunk for chunk in chunks if not isinstance(chunk, AIMessageChunk)]
            if odd or len({chunk.id for chunk in chunks}) != 1 or not chunks[0].id:
                self.tell("chunks", "AIMessageChunks with one id", shown(odd or [chunk.id for chunk in chunks]), where)
            else:
                self.judge_sum(message_chunk_to_message(merge_all(chunks)), where)

    async def gathered(self) -> list[Any]:
        return await acollect(self.model.astream(self.question))

    def judge_sum(self, total: Any, where: str) -> None:
        self.expect("stream-sum", total, where)
        if _written(total) != _written(self.answer):
            self.tell("stream-sum", f"the counts {self.answer.usage_metadata}", f"{total.usage_metadata}", where)

    def check_twins(self) -> None:
        self.expect("twins", self.trial.acall("ainvoke", self.model.ainvoke, self.question), "ainvoke")
        again = self.trial.call("invoke", self.model.invoke, self.question)
        if again is not FAILED and again.id == self.answer.id:
            self.tell("answer", "an id of its own for each answer", f"{again.id!r} twice", "invoke")

    def check_usage(self) -> None:
        usage = self.answer.usage_metadata
        counts = [usage[name] for name in ("input_tokens", "output_tokens", "total_tokens")] if usage else [0, 0, 0]
        if any(not isinstance(count, int) or count < 0 for count in counts) or counts[2] != counts[0] + counts[1]:
            self.tell("usage", "whole numbers, and their sum", f"{usage}", "invoke")

    def check_generate(self) -> None:
        inputs = [self.question, [HumanMessage(self.question)]]
        for where, result in (
            ("generate", self.trial.call("generate", self.model.generate, inputs)),
            ("agenerate", self.trial.acall("agenerate", self.model.agenerate, inputs)),
        ):
            if result is FAILED:
                continue
            if not isinstance(result, LLMResult) or [len(each) > 0 for each in result.generations] != [True, True]:
                self.tell("generate", "an LLMResult with candidates for 2 conversations", shown(result), where)
                continue
            for each in result.generations:
                self.expect("generate", cast("Any", each[0]).message, where)

    # ------------------------------------------------------------------------------------------------- what calls say

    def check_parameters(self) -> None:
        words = self.answer.text.split()
        stop = words[-1] if words else "STOP"
        came = self.trial.call("invoke with stop", self.model.invoke, self.question, stop=[stop])
        if came is not FAILED and stop in came.text:
            self.tell("stop", f"a text without {stop!r}", shown(came), "invoke")
        talk = [
            SystemMessage("Be brief."),
            HumanMessage(self.question),
            AIMessage("Hello."),
            HumanMessage(self.question),
        ]
        self.accepts("system", "a conversation", self.model, talk)

    def accepts(self, law: str, where: str, model: Any, input: Any) -> Any:
        try:
            return model.invoke(input)
        except Exception as error:
            self.tell(law, "an answer", f"{type(error).__name__}: {error}", where)
        return FAILED

    def check_tools(self) -> None:
        try:
            bound = self.model.bind_tools([add])
        except NotImplementedError:
            return  # it has none, and says so
        except Exception as error:
            self.tell("tools", "a runnable", f"{type(error).__name__}: {error}", "bind_tools")
            return
        came = self.accepts("tools", "bind_tools", bound, self.question)
        if came is not FAILED:
            self.is_answer(came, "bind_tools")
        for choice in ("auto", "none", "any", "add", True):
            try:
                self.model.bind_tools([add], tool_choice=choice)
            except Exception as error:
                self.tell("tools", f"tool_choice={choice!r} is taken", f"{type(error).__name__}: {error}", "bind_tools")
        self.refuses("tools", "bind_tools", lambda: self.model.bind_tools([add], tool_choice="subtract"))
        said = AIMessage("", tool_calls=[cast("Any", _CALL), cast("Any", {**_CALL, "id": "call_2"})])
        results = [ToolMessage("3", tool_call_id="call_1"), ToolMessage("no", tool_call_id="call_2", status="error")]
        self.accepts("tool-messages", "a conversation with tools", bound, [HumanMessage("1 + 2?"), said, *results])

    def refuses(self, law: str, where: str, call: Callable[[], Any]) -> None:
        try:
            call()
        except PlaitError:
            return
        except Exception as error:
            self.tell(law, "an error of plait", f"{type(error).__name__}: {error}", where)
        else:
            self.tell(law, "an error", "none", where)

    def check_structured(self) -> None:
        try:
            structured = self.model.with_structured_output(_SCHEMA)
        except NotImplementedError:
            return
        self.judge_value("with_structured_output", self.trial_of(lambda: structured.invoke(self.question)))
        self.judge_value("a stream of it", self.trial_of(lambda: merge_all(structured.stream(self.question))))
        self.refuses("structured", "a schema that is no object", lambda: self.model.with_structured_output(cast("Any", {"title": "A", "type": "array"})))  # fmt: skip
        raw = self.accepts("structured", "include_raw", self.model.with_structured_output(_SCHEMA, include_raw=True), self.question)  # fmt: skip
        if raw is not FAILED and [*raw] != ["raw", "parsed", "parsing_error"]:
            self.tell("structured", "raw, parsed and parsing_error", shown(raw), "include_raw")
        elif raw is not FAILED and (raw["parsed"] is None) is (raw["parsing_error"] is None):
            self.tell("structured", "a value or an error", shown(raw), "include_raw")

    def trial_of(self, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except Exception as error:
            return error

    def judge_value(self, where: str, came: Any) -> None:
        if isinstance(came, OutputParserException):
            return
        if isinstance(came, Exception):
            self.tell("structured", "a value or an OutputParserException", f"{type(came).__name__}: {came}", where)
        elif not isinstance(came, dict) or not isinstance(cast("dict[str, Any]", came).get("text"), str):
            self.tell("structured", "a dict of the schema", shown(came), where)

    def check_cache(self) -> None:
        keeping = self.model.model_copy(update={"cache": InMemoryCache()})
        first = self.trial.call("with a cache", keeping.invoke, self.question)
        second = self.trial.call("with a cache", keeping.invoke, self.question)
        if FAILED in (first, second) or not second.response_metadata.get("cached"):
            return  # a model whose settings tell nothing of its answers is not kept
        usage = second.usage_metadata
        if first.content != second.content or first.id == second.id or (usage and usage["total_tokens"]):
            self.tell("cache", f"{shown(first)}, with another id and no tokens", shown(second), "invoke")


def _written(answer: AIMessage) -> int | None:
    """How many tokens an answer says that it has."""
    return answer.usage_metadata["output_tokens"] if answer.usage_metadata else None
