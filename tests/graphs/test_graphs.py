"""Pictures of chains: every node and edge is in every drawing, whatever they are called and however many there are."""

from __future__ import annotations

import io
import itertools
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from plait import (
    ChatPromptTemplate,
    FakeListChatModel,
    Graph,
    Runnable,
    RunnableBranch,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
    RunnableSequence,
    StrOutputParser,
)
from plait.anatomy import Anatomy, Part

SVG = "{http://www.w3.org/2000/svg}"
NAMES = st.lists(st.text(max_size=12), min_size=1, max_size=12)


def rag() -> Runnable[Any, Any]:
    docs = RunnableLambda(lambda question: question, name="Docs")
    asked = {"context": docs, "question": RunnablePassthrough()}
    prompt = ChatPromptTemplate.from_template("{context} {question}")
    return asked | prompt | FakeListChatModel(responses=["a"]) | StrOutputParser()


def names(graph: Graph) -> list[str]:
    return [node.name for node in graph.nodes.values()]


def edges(graph: Graph) -> set[tuple[str, str]]:
    return {(graph.nodes[edge.source].name, graph.nodes[edge.target].name) for edge in graph.edges}


def test_chain_is_drawn_from_its_input_to_its_output() -> None:
    """A prompt, a model and a parser stand in a row between the input and the output of the chain."""
    chain = ChatPromptTemplate.from_template("{topic}") | FakeListChatModel(responses=["a"]) | StrOutputParser()

    assert names(chain.get_graph()) == [
        "PromptInput",
        "ChatPromptTemplate",
        "FakeListChatModel",
        "StrOutputParser",
        "StrOutputParserOutput",
    ]
    assert len(chain.get_graph().edges) == 4


def test_branches_of_a_dict_go_apart_and_together() -> None:
    """Each branch lies between the input and the output of its dict."""
    found = edges(rag().get_graph())

    for branch in ("Docs", "Passthrough"):
        assert ("Parallel<context,question>Input", branch) in found
        assert (branch, "Parallel<context,question>Output") in found


def test_choices_are_conditional() -> None:
    """The edges to the ways of a branch are conditional, and say which way they are."""
    branch = RunnableBranch((lambda n: n > 0, RunnableLambda(abs)), RunnableLambda(str))
    conditional = [edge for edge in branch.get_graph().edges if edge.conditional]

    assert len(conditional) == 2
    assert "default" in {edge.data for edge in conditional}


def test_names_of_bindings_are_shown() -> None:
    """A step that was given a run_name is drawn by it."""
    chain = RunnableLambda(len).with_config(run_name="Size") | str

    assert "Size" in names(chain.get_graph())


def test_nothing_is_run_to_draw(run: Any) -> None:
    """P53: neither a picture nor a report calls a user's function."""
    called: list[Any] = []
    chain = RunnableLambda(called.append) | RunnableBranch((called.append, called.append), called.append)

    chain.get_graph().draw_svg()
    chain.stream_report()
    str(chain)

    assert called == []


class Itself(Runnable[Any, Any]):
    """A runnable that is made of itself."""

    def invoke(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
        return input

    @property
    def _anatomy(self) -> Anatomy:
        return Anatomy("sequence", (Part("1", RunnableLambda(len)), Part("2", self)))


def test_runnable_that_contains_itself_is_drawn() -> None:
    """P53: a cycle of references ends, in the graph, in its drawings, in the listing and in the report."""
    chain = Itself() | str

    graph = chain.get_graph()
    assert graph.draw_ascii()
    assert graph.draw_mermaid()
    assert ET.fromstring(graph.draw_svg()) is not None
    assert str(chain)
    assert str(chain.stream_report())


def test_user_cycles_are_drawn() -> None:
    """A graph with edges that lead back, and to the node itself, is drawn whole."""
    graph = Graph()
    a, b = graph.add_node(RunnableLambda(len, name="a")), graph.add_node(RunnableLambda(len, name="b"))
    graph.add_edge(a, b)
    graph.add_edge(b, a, data="again", conditional=True)
    graph.add_edge(b, b)

    assert graph.draw_mermaid().count("-->") + graph.draw_mermaid().count("-.") == 3
    assert "again" in graph.draw_ascii()
    assert len(paths(graph)) >= 3


def paths(graph: Graph) -> list[Any]:
    return list(ET.fromstring(graph.draw_svg()).iter(f"{SVG}path"))


def test_a_thousand_nodes_are_drawn() -> None:
    """P53: a chain of a thousand steps becomes a graph, and every picture of it is made."""
    graph = RunnableSequence(*[RunnableLambda(len, name=f"step {n}") for n in range(1_000)]).get_graph()

    assert len(graph.nodes) == 1_002
    assert len(graph.edges) == 1_001
    for drawn in (graph.draw_mermaid(), graph.draw_svg(), graph.draw_ascii()):
        assert all(f"step {n}" in drawn for n in range(1_000))


def test_wide_and_deep_graphs_are_drawn() -> None:
    """Dicts in dicts in dicts, and one of two hundred branches, are drawn without a crash of the stack."""
    deep: Any = RunnableLambda(len)
    for _ in range(300):
        deep = RunnableParallel(a=deep)
    wide = RunnableParallel({f"k{n}": RunnableLambda(len) for n in range(200)})

    for chain in (deep, wide):
        assert ET.fromstring(chain.get_graph().draw_svg()) is not None


@given(NAMES)
def test_every_name_is_drawn_safely(called: list[str]) -> None:
    """Names of any characters make valid XML and one Mermaid line each, and nothing in them is markup."""
    graph = Graph()
    nodes = [graph.add_node(RunnableLambda(len, name=name or None)) for name in called]
    for before, after in itertools.pairwise(nodes):
        graph.add_edge(before, after)

    root = ET.fromstring(graph.draw_svg())
    assert len(list(root.iter(f"{SVG}rect"))) >= len(nodes)
    assert not list(root.iter(f"{SVG}script"))
    assert graph.draw_ascii()
    assert len(graph.nodes) == len(called)
    assert "<script" not in graph.draw_mermaid()


def test_names_that_are_markup_stay_text() -> None:
    """A name that tries to be markup is shown as it is written."""
    name = '</text><script>alert(1)</script>"];\n click A href'
    graph = (RunnableLambda(len, name=name) | str).get_graph()

    svg = graph.draw_svg()
    assert "<script" not in svg
    assert ET.fromstring(svg) is not None
    assert "<script" not in graph.draw_mermaid()
    assert "\n click" not in graph.draw_mermaid()


def test_png_is_a_png(tmp_path: Path) -> None:
    """With the extra ``draw`` a graph becomes a PNG, in memory or in a file."""
    from PIL import Image

    path = tmp_path / "chain.png"
    drawn = rag().get_graph().draw_png(str(path))

    assert drawn is not None or path.exists()
    with Image.open(io.BytesIO(path.read_bytes())) as image:
        assert image.format == "PNG"
        assert min(image.size) > 50


def test_missing_extra_is_named() -> None:
    """N18: without the extra the error says what to install, and the SVG needs nothing."""
    code = (
        "import sys; sys.modules['PIL'] = None\n"
        "from plait import MissingExtraError, RunnableLambda\n"
        "graph = (RunnableLambda(len) | str).get_graph()\n"
        "assert graph.draw_svg().lstrip().startswith('<svg')\n"
        "try: graph.draw_png()\n"
        "except MissingExtraError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)

    assert "plait[draw]" in done.stdout


def test_notebooks_show_chains_and_graphs() -> None:
    """A notebook gets a picture or a listing, and plain text, of chains and graphs; the name cannot be markup."""
    chain = rag() | RunnableLambda(len, name="<b>bold</b>")

    bundle = chain._repr_mimebundle_()
    assert bundle["text/plain"]
    assert "<b>bold" not in bundle.get("text/html", "")
    assert "<svg" in rag().get_graph()._repr_svg_()


def test_graph_as_json() -> None:
    """A graph can be handed on as data: ids, names and edges."""
    found = rag().get_graph().to_json()

    assert len(found["nodes"]) == len(rag().get_graph().nodes)
    assert all({"source", "target"} <= set(edge) for edge in found["edges"])
