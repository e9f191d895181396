"""JSON Patch over Python values: the six operations, pointers, and what goes wrong with them."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import jsonpatch
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plait.watching.patches import Document, PatchError, apply, escape, parse

DOCUMENT = {"a": {"b": [1, 2, 3]}, "c/d": {"~": 0}, "": "empty", "-": "dash"}


@pytest.mark.parametrize(
    ("op", "path", "value"),
    [
        ({"op": "add", "path": "/a/b/-", "value": 4}, ["a", "b"], [1, 2, 3, 4]),
        ({"op": "add", "path": "/a/b/0", "value": 0}, ["a", "b"], [0, 1, 2, 3]),
        ({"op": "add", "path": "/a/b/3", "value": 4}, ["a", "b"], [1, 2, 3, 4]),
        ({"op": "add", "path": "/a/b", "value": None}, ["a", "b"], None),
        ({"op": "add", "path": "/", "value": 1}, [""], 1),
        ({"op": "replace", "path": "/-", "value": 1}, ["-"], 1),
        ({"op": "replace", "path": "/a/b/1", "value": 9}, ["a", "b"], [1, 9, 3]),
        ({"op": "replace", "path": "/c~1d/~0", "value": 9}, ["c/d", "~"], 9),
        ({"op": "remove", "path": "/a/b/0"}, ["a", "b"], [2, 3]),
        ({"op": "remove", "path": "/a/b"}, ["a"], {}),
        ({"op": "move", "from": "/a/b/0", "path": "/a/b/-"}, ["a", "b"], [2, 3, 1]),
        ({"op": "move", "from": "/a/b", "path": "/a/b"}, ["a", "b"], [1, 2, 3]),
        ({"op": "copy", "from": "/a", "path": "/a/b/1"}, ["a", "b"], [1, {"b": [1, 2, 3]}, 2, 3]),
        ({"op": "test", "path": "/a/b", "value": [1.0, 2, 3]}, ["a", "b"], [1, 2, 3]),
    ],
)
def test_operation(op: dict[str, Any], path: list[str], value: Any) -> None:
    """Each operation does what RFC 6902 says of it, and the document that it was given stays as it is."""
    before = deepcopy(DOCUMENT)

    found: Any = apply(DOCUMENT, [op])
    for name in path:
        found = found[name]

    assert found == value
    assert before == DOCUMENT


@pytest.mark.parametrize(
    ("op", "problem"),
    [
        ({"op": "add", "path": "/x/y", "value": 1}, "no member 'x'"),
        ({"op": "add", "path": "/a/b/4", "value": 1}, "past the end"),
        ({"op": "add", "path": "/a/b/01", "value": 1}, "no index"),
        ({"op": "add", "path": "/a/b/-1", "value": 1}, "no index"),
        ({"op": "add", "path": "/a/b/٣", "value": 1}, "no index"),
        ({"op": "add", "path": f"/a/b/{'9' * 5000}", "value": 1}, "past the end"),
        ({"op": "replace", "path": "/a/x", "value": 1}, "no member 'x'"),
        ({"op": "replace", "path": "/a/b/-", "value": 1}, "no index"),
        ({"op": "remove", "path": "/a/b/3"}, "past the end"),
        ({"op": "remove", "path": "/a/b/0/x"}, "has no members"),
        ({"op": "move", "from": "/a", "path": "/a/b/-"}, "into itself"),
        ({"op": "move", "from": "/a/x", "path": "/a/y"}, "no member 'x'"),
        ({"op": "copy", "from": "/x", "path": "/y"}, "no member 'x'"),
        ({"op": "test", "path": "/a/b/0", "value": True}, "another"),
        ({"op": "test", "path": "/a", "value": {}}, "another"),
        ({"op": "test", "path": "/a/b", "value": [1]}, "another"),
        ({"op": "add", "path": "a", "value": 1}, "begins with '/'"),
        ({"op": "add", "path": "/a~2", "value": 1}, "'~0'"),
        ({"op": "add", "path": None, "value": 1}, "NoneType"),
        ({"op": "add", "path": "/a"}, "'value'"),
        ({"op": "move", "path": "/a"}, "'from'"),
        ({"op": "remove"}, "'path'"),
        ({"op": "append", "path": "/a", "value": 1}, "one of add, remove"),
        ({"op": ["add"], "path": "/a", "value": 1}, "one of add, remove"),
        ("add", "got str"),
    ],
)
def test_operation_that_cannot_be(op: Any, problem: str) -> None:
    """The error names the operation and its path, and says what is wrong; the document is as it was."""
    document = Document(DOCUMENT)

    with pytest.raises(PatchError, match=problem) as caught:
        document.apply(op)

    assert all(repr(op[key])[:40] in str(caught.value) for key in ("op", "path") if key in op)
    assert document.root == DOCUMENT


def test_failed_move_takes_nothing() -> None:
    """A move whose second half fails leaves what it would have moved where it was."""
    document = Document({"a": 1, "b": []})
    document.apply({"op": "add", "path": "/c", "value": 1})

    with pytest.raises(PatchError):
        document.apply({"op": "move", "from": "/a", "path": "/b/7"})

    assert document.root == {"a": 1, "b": [], "c": 1}


def test_whole_document() -> None:
    """An empty pointer is the whole document."""
    assert apply({"a": 1}, [{"op": "replace", "path": "", "value": [1]}]) == [1]
    assert apply({"a": 1}, [{"op": "move", "from": "/a", "path": ""}]) == 1
    assert apply({"a": 1}, [{"op": "remove", "path": ""}]) is None


def test_values_of_operations_are_not_written_to() -> None:
    """P39: what an operation brings is copied before a later one writes to it, so both can be applied again."""
    ops = [
        {"op": "add", "path": "", "value": {"a": []}},
        {"op": "add", "path": "/a/-", "value": {"b": []}},
        {"op": "copy", "from": "/a/0", "path": "/c"},
        {"op": "add", "path": "/c/b/-", "value": 1},
        {"op": "add", "path": "/a/0/b/-", "value": 2},
    ]
    before = deepcopy(ops)

    assert apply(None, ops) == apply(None, ops) == {"a": [{"b": [2]}], "c": {"b": [1]}}
    assert ops == before


def test_copies_of_a_document_are_independent() -> None:
    """A copy stays as it is when the document grows, and the document when the copy is changed."""
    document = Document({"a": [], "b": {"c": [{}]}})
    document.apply({"op": "add", "path": "/a/-", "value": 1})
    document.apply({"op": "add", "path": "/b/c/-", "value": {"d": []}})

    copy = document.copy()
    copy["b"]["c"][0]["x"] = copy["b"]["c"][1]["d"] = 1
    copy["a"].append("x")
    document.apply({"op": "add", "path": "/a/-", "value": 2})

    assert copy == {"a": [1, "x"], "b": {"c": [{"x": 1}, {"d": 1}]}}
    assert document.root == {"a": [1, 2], "b": {"c": [{}, {"d": []}]}}


@given(st.lists(st.text()))
def test_any_names_make_a_pointer(names: list[str]) -> None:
    """P39: every name survives the way into a pointer and back, and a third-party library reads the same one."""
    pointer = "".join(f"/{escape(name)}" for name in names)

    assert parse(pointer) == names
    assert jsonpatch.JsonPointer(pointer).parts == names


NAMES = st.sampled_from(["", "a", "b", "-", "0", "1", "a/b", "~1", "__proto__"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
POINTERS = st.lists(NAMES | st.just("2"), max_size=3).map(lambda names: "".join(f"/{escape(name)}" for name in names))
OPERATIONS = st.one_of(
    st.fixed_dictionaries({"op": st.sampled_from(["add", "replace", "test"]), "path": POINTERS, "value": JSON}),
    st.fixed_dictionaries({"op": st.just("remove"), "path": POINTERS.filter(bool)}),
    st.fixed_dictionaries({"op": st.sampled_from(["move", "copy"]), "path": POINTERS, "from": POINTERS.filter(bool)}),
)


@given(JSON, st.lists(OPERATIONS, max_size=6))
def test_agrees_with_another_library(document: Any, ops: list[dict[str, Any]]) -> None:
    """P39: what can be applied gives the same as with a third-party library, and changes none of its arguments."""
    before = deepcopy((document, ops))
    patched, done = Document(document), []
    for op in ops:
        try:
            patched.apply(op)
        except PatchError:
            continue
        done.append(op)

    assert patched.root == patched.copy() == apply(document, done)
    assert (document, ops) == before
    assert patched.root == jsonpatch.apply_patch(document, done)
