"""Prove that each async function is its sync sibling plus colour.

    python tools/twins.py [-v] PATH ...

``name`` and ``aname`` (``_name``/``_aname``, ``__iter__``/``__aiter__``) in one class or module are a pair. The syntax
tree of the async one, stripped of colour (async, await, the ``a`` of names, Async of types), must equal the other's;
docstrings and local imports do not count. A pair that must differ says why on the async ``def`` line:

    async def agather(...):  # twin: threads are joined, tasks are awaited

Faults: a pair that drifted, an excuse that nothing needs, an excuse on no async function, a public ``async def ax``
with no ``x``, a pair that does not stand together, and a call of ``x`` that is neither awaited nor ``ax``, where the
package has both. Prints ``path:line: fault`` for each and the counts; exits 1 if there is one.
"""

from __future__ import annotations

import ast
import re
import sys
import tokenize
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path

Function = ast.FunctionDef | ast.AsyncFunctionDef
Scope = ast.Module | ast.ClassDef | Function

EXCUSE = re.compile(r"#\s*twin:\s*(.*)")
COLOUR = re.compile(r"^(_*)(?:async_|Async|a|A(?=[A-Z]))(?=\w)(.+)$")
PLAIN = {
    "StopAsyncIteration": "StopIteration",
    "asynccontextmanager": "contextmanager",
    "enter_async_context": "enter_context",
    "push_async_callback": "callback",
    "acollect": "list",
}
PLAIN_DOTTED = {
    "asyncio.sleep": "time.sleep",
    "asyncio.Lock": "threading.Lock",
    "asyncio.Event": "threading.Event",
    "asyncio.Semaphore": "threading.Semaphore",
    "asyncio.Queue": "queue.Queue",
}
OF_THE_LANGUAGE = {"aclose", "asend", "athrow"}  # an async iterator has these without a sync side


@dataclass
class Report:
    """What was found: one line per fault and per excuse, and how many pairs there are."""

    pairs: int = 0
    faults: list[str] = field(default_factory=list)
    excuses: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"twins: {self.pairs} pairs, {len(self.excuses)} excused, {len(self.faults)} faults"


def coloured(name: str) -> str:
    """The async sibling's name: ``ax`` of ``x``, ``_ax`` of ``_x``, ``__aiter__`` of ``__iter__``."""
    bare = name.lstrip("_")
    return name[: len(name) - len(bare)] + "a" + bare


def check(paths: Iterable[Path]) -> Report:
    """Compare all pairs of the Python files at or under ``paths``."""
    report = Report()
    sources = {file: file.read_text(encoding="utf-8") for path in paths for file in files_of(path)}
    trees = {file: ast.parse(source, str(file)) for file, source in sources.items()}
    known = {as_called(scope, sync) for tree in trees.values() for scope in scopes(tree) for sync, _ in pairs(scope)}
    for file, tree in trees.items():
        check_module(file, tree, excuses_of(file), known, report)
    return report


def files_of(path: Path) -> list[Path]:
    return [path] if path.is_file() else sorted(path.rglob("*.py"))


def excuses_of(file: Path) -> dict[int, str]:
    with tokenize.open(file) as lines:
        found = [(token.start[0], EXCUSE.match(token.string)) for token in tokenize.generate_tokens(lines.readline)]
    return {line: match[1].strip() for line, match in found if match}


def scopes(tree: ast.Module) -> Iterator[Scope]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def functions(scope: Scope) -> list[Function]:
    """The functions that stand in ``scope`` itself; of overloads only the implementation."""
    defs = [node for node in scope.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return [node for node in defs if not any("overload" in ast.unparse(mark) for mark in node.decorator_list)]


def pairs(scope: Scope) -> list[tuple[Function, Function]]:
    named = {node.name: node for node in functions(scope)}
    return [(node, named[coloured(name)]) for name, node in named.items() if coloured(name) in named]


def check_module(file: Path, tree: ast.Module, excuses: dict[int, str], known: set[str], report: Report) -> None:
    for scope in scopes(tree):
        twins = pairs(scope)
        report.pairs += len(twins)
        for sync, twin in twins:
            where, reason = f"{file}:{twin.lineno}: {twin.name}", take_excuse(twin, excuses)
            difference = compare(sync, twin, known) or apart(scope, sync, twin)
            if reason is not None:
                report.excuses.append(f"{where}: {reason}")
                if not difference or not reason:
                    report.faults.append(
                        f"{where}: {'the excuse gives no reason' if difference else 'needs no excuse'}"
                    )
            elif difference:
                report.faults.append(f"{where}: {difference}")
        for lone in lonely(scope):
            if take_excuse(lone, excuses) is None:
                report.faults.append(f"{file}:{lone.lineno}: {lone.name}: is public and has no sync sibling")
    report.faults += [f"{file}:{line}: an excuse that no async function needs" for line in excuses]


def take_excuse(function: Function, excuses: dict[int, str]) -> str | None:
    lines = range(function.lineno, function.body[0].lineno + (function.body[0].lineno == function.lineno))
    return next((excuses.pop(line) for line in lines if line in excuses), None)


def apart(scope: Scope, sync: Function, twin: Function) -> str | None:
    order = functions(scope)
    beside = isinstance(scope, Function) or order.index(twin) == order.index(sync) + 1
    return None if beside else f"does not stand right under {sync.name}"


def lonely(scope: Scope) -> list[Function]:
    if isinstance(scope, Function):
        return []
    names = {coloured(node.name) for node in functions(scope)} | OF_THE_LANGUAGE
    public = [node for node in functions(scope) if re.match("a[a-z]", node.name)]
    return [node for node in public if isinstance(node, ast.AsyncFunctionDef) and node.name not in names]


def compare(sync: Function, twin: Function, known: set[str]) -> str | None:
    """The first difference that is not colour, in words; None for twins."""
    left, right = (Strip().visit(ast.parse(ast.unparse(node)).body[0]) for node in (sync, twin))
    found = differ(left, right, known)
    if found is None:
        return None
    if isinstance(found, str):
        return found
    return "differs: " + " / ".join(shown(side) for side in found)


def shown(side: object) -> str:
    text = ast.unparse(side) if isinstance(side, ast.AST) else "nothing" if side is None else repr(side)
    text = " ".join(text.split())
    return text if len(text) < 60 else text[:57] + "..."


class Strip(ast.NodeTransformer):
    """Take away what is colour by syntax; calls that were awaited are marked."""

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self.visit_FunctionDef(ast.FunctionDef(**vars(node)))

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        if ast.get_docstring(node) is not None:
            node.body = node.body[1:]
        node.body = [line for line in node.body if not isinstance(line, ast.Import | ast.ImportFrom)]
        return self.generic_visit(node)

    def visit_Await(self, node: ast.Await) -> ast.AST:
        node.value.awaited = True  # type: ignore[attr-defined]  # a mark of ours
        return self.visit(node.value)  # type: ignore[no-any-return]  # ast leaves it untyped

    def visit_AsyncFor(self, node: ast.AsyncFor) -> ast.AST:
        node.iter.awaited = True  # type: ignore[attr-defined]  # a mark of ours
        return self.visit_For(ast.For(**vars(node)))

    def visit_For(self, node: ast.For) -> ast.AST:
        """``for x in y: yield x`` is what an async generator must write for ``yield from y``."""
        self.generic_visit(node)
        passed_on = f"yield {ast.unparse(node.target)}"
        if [ast.unparse(line).strip("()") for line in node.body] == [passed_on] and not node.orelse:
            return ast.Expr(ast.YieldFrom(node.iter))
        return node

    def visit_AsyncWith(self, node: ast.AsyncWith) -> ast.AST:
        for item in node.items:
            item.context_expr.awaited = True  # type: ignore[attr-defined]  # a mark of ours
        return self.generic_visit(ast.With(**vars(node)))

    def visit_comprehension(self, node: ast.comprehension) -> ast.AST:
        node.iter.awaited = bool(node.is_async)  # type: ignore[attr-defined]  # a mark of ours
        node.is_async = 0
        return self.generic_visit(node)

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        """``Awaitable[X]`` and ``Coroutine[.., .., X]`` are X, and a generator is known to its caller as an iterator."""
        self.generic_visit(node)
        name, parts = ast.unparse(node.value).split(".")[-1], getattr(node.slice, "elts", [node.slice])
        if name in {"Awaitable", "Coroutine"}:
            return parts[-1]  # type: ignore[no-any-return]  # ast leaves it untyped
        if name in {"Generator", "AsyncGenerator"}:
            return ast.Subscript(ast.Name("Iterator"), parts[0])
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        """``Iterable[X] | AsyncIterable[X]``, or a function and an async function, is what the sync sibling takes."""
        self.generic_visit(node)
        left, right = (ast.unparse(side) for side in (node.left, node.right))
        return node.left if isinstance(node.op, ast.BitOr) and left == right.replace("Async", "") else node


def differ(left: object, right: object, known: set[str]) -> tuple[object, object] | str | None:
    """What differs first between a sync and a stripped async tree, the smallest piece of it."""
    if isinstance(left, list) and isinstance(right, list):
        both = zip_longest(left, right)
        return next((found for pair in both if (found := differ(*pair, known))), None)
    if isinstance(left, str) and isinstance(right, str):
        return None if same_words(left, right) else (left, right)
    if not isinstance(left, ast.AST) or not isinstance(right, ast.AST):
        return None if left == right and type(left) is type(right) else (left, right)
    if dotted(left) and PLAIN_DOTTED.get(dotted(right)) == dotted(left):
        return None
    if type(left) is not type(right):
        return left, right
    if isinstance(right, ast.Call) and uncoloured(left, right, known):
        return f"calls {shown(right.func)} without await, where there is {coloured(last_name(right.func))}"
    for name in (each for each in left._fields if each != "ctx"):
        found = differ(getattr(left, name, None), getattr(right, name, None), known)
        if found:
            named = isinstance(found, tuple) and isinstance(left, ast.expr) and isinstance(found[0], str)
            return (left, right) if named else found
    return None


def same_words(sync: str, twin: str) -> bool:
    """Equal word by word, but for the colour of the second; so messages may name the verb that was called."""
    ours, theirs = re.split(r"(\W+)", sync), re.split(r"(\W+)", twin)
    return len(ours) == len(theirs) and all(map(same_name, ours, theirs))


def same_name(sync: str, twin: str) -> bool:
    if sync == twin:
        return True
    match = COLOUR.match(twin)
    return PLAIN.get(twin) == sync or (match is not None and match[1] + match[2] == sync)


def as_called(scope: Scope, function: Function) -> str:
    return f".{function.name}" if isinstance(scope, ast.ClassDef) else function.name


# Whoever has a twin of one of these, most objects with such a method are dicts, lists and sets.
OF_CONTAINERS = {f".{name}" for kind in (dict, list, set) for name in dir(kind) if not name.startswith("_")}


def uncoloured(left: ast.AST, right: ast.Call, known: set[str]) -> bool:
    name = last_name(right.func)
    called = f".{name}" if isinstance(right.func, ast.Attribute) else name
    plain = isinstance(left, ast.Call) and last_name(left.func) == name
    return plain and called in known and called not in OF_CONTAINERS and not getattr(right, "awaited", False)


def last_name(node: ast.AST) -> str:
    return str(getattr(node, "attr", getattr(node, "id", "")))


def dotted(node: ast.AST) -> str:
    return (
        f"{node.value.id}.{node.attr}" if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) else ""
    )


def main(arguments: Sequence[str]) -> int:
    verbose = "-v" in arguments
    report = check(Path(argument) for argument in arguments if argument != "-v")
    for line in report.faults + (report.excuses if verbose else []):
        print(line)
    print(report)
    return 1 if report.faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
