"""The graph of a chain: its nodes, its edges and their names; made without running anything."""

from __future__ import annotations

import sys
import time
from typing import Any

import pytest

from plait import (
    ChatPromptTemplate,
    FakeListChatModel,
    Runnable,
    RunnableBranch,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
    RunnableSequence,
    StrOutputParser,
)
from plait.anatomy import Anatomy, Part
from plait.graphs import Graph


def step(name: str) -> Any:
    return RunnableLambda(lambda value: value, name=name)


def prompt() -> Any:
    return ChatPromptTemplate.from_template("say {topic}")


def model() -> Any:
    return FakeListChatModel(responses=["hi"])


def names(graph: Graph) -> list[str]:
    return [node.name for node in graph.nodes.values()]


def arrows(graph: Graph) -> set[str]:
    """The edges by the ids of their ends, with labels; ``..>`` is a conditional one."""
    return {
        f"{edge.source} {'..' if edge.conditional else '--'}{'' if edge.data is None else edge.data}> {edge.target}"
        for edge in graph.edges
    }


def test_chain_leads_from_schema_to_schema() -> None:
    """A prompt and a model, with the names that users know."""
    graph = (prompt() | model()).get_graph()

    assert names(graph) == ["PromptInput", "ChatPromptTemplate", "FakeListChatModel", "FakeListChatModelOutput"]
    assert arrows(graph) == {
        "PromptInput --> ChatPromptTemplate",
        "ChatPromptTemplate --> FakeListChatModel",
        "FakeListChatModel --> FakeListChatModelOutput",
    }


def test_one_step_is_a_chain_too() -> None:
    """A single runnable has its schemas at both ends."""
    assert names(step("f").get_graph()) == ["f_input", "f", "f_output"]


def test_parallel_fans_out_and_in() -> None:
    """Branches lie between an input and an output node; the edge that brings a value has its key."""
    graph = RunnableParallel(a=step("f") | step("g"), b=step("h")).get_graph()

    assert arrows(graph) == {
        "Parallel<a,b>Input --> f",
        "f --> g",
        "g --a> Parallel<a,b>Output",
        "Parallel<a,b>Input --> h",
        "h --b> Parallel<a,b>Output",
    }


def test_assign_passes_its_input_on() -> None:
    """Beside the new keys runs the input itself."""
    graph = RunnablePassthrough.assign(a=step("f")).get_graph()

    assert arrows(graph) == {
        "Assign<a>Input --> f",
        "f --a> Assign<a>Output",
        "Assign<a>Input --> Passthrough",
        "Passthrough --> Assign<a>Output",
    }


def test_choice_has_conditional_edges() -> None:
    """Each option is reached by an edge with the name of its condition, and leads on by itself."""
    chain = RunnableBranch((step("is long"), step("f")), step("g")) | step("h")

    assert arrows(chain.get_graph()) == {
        "BranchInput --> Branch",
        "Branch ..is long> f",
        "Branch ..default> g",
        "f --> h",
        "g --> h",
        "h --> h_output",
    }


def test_choice_at_the_end_joins_in_the_output() -> None:
    """All options lead to the one output."""
    graph = RunnableBranch((step("is long"), step("f")), step("g")).get_graph()

    assert {"f --> BranchOutput", "g --> BranchOutput"} <= arrows(graph)


def test_map_of_a_step_is_one_node() -> None:
    """What is done for every item is named, and drawn as one."""
    assert names(step("f").map().get_graph()) == ["Each<f>Input", "Each<f>", "Each<f>Output"]


def test_map_of_a_chain_is_opened() -> None:
    """A chain for every item lies between the list that comes in and the one that goes out."""
    graph = (step("f") | step("g")).map().get_graph()

    assert "Each<RunnableSequence>Input --each item> f" in arrows(graph)
    assert "g --> Each<RunnableSequence>Output" in arrows(graph)


def test_wrappers_are_transparent_and_name_what_they_wrap() -> None:
    """Arguments and configs add no node; a run name is the name of the node."""
    bound = model().bind(stop=["."]).with_config(run_name="gpt", tags=["x"])

    assert names((prompt() | bound).get_graph()) == ["PromptInput", "ChatPromptTemplate", "gpt", "gptOutput"]


def test_named_parallel_has_its_name() -> None:
    """The run name of a wrapped parallel is that of its input and output nodes."""
    graph = RunnableParallel(a=step("f")).with_config(run_name="look").get_graph()

    assert names(graph) == ["look_input", "f", "look_output"] or names(graph) == ["lookInput", "f", "lookOutput"]


def test_ids_are_readable_unique_and_always_the_same() -> None:
    """Equal names get numbers, in the order of the steps, also where a step has such a name itself."""
    chain = step("f") | step("f_2") | step("f") | step("f")

    assert list(chain.get_graph().nodes) == ["f_input", "f", "f_2", "f_3", "f_4", "f_output"]
    assert chain.get_graph() == chain.get_graph()


def test_nodes_hold_what_they_stand_for() -> None:
    """``data`` of a step is the runnable; that of a schema makes the pydantic model when asked."""
    chain = prompt() | model()
    graph = chain.get_graph()

    assert graph.nodes["ChatPromptTemplate"].data is chain.first
    assert set(graph.nodes["PromptInput"].data.model.model_fields) == {"topic"}


def test_graph_runs_nothing_and_makes_no_schema() -> None:
    """P53: neither the user's functions nor pydantic are asked; a class that cannot make its schema has a graph."""

    class Odd(Runnable[Any, Any]):
        def invoke(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
            raise AssertionError("it is run")

        def get_input_schema(self, config: Any = None) -> Any:
            raise AssertionError("a schema is made")

        get_output_schema = get_input_schema

    assert names((Odd() | Odd()).get_graph()) == ["OddInput", "Odd", "Odd", "OddOutput"]


def test_name_that_fails_is_that_of_the_class() -> None:
    """P53: a graph is made even where a class cannot say its name."""

    class Nameless(Runnable[Any, Any]):
        def invoke(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
            return input

        def get_name(self, suffix: str | None = None) -> str:
            raise ValueError("no name")

    assert names(Nameless().get_graph()) == ["NamelessInput", "Nameless", "NamelessOutput"]


# ------------------------------------------------------------------------------------------------------------- extremes


class Own(Runnable[Any, Any]):
    """A class that says itself what it is made of."""

    def __init__(self, kind: Any, *inner: Any) -> None:
        self.kind, self.inner = kind, list(inner)

    def invoke(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
        raise AssertionError("nothing is run")

    @property
    def _anatomy(self) -> Anatomy:
        return Anatomy(self.kind, tuple(Part(str(number), node) for number, node in enumerate(self.inner)))


KINDS = ["sequence", "parallel", "assign", "choice", "map", "wrapper"]


@pytest.mark.parametrize("kind", KINDS)
def test_what_contains_itself_leads_back(kind: str) -> None:
    """P53: a runnable that is a part of itself is drawn once, with an edge back to its beginning."""
    own = Own(kind)
    own.inner = [step("f"), own] if kind not in {"map", "wrapper"} else [own]
    graph = own.get_graph()

    assert len(graph.nodes) < 9
    assert sum(edge.data == "again" for edge in graph.edges) == 1
    assert graph.draw_svg()


@pytest.mark.parametrize("kind", KINDS)
def test_deep_nesting_has_a_graph(kind: str) -> None:
    """P60: 3,000 levels are no matter of the interpreter's stack."""
    node: Any = step("f")
    for _ in range(3000):
        node = Own(kind, node)

    assert len(node.get_graph().nodes) >= 3


def test_deep_named_nesting_has_a_graph() -> None:
    """P60: nor are names that are made of the names within."""
    node: Any = step("f")
    for _ in range(sys.getrecursionlimit() + 100):
        node = node.map()

    assert node.get_graph().first_node() is not None


def test_shared_parts_do_not_explode() -> None:
    """One object twice in each of 40 levels is a trillion places, of which a bounded number is drawn."""
    node: Any = step("f")
    for _ in range(40):
        node = RunnableParallel(a=node, b=node)

    assert len(node.get_graph().nodes) < 11_000


def test_long_chain_has_a_graph() -> None:
    """P53: a thousand steps, a node each."""
    graph = RunnableSequence(*[step("f") for _ in range(1000)]).get_graph()

    assert len(graph.nodes) == 1002
    assert len(graph.edges) == 1001


@pytest.mark.slow
def test_long_chain_is_quick() -> None:
    """P53: a thousand steps in less than 20 ms, at the best of some tries."""
    chain = RunnableSequence(*[step("f") for _ in range(1000)])
    times = []
    for _ in range(10):
        start = time.perf_counter()
        chain.get_graph()
        times.append(time.perf_counter() - start)

    assert min(times) < 0.02


def test_whole_example() -> None:
    """A retrieval chain as it stands in every tutorial."""
    chain = {"context": step("retrieve") | step("join"), "topic": RunnablePassthrough()} | prompt() | model()
    graph = (chain | StrOutputParser()).get_graph()

    assert names(graph) == [
        "Parallel<context,topic>Input",
        "retrieve",
        "join",
        "Passthrough",
        "Parallel<context,topic>Output",
        "ChatPromptTemplate",
        "FakeListChatModel",
        "StrOutputParser",
        "StrOutputParserOutput",
    ]
    assert graph.first_node() == graph.nodes["Parallel<context,topic>Input"]
    assert graph.last_node() == graph.nodes["StrOutputParserOutput"]
