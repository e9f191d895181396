"""The graph of a runnable, from what it says it is made of. Nothing is run, no source is read, no schema is made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from plait.anatomy import Part
from plait.graphs.graph import Edge, Graph, Node, Schema, shown_name
from plait.graphs.parts import MOST, Walk, anatomy_of, kind_of, name_of, walked

__all__ = ["graph_of"]


class _Passed:
    """The input of a step that adds keys to it, which goes on beside them."""

    _kind = "passthrough"


_PASSED: Final = _Passed()


class _End(NamedTuple):
    """Where a fragment can be left, and the label of the edge that leaves it there, if it has one."""

    id: str
    label: str | None = None
    conditional: bool = False


class _Fragment(NamedTuple):
    """A part of the graph: its first node, its ends, and the runnable whose output leaves it."""

    first: str
    ends: Sequence[_End]
    gives: Any


def graph_of(runnable: Any) -> Graph:
    """The graph of a runnable: from its input schema through its steps to its output schema."""
    builder = _Builder()
    whole = walked(builder.fragment(runnable, runnable))
    builder.close(whole)
    return builder.graph


class _Builder:
    """Grows a graph; ``called`` is what a node is named after: the outermost wrapper of it, or itself."""

    def __init__(self) -> None:
        self.graph = Graph()
        self._open: set[int] = set()
        self._firsts: dict[int, str] = {}
        self._again: list[tuple[str, int]] = []

    def fragment(self, node: Any, called: Any) -> Walk[_Fragment]:
        kind, parts = anatomy_of(node)
        if id(node) in self._open:
            return self._leaf(node, called, again=True)
        if kind == "leaf" or len(self.graph.nodes) > MOST:
            return self._leaf(node, called)
        self._open.add(id(node))
        found: _Fragment = yield getattr(self, f"_{kind}")(node, called, parts)
        self._open.discard(id(node))
        self._firsts[id(node)] = found.first
        return found

    def close(self, whole: _Fragment) -> None:
        """Put the schemas at both ends, where there are none, and lead what contains itself back to its beginning."""
        nodes = self.graph.nodes
        if not isinstance(nodes[whole.first].data, Schema):
            entry = self._schema(nodes[whole.first].data, "Input")
            self.graph.nodes = {entry: nodes.pop(entry), **nodes}
            self._edge(_End(entry), whole.first)
        if len(whole.ends) != 1 or not isinstance(nodes[whole.ends[0].id].data, Schema):
            self._join(whole.ends, self._schema(whole.gives, "Output"))
        for leaf, origin in self._again:
            self.graph.edges.append(Edge(leaf, self._firsts[origin], "again", conditional=True))

    # ------------------------------------------------------------------------------------------------------------ kinds

    def _leaf(self, node: Any, called: Any, *, again: bool = False) -> _Fragment:
        key = self._add(node, shown_name(called))
        if again:
            self._again.append((key, id(node)))
        return _Fragment(key, [_End(key)], called)

    def _wrapper(self, node: Any, called: Any, parts: Sequence[Part]) -> Walk[_Fragment]:
        inner: _Fragment = yield self.fragment(parts[0].node, called)
        return inner

    def _sequence(self, node: Any, called: Any, parts: Sequence[Part]) -> Walk[_Fragment]:
        before: _Fragment = yield self.fragment(parts[0].node, parts[0].node)
        first = before.first
        for part in parts[1:]:
            after: _Fragment = yield self.fragment(part.node, part.node)
            self._join(before.ends, after.first)
            before = after
        return _Fragment(first, before.ends, before.gives)

    def _parallel(self, node: Any, called: Any, parts: Sequence[Part]) -> Walk[_Fragment]:
        entry = self._schema(called, "Input")
        ends: list[_End] = []
        for part in parts:
            branch: _Fragment = yield self.fragment(part.node, part.node)
            self._edge(_End(entry), branch.first)
            ends += [end._replace(label=part.label) for end in branch.ends]
        leave = self._schema(called, "Output")
        self._join(ends, leave)
        return _Fragment(entry, [_End(leave)], called)

    def _assign(self, node: Any, called: Any, parts: Sequence[Part]) -> Walk[_Fragment]:
        whole: _Fragment = yield self._parallel(node, called, parts)
        passed = self._add(_PASSED, "Passthrough")
        self._edge(_End(whole.first), passed)
        self._join([_End(passed)], whole.ends[0].id)
        return whole

    def _choice(self, node: Any, called: Any, parts: Sequence[Part]) -> Walk[_Fragment]:
        choice = self._add(node, shown_name(called))
        ends: list[_End] = []
        for part in parts:
            option: _Fragment = yield self.fragment(part.node, part.node)
            self._edge(_End(choice, part.label, conditional=True), option.first)
            ends += option.ends
        return _Fragment(choice, ends, called)

    def _fallback(self, node: Any, called: Any, parts: Sequence[Part]) -> Walk[_Fragment]:
        return self._choice(node, called, parts)

    def _map(self, node: Any, called: Any, parts: Sequence[Part]) -> Walk[_Fragment]:
        if anatomy_of(parts[0].node).kind == "leaf":
            return self._leaf(node, called)
        entry = self._schema(called, "Input")
        inner: _Fragment = yield self.fragment(parts[0].node, parts[0].node)
        self._edge(_End(entry, "each item"), inner.first)
        leave = self._schema(called, "Output")
        self._join(inner.ends, leave)
        return _Fragment(entry, [_End(leave)], called)

    # ------------------------------------------------------------------------------------------------- nodes and edges

    def _add(self, data: Any, name: str) -> str:
        node = Node(self.graph.unused_id(name), name, data)
        self.graph.nodes[node.id] = node
        return node.id

    def _schema(self, of: Any, suffix: str) -> str:
        name = "PromptInput" if suffix == "Input" and kind_of(of) == "prompt" else name_of(of, suffix)
        schema = Schema(name, of, suffix.lower())
        return self._add(schema, shown_name(schema))

    def _edge(self, end: _End, target: str) -> None:
        self.graph.edges.append(Edge(end.id, target, end.label, end.conditional))

    def _join(self, ends: Sequence[_End], target: str) -> None:
        for end in ends:
            self._edge(end, target)
