"""The rules of the project that a machine can check; a rule that is only written down decays."""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import importlib.util
import os
import re
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import plait

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "plait"
MODULES = sorted(SOURCE.rglob("*.py"))
MAX_LINES = 1600
"""Of one file. When it is reached, look for the decision that belongs in a module below; do not split by size."""
LARGER = {"plait.runnables.base": 3450}  # the closed algebra; what describes and watches it has files of its own
"""The closed algebra: what ``|`` and the fluent methods return are runnables, so one file keeps it free of cycles."""


def in_fresh_python(code: str) -> str:
    """What the code prints in an interpreter that has imported nothing else."""
    command = [sys.executable, "-W", "error", "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def module_name(path: Path) -> str:
    return ".".join(part for part in path.relative_to(ROOT / "src").with_suffix("").parts if part != "__init__")


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


# ------------------------------------------------------------------------------------------------------------- names


def test_public_names_are_sorted_and_unique() -> None:
    """``plait.__all__`` is sorted, so that a name is found and two branches merge."""
    names = list(plait.__all__)

    assert len(names) == len(set(names))
    assert names in (sorted(names), sorted(names, key=as_ruff_sorts))


def as_ruff_sorts(name: str) -> tuple[int, str]:
    """Constants, then classes, then the rest."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2), name


def test_every_public_name_is_there() -> None:
    """Each name of ``__all__`` can be had from the top, and ``dir`` shows it."""
    missing = [name for name in plait.__all__ if not hasattr(plait, name)]

    assert missing == []
    assert set(plait.__all__) <= set(dir(plait))


def test_star_import_gives_the_public_names() -> None:
    """``from plait import *`` works, brings every public name and hides no builtin."""
    names: dict[str, object] = {}
    exec("from plait import *", names)

    assert set(names) - {"__builtins__"} == set(plait.__all__)
    assert not set(plait.__all__) & set(dir(__import__("builtins")))


def test_unknown_name_is_an_attribute_error() -> None:
    """The lazy top answers like any module for what it does not have."""
    with pytest.raises(AttributeError, match="NoSuchRunnable"):
        _ = plait.NoSuchRunnable


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_exports_of_module_exist(path: Path) -> None:
    """What a module lists in ``__all__`` is there (and sorted, which ruff checks)."""
    if path.stem == "__main__":
        return
    module = importlib.import_module(module_name(path))
    names = list(getattr(module, "__all__", ()))

    assert [name for name in names if not hasattr(module, name)] == []
    assert len(names) == len(set(names))


# ------------------------------------------------------------------------------------------------------- cost, supply

HEAVY = {
    "annotated_types",
    "anthropic",
    "asyncio",
    "dataclasses",
    "http",
    "httpx",
    "inspect",
    "jsonschema",
    "logging",
    "numpy",
    "openai",
    "pydantic",
    "pydantic_core",
    "rich",
    "ssl",
    "urllib",
    "xllamacpp",
}


@pytest.mark.parametrize("line", ["import plait", "import plait.runnables", "from plait import RunnableLambda"])
def test_import_is_light(line: str) -> None:
    """Neither the top nor the protocol loads pydantic, asyncio, an HTTP client or a vendor's SDK."""
    loaded = in_fresh_python(f"import sys; before = set(sys.modules); {line}; print(*set(sys.modules) - before)")

    assert HEAVY & set(loaded.split()) == set()


def test_import_starts_nothing() -> None:
    """Importing every public name starts no thread and opens no socket."""
    code = "import threading, plait; [getattr(plait, n) for n in plait.__all__]; print(threading.active_count())"

    assert in_fresh_python(code).strip() == "1"


def test_one_required_dependency() -> None:
    """Without extras plait asks for pydantic and nothing else."""
    required = [line for line in importlib.metadata.requires("plait") or () if "extra ==" not in line]

    assert [re.split(r"[^\w-]", line)[0] for line in required] == ["pydantic"]


def test_constraints_are_pins_without_addresses() -> None:
    """Each line of the constraints names a package and a version; each machine's pip knows where to get it."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if not line.startswith("#")]

    assert [line for line in pins if not re.fullmatch(r"[a-z0-9-]+==[\w.+!]+", line)] == []
    assert pins == sorted(pins, key=lambda pin: pin.partition("=="))


def test_version_is_the_newest_of_the_changelog() -> None:
    """The code, the installed metadata and the changelog name the same version."""
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## \[(.+?)\] - (unreleased|\d{4}-\d\d-\d\d)$", changelog, re.MULTILINE)

    assert newest is not None
    assert newest[1] == plait.__version__ == importlib.metadata.version("plait")


def test_types_are_shipped() -> None:
    """The marker of PEP 561 lies beside the code."""
    assert (SOURCE / "py.typed").is_file()


# ------------------------------------------------------------------------------------------------------------ safety

RUNS_CODE = {"eval", "exec", "compile", "__import__", "import_module", "run_module", "run_path"}
UNPICKLES = {"pickle", "marshal", "shelve", "dill", "cloudpickle"}
STARTS_PROCESSES = {"subprocess", "os.system", "os.popen", "pty"}

ALLOWED: dict[tuple[str, str], str] = {
    ("plait", "import_module"): "the lazy public names: a fixed table of this package's own modules",
    ("plait.load.table", "import_module"): "the closed table of what can be saved: fixed modules of this package",
    ("plait.testing.conformance", "pickle"): "packs and unpacks the runnable that the caller hands in to be tested",
    ("plait.testing.witness", "subprocess"): "names what blocks, to notice it inside a loop; starts no process",
}
"""Where ``src`` may do one of these, and why; nothing here may depend on data that came from outside."""


def dangers(tree: ast.Module) -> Iterator[str]:
    """The names of what runs code, unpickles or starts a process, wherever the module uses or imports it."""
    fixed = {id(call.func) for call in ast.walk(tree) if isinstance(call, ast.Call) and imports_a_literal(call)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in RUNS_CODE and id(node) not in fixed:
            yield node.id
        elif isinstance(node, ast.Attribute) and id(node) not in fixed:
            dotted = ast.unparse(node)
            if node.attr in RUNS_CODE - {"compile"} or dotted == "builtins.compile" or dotted in STARTS_PROCESSES:
                yield node.attr
        elif isinstance(node, ast.Import | ast.ImportFrom):
            modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else [name.name for name in node.names]
            yield from (name for name in modules if name.partition(".")[0] in UNPICKLES | STARTS_PROCESSES)


def imports_a_literal(call: ast.Call) -> bool:
    """``import_module("openai")`` is an import like any other."""
    named = ast.unparse(call.func).endswith("import_module")
    return named and bool(call.args) and isinstance(call.args[0], ast.Constant)


def test_nothing_runs_code_from_data() -> None:
    """No eval, exec, dynamic import, unpickling or subprocess but those that are listed with their reasons."""
    found = {(module_name(path), danger) for path in MODULES for danger in dangers(tree_of(path))}

    assert found == set(ALLOWED)


UNSAFE_READERS = re.compile(r"yaml\.(?:unsafe_|full_)?load\w*\(|allow_pickle=True|\bnp\.load\(|\btempfile\b")


def test_nothing_reads_more_than_data() -> None:
    """No YAML with tags, no arrays of objects, no file in a place that others share (P1, F4)."""
    found = {
        (module_name(path), match[0]) for path in MODULES for match in UNSAFE_READERS.finditer(path.read_text("utf-8"))
    }

    assert found == {("plait.prompts.yaml_files", "yaml.load(")}  # with a loader of its own, made of the safe one


@pytest.mark.parametrize(
    "line",
    [
        "eval(x)",
        "f = exec",
        "importlib.import_module(x)",
        "import pickle",
        "from subprocess import run",
        "builtins.exec(x)",
        "os.system(x)",
    ],
)
def test_danger_is_found(line: str) -> None:
    """The scan sees each of them."""
    assert len(list(dangers(ast.parse(line)))) == 1


def tracked_files() -> list[Path]:
    """What is in version control, or would be; all but built things where there is no git."""
    command = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    if (ROOT / ".git").exists() and shutil.which("git"):
        listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]
    hidden = (".venv", ".mypy", ".ruff", ".pytest", ".hypo", ".import", "build", "dist", "__pycache__")
    files = (path for path in ROOT.rglob("*") if path.is_file())
    return [path for path in files if not any(part.startswith(hidden) for part in path.relative_to(ROOT).parts)]


HOSTS = [
    f"{name}.{top}" for name, top in [("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"), ("npmjs", "com")]
]
MACHINE = re.compile(r"(?<![\w.\-/}>])/(?:work|root|tmp|opt|home)/\w")


def test_files_name_no_registry_and_no_machine() -> None:
    """Where packages come from, and where somebody's files lie, is the affair of each machine."""
    found = []
    for path in tracked_files():
        text = path.read_bytes().decode("utf-8", errors="ignore")
        found += [f"{path.relative_to(ROOT)}: {host}" for host in HOSTS if host in text]
        found += [f"{path.relative_to(ROOT)}: {match[0]}" for match in MACHINE.finditer(text)]

    assert found == []


# ------------------------------------------------------------------------------------------------------------- shape

LEFTOVERS = {"utils", "util", "helpers", "helper", "common", "misc", "core", "shared", "stuff", "lib"}


def test_modules_are_named_for_what_they_hide() -> None:
    """No module is a shelf of leftovers."""
    named = {path.stem if path.stem != "__init__" else path.parent.name for path in MODULES}

    assert {name.strip("_") for name in named} & LEFTOVERS == set()


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_file_is_within_the_budget(path: Path) -> None:
    """No source file grows over the budget."""
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LARGER.get(module_name(path), MAX_LINES)


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of code in a function's body; its docstring, comments, blanks and functions inside it do not count."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    inner = [node for node in ast.walk(function) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)][1:]
    lines = {line for node in body for part in ast.walk(node) for line in _span(part)}
    return len(lines - {line for node in inner for part in ast.walk(node) for line in _span(part)})


def _span(node: ast.AST) -> set[int]:
    found = {getattr(node, "lineno", 0), getattr(node, "end_lineno", 0)}
    return found - {0, None}


def test_functions_are_short() -> None:
    """Half of all functions have at most four lines, nine in ten fewer than twenty, and none has over sixty."""
    functions = [
        node
        for path in MODULES
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    lengths = sorted(map(body_lines, functions))
    too_long = [node.name for node in functions if body_lines(node) > 60]

    assert statistics.median(lengths) <= 4
    assert lengths[len(lengths) * 9 // 10] < 20
    assert too_long == []


# --------------------------------------------------------------------------------------------------------- contracts


def contracts_kept(source: Path) -> tuple[bool, str]:
    """Whether the import contracts of pyproject.toml hold for the package in the folder ``source``, and the report."""
    code = "import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())"
    command = [sys.executable, "-c", code, "--no-cache", "--config", ROOT / "pyproject.toml"]
    environment = {**os.environ, "PYTHONPATH": str(source), "COLUMNS": "200"}
    done = subprocess.run(command, cwd=source, env=environment, capture_output=True, text=True, check=False)
    return done.returncode == 0, done.stdout + done.stderr


def test_imports_keep_the_contracts() -> None:
    """Imports point down the layers, there is no cycle, and every module has its place."""
    kept, report = contracts_kept(SOURCE.parent)

    assert kept, report


BROKEN = {
    "upward": ("merging.py", "import plait.runnables", "imports point down BROKEN"),
    "upward in a function": ("merging.py", "def f():\n    from plait.messages import AIMessage", "point down BROKEN"),
    "upward for types": (
        "errors.py",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from plait.runs import Run",
        "point down BROKEN",
    ),
    "a cycle": ("runs.py", "import plait.schemas", "included BROKEN", "schemas.py", "import plait.runs"),
    "the lazy top": ("merging.py", "from plait import Runnable", "the lazy names of plait/__init__ BROKEN"),
    "a module without a layer": ("stranger.py", "", "plait.stranger"),
}


@pytest.mark.parametrize("fault", BROKEN.values(), ids=BROKEN)
def test_contracts_can_break(fault: tuple[str, ...], tmp_path: Path) -> None:
    """Each kind of forbidden import, seeded in a copy of the package, is reported."""
    shutil.copytree(SOURCE, tmp_path / "plait")
    for name, line in filter(None, [fault[0:2], fault[3:5]]):
        path = tmp_path / "plait" / name
        path.write_text(
            (path.read_text(encoding="utf-8") if path.exists() else "") + "\n" + line + "\n", encoding="utf-8"
        )

    kept, report = contracts_kept(tmp_path)

    assert not kept
    assert fault[2] in report
