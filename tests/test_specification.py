"""The notebook that plait is built to run: its cells in order, with nothing changed but the import lines; its tables."""

from __future__ import annotations

import ast
import faulthandler
import inspect
import re
from collections.abc import Iterator
from types import CodeType
from typing import Any, Final, NamedTuple

import pytest
from jsonschema import Draft202012Validator, ValidationError

from plait import (
    FAISS,
    AIMessage,
    BaseMessage,
    ChatLocal,
    ChatOpenAI,
    ChatPromptTemplate,
    CommaSeparatedListOutputParser,
    DeterministicFakeEmbedding,
    Document,
    HumanMessage,
    InMemoryVectorStore,
    LocalServer,
    PromptValue,
    Runnable,
    StrOutputParser,
    tool,
)
from plait.prompt_values import ChatPromptValue
from plait.testing import EchoChatModel, FakeListLLM

SECONDS: Final = 600  # that long answers may take in all, on a busy machine

CELLS: Final = [
    "from langchain.prompts import ChatPromptTemplate\nfrom langchain.chat_models import ChatOpenAI",
    "model = ChatOpenAI()",
    'prompt = ChatPromptTemplate.from_template("tell me a joke about {topic}")',
    "chain = prompt | model",
    "# The input schema of the chain is the input schema of its first part, the prompt.\nchain.input_schema.schema()",
    "chain.output_schema.schema()",
    'for s in chain.stream({"topic": "bears"}):\n    print(s.content, end="", flush=True)',
    'chain.invoke({"topic": "bears"})',
    'chain.batch([{"topic": "bears"}, {"topic": "cats"}])',
    'chain.batch([{"topic": "bears"}, {"topic": "cats"}], config={"max_concurrency": 5})',
    'async for s in chain.astream({"topic": "bears"}):\n    print(s.content, end="", flush=True)',
    'await chain.ainvoke({"topic": "bears"})',
    'await chain.abatch([{"topic": "bears"}])',
    """\
from langchain.embeddings import OpenAIEmbeddings
from langchain.schema.output_parser import StrOutputParser
from langchain.schema.runnable import RunnablePassthrough
from langchain.vectorstores import FAISS

template = \"\"\"Answer the question based only on the following context:
{context}

Question: {question}
\"\"\"
prompt = ChatPromptTemplate.from_template(template)

vectorstore = FAISS.from_texts(["harrison worked at kensho"], embedding=OpenAIEmbeddings())
retriever = vectorstore.as_retriever()

retrieval_chain = (
    {"context": retriever.with_config(run_name='Docs'), "question": RunnablePassthrough()}
    | prompt 
    | model 
    | StrOutputParser()
)

async for chunk in retrieval_chain.astream_log("where did harrison work?", include_names=['Docs']):
    print(chunk)
""",  # noqa: W291  # two lines of the notebook end in a blank
    """\
async for chunk in retrieval_chain.astream_log("where did harrison work?", include_names=['Docs'], diff=False):
    print(chunk)""",
    """\
from langchain.schema.runnable import RunnableMap
chain1 = ChatPromptTemplate.from_template("tell me a joke about {topic}") | model
chain2 = ChatPromptTemplate.from_template("write a short (2 line) poem about {topic}") | model
combined = RunnableMap({
    "joke": chain1,
    "poem": chain2,
})""",
    '%%time\nchain1.invoke({"topic": "bears"})',
    '%%time\nchain2.invoke({"topic": "bears"})',
    '%%time\ncombined.invoke({"topic": "bears"})',
]
"""Every code cell of the notebook, in order, to the letter."""

IMPORT: Final = re.compile(r"^from langchain\.[\w.]+ import (\w+)$", re.MULTILINE)
"""What is changed of a cell, and all that is."""
EMBEDDED: Final = {"ChatOpenAI": "ChatLocal as ChatOpenAI", "OpenAIEmbeddings": "LocalEmbeddings as OpenAIEmbeddings"}


def moved(source: str, instead: dict[str, str]) -> str:
    """A cell with its import lines changed, as a notebook would hand it to the interpreter."""
    return IMPORT.sub(lambda line: f"from plait import {instead.get(line[1], line[1])}", source).removeprefix(
        "%%time\n"
    )


async def cell(source: str, names: dict[str, Any]) -> Any:
    """Run a cell as a notebook does: statements, ``await`` among them, and the value of a last expression."""
    *body, last = ast.parse(source).body
    if isinstance(last, ast.Expr):
        await _run(ast.Module(body, type_ignores=[]), "exec", names)
        return await _run(ast.Expression(last.value), "eval", names)
    await _run(ast.Module([*body, last], type_ignores=[]), "exec", names)
    return None


async def _run(tree: Any, mode: str, names: dict[str, Any]) -> Any:
    code: CodeType = compile(tree, "<cell>", mode, flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    value = eval(code, names)
    return await value if inspect.iscoroutine(value) else value


class Notebook:
    """The notebook as it is run: what each cell gave, and what it printed."""

    def __init__(self, capsys: pytest.CaptureFixture[str], instead: dict[str, str]) -> None:
        self.capsys = capsys
        self.instead = instead
        self.names: dict[str, Any] = {}
        self.values: list[Any] = []
        self.printed: list[str] = []

    async def run(self, cells: list[str]) -> None:
        for source in cells:
            self.values.append(await cell(moved(source, self.instead), self.names))
            self.printed.append(self.capsys.readouterr().out)

    def check(self) -> None:
        """What each cell gives is what the notebook shows, but for what the model says."""
        values, printed = self.values, self.printed
        assert values[4] == {
            "title": "PromptInput",
            "type": "object",
            "properties": {"topic": {"title": "Topic", "type": "string"}},
        }
        assert values[5]["title"] in ("ChatOpenAIOutput", "ChatLocalOutput")
        assert [each["$ref"].split("/")[-1] for each in values[5]["anyOf"]][:5] == [
            "HumanMessageChunk",
            "AIMessageChunk",
            "ChatMessageChunk",
            "FunctionMessageChunk",
            "SystemMessageChunk",
        ]
        assert set(values[5]["definitions"]) >= {"HumanMessageChunk", "AIMessageChunk"}
        assert printed[6].strip()
        assert printed[10].strip()
        assert [len(values[index]) for index in (8, 9, 12)] == [2, 2, 1]
        assert list(values[18]) == ["joke", "poem"]
        said = [
            values[7],
            *values[8],
            *values[9],
            values[11],
            *values[12],
            values[16],
            values[17],
            *values[18].values(),
        ]
        for message in said:
            assert type(message) is AIMessage
            assert message.content
        assert blotted(printed[13]).startswith(FIRST_PATCHES)
        assert printed[13].count("'/streamed_output/-'") > 3
        assert blotted(printed[14]).startswith(FIRST_STATES)
        assert printed[14].count("RunLog(") > 6


IDS = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
TIMES = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}(\+00:00)?")

# What the notebook prints for cells 14 and 15, with the ids and times blotted out. `Document` also shows its empty metadata, or not.
FIRST_PATCHES = """\
RunLogPatch({'op': 'replace',
  'path': '',
  'value': {'final_output': None,
            'id': ID,
            'logs': {},
            'streamed_output': []}})
RunLogPatch({'op': 'add',
  'path': '/logs/Docs',
  'value': {'end_time': None,
            'final_output': None,
            'id': ID,
            'metadata': {},
            'name': 'Docs',
            'start_time': TIME,
            'streamed_output_str': [],
            'tags': ['map:key:context', 'FAISS'],
            'type': 'retriever'}})
RunLogPatch({'op': 'add',
  'path': '/logs/Docs/final_output',
  'value': {'documents': [Document(page_content='harrison worked at kensho')]}},
 {'op': 'add',
  'path': '/logs/Docs/end_time',
  'value': TIME})
RunLogPatch({'op': 'add', 'path': '/streamed_output/-', 'value': '"""
FIRST_STATES = """\
RunLog({'final_output': None,
 'id': ID,
 'logs': {},
 'streamed_output': []})
RunLog({'final_output': None,
 'id': ID,
 'logs': {'Docs': {'end_time': None,
                   'final_output': None,
                   'id': ID,
                   'metadata': {},
                   'name': 'Docs',
                   'start_time': TIME,
                   'streamed_output_str': [],
                   'tags': ['map:key:context', 'FAISS'],
                   'type': 'retriever'}},
 'streamed_output': []})
RunLog({'final_output': None,
 'id': ID,
 'logs': {'Docs': {'end_time': TIME,
                   'final_output': {'documents': [Document(page_content='harrison worked at kensho')]},
                   'id': ID,"""


def blotted(printed: str) -> str:
    """Without what differs from one time to the next; on one line where a value fits on one, as in the notebook."""
    return TIMES.sub("TIME", IDS.sub("ID", printed)).replace("'ID'", "ID").replace("'TIME'", "TIME")


def test_only_import_lines_are_changed() -> None:
    """The cells that run here are those of the notebook, but for the lines that import."""
    for source in CELLS:
        before, after = source.removeprefix("%%time\n").splitlines(), moved(source, EMBEDDED).splitlines()
        assert len(before) == len(after)
        assert all(old == new or IMPORT.match(old) for old, new in zip(before, after, strict=True))
        assert "langchain" not in "".join(after)


async def test_the_notebook_runs_on_the_local_models(capsys: pytest.CaptureFixture[str]) -> None:
    """All cells in order, on the embedded models; after cell 2 one that says less takes the model's place."""
    notebook = Notebook(capsys, EMBEDDED)
    await notebook.run(CELLS[:2])
    notebook.names["model"] = ChatLocal(max_tokens=12, temperature=0)
    await notebook.run(CELLS[2:])

    notebook.check()


@pytest.mark.slow
async def test_the_notebook_runs_to_the_letter(capsys: pytest.CaptureFixture[str]) -> None:
    """All cells in order, on the embedded models, which say as much as they like."""
    faulthandler.dump_traceback_later(SECONDS, exit=True, file=2)  # in the place of the limit for any test
    notebook = Notebook(capsys, EMBEDDED)
    await notebook.run(CELLS)

    notebook.check()


@pytest.fixture
def servers() -> Iterator[tuple[LocalServer, LocalServer]]:
    """Two servers that speak OpenAI's API on this machine: one answers, the other gives vectors."""
    with LocalServer() as answers, LocalServer(embedding=True, n_parallel=1) as vectors:
        yield answers, vectors


async def test_the_notebook_runs_on_any_server_that_speaks_the_api(
    servers: tuple[LocalServer, LocalServer], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """All cells in order with ``ChatOpenAI`` and ``OpenAIEmbeddings`` themselves, which find servers in the environment."""
    notebook = Notebook(capsys, {})
    at_home(monkeypatch, servers[0])
    await notebook.run(CELLS[:2])
    notebook.names["model"] = ChatOpenAI(max_tokens=12, temperature=0)
    await notebook.run(CELLS[2:13])
    at_home(monkeypatch, servers[1])
    await notebook.run(CELLS[13:])

    notebook.check()


def at_home(monkeypatch: pytest.MonkeyPatch, server: LocalServer) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
    monkeypatch.setenv("OPENAI_API_KEY", server.api_key)


# ------------------------------------------------------------------------------------------------- the tables of types

EMBEDDING: Final = DeterministicFakeEmbedding(size=16)
FOUND: Final = [Document(page_content="harrison worked at kensho")]
QUESTION: Final = ChatPromptValue(messages=[HumanMessage("hi")])


@tool
def search(query: str) -> str:
    """Search the web."""
    return f"found {query}"


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


class Row(NamedTuple):
    """A row of the tables: a component, what it takes (also as JSON), what it refuses, and what it gives."""

    component: Runnable[Any, Any]
    takes: list[tuple[Any, Any]]
    refuses: list[Any]
    gives: Any
    as_json: Any


CONVERSATION: Final = [HumanMessage("hi")], [{"type": "human", "content": "hi"}]
PROMPT_VALUE: Final = QUESTION, QUESTION.model_dump()
SAYS: Final = {"type": "ai", "content": "hi"}
SAID: Final = {"type": "AIMessageChunk", "content": "hi"}  # as the notebook shows the schema of a model's output
INPUTS: Final = {
    "Prompt: dictionary": Row(
        ChatPromptTemplate.from_template("about {topic} in {place}"),
        [({"topic": "bears", "place": "Rome"}, {"topic": "bears", "place": "Rome"})],
        [["bears"], "bears", {}],
        PromptValue,
        {"messages": [{"type": "human", "content": "about bears"}]},
    ),
    "Retriever: single string": Row(
        InMemoryVectorStore.from_texts([FOUND[0].page_content], EMBEDDING).as_retriever(),
        [("where did harrison work?", "where did harrison work?")],
        [{"query": "where?"}, 1],
        list,
        [{"page_content": "harrison worked at kensho", "metadata": {}}],
    ),
    "LLM: single string, list of messages, PromptValue": Row(
        FakeListLLM(responses=["hi"]), [("hi", "hi"), CONVERSATION, PROMPT_VALUE], [{"topic": "hi"}, 1], str, "hi"
    ),
    "ChatModel: single string, list of messages, PromptValue": Row(
        EchoChatModel(), [("hi", "hi"), CONVERSATION, PROMPT_VALUE], [{"topic": "hi"}, 1], BaseMessage, SAID
    ),
    "Tool: single string": Row(search, [("bears", "bears")], [1, ["bears"]], str, "found bears"),
    "Tool: dictionary": Row(add, [({"a": 1, "b": 2}, {"a": 1, "b": 2})], [{"a": "one", "b": 2}, {"a": 1}], int, 3),
    "OutputParser: the output of a ChatModel or an LLM": Row(
        StrOutputParser(), [(AIMessage("hi"), SAYS), ("hi", "hi")], [1, {"text": "hi"}], str, "hi"
    ),
    "OutputParser: a list": Row(
        CommaSeparatedListOutputParser(),
        [(AIMessage("a, b"), {**SAYS, "content": "a, b"}), ("a, b", "a, b")],
        [1],
        list,
        ["a"],
    ),
}
"""The rows of the first table, each with what the second one says of it."""
every_row = pytest.mark.parametrize("row", INPUTS.values(), ids=INPUTS)


@every_row
def test_takes_what_the_table_says(run: Any, row: Row) -> None:
    """Each component takes each form of its input and gives its type of output, in every mode."""
    for given, _ in row.takes:
        assert isinstance(run(row.component, given), row.gives)


@every_row
def test_refuses_what_the_table_does_not_say(run: Any, row: Row) -> None:
    """An input of another type is refused with a builtin that a caller would expect."""
    for given in row.refuses:
        with pytest.raises((TypeError, ValueError, KeyError)):
            run(row.component, given)


@every_row
def test_schemas_say_what_the_table_says(row: Row) -> None:
    """The schemas of input and output accept just these."""
    takes = Draft202012Validator(row.component.get_input_jsonschema())
    for _, written in row.takes:
        takes.validate(written)
    for given in row.refuses:
        with pytest.raises(ValidationError):
            takes.validate(given)
    Draft202012Validator(row.component.get_output_jsonschema()).validate(row.as_json)


def test_a_retriever_gives_documents(run: Any) -> None:
    """The list that a retriever gives is one of documents; here from FAISS."""
    store = FAISS.from_texts([FOUND[0].page_content], embedding=EMBEDDING)
    [found] = run(store.as_retriever(), "where did harrison work?")

    assert (type(found), found.page_content) == (Document, FOUND[0].page_content)
