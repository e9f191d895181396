"""The notebook that plait is built to run: its cells in order, with nothing changed but the import lines."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from types import CodeType
from typing import Any, ClassVar

import pytest

from plait import ChatOpenAI, Document, LocalServer, Runnable

FROM_PROMPT_TO_ASYNC_BATCH = [
    "from plait import ChatPromptTemplate, ChatOpenAI",
    "model = ChatOpenAI()",
    'prompt = ChatPromptTemplate.from_template("tell me a joke about {topic}")',
    "chain = prompt | model",
    "chain.input_schema.schema()",
    "chain.output_schema.schema()",
    'for s in chain.stream({"topic": "bears"}):\n    print(s.content, end="", flush=True)',
    'chain.invoke({"topic": "bears"})',
    'chain.batch([{"topic": "bears"}, {"topic": "cats"}])',
    'chain.batch([{"topic": "bears"}, {"topic": "cats"}], config={"max_concurrency": 5})',
    'async for s in chain.astream({"topic": "bears"}):\n    print(s.content, end="", flush=True)',
    'await chain.ainvoke({"topic": "bears"})',
    'await chain.abatch([{"topic": "bears"}])',
]
PARALLELISM = [
    (
        "from plait import RunnableMap\n"
        'chain1 = ChatPromptTemplate.from_template("tell me a joke about {topic}") | model\n'
        'chain2 = ChatPromptTemplate.from_template("write a short (2 line) poem about {topic}") | model\n'
        'combined = RunnableMap({\n    "joke": chain1,\n    "poem": chain2,\n})'
    ),
    'chain1.invoke({"topic": "bears"})',
    'chain2.invoke({"topic": "bears"})',
    'combined.invoke({"topic": "bears"})',
]


@pytest.fixture
def openai_at_home(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What ChatOpenAI() finds in the environment: the local model, as any OpenAI-compatible server is found."""
    with LocalServer() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", server.api_key)
        yield


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


@pytest.mark.usefixtures("openai_at_home")
async def test_cells_up_to_async_batch(capsys: pytest.CaptureFixture[str]) -> None:
    """The cells up to "Async Batch" give what the notebook shows, on a real model."""
    names: dict[str, Any] = {}
    values = []
    for source in FROM_PROMPT_TO_ASYNC_BATCH:
        values.append(await cell(source.replace("ChatOpenAI()", "ChatOpenAI(max_tokens=12)"), names))
        printed = capsys.readouterr().out
        if source.startswith(("for s", "async for s")):
            assert printed.strip()

    assert values[4] == {
        "title": "PromptInput",
        "type": "object",
        "properties": {"topic": {"title": "Topic", "type": "string"}},
    }
    assert values[5]["title"] == "ChatOpenAIOutput"
    assert [each["$ref"].split("/")[-1] for each in values[5]["anyOf"]][:5] == [
        "HumanMessageChunk",
        "AIMessageChunk",
        "ChatMessageChunk",
        "FunctionMessageChunk",
        "SystemMessageChunk",
    ]
    assert set(values[5]["definitions"]) >= {"HumanMessageChunk", "AIMessageChunk"}
    for message in (values[7], *values[8], *values[9], values[11], *values[12]):
        assert type(message).__name__ == "AIMessage"
        assert message.content
    assert [len(values[index]) for index in (8, 9, 12)] == [2, 2, 1]


@pytest.mark.usefixtures("openai_at_home")
async def test_cells_on_parallelism() -> None:
    """The cells on parallelism give a joke, a poem, and both."""
    names: dict[str, Any] = {}
    for source in FROM_PROMPT_TO_ASYNC_BATCH[:4]:
        await cell(source.replace("ChatOpenAI()", "ChatOpenAI(max_tokens=12)"), names)
    values = [await cell(source, names) for source in PARALLELISM]

    assert [type(value).__name__ for value in values[1:3]] == ["AIMessage", "AIMessage"]
    assert list(values[3]) == ["joke", "poem"]
    assert all(message.content for message in values[3].values())


# ------------------------------------------------------------------------------------- the section on astream_log

INTERMEDIATE_STEPS = (
    'template = """Answer the question based only on the following context:\n{context}\n\nQuestion: {question}\n"""\n'
    "prompt = ChatPromptTemplate.from_template(template)\n"
    "retrieval_chain = (\n"
    '    {"context": retriever.with_config(run_name=\'Docs\'), "question": RunnablePassthrough()}\n'
    "    | prompt \n"
    "    | model \n"
    "    | StrOutputParser()\n"
    ")"
)
PATCHES = (
    "async for chunk in retrieval_chain.astream_log(\"where did harrison work?\", include_names=['Docs']):\n"
    "    print(chunk)"
)
STATES = PATCHES.replace("['Docs']", "['Docs'], diff=False")
IDS = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
TIMES = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}(\+00:00)?")

# What the notebook prints, with the ids and times blotted out. `Document` also shows its empty metadata, or not.
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


class Kensho(Runnable[str, list[Document]]):
    """A retriever that knows one thing, in place of the notebook's vector store."""

    _kind: ClassVar[str] = "retriever"

    def invoke(self, input: str, config: Any = None, **kwargs: Any) -> list[Document]:
        return [Document(page_content="harrison worked at kensho")]


@pytest.mark.usefixtures("openai_at_home")
async def test_cells_on_intermediate_steps(capsys: pytest.CaptureFixture[str]) -> None:
    """The two cells on astream_log print what the notebook prints, in shape and order; then come the tokens."""
    names: dict[str, Any] = {
        "retriever": Kensho().with_config(tags=["FAISS"]),
        "model": ChatOpenAI(max_tokens=12, temperature=0),
    }
    await cell("from plait import ChatPromptTemplate, StrOutputParser, RunnablePassthrough", names)
    await cell(INTERMEDIATE_STEPS, names)

    await cell(PATCHES, names)
    patches = capsys.readouterr().out
    assert _blotted(patches).startswith(FIRST_PATCHES)
    assert patches.count("'/streamed_output/-'") > 3

    await cell(STATES, names)
    states = _blotted(capsys.readouterr().out)
    assert states.startswith(FIRST_STATES)
    assert states.count("RunLog(") > 6


def _blotted(printed: str) -> str:
    """Without what differs from one time to the next; on one line where a value fits on one, as in the notebook."""
    return TIMES.sub("TIME", IDS.sub("ID", printed)).replace("'ID'", "ID").replace("'TIME'", "TIME")
