"""Hostile input from models, tools, stores and files, across components: a clear error, in bounded work, or plain data."""

from __future__ import annotations

import importlib
import json
import pickle
import pkgutil
import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import plait
from plait.documents import Document
from plait.embeddings import DeterministicFakeEmbedding
from plait.errors import LoadError, OutputParserException, PlaitError, StoreError
from plait.load import dumps, loads
from plait.messages import AIMessage
from plait.output_parsers import JsonOutputParser, JsonOutputToolsParser, StrOutputParser, XMLOutputParser
from plait.prompts import ChatPromptTemplate, load_prompt
from plait.runnables import Runnable, RunnablePassthrough
from plait.stores import LocalFileStore
from plait.testing import EchoChatModel
from plait.tools import ToolNode, tool
from plait.vectorstores import FAISS, InMemoryVectorStore

CANARIES = [
    {"$plait": "1/secret", "name": "CANARY"},
    {"lc": 1, "type": "secret", "id": ["CANARY"]},
    {
        "lc": 1,
        "type": "constructor",
        "id": ["langchain", "schema", "messages", "AIMessage"],
        "kwargs": {"content": "x"},
    },
    {"type": "human", "content": "{x}"},
    {"__class__": "os.system"},
]


def pieces(text: str) -> Iterator[str]:
    """A text as a model streams it."""
    for start in range(0, len(text), 64):
        yield text[start : start + 64]


# ------------------------------------------------------------------------------------------------------ from the model


@pytest.mark.parametrize("depth", [101, 5_000, 100_000])
@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_deep_json(opening: str, depth: int) -> None:
    """Neither whole nor streamed does it reach the interpreter's own limit."""
    text = opening * depth
    for read in (lambda: JsonOutputParser().invoke(text), lambda: list(JsonOutputParser().transform(pieces(text)))):
        try:
            read()
        except OutputParserException as error:
            assert len(str(error)) < 5_000  # noqa: PT017  # some of them can be read in part, which is as well


def test_deep_arguments_of_a_tool_call() -> None:
    """A call whose arguments are no JSON of sane depth is one that the parser refuses or passes as invalid."""
    raw = {"id": "1", "type": "function", "function": {"name": "f", "arguments": '{"a":' * 5_000}}
    message = AIMessage("", additional_kwargs={"tool_calls": [raw]})

    with pytest.raises(OutputParserException):
        JsonOutputToolsParser().invoke(message)


@tool
def look_up(key: str) -> str:
    """Look something up."""
    return key


@pytest.mark.parametrize("args", [{}, {"key": {"a": 1}}, {"key": "x", "self": 1}, {"__class__": "x"}, {"key": None}])
def test_arguments_that_a_tool_does_not_take(args: dict[str, Any]) -> None:
    """The model is told; nothing else is called."""
    call: Any = {"name": "look_up", "args": args, "id": "1", "type": "tool_call"}
    [answer] = ToolNode([look_up]).invoke([AIMessage("", tool_calls=[call])])

    assert answer.status == "error"


def test_an_unknown_tool() -> None:
    """A name that no tool has is answered, not looked up elsewhere."""
    call: Any = {"name": "os.system", "args": {"command": "true"}, "id": "1", "type": "tool_call"}
    [answer] = ToolNode([look_up]).invoke([AIMessage("", tool_calls=[call])])

    assert answer.status == "error"


ENTITIES = "".join(f'<!ENTITY a{i} "{f"&a{i - 1};" * 10 if i else "lol"}">' for i in range(10))


@pytest.mark.parametrize(
    "text",
    [
        f"<?xml version='1.0'?><!DOCTYPE a [{ENTITIES}]><a>&a9;</a>",
        '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]><a>&x;</a>',
        "<a>" * 5_000,
        "<a>" * 200 + "</a>" * 200,
    ],
    ids=["billion laughs", "external entity", "open tags", "deep"],
)
def test_xml(text: str) -> None:
    """No entity is worked out, and nothing is nested without end."""
    with pytest.raises(OutputParserException) as told:
        XMLOutputParser().invoke(text)
    assert len(str(told.value)) < 5_000


# ---------------------------------------------------------------------------------------------- from documents and tools


@pytest.mark.parametrize(
    "text", ["{question}", "{{x}}", "{x.__class__}", "{0}", "{context!r:>999999999}", "%s {% x %}"]
)
def test_template_syntax_in_documents(text: str) -> None:
    """Retrieved text is put in as it is, and is never read as a template."""
    store = InMemoryVectorStore.from_texts([text], DeterministicFakeEmbedding(size=8))
    prompt = ChatPromptTemplate.from_template("{context}\n{question}")
    inputs: Any = {"context": store.as_retriever(), "question": RunnablePassthrough()}
    chain: Runnable[Any, Any] = inputs | prompt | EchoChatModel() | StrOutputParser()

    assert chain.invoke("Why?") == f"{text}\nWhy?"


@pytest.mark.parametrize("canary", CANARIES, ids=lambda canary: next(iter(canary)))
def test_canaries_stay_data(canary: Any, tmp_path: Path) -> None:
    """Through a store and its file, and through saving what was found (D2, D4)."""
    document = Document("text", metadata={"it": canary})
    store = InMemoryVectorStore.from_documents([document], DeterministicFakeEmbedding(size=8))
    store.dump(str(tmp_path / "store.json"))
    [found] = InMemoryVectorStore.load(
        str(tmp_path / "store.json"), DeterministicFakeEmbedding(size=8)
    ).similarity_search("x")

    assert found.metadata == {"it": canary}
    assert loads(dumps([found]), secrets={"CANARY": "leaked"}) == [found]


@pytest.mark.parametrize("canary", CANARIES, ids=lambda canary: next(iter(canary)))
async def test_canaries_stay_data_where_it_is_watched(canary: Any) -> None:
    """Logs and events show data, and call no loader (D4)."""
    chain = RunnablePassthrough[Any]().with_config(metadata={"it": canary}, tags=["1/secret"], run_name="lc")
    events = [event async for event in chain.astream_events({"in": canary}, version="v2")]

    assert events[-1]["data"]["output"] == {"in": canary}
    assert events[0]["metadata"]["it"] == canary


# ------------------------------------------------------------------------------------------------------------ from files


class Planted:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def poisons(tmp_path: Path) -> list[bytes]:
    return [
        pickle.dumps(Planted(tmp_path / "canary")),
        b"",
        b"\xff\xfe",
        b"null",
        b"[" * 100_000,
        json.dumps({"lc": 1, "type": "constructor", "id": ["os", "system"]}).encode(),
        b'{"format": 1, "kind": "InMemoryVectorStore", "ids": ["a"], "texts": [1], "metadatas": [{}], "vectors": [[]]}',
        b'{"format": 1, "kind": "FAISS", "ids": ["a", "b"], "texts": ["x"], "metadatas": []}',
        b'{"format": 99, "kind": "FAISS"}',
    ]


def test_poisoned_files_of_a_vector_store(tmp_path: Path) -> None:
    """Each is an error of ours, and none is unpickled (P1, P3)."""
    path = tmp_path / "store.json"
    for poison in poisons(tmp_path):
        path.write_bytes(poison)
        with pytest.raises(StoreError):
            InMemoryVectorStore.load(str(path), DeterministicFakeEmbedding(size=8))
    assert not (tmp_path / "canary").exists()


def test_poisoned_files_of_faiss(tmp_path: Path) -> None:
    """Each file of a saved index in turn holds what an attacker put there (CVE-2024-5998)."""
    pytest.importorskip("faiss")
    embedding = DeterministicFakeEmbedding(size=8)
    for poison in poisons(tmp_path):
        folder = tmp_path / "index"
        FAISS.from_texts(["x", "y"], embedding).save_local(str(folder))
        for path in sorted(folder.iterdir()):
            kept = path.read_bytes()
            path.write_bytes(poison)
            with pytest.raises(StoreError):
                FAISS.load_local(str(folder), embedding)
            path.write_bytes(kept)
    assert not (tmp_path / "canary").exists()


@pytest.mark.parametrize("key", ["../x", "..\\x", "/etc/x", "a/../../x", "x\0", "", ".", "..", "C:\\x", "a" * 5_000])
def test_f3_keys_that_leave_the_folder(key: str, tmp_path: Path) -> None:
    """No key of a store names a file elsewhere, to be written, read or deleted."""
    (tmp_path / "x").write_bytes(b"outside")
    store = LocalFileStore(tmp_path / "root")
    for attempt in (lambda: store.mset([(key, b"y")]), lambda: store.mget([key]), lambda: store.mdelete([key])):
        with pytest.raises(PlaitError):
            attempt()
    assert (tmp_path / "x").read_bytes() == b"outside"


@pytest.mark.parametrize("name", ["../secret.txt", "/etc/hostname", "..\\secret.txt", "link.txt", "a/../../secret.txt"])
def test_f3_prompts_that_name_files_elsewhere(name: str, tmp_path: Path) -> None:
    """Also by a link that lies in the folder (CVE-2026-34070)."""
    (tmp_path / "secret.txt").write_text("secret")
    folder = tmp_path / "prompts"
    folder.mkdir()
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    (folder / "p.json").write_text(json.dumps({"_type": "prompt", "template_path": name}))

    with pytest.raises(LoadError):
        load_prompt(folder / "p.json")


def test_f4_saving_and_loading_open_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is loaded reads nothing (F1, F4): all that it needs has been imported by then."""
    text = dumps(ChatPromptTemplate.from_template("{x}") | EchoChatModel() | StrOutputParser())
    loads(text)
    monkeypatch.setattr("builtins.open", None)
    monkeypatch.setattr("io.open", None)
    monkeypatch.setattr("os.open", None)

    assert loads(text).invoke({"x": "a"}) == "a"


# ---------------------------------------------------------------------------------------------------- bounded work (G1, G2)


def work(act: Callable[[], object], times: int = 3) -> float:
    """Processor time of the best of so many; what fails has done its work, too."""
    best = float("inf")
    for _ in range(times):
        start = time.process_time()
        with suppress(PlaitError, ValueError):
            act()
        best = min(best, time.process_time() - start)
    return best


def grows(act: Callable[[int], object], size: int) -> bool:
    """Whether four times the input costs more than about four times the work; too little to measure is little enough."""
    if work(lambda: act(4 * size), 1) < 0.02:
        return False
    return work(lambda: act(4 * size)) > 10 * work(lambda: act(size))


def patterns() -> dict[str, re.Pattern[Any]]:
    """Every compiled pattern that a module holds."""
    found: dict[str, re.Pattern[Any]] = {}
    for module in pkgutil.walk_packages(plait.__path__, "plait."):
        if module.name.endswith("__main__"):
            continue
        for name, thing in vars(importlib.import_module(module.name)).items():
            held = thing.values() if isinstance(thing, dict) else thing if isinstance(thing, tuple | list) else [thing]
            found |= {f"{module.name}.{name}": each for each in held if isinstance(each, re.Pattern)}
    return found


@pytest.mark.slow
def test_a_pattern_that_goes_back_is_found() -> None:
    """The measure sees what is quadratic."""
    assert grows(lambda size: re.match("a*a*a*b", "a" * size), 120)  # cubic: far from what noise could hide


PATTERNS = patterns()
AT_THE_START = {
    "plait.output_parsers.lists._BULLET",
    "plait.output_parsers.lists._NUMBERED",
    "plait.tools.docstrings._ARGUMENT",
    "plait.tools.docstrings._NAMES",
}
"""Patterns that are tried at the start of a line alone, so that what they cost is not paid at every place."""
FLOODS = [
    " ",
    "a",
    "1",
    "\n",
    "{",
    "<",
    '"',
    "\\",
    "*",
    "-",
    ".",
    "a ",
    "a.",
    "{a",
    "<a ",
    "```",
    "1.",
    "a-",
    '"\\',
    "\n- ",
    " \n",
]


@pytest.mark.slow  # it measures work, for which an idle machine is best
@pytest.mark.parametrize("name", sorted(PATTERNS))
def test_g1_patterns_are_linear(name: str) -> None:
    """No pattern goes over a hostile text again and again."""
    pattern = PATTERNS[name]
    ends: list[Any] = ["", "!", "\0"]
    for flood in FLOODS:
        for end in ends:

            def act(size: int, flood: str = flood, end: str = end) -> object:
                text = (flood * size)[:size] + end
                given: Any = text.encode() if isinstance(pattern.pattern, bytes) else text
                found = None if name in AT_THE_START else pattern.search(given)
                return pattern.match(given), pattern.fullmatch(given), found

            assert not grows(act, 25_000), (flood, end)


@pytest.mark.slow
@pytest.mark.parametrize(
    "act",
    [
        lambda size: JsonOutputParser().invoke("[" + "1," * size + "1]"),
        lambda size: list(JsonOutputParser(diff=True).transform(pieces('{"a": "' + "x" * size))),
        lambda size: JsonOutputParser().invoke("```" * size),
        lambda size: JsonOutputParser().invoke("{" * size),
        lambda size: XMLOutputParser().invoke("<a>" + "<b></b>" * (size // 8) + "</a>"),
        lambda size: loads("[" + "1," * size + "1]"),
        lambda size: dumps({"$plait": ["x"] * size}),
    ],
    ids=["json", "streamed json", "fences", "braces", "xml", "loads", "dumps"],
)
def test_g2_work_is_linear(act: Callable[[int], object]) -> None:
    """Four times as much input is four times as much work."""
    assert not grows(act, 20_000)
