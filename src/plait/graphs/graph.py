"""A graph of nodes and edges: of a chain, or built by hand; it can be changed, joined, drawn and written as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol, cast

from plait.graphs.ascii import drawn_as_text
from plait.graphs.mermaid import CurveStyle, Names, NodeStyles, drawn_as_mermaid
from plait.graphs.parts import kind_of, name_of
from plait.graphs.picture import Box, Line, Picture
from plait.graphs.png import drawn_as_png
from plait.graphs.svg import drawn_as_svg

__all__ = ["Edge", "Graph", "Node", "Schema", "shown_name"]


class Stringifiable(Protocol):
    """Something that says by ``str`` what it is."""

    def __str__(self) -> str: ...


class Schema(NamedTuple):
    """The input or the output of a runnable, as a node; the pydantic model of it is made when it is asked for."""

    name: str
    of: Any
    side: str

    @property
    def model(self) -> Any:
        """The pydantic model."""
        return self.of.get_input_schema() if self.side == "input" else self.of.get_output_schema()

    def __repr__(self) -> str:
        return f"Schema({self.name!r})"


class Node(NamedTuple):
    """A node; ``data`` is the runnable or the schema that it stands for, if any."""

    id: str
    name: str
    data: Any = None
    metadata: dict[str, Any] | None = None

    def copy(self, *, id: str | None = None, name: str | None = None) -> Node:
        """The same node under another id or name."""
        return self._replace(id=id or self.id, name=name or self.name)

    def __repr__(self) -> str:
        return f"Node(id={self.id!r}, name={self.name!r})"  # the repr of a runnable may be long, and says more


class Edge(NamedTuple):
    """An arrow between two nodes, named by their ids; ``data`` is its label, ``conditional`` if it may not be taken."""

    source: str
    target: str
    data: Stringifiable | None = None
    conditional: bool = False

    def copy(self, *, source: str | None = None, target: str | None = None) -> Edge:
        """The same edge between other nodes."""
        return self._replace(source=source or self.source, target=target or self.target)


def shown_name(data: Any) -> str:
    """The name of a runnable or a class, without the ``Runnable`` that so many begin with."""
    name = data.name if isinstance(data, Schema) else data.__name__ if isinstance(data, type) else name_of(data)
    return name.removeprefix("Runnable") or name


@dataclass(repr=False)
class Graph:
    """Nodes by their ids, and edges; anything may lead to anything."""

    nodes: dict[str, Node] = field(default_factory=dict[str, Node])
    edges: list[Edge] = field(default_factory=list[Edge])

    def __post_init__(self) -> None:
        self._numbers: Counter[str] = Counter()

    def __bool__(self) -> bool:
        return bool(self.nodes)

    def __repr__(self) -> str:
        return f"Graph({len(self.nodes)} nodes, {len(self.edges)} edges)"

    # ------------------------------------------------------------------------------------------------------- changing

    def next_id(self) -> str:
        """An id that no node has yet."""
        return self.unused_id("node")

    def unused_id(self, name: str) -> str:
        """An id made of a name that no node has yet: the name itself, or the name and a number."""
        found = name or "node"
        while found in self.nodes:
            self._numbers[name] += 1
            found = f"{name or 'node'}_{self._numbers[name] + 1}"
        return found

    def add_node(self, data: Any, id: str | None = None, *, metadata: dict[str, Any] | None = None) -> Node:
        """Add a node for a runnable, a schema, or (with an ``id``) for anything; ValueError if the id is taken.

        Without an ``id`` it gets one made of its name.
        """
        if id is not None and id in self.nodes:
            raise ValueError(f"there is a node {id!r} already; leave out the id, and one is found")
        name = id if id is not None else shown_name(data)
        node = Node(id if id is not None else self.unused_id(name), name, data, metadata)
        self.nodes[node.id] = node
        return node

    def remove_node(self, node: Node) -> None:
        """Take away a node and the edges at it."""
        self.nodes.pop(node.id)
        self.edges = [edge for edge in self.edges if node.id not in (edge.source, edge.target)]

    def add_edge(
        self, source: Node, target: Node, data: Stringifiable | None = None, conditional: bool = False
    ) -> Edge:
        """Add an edge between two nodes of this graph, labelled ``data``; ValueError if one is not there."""
        for node in (source, target):
            if node.id not in self.nodes:
                raise ValueError(f"the graph has no node {node.id!r}; add it before its edges")
        edge = Edge(source.id, target.id, data, conditional)
        self.edges.append(edge)
        return edge

    def extend(self, graph: Graph, *, prefix: str = "") -> tuple[Node | None, Node | None]:
        """Add what another graph has, and give back its first and last node as they are here.

        Ids get the ``prefix`` and a colon, and a number where one is taken. Nothing is connected.
        """
        first, last = graph.first_node(), graph.last_node()
        renamed = {old: self._take(node, f"{prefix}:{old}" if prefix else old) for old, node in graph.nodes.items()}
        self.edges += [
            edge.copy(source=renamed[edge.source].id, target=renamed[edge.target].id) for edge in graph.edges
        ]
        return first and renamed[first.id], last and renamed[last.id]

    def _take(self, node: Node, id: str) -> Node:
        taken = node.copy(id=self.unused_id(id))
        self.nodes[taken.id] = taken
        return taken

    def reid(self) -> Graph:
        """The same graph, with the names as ids; names that several nodes have get numbers."""
        often = Counter(node.name for node in self.nodes.values())
        graph, new = Graph(), dict[str, str]()
        numbers: Counter[str] = Counter()
        for old, node in sorted(self.nodes.items(), key=lambda item: often[item[1].name] > 1):
            numbers[node.name] += 1
            name = node.name if often[node.name] == 1 else f"{node.name}_{numbers[node.name]}"
            new[old] = graph._take(node, name).id
        graph.nodes = {new[old]: graph.nodes[new[old]] for old in self.nodes}
        graph.edges = [edge.copy(source=new[edge.source], target=new[edge.target]) for edge in self.edges]
        return graph

    # -------------------------------------------------------------------------------------------------------- the ends

    def first_node(self) -> Node | None:
        """The node that nothing leads to, if there is just one."""
        return self._only({edge.target for edge in self.edges})

    def last_node(self) -> Node | None:
        """The node that leads to nothing, if there is just one."""
        return self._only({edge.source for edge in self.edges})

    def _only(self, others: set[str]) -> Node | None:
        found = [node for key, node in self.nodes.items() if key not in others]
        return found[0] if len(found) == 1 else None

    def trim_first_node(self) -> None:
        """Take away the first node, if it leads to one other, which nothing else leads to, and which is then the first."""
        first = self.first_node()
        after = [edge.target for edge in self.edges if first and edge.source == first.id]
        if first and len(after) == 1 and sum(edge.target == after[0] for edge in self.edges) == 1:
            self.remove_node(first)

    def trim_last_node(self) -> None:
        """Take away the last node, if one other leads to it, which leads to nothing else, and which is then the last."""
        last = self.last_node()
        before = [edge.source for edge in self.edges if last and edge.target == last.id]
        if last and len(before) == 1 and sum(edge.source == before[0] for edge in self.edges) == 1:
            self.remove_node(last)

    # ------------------------------------------------------------------------------------------------------------- JSON

    def to_json(self, *, with_schemas: bool = False) -> dict[str, list[dict[str, Any]]]:
        """Nodes and edges as JSON types; ``with_schemas`` puts the JSON Schemas in the place of their names."""
        return {
            "nodes": [_node_json(node, with_schemas) for node in self.nodes.values()],
            "edges": [_edge_json(edge) for edge in self.edges],
        }

    # ---------------------------------------------------------------------------------------------------------- drawing

    def _picture(self, labels: Mapping[str, Mapping[str, str]] | None = None) -> Picture:
        """The graph by numbers; ids that only edges know become boxes, too."""
        called = (labels or {}).get("nodes", {})
        said = (labels or {}).get("edges", {})
        boxes = {key: Box(called.get(node.name, node.name), _kind(node.data)) for key, node in self.nodes.items()}
        for edge in self.edges:
            for key in (edge.source, edge.target):
                boxes.setdefault(key, Box(key))
        number = {key: position for position, key in enumerate(boxes)}
        lines = [
            Line(number[edge.source], number[edge.target], _label(edge, said), edge.conditional) for edge in self.edges
        ]
        return Picture(list(boxes.values()), lines)

    def draw_ascii(self) -> str:
        """The graph as boxes and arrows of plain characters."""
        return drawn_as_text(self._picture())

    def print_ascii(self) -> None:
        """Print what ``draw_ascii`` gives."""
        print(self.draw_ascii())  # noqa: T201 - that is what it is for

    def draw_mermaid(
        self,
        *,
        with_styles: bool = True,
        curve_style: CurveStyle = CurveStyle.LINEAR,
        node_colors: NodeStyles | None = None,
        wrap_label_n_words: int = 9,
        frontmatter_config: dict[str, Any] | None = None,
    ) -> str:
        """The graph as a flow chart in the language of Mermaid.

        ``with_styles=False`` leaves out colours and settings. ``frontmatter_config`` is what Mermaid reads at the
        head of a chart, such as ``{"config": {"theme": "neutral"}}``.
        """
        picture = self._picture()
        ids = [*self.nodes, *(box.label for box in picture.boxes[len(self.nodes) :])]
        position = {key: number for number, key in enumerate(ids)}
        first, last = (None if node is None else position[node.id] for node in (self.first_node(), self.last_node()))
        return drawn_as_mermaid(
            picture,
            Names(ids, first, last),
            styles=(node_colors or NodeStyles()) if with_styles else None,
            curve=curve_style,
            words=wrap_label_n_words,
            frontmatter=frontmatter_config,
        )

    def draw_svg(self, output_file_path: str | Path | None = None) -> str:
        """The graph as an SVG picture, also written to a file if one is named. Needs no extra and no service."""
        svg = drawn_as_svg(self._picture())
        if output_file_path is not None:
            Path(output_file_path).write_text(svg, encoding="utf-8")
        return svg

    def draw_png(
        self,
        output_file_path: str | Path | None = None,
        fontname: str | None = None,
        labels: Mapping[str, Mapping[str, str]] | None = None,
        *,
        background_color: str = "white",
        padding: int = 10,
    ) -> bytes:
        """The graph as a PNG picture, also written to a file if one is named; needs the extra ``draw``.

        ``fontname`` is a TrueType font, by its file or its name. ``labels`` holds other texts for names:
        ``{"nodes": {name: text}, "edges": {label: text}}``. It is drawn on this machine.
        """
        png = drawn_as_png(self._picture(labels), fontname=fontname, background=background_color, padding=padding)
        if output_file_path is not None:
            Path(output_file_path).write_bytes(png)
        return png

    def draw_mermaid_png(
        self,
        *,
        curve_style: CurveStyle = CurveStyle.LINEAR,
        node_colors: NodeStyles | None = None,
        wrap_label_n_words: int = 9,
        output_file_path: str | Path | None = None,
        draw_method: object = None,
        background_color: str = "white",
        padding: int = 10,
        max_retries: int = 1,
        retry_delay: float = 1.0,
        frontmatter_config: dict[str, Any] | None = None,
        base_url: str | None = None,
        proxies: dict[str, str] | None = None,
    ) -> bytes:
        """As ``draw_png``: elsewhere this asks a web service; here nothing leaves the machine.

        What concerns that service or Mermaid's styles is accepted and not used.
        """
        return self.draw_png(output_file_path, background_color=background_color, padding=padding)

    def _repr_svg_(self) -> str:
        return self.draw_svg()

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/plain": repr(self), "image/svg+xml": self.draw_svg()}


def _label(edge: Edge, called: Mapping[str, str]) -> str:
    if edge.data is None:
        return ""
    label = str(edge.data)
    return called.get(label, label)


def _is_schema(data: Any) -> bool:
    return isinstance(data, Schema) or (isinstance(data, type) and hasattr(data, "model_json_schema"))


def _kind(data: Any) -> str:
    return "schema" if _is_schema(data) else kind_of(data)


def _node_json(node: Node, with_schemas: bool) -> dict[str, Any]:
    json = {"id": node.id, **_data_json(node, with_schemas)}
    return json if node.metadata is None else {**json, "metadata": node.metadata}


def _data_json(node: Node, with_schemas: bool) -> dict[str, Any]:
    data = node.data
    if data is None:
        return {}
    if _is_schema(data):
        return {"type": "schema", "data": _json_schema(data) if with_schemas else node.name}
    if hasattr(data, "invoke"):
        cls = cast("type[Any]", type(data))
        return {"type": "runnable", "data": {"id": [*cls.__module__.split("."), cls.__name__], "name": node.name}}
    return {"type": "unknown", "data": node.name}


def _json_schema(data: Any) -> dict[str, Any]:
    model = data.model if isinstance(data, Schema) else data
    return cast("dict[str, Any]", model.model_json_schema())


def _edge_json(edge: Edge) -> dict[str, Any]:
    json: dict[str, Any] = {"source": edge.source, "target": edge.target}
    if edge.data is not None:
        json["data"] = str(edge.data)
    return {**json, "conditional": True} if edge.conditional else json
