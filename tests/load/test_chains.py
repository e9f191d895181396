"""Chains as data: each public class comes back and behaves alike, or says at once that it cannot be saved."""

from __future__ import annotations

import importlib.util
import re
import sys
from inspect import isabstract
from pathlib import Path
from types import FunctionType
from typing import Any, cast

import pytest
from pydantic import BaseModel

import plait
from plait.chat_history import RunnableWithMessageHistory
from plait.errors import LoadError
from plait.load import dumps, load, loads
from plait.load.shapes import SHAPES
from plait.load.table import ADVICE, NODES, SAVED, advice_for, class_named, name_of_class
from plait.messages import AIMessage, AIMessageChunk, HumanMessage, ToolMessage
from plait.output_parsers import JsonOutputParser, PydanticOutputParser, StrOutputParser
from plait.prompts import ChatPromptTemplate, PromptTemplate
from plait.providers import ChatLocal, ChatOpenAI
from plait.retrievers import BaseRetriever
from plait.runnables import (
    ConfigurableField,
    Runnable,
    RunnableBinding,
    RunnableGenerator,
    RunnableLambda,
    RunnablePassthrough,
    RunnableSequence,
)
from plait.testing import EchoChatModel, FakeListChatModel
from plait.tools import Tool, ToolNode, as_tool, tool


def loaded(name: str) -> Any:
    """A module that stands beside the folder of this one."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parents[1] / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules.setdefault(name, importlib.util.module_from_spec(spec))
    if not hasattr(module, "SAMPLES"):
        spec.loader.exec_module(module)
    return module


samples = loaded("samples")
FUNCTIONS: dict[str, Any] = {
    **{name: thing for name, thing in vars(samples).items() if isinstance(thing, FunctionType)},
    "decorated": samples.decorated.func,
    "str.upper": str.upper,
    "str.islower": str.islower,
}
CLASSES = [thing for thing in vars(samples).values() if isinstance(thing, type) and thing.__module__ == "samples"]
GIVEN: dict[str, Any] = {"functions": FUNCTIONS, "classes": CLASSES}


def saved(runnable: Any) -> tuple[str | None, str]:
    """The text, or what is said in its place."""
    try:
        return dumps(runnable, **GIVEN), ""
    except LoadError as error:
        return None, str(error)


@pytest.mark.parametrize("sample", samples.SAMPLES.values(), ids=samples.SAMPLES)
def test_a_sample_behaves_alike_or_says_why_not(sample: Any) -> None:
    """The same outputs, schemas and graph, and the same text when it is saved again."""
    text, refusal = saved(sample.runnable)
    if text is None:
        assert re.match(r"\$.*: .*(pass|give|where you load)", refusal)
        return
    back = loads(text, **GIVEN)

    assert type(back) is type(sample.runnable)
    assert dumps(back, **GIVEN) == text
    assert back.get_input_jsonschema() == sample.runnable.get_input_jsonschema()
    assert back.get_output_jsonschema() == sample.runnable.get_output_jsonschema()
    assert back.get_graph().draw_mermaid() == sample.runnable.get_graph().draw_mermaid()
    if "modes" not in sample.options:
        assert [_bare(back.invoke(it)) for it in sample.inputs] == [
            _bare(sample.runnable.invoke(it)) for it in sample.inputs
        ]


def _bare(value: Any) -> Any:
    """Without the ids of runs."""
    if isinstance(value, list):
        return [_bare(each) for each in value]
    return value.model_copy(update={"id": None}) if isinstance(value, BaseModel) and hasattr(value, "id") else value


def test_most_samples_come_back() -> None:
    """So that the test above does not pass by refusing."""
    refused = [name for name, sample in samples.SAMPLES.items() if saved(sample.runnable)[0] is None]

    assert len(refused) < len(samples.SAMPLES) / 4, refused


def shout(text: str) -> str:
    """Shout."""
    return text.upper()


def held(thing: Any) -> Any:
    """All that an object holds, as plain data, but for what it has found out at work."""
    if isinstance(thing, dict):
        return {str(key): held(value) for key, value in thing.items()}
    if isinstance(thing, list | tuple | set):
        return [held(each) for each in thing]
    if isinstance(thing, BaseModel):
        return {name: held(getattr(thing, name)) for name in type(thing).model_fields}
    if isinstance(thing, Runnable) or type(thing).__module__.startswith("plait."):
        return {name: held(value) for name, value in getattr(thing, "__dict__", {}).items() if _lasts(name)}
    return repr(thing) if thing is None or isinstance(thing, str | int | float | bytes) else type(thing).__name__


def _lasts(name: str) -> bool:
    return not name.startswith("_") or name in ("_inline", "_resets", "_type")


@pytest.mark.parametrize("sample", samples.SAMPLES.values(), ids=samples.SAMPLES)
def test_nothing_that_a_sample_holds_is_lost(sample: Any) -> None:
    """Also what shows in no output: names, limits, policies."""
    text, _ = saved(sample.runnable)

    assert text is None or held(loads(text, **GIVEN)) == held(sample.runnable)


def chunks(parts: Any) -> Any:
    """A stream as it comes."""
    yield from parts


PASS: Any = RunnablePassthrough()
JITTER: Any = {"initial": 0.5, "max": 3, "exp_base": 4, "jitter": 0}
SAY_ALL: list[Any] = [
    RunnableLambda(shout, name="n", inline=True),
    RunnableLambda(shout, chunkwise=True),
    RunnableLambda(chunks, resets=True),
    RunnableGenerator(chunks, name="n", resets=True),
    RunnableSequence(PASS, PASS, name="n"),
    PASS.with_retry(
        stop_after_attempt=7,
        wait_exponential_jitter=False,
        retry_if_exception_type=(KeyError,),
        exponential_jitter_params=JITTER,
        mid_stream="restart",
    ),
    PASS.with_fallbacks([PASS], exceptions_to_handle=(KeyError,), exception_key="e", mid_stream="restart"),
    PASS.configurable_alternatives(ConfigurableField(id="w"), default_key="d", prefix_keys=True, other=PASS),
    PASS.bind(a=None, b=False, c=()).with_config(run_name="r", tags=["t"], max_concurrency=3, timeout=2.5),
    RunnablePassthrough(shout, input_type=str),
    RunnablePassthrough.assign(self=PASS, mapper=PASS, steps=PASS),
    RunnableWithMessageHistory(PASS, shout, input_messages_key="a", history_messages_key="b", name="h"),
]
"""Each with settings that are not the defaults."""


@pytest.mark.parametrize("node", SAY_ALL, ids=lambda node: type(node).__name__)
def test_no_setting_of_a_node_is_lost(node: Any) -> None:
    """Whether it shows in an output or not."""
    functions = {"shout": shout, "chunks": chunks}

    assert held(loads(dumps(node, functions=functions), functions=functions)) == held(node)


NOT_SAVED = {
    **dict.fromkeys(("Runnable", "RunnableSerializable"), "there to be subclassed"),
    **dict.fromkeys(("Fails", "Hangs", "Slow"), "tools of tests, around functions"),
}
"""Concrete public classes for which there is but the general advice, and why."""


def public_classes() -> list[type[Any]]:
    things = [getattr(plait, name) for name in plait.__all__]
    return [it for it in things if isinstance(it, type) and issubclass(it, Runnable | BaseModel) and not isabstract(it)]


@pytest.mark.parametrize("kind", public_classes(), ids=lambda kind: kind.__name__)
def test_every_public_class_is_saved_or_has_advice(kind: type[Any]) -> None:
    """A class that is neither in the table, nor has advice of its own, has been forgotten."""
    if name_of_class(kind) is not None:
        assert class_named(kind.__name__) is kind
    elif not kind.__name__.startswith("Base"):
        general = {ADVICE["Runnable"], ADVICE["BaseLanguageModel"]}
        assert (advice_for(kind) in general) == (kind.__name__ in NOT_SAVED)


def test_every_node_has_a_shape() -> None:
    """The table and the shapes name the same classes."""
    assert sorted(SHAPES) == sorted(" ".join(NODES.values()).split())


@pytest.mark.parametrize("name", sorted(SAVED))
def test_d1_the_table_names_classes_that_are_there(name: str) -> None:
    """Names are those of this package's own modules; what is not there yet is an error of this tree."""
    assert SAVED[name].startswith("plait.")
    assert isinstance(class_named(name), type)


# ------------------------------------------------------------------------------------------- functions, classes, types


def test_d1_functions_are_given_by_the_loading_program() -> None:
    """By name; a name that was not given is an error that says so."""
    text = dumps(RunnableLambda(samples.upper) | samples.exclaim, functions={"up": samples.upper, "e": samples.exclaim})

    assert loads(text, functions={"up": str.lower, "e": samples.exclaim}).invoke("A") == "a!"
    with pytest.raises(LoadError, match=r"\$\.steps\[1\]\.func: 'e' is needed here.*functions={'e'"):
        loads(text, functions={"up": str.lower})
    with pytest.raises(LoadError, match=r"\$\.steps\[0\]\.func: the function upper is code: pass functions"):
        dumps(RunnableLambda(samples.upper) | samples.exclaim)


class Joke(BaseModel):
    """A joke."""

    setup: str = ""


def test_classes_are_given_by_both_programs() -> None:
    """As types in a parser, and as objects."""
    parser = PydanticOutputParser(pydantic_object=Joke)
    text = dumps([parser, Joke(setup="x")], classes=[Joke])
    back = loads(text, classes=[Joke])

    assert back == [parser, Joke(setup="x")]
    with pytest.raises(LoadError, match=r"\$\[0\]\.pydantic_object: .*pass classes=\[Joke\]"):
        dumps([parser])
    with pytest.raises(LoadError, match="'Joke' is the program's own"):
        loads(text)


def test_types_and_exceptions_come_back() -> None:
    """Builtin types, unions of them, exceptions by name."""
    step: Any = RunnablePassthrough().with_types(input_type=list[str], output_type=cast("Any", int | None))
    chain: Any = step.with_retry(retry_if_exception_type=(OSError, LoadError), stop_after_attempt=2)
    back: Any = loads(dumps(chain))

    assert back.policy == chain.policy
    assert (back.bound.input_type, back.bound.output_type) == (list[str], int | None)
    with pytest.raises(LoadError, match="'os' is not known"):
        load({"$plait": "1/type", "name": "os"})


def test_a_thing_that_only_the_program_has() -> None:
    """A retriever, a client, a store: whatever is given under a name."""

    class Nothing(BaseRetriever):
        def _get_relevant_documents(self, query: str, **kwargs: Any) -> list[Any]:
            return []

    retriever = Nothing()
    chain: Any = {"context": retriever} | RunnablePassthrough()
    back: Any = loads(dumps(chain, functions={"docs": retriever}), functions={"docs": retriever})

    assert back.invoke("x") == {"context": []}
    with pytest.raises(LoadError, match=r"\$\.steps\[0\]\.steps\.context: .*functions={'name': retriever}"):
        dumps(chain)


@tool
def add(a: int, b: int = 1) -> int:
    """Add two numbers."""
    return a + b


def test_tools_come_back() -> None:
    """With arguments that are read from the function again."""
    tools = [add, Tool("shout", shout, "Shout."), as_tool(PromptTemplate.from_template("{x}"), name="fill")]
    functions = {"add": add.func, "shout": shout}
    back: Any = loads(dumps(ToolNode(tools), functions=functions), functions=functions)
    call = AIMessage("", tool_calls=[{"name": "add", "args": {"a": 2}, "id": "1"}])

    assert back.invoke([call])[0].content == "3"
    assert [each.args for each in back.tools] == [each.args for each in tools]


def test_bound_tools_stay_data() -> None:
    """What bind_tools gave is a dict by then."""
    back: Any = loads(dumps(EchoChatModel().bind(tools=[{"type": "function", "function": {"name": "f"}}])))

    assert back.kwargs["tools"][0]["function"] == {"name": "f"}


# ------------------------------------------------------------------------------------------------------------ messages


def test_messages_come_back() -> None:
    """With calls, usage and fields of a vendor's own."""
    messages = [
        HumanMessage([{"type": "text", "text": "hi"}], id="1"),
        AIMessage("", tool_calls=[{"name": "f", "args": {"x": 1}, "id": "c"}], response_metadata={"$plait": 1}),
        AIMessageChunk(content="a", tool_call_chunks=[{"name": "f", "args": "{", "id": "c", "index": 0}]),
        ToolMessage("x", tool_call_id="c", artifact=(1, b"2")),
        HumanMessage.model_validate({"content": "x", "reasoning": "own", "$plait": "1/tuple"}),
    ]
    back = loads(dumps(messages))

    assert back == messages
    assert [type(each) for each in back] == [type(each) for each in messages]


CANARY = {"$plait": "1/secret", "name": "CANARY", "lc": 1, "type": "secret", "id": ["CANARY"]}


@pytest.mark.parametrize("place", ["response_metadata", "additional_kwargs", "content", "artifact"])
def test_d2_canaries_in_messages_stay_data(place: str) -> None:
    """Metadata, tool output and the like are written by models and tools."""
    said = {"content": "x", "tool_call_id": "1", place: [CANARY] if place == "content" else CANARY}
    message = ToolMessage.model_validate(said)
    back = loads(dumps({"$plait": [message]}), secrets={"CANARY": "leaked"})

    assert back == {"$plait": [message]}
    assert "leaked" not in repr(back)


def test_d2_canaries_in_configs_stay_data() -> None:
    """Run names, tags and metadata of a bound config."""
    chain: Any = RunnablePassthrough().with_config(run_name="1/secret", tags=['{"$plait": 1}'], metadata={"a": CANARY})
    back: Any = loads(dumps(chain), secrets={"CANARY": "leaked"})

    assert back.config == chain.config


# ----------------------------------------------------------------------------------------------- secrets and addresses


def test_d3_secrets_are_written_as_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loading program gives them; neither direction reads or shows any other."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    model = ChatOpenAI(
        model="m", api_key="sk-secret-secret", default_headers={"X-Api-Key": "header-secret", "X-A": "b"}
    )
    text = dumps(model)
    back = loads(text, secrets={"OPENAI_API_KEY": "sk-other", "X_API_KEY": "h"})

    assert "secret-secret" not in text
    assert "header-secret" not in text
    assert back.api_key.get_secret_value() == "sk-other"
    assert back.default_headers == {"X-Api-Key": "h", "X-A": "b"}
    with pytest.raises(LoadError, match=r"\$\.api_key: 'OPENAI_API_KEY' is needed"):
        loads(text)


def test_d3_loading_does_not_read_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model takes nothing from it that the text did not say."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    text = dumps(ChatOpenAI(model="m"))
    monkeypatch.setenv("OPENAI_API_KEY", "sk-environment")
    monkeypatch.setenv("OPENAI_BASE_URL", "https://environment.example/v1")
    back = loads(text)

    assert (back.api_key, back.base_url) == (None, None)
    assert ChatOpenAI(model="m").base_url == "https://environment.example/v1"


def test_d3_secrets_of_bound_arguments() -> None:
    """Those with the name of a secret."""
    chain: Any = RunnablePassthrough().with_config(configurable={"openai_api_key": "sk-secret"})
    text = dumps(chain)

    assert "sk-secret" not in text
    assert loads(text, secrets={"OPENAI_API_KEY": "k"}).config["configurable"] == {"openai_api_key": "k"}


@pytest.mark.parametrize(
    "tree",
    [
        {"$plait": "1/secret", "name": "KEY"},
        {"api_key": {"$plait": "1/secret", "name": "KEY"}},
        {"$plait": "1/HumanMessage", "content": {"$plait": "1/secret", "name": "KEY"}},
        {"$plait": "1/HumanMessage", "content": "x", "additional_kwargs": {"api_key": {"$plait": "1/secret", "name": "KEY"}}},
        {"$plait": "1/ChatOpenAI", "model": {"$plait": "1/secret", "name": "KEY"}},
        {"$plait": "1/RunnableBinding", "bound": {"$plait": "1/PromptTemplate", "template": "", "partial_variables":
            {"api_key": {"$plait": "1/secret", "name": "KEY"}}}},
    ],
)  # fmt: skip
def test_d3_secrets_go_to_no_other_place(tree: Any) -> None:
    """A forged text cannot have a key put into a prompt."""
    with pytest.raises(LoadError, match="a secret cannot stand here"):
        load(tree, secrets={"KEY": "leaked"})


def test_an_address_has_to_be_allowed() -> None:
    """Who writes the text must not decide where prompts and keys go."""
    text = dumps(ChatOpenAI(model="m", api_key="k", base_url="https://llm.example/v1"))
    secrets = {"OPENAI_API_KEY": "k"}

    assert loads(text, secrets=secrets, addresses=["https://llm.example/v1"]).base_url == "https://llm.example/v1"
    with pytest.raises(LoadError, match=r"\$: this ChatOpenAI would send .* to 'https://llm.example/v1'"):
        loads(text, secrets=secrets)
    for field in ("base_url", "openai_api_base", "api_key"):
        late = ChatOpenAI(model="m", api_key="k").configurable_fields(**{field: ConfigurableField(id="it")})
        with pytest.raises(LoadError, match="cannot make the address"):
            loads(dumps(late), secrets=secrets)


def test_a_file_of_weights_has_to_be_allowed() -> None:
    """Who writes the text must not decide what native code reads; the package's own weights are no such file."""
    text = dumps(ChatLocal(model="/weights/x.gguf"))

    assert loads(text, addresses=["/weights/x.gguf"]).model == "/weights/x.gguf"
    assert loads(dumps(ChatLocal())) == ChatLocal()
    with pytest.raises(LoadError, match=r"\$: this ChatLocal would have llama.cpp read the file '/weights/x.gguf'"):
        loads(text)
    with pytest.raises(LoadError, match="cannot make the address"):
        loads(dumps(ChatLocal().configurable_fields(model=ConfigurableField(id="it"))))


def test_methods_of_a_configurable_node_are_not_lost() -> None:
    """What was called on it since can be told by nothing that is saved."""
    late: Any = FakeListChatModel(responses=["a"]).configurable_fields(responses=ConfigurableField(id="it"))

    assert loads(dumps(late)).invoke("x").content == "a"
    with pytest.raises(LoadError, match="methods were called on it after it was made configurable"):
        dumps(late.bind_tools([]))


def test_config_of_others_is_refused() -> None:
    """Callbacks belong to a program."""
    from plait.callbacks import StdOutCallbackHandler

    with pytest.raises(LoadError, match=r"\$\.config\.callbacks\[0\]: .*pass callbacks where you call"):
        dumps(RunnablePassthrough().with_config(callbacks=[StdOutCallbackHandler()]))


# ------------------------------------------------------------------------------------------------------ what is checked


@pytest.mark.parametrize(
    ("tree", "says"),
    [
        ({"$plait": "1/RunnableSequence"}, "the field 'steps' is missing"),
        ({"$plait": "1/RunnableSequence", "steps": []}, "at least one step"),
        ({"$plait": "1/RunnableSequence", "steps": [1]}, "no RunnableSequence can be made"),
        ({"$plait": "1/RunnableSequence", "steps": [], "callbacks": []}, "no field 'callbacks'"),
        ({"$plait": "1/RunnablePick"}, "no RunnablePick can be made"),
        ({"$plait": "1/RunnableLambda", "func": "os.system"}, "no RunnableLambda can be made"),
        ({"$plait": "1/HumanMessage", "content": 5}, "content"),
        ({"$plait": "1/HumanMessage", "content": "x", "$extra": 5}, "no fields but its own"),
        ({"$plait": "1/Document", "page_content": "x", "more": 5}, "no field 'more'"),
        ({"$plait": "1/Document", "page_content": "x", "$extra": {"a": 5}}, "no fields but its own"),
        ({"$plait": "1/StrOutputParser", "__class__": "x"}, "no field '__class__'"),
        ({"$plait": "1/PromptTemplate", "template": "{x.__class__}"}, "no PromptTemplate can be made"),
        ({"$plait": "1/PromptTemplate", "template": "{% for %}", "template_format": "jinja2"}, "no PromptTemplate"),
        ({"$plait": "1/ChatOpenAI", "model": "m", "timeout": 1, "http_client": {}}, "no field 'http_client'"),
        ({"$plait": "1/CharacterTextSplitter", "separator": "(a+)+$", "is_separator_regex": True}, "can run for ever"),
        ({"$plait": "1/RunnableEach", "bound": {"$plait": "1/BaseMessage", "content": ""}}, "BaseMessage"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tree: Any, says: str) -> None:
    """And nothing is half made."""
    with pytest.raises(LoadError, match=says) as told:
        load({"a": [tree]})
    assert str(told.value).startswith("$.a[0]")


def test_templates_stay_templates() -> None:
    """A literal message with braces stays literal, and a value is not read again."""
    prompt = ChatPromptTemplate([HumanMessage("{x} {{y}}"), ("human", "{x}")])
    back: Any = loads(dumps(prompt))

    assert [each.content for each in back.invoke({"x": "{y}"}).messages] == ["{x} {{y}}", "{y}"]


def test_pretty_text_differs_line_by_line() -> None:
    """Fields have a fixed order, and a line each."""
    chain = PromptTemplate.from_template("{x}") | FakeListChatModel(responses=["a"]) | StrOutputParser()
    text = dumps(chain, pretty=True)

    assert loads(text).invoke("x") == "a"
    assert text.splitlines()[1] == '  "$plait": "1/RunnableSequence",'
    assert sum(a != b for a, b in zip(text.splitlines(), dumps(
        PromptTemplate.from_template("{y}") | FakeListChatModel(responses=["a"]) | StrOutputParser(), pretty=True
    ).splitlines(), strict=True)) == 1  # fmt: skip


def test_a_long_chain_comes_back() -> None:
    """Steps beside each other are not deep."""
    chain: Any = RunnableSequence(*[RunnablePassthrough()] * 2_000)

    assert len(loads(dumps(chain)).steps) == 2_000


def test_loading_alike_is_not_sharing() -> None:
    """Two loads have nothing in common."""
    text = dumps(RunnableBinding(RunnablePassthrough(), kwargs={"a": [1]}))

    assert loads(text).kwargs["a"] is not loads(text).kwargs["a"]


def test_a_class_of_the_same_name_is_another() -> None:
    """A user's class cannot pass for one of the table."""
    for home in ("elsewhere", "plait.output_parsers.json"):
        impostor = type("JsonOutputParser", (JsonOutputParser,), {"__module__": home})
        with pytest.raises(LoadError, match="JsonOutputParser"):
            dumps(impostor())
