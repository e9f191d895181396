"""Drawings of any graph: nothing is missing, nothing overlaps, lines lead from box to box and through none."""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plait.errors import MissingExtraError
from plait.graphs import Edge, Graph

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = [
    "", " ", "\x00\x1b[31m", "<script>alert(1)</script>", "]]>", '"', "'", "`", "&amp;", "#quot;", "a\nb", "end",
    "]);", "--> x", "%% c", "1. a", "- a", "__x__", "日本語", "👩‍👧", "\u202eabc", "\ud800", "\ufffe", "x" * 500, "subgraph",
]  # fmt: skip


@st.composite
def graphs(draw: Any) -> Graph:
    """Any graph of up to 9 nodes: cycles, loops, many edges between two nodes, with labels or without."""
    count = draw(st.integers(1, 9))
    graph = Graph()
    nodes = [
        graph.add_node(None, id=f"n{number}{draw(st.sampled_from(['', ' longer name', '日本']))}")
        for number in range(count)
    ]
    ends = st.integers(0, count - 1)
    for source, target in draw(st.lists(st.tuples(ends, ends), max_size=16)):
        graph.add_edge(
            nodes[source], nodes[target], draw(st.sampled_from([None, "yes", "a long label"])), draw(st.booleans())
        )
    return graph


def long_graph(extra: int) -> Graph:
    """A thousand nodes in a row, and lines that span many of them, up and down."""
    graph, pick = Graph(), random.Random(extra)
    nodes = [graph.add_node(None, id=f"n{number}") for number in range(1000)]
    for source, target in itertools.pairwise(nodes):
        graph.add_edge(source, target)
    for _ in range(extra):
        graph.add_edge(pick.choice(nodes), pick.choice(nodes), pick.choice([None, "label"]))
    return graph


# ----------------------------------------------------------------------------------------------------------------- SVG


class Drawn:
    """What an SVG shows: boxes by their names, labels, and lines with their points."""

    def __init__(self, svg: str) -> None:
        root = ET.fromstring(svg)
        self.size = float(root.get("width", "")), float(root.get("height", ""))
        self.ids = [found.get("id") for found in root.iter() if found.get("id")]
        self.boxes = [(title_of(group), place_of(group)) for group in root.iter(f"{SVG}g") if is_of(group, "node")]
        self.labels = [place_of(group) for group in root.iter(f"{SVG}g") if is_of(group, "label")]
        self.lines = [(title_of(path), points_of(path)) for path in root.iter(f"{SVG}path") if is_of(path, "edge")]


def is_of(element: Any, name: str) -> bool:
    return name in (element.get("class") or "").split()


def title_of(element: Any) -> str:
    return element.find(f"{SVG}title").text or ""


def place_of(group: Any) -> tuple[float, float, float, float]:
    """Left, top, right, bottom."""
    x, y, width, height = (float(group.find(f"{SVG}rect").get(key)) for key in ("x", "y", "width", "height"))
    return x, y, x + width, y + height


def points_of(path: Any) -> list[tuple[float, float]]:
    """Points along a path of straight lines and cubic curves."""
    points: list[tuple[float, float]] = []
    for piece in re.findall(r"([MLC])([^MLC]+)", path.get("d")):
        numbers = list(map(float, piece[1].split()))
        ends = list(zip(numbers[::2], numbers[1::2], strict=True))
        points += cubic(points[-1], *ends) if piece[0] == "C" else straight(points, ends[0])
    return points


def straight(points: list[tuple[float, float]], end: tuple[float, float]) -> list[tuple[float, float]]:
    start = points[-1] if points else end
    return [(start[0] + (end[0] - start[0]) * t / 20, start[1] + (end[1] - start[1]) * t / 20) for t in range(21)]


def cubic(*ends: tuple[float, float]) -> list[tuple[float, float]]:
    found = []
    for t in (number / 20 for number in range(21)):
        shares = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3
        found.append(
            (
                sum(s * x for s, (x, _) in zip(shares, ends, strict=True)),
                sum(s * y for s, (_, y) in zip(shares, ends, strict=True)),
            )
        )
    return found


def overlap(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    """Whether two places are less than some pixels apart."""
    return all(one[side] < other[side + 2] + 4 and other[side] < one[side + 2] + 4 for side in (0, 1))


def is_inside(point: tuple[float, float], box: tuple[float, ...]) -> bool:
    return box[0] + 0.5 < point[0] < box[2] - 0.5 and box[1] + 0.5 < point[1] < box[3] - 0.5


def is_at(point: tuple[float, float], box: tuple[float, ...]) -> bool:
    """Whether a point is on the border of a box."""
    return box[0] <= point[0] <= box[2] and box[1] <= point[1] <= box[3] and not is_inside(point, box)


@given(graphs())
def test_svg_shows_every_node_and_edge(graph: Graph) -> None:
    """N18: a box for each node with its name, a line for each edge with the names of its ends."""
    drawn = Drawn(graph.draw_svg())

    assert sorted(name for name, _ in drawn.boxes) == sorted(graph.nodes)
    assert sorted(name for name, _ in drawn.lines) == sorted(f"{edge.source} → {edge.target}" for edge in graph.edges)
    assert len(drawn.labels) == sum(edge.data is not None for edge in graph.edges)


@given(graphs())
def test_svg_has_no_overlaps(graph: Graph) -> None:
    """Boxes and labels stand apart, and within the picture."""
    drawn = Drawn(graph.draw_svg())
    places = [place for _, place in drawn.boxes] + drawn.labels

    assert not any(overlap(one, other) for number, one in enumerate(places) for other in places[:number])
    assert all(x >= 0 and y >= 0 and right <= drawn.size[0] and low <= drawn.size[1] for x, y, right, low in places)


@given(graphs())
def test_svg_lines_lead_from_box_to_box(graph: Graph) -> None:
    """A line begins at the border of its source, ends at that of its target, and runs through no box."""
    drawn = Drawn(graph.draw_svg())
    place = dict(drawn.boxes)

    for name, points in drawn.lines:
        source, target = name.split(" → ")
        assert is_at(points[0], place[source])
        assert is_at(points[-1], place[target])
        assert not any(is_inside(point, box) for point in points for box in place.values())


def test_long_lines_run_through_no_box() -> None:
    """A thousand nodes with many long lines: those, too, keep clear of all boxes."""
    drawn = Drawn(long_graph(60).draw_svg())
    place = dict(drawn.boxes)
    rows = {box[1]: box for box in place.values()}

    assert len(drawn.lines) == 1059
    for name, points in drawn.lines:
        source, target = name.split(" → ")
        assert is_at(points[0], place[source])
        assert is_at(points[-1], place[target])
        assert not any(
            is_inside(point, box) for point in points[:: max(1, len(points) // 200)] for box in near(point, rows)
        )


def near(point: tuple[float, float], rows: dict[float, tuple[float, ...]]) -> Iterator[tuple[float, ...]]:
    """The boxes at the height of a point."""
    return (rows[float(top)] for top in range(int(point[1]) - 38, int(point[1]) + 1) if float(top) in rows)


def test_conditional_edges_are_dashed_and_labelled() -> None:
    """N18: what is only sometimes followed looks so."""
    graph = Graph()
    graph.add_edge(graph.add_node(None, id="a"), graph.add_node(None, id="b"), "if hot", conditional=True)

    assert "stroke-dasharray" in graph.draw_svg()
    assert ">if hot</text>" in graph.draw_svg()


def test_two_pictures_can_share_a_page() -> None:
    """Ids in a picture are its own, so that hiding one does not take the arrows of another."""
    one, other = Graph(), Graph()
    one.add_node(None, id="a")
    other.add_node(None, id="b")

    ids = Drawn(one.draw_svg()).ids + Drawn(other.draw_svg()).ids
    assert len(ids) == len(set(ids)) == 2


def test_svg_can_be_saved(tmp_path: Any) -> None:
    """The file holds what is given back."""
    graph = Graph()
    graph.add_node(None, id="日本")

    assert graph.draw_svg(tmp_path / "a.svg") == (tmp_path / "a.svg").read_text(encoding="utf-8")


# --------------------------------------------------------------------------------------------------------------- hostile


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_hostile_names_are_drawn(name: str) -> None:
    """Any name, on a node and on an edge, gives valid XML, whole lines of text, and Mermaid that holds only its own."""
    graph = Graph()
    node = graph.add_node(None, id=name)
    graph.add_edge(node, graph.add_node(None, id="next"), name)
    drawn, text = Drawn(graph.draw_svg()), graph.draw_ascii()

    assert len(drawn.boxes) == 2
    assert all(char.isprintable() or char in "\n\u200d" for char in text)
    assert len(graph.draw_mermaid(with_styles=False).splitlines()) == 4


QUOTED = re.compile(r'"(?:[\w ,:()/=?!…-]|#\d+;|<br>)*"')
BARE = re.compile(r'^\t[A-Za-z]\w*(\(""\)|\(\[""\]\)|\{""\}|( (-->|-\.->)(\|""\|)? [A-Za-z]\w*));$')


@given(st.lists(st.text(max_size=20) | st.sampled_from(HOSTILE), min_size=1, max_size=6, unique=True))
def test_mermaid_is_made_of_known_pieces(names: list[str]) -> None:
    """Every line is an id and a quoted label, or two ids and an arrow; in quotes stands nothing but text and codes."""
    graph = Graph()
    nodes = [graph.add_node(None, id=name) for name in names]
    for node in nodes:
        graph.add_edge(nodes[0], node, node.id, conditional=len(node.id) % 2 == 0)
    head, *lines, end = graph.draw_mermaid(with_styles=False).split("\n")

    assert (head, end, len(lines)) == ("graph TD;", "", 2 * len(names))
    for line in lines:
        assert BARE.match(QUOTED.sub('""', line)), line


@pytest.mark.parametrize(
    ("name", "code"),
    [("__x__", "#95;#95;x#95;#95;"), ("_x", "#95;x"), ("1. a", "1#46;"), ("- a", "#45;"), ("<b>", "#60;")],
)
def test_mermaid_makes_no_markup_of_names(name: str, code: str) -> None:
    """What Markdown or HTML would take for markup is written as a code."""
    graph = Graph()
    graph.add_node(None, id=name)

    assert f'"{code}' in graph.draw_mermaid()


def test_edges_to_unknown_ids_are_drawn() -> None:
    """An edge that somebody put into the list brings its nodes with it."""
    graph = Graph()
    graph.edges.append(Edge("from", "to"))

    assert [name for name, _ in Drawn(graph.draw_svg()).boxes] == ["from", "to"]
    assert "from" in graph.draw_ascii()
    assert "from --> to" in graph.draw_mermaid()


def test_nothing_is_drawn_as_nothing() -> None:
    """An empty graph has empty drawings."""
    assert Graph().draw_ascii() == ""
    assert Drawn(Graph().draw_svg()).boxes == []
    assert Graph().draw_mermaid(with_styles=False) == "graph TD;\n"


# ---------------------------------------------------------------------------------------------------------------- text


def reached(lines: list[str], name: str) -> set[str]:
    """The names of the boxes to which strokes lead from the box with that name."""
    cells = {(row, column): char for row, line in enumerate(lines) for column, char in enumerate(line) if char != " "}
    frames = {found: box_of(lines, found) for found in re.findall(r"\| (n\d) \|", "\n".join(lines))}
    owner = {cell: found for found, frame in frames.items() for cell in frame}
    pending = list(frames[name])
    seen, found = set(pending), set[str]()
    while pending:
        row, column = pending.pop()
        for cell in ((row + 1, column), (row - 1, column), (row, column + 1), (row, column - 1)):
            if cell in seen or cell not in cells:
                continue
            seen.add(cell)
            if cell in owner:
                found.add(owner[cell])
            else:
                pending.append(cell)
    return found


def box_of(lines: list[str], name: str) -> set[tuple[int, int]]:
    row, left = next((row, line.index(f"| {name} |")) for row, line in enumerate(lines) if f"| {name} |" in line)
    return {(at, column) for at in (row - 1, row, row + 1) for column in range(left, left + len(name) + 4)}


@given(
    st.integers(2, 7).flatmap(lambda n: st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), max_size=9))
)
def test_text_joins_what_edges_join(pairs: list[tuple[int, int]]) -> None:
    """Each box is there once, and lines lead from it to every box that an edge leads to."""
    graph = Graph()
    nodes = [graph.add_node(None, id=f"n{number}") for number in range(7)]
    for source, target in pairs:
        graph.add_edge(nodes[source], nodes[target])
    lines = graph.draw_ascii().split("\n")

    assert sorted(re.findall(r"\| (n\d) \|", "\n".join(lines))) == sorted(graph.nodes)
    for source, target in pairs:
        assert source == target or f"n{target}" in reached(lines, f"n{source}")


@given(graphs())
def test_text_has_every_name_and_label(graph: Graph) -> None:
    """Whatever the graph is, nothing is written over."""
    text = graph.draw_ascii()

    assert all(text.count(f"| {name} |") == 1 for name in graph.nodes)
    assert text.count(" yes") == sum(edge.data == "yes" for edge in graph.edges)
    assert text.count(" a long label") == sum(edge.data == "a long label" for edge in graph.edges)


def test_text_is_ascii_for_ascii_names() -> None:
    """Frames and lines need no other characters."""
    assert long_graph(0).draw_ascii().isascii()


def test_large_graph_is_listed_as_text() -> None:
    """What nobody could follow as a drawing is a list of boxes and of what they lead to; nothing is missing."""
    graph = long_graph(1500)
    lines = graph.draw_ascii().split("\n")

    assert sum(line.startswith("    -->") for line in lines) == len(graph.edges)
    assert sum(not line.startswith(" ") for line in lines) == len(graph.nodes)


# ----------------------------------------------------------------------------------------------------------------- large


@pytest.mark.parametrize("extra", [0, 20, 1500])
def test_thousand_nodes_are_drawn_in_all_forms(extra: int) -> None:
    """P60: long, cyclic and tangled graphs have pictures; no form needs more than a glance at each line."""
    graph = long_graph(extra)

    assert len(Drawn(graph.draw_svg()).boxes) == 1000
    assert graph.draw_ascii()
    assert graph.draw_mermaid().count("\n") > 1999 + extra


def test_wide_graph_is_drawn() -> None:
    """A fan of a thousand."""
    graph = Graph()
    start, end = graph.add_node(None, id="start"), graph.add_node(None, id="end")
    for number in range(1000):
        node = graph.add_node(None, id=f"n{number}")
        graph.add_edge(start, node)
        graph.add_edge(node, end)

    assert len(Drawn(graph.draw_svg()).lines) == 2000
    assert "n999" in graph.draw_ascii()


# ------------------------------------------------------------------------------------------------------------------- PNG


def picture(png: bytes) -> Any:
    image = pytest.importorskip("PIL.Image", reason="the extra `draw` is not installed")
    from io import BytesIO

    return image.open(BytesIO(png))


def small() -> Graph:
    graph = Graph()
    graph.add_edge(graph.add_node(None, id="a"), graph.add_node(None, id="b"), "if hot", conditional=True)
    return graph


@settings(max_examples=20)
@given(graphs())
def test_png_is_as_large_as_the_svg(graph: Graph) -> None:
    """Two pixels for one, and the padding; any graph can be drawn."""
    pytest.importorskip("PIL")
    wide, high = Drawn(graph.draw_svg()).size

    assert picture(graph.draw_png(padding=10)).size == (2 * (wide + 20), 2 * (high + 20))


def test_png_of_many_nodes_is_bounded() -> None:
    """A very large picture is drawn smaller, instead of filling the memory."""
    pytest.importorskip("PIL")
    size = picture(long_graph(5).draw_png()).size

    assert size[0] * size[1] < 25_000_000


def test_png_has_a_background() -> None:
    """White, or as the caller says; under the name that users know, too."""
    pytest.importorskip("PIL")
    corners = [
        picture(png).convert("RGBA").getpixel((0, 0))
        for png in (small().draw_png(), small().draw_mermaid_png(background_color="#ff0000", max_retries=3))
    ]

    assert corners == [(255, 255, 255, 255), (255, 0, 0, 255)]


def test_png_takes_other_labels() -> None:
    """Names and labels of edges can be replaced for the picture."""
    pytest.importorskip("PIL")

    renamed = small().draw_png(labels={"nodes": {"a": "the first node"}, "edges": {"if hot": "when it is hot"}})
    assert picture(renamed).size[0] > picture(small().draw_png()).size[0]


def test_unknown_font_is_an_error() -> None:
    """A font that was asked for and is not there is not replaced in silence."""
    pytest.importorskip("PIL")

    with pytest.raises(ValueError, match="no font 'No Such Font'"):
        small().draw_png(fontname="No Such Font")


def test_png_needs_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """N18: without Pillow the error names the extra; SVG and text need none."""
    for name in ("PIL", "PIL.Image"):
        monkeypatch.setitem(__import__("sys").modules, name, None)

    assert small().draw_svg()
    with pytest.raises(MissingExtraError, match=r"plait\[draw\]"):
        small().draw_png()


def test_notebooks_show_the_picture() -> None:
    """Jupyter asks for SVG, and gets it without a service."""
    graph = small()

    assert graph._repr_svg_() == graph.draw_svg()
    assert graph._repr_mimebundle_() == {"text/plain": "Graph(2 nodes, 1 edges)", "image/svg+xml": graph.draw_svg()}
