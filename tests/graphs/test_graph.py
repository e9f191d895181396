"""A graph built by hand: adding, removing, joining, renaming, and JSON."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from pydantic import BaseModel

from plait import RunnableLambda
from plait.graphs import CurveStyle, Edge, Graph, Node, NodeStyles


class Question(BaseModel):
    text: str


def chain_of(*ids: str) -> Graph:
    graph = Graph()
    nodes = [graph.add_node(None, id=key) for key in ids]
    for source, target in itertools.pairwise(nodes):
        graph.add_edge(source, target)
    return graph


def test_node_is_named_after_what_it_stands_for() -> None:
    """A function, a schema, anything with an id; the ``Runnable`` of a class is left out."""
    graph = Graph()

    assert graph.add_node(RunnableLambda(len)).name == "len"
    assert graph.add_node(Question).id == "Question"
    assert graph.add_node(None, id="agent", metadata={"a": 1}) == Node("agent", "agent", None, {"a": 1})


def test_taken_id_is_refused() -> None:
    """Two nodes cannot have one id."""
    with pytest.raises(ValueError, match="'a' already"):
        chain_of("a").add_node(None, id="a")


def test_next_id_is_free() -> None:
    """It is one that no node has."""
    graph = chain_of("node")

    assert graph.add_node(None, id=graph.next_id()).id != "node"


def test_edge_to_a_stranger_is_refused() -> None:
    """Both ends of an edge are in the graph."""
    graph = chain_of("a")

    with pytest.raises(ValueError, match="no node 'b'"):
        graph.add_edge(graph.nodes["a"], Node("b", "b"))


def test_node_goes_with_its_edges() -> None:
    """What led to it and away from it is gone, too."""
    graph = chain_of("a", "b", "c")
    graph.remove_node(graph.nodes["b"])

    assert (list(graph.nodes), graph.edges) == (["a", "c"], [])


def test_first_and_last_node() -> None:
    """They are the only ones that nothing leads to, and that lead to nothing; else there is none."""
    graph = chain_of("a", "b")

    assert (graph.first_node(), graph.last_node()) == (graph.nodes["a"], graph.nodes["b"])
    graph.add_node(None, id="c")
    assert (graph.first_node(), graph.last_node()) == (None, None)


def test_ends_can_be_trimmed() -> None:
    """The first and the last node go, if there is one to take their place."""
    graph = chain_of("a", "b", "c")
    graph.trim_first_node()
    graph.trim_last_node()

    assert list(graph.nodes) == ["b"]


def test_fork_is_not_trimmed() -> None:
    """Where the first node leads to two, none could take its place."""
    graph = chain_of("a", "b")
    graph.add_edge(graph.nodes["a"], graph.add_node(None, id="c"))
    graph.trim_first_node()

    assert list(graph.nodes) == ["a", "b", "c"]


def test_graph_extends_another() -> None:
    """Nodes and edges come over, with a prefix; the ends that come back are those of the part."""
    graph = chain_of("a")
    first, last = graph.extend(chain_of("x", "y"), prefix="sub")

    assert list(graph.nodes) == ["a", "sub:x", "sub:y"]
    assert graph.edges == [Edge("sub:x", "sub:y")]
    assert (first, last) == (graph.nodes["sub:x"], graph.nodes["sub:y"])


def test_extending_loses_no_node() -> None:
    """An id that is taken gets a number, instead of one node taking another's place."""
    graph = chain_of("a", "b")
    first, _ = graph.extend(chain_of("a", "b"))

    assert len(graph.nodes) == 4
    assert first is not None
    assert graph.edges == [Edge("a", "b"), Edge(first.id, graph.edges[1].target)]


def test_reid_makes_ids_of_names() -> None:
    """Names that several nodes have are numbered, and nodes stay in their order."""
    graph = Graph()
    nodes = [graph.add_node(RunnableLambda(function), id=str(n)) for n, function in enumerate((len, abs, len))]
    graph.nodes = {node.id: node.copy(name=node.data.get_name()) for node in nodes}
    graph.add_edge(nodes[0], nodes[2])

    assert list(graph.reid().nodes) == ["len_1", "abs", "len_2"]
    assert graph.reid().edges == [Edge("len_1", "len_2")]


def test_reid_keeps_names_apart() -> None:
    """A number never makes a name that another node has."""
    graph = Graph()
    for key, name in zip("123", ["a", "a", "a_1"], strict=True):
        graph.nodes[key] = Node(key, name)

    assert len(graph.reid().nodes) == 3


def test_json_has_nodes_and_edges() -> None:
    """The form is that which users know, and is JSON."""
    graph = Graph()
    ends = graph.add_node(Question), graph.add_node(RunnableLambda(len)), graph.add_node(None, id="end")
    graph.add_edge(ends[0], ends[1])
    graph.add_edge(ends[1], ends[2], "done", conditional=True)

    assert json.loads(json.dumps(graph.to_json())) == {
        "nodes": [
            {"id": "Question", "type": "schema", "data": "Question"},
            {
                "id": "len",
                "type": "runnable",
                "data": {"id": ["plait", "runnables", "base", "RunnableLambda"], "name": "len"},
            },
            {"id": "end"},
        ],
        "edges": [
            {"source": "Question", "target": "len"},
            {"source": "len", "target": "end", "data": "done", "conditional": True},
        ],
    }


def test_json_can_hold_the_schemas() -> None:
    """``with_schemas`` writes them out: those of a chain, and models that were added."""
    graph = (RunnableLambda(len) | str).get_graph()
    graph.add_node(Question)
    schemas = [node["data"] for node in graph.to_json(with_schemas=True)["nodes"] if node["type"] == "schema"]

    assert [schema["title"] for schema in schemas] == ["len_input", "str_output", "Question"]


def test_repr_is_short_and_shows_no_data() -> None:
    """What a node stands for may hold anything; its name is enough."""
    graph = Graph()
    node = graph.add_node(RunnableLambda(len))

    assert repr(graph) == "Graph(1 nodes, 0 edges)"
    assert repr(node) == "Node(id='len', name='len')"
    assert not Graph()


def test_mermaid_takes_its_settings() -> None:
    """Curves, colours and the head are as the caller says."""
    text = chain_of("a", "b").draw_mermaid(
        curve_style=CurveStyle.BASIS,
        node_colors=NodeStyles(first="fill:#abcdef"),
        frontmatter_config={"config": {"theme": "neutral"}},
    )

    assert '"config": {"theme": "neutral", "flowchart": {"curve": "basis"}}' in text
    assert "classDef first fill:#abcdef" in text
    assert 'a("a"):::first;' in text.replace("\t", "")


def test_mermaid_can_be_bare() -> None:
    """Without styles there is no head, no class and no colour."""
    text = chain_of("a", "b").draw_mermaid(with_styles=False)

    assert text.split("\n") == ["graph TD;", '\ta("a");', '\tb("b");', "\ta --> b;", ""]


def test_mermaid_wraps_labels() -> None:
    """Long labels get a line for so many words."""
    graph = chain_of("a", "b")
    graph.edges[0] = Edge("a", "b", "one two three")

    assert '|"one two<br>three"|' in graph.draw_mermaid(wrap_label_n_words=2)


def test_ascii_is_printed(capsys: Any) -> None:
    """``print_ascii`` prints what ``draw_ascii`` gives."""
    graph = chain_of("a", "b")
    graph.print_ascii()

    assert capsys.readouterr().out == graph.draw_ascii() + "\n"


def test_ascii_of_a_chain() -> None:
    """Boxes, and arrows between them."""
    assert chain_of("a", "model").draw_ascii().split("\n") == [
        "  +---+",
        "  | a |",
        "  +---+",
        "    |",
        "    v",
        "+-------+",
        "| model |",
        "+-------+",
    ]
