"""``check_retriever``: does a retriever give documents as whoever puts it into a chain must be able to expect?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, cast

from plait.concurrency import in_thread
from plait.documents import Document
from plait.runnables import Runnable
from plait.testing.conformance import check_runnable
from plait.testing.equality import same, shown
from plait.testing.findings import LAWS, Law
from plait.testing.trials import FAILED, Trial, judged
from plait.testing.witness import Recorder

__all__ = ["RETRIEVER_LAWS", "acheck_retriever", "check_retriever"]

RETRIEVER_LAWS: Final[Mapping[str, Law]] = {
    "works": Law("A query gives documents, and raises nothing.", "let _get_relevant_documents take any text"),
    "documents": Law("What is given is a list of documents.", "give a list of Document, an empty one for nothing"),
    "only-text": Law("What is no text is refused with a TypeError.", "leave the reading of the input to BaseRetriever"),
    "twins": Law("The async verbs give what the sync ones give.", "let both do the same work, or write only one"),
    "own-documents": Law(
        "Who changes a document that was found changes none that is found later.",
        "give copies: document.model_copy(deep=True)",
    ),
    "labels": Law(
        "A run is of the kind retriever, and has the tags and metadata of the retriever.",
        "derive from BaseRetriever, and leave invoke to it",
    ),
    "odd-queries": Law(
        "An empty, long or odd query gives documents, or is refused with a ValueError.",
        "take any str; raise StoreError, which says why, for one that cannot be searched for",
    ),
    "event-loop": Law(
        "The async verbs do not make the loop wait.", "await instead, or leave them out: a thread is used"
    ),
    "nothing-left": Law(
        "When a call is over nothing of it goes on or is open: no task, thread, generator or file.",
        "await every task, join every thread and close what you open before the call returns",
    ),
}
"""What every retriever keeps to besides the laws of a runnable, by name."""

_ODD: Final = {"empty": "", "blank": " \n\t", "long": "many words " * 500, "braces": "{x} %s {{", "a quote": "a'b\"c"}
_NO_TEXTS: Final = (1, None, ["a"], {"query": "a"})


def check_retriever(
    retriever: Runnable[str, list[Document]],
    queries: Iterable[str],
    *,
    equal: Callable[[Any, Any], bool] = same,
    as_runnable: bool = True,
    skip: Mapping[str, str] | None = None,
) -> None:
    """Call a retriever in every way, and raise ConformanceError, which lists each of ``RETRIEVER_LAWS`` that it breaks.

    queries: some that find something, at least one; two that find different documents let a wrong order be seen.
    equal: ``equal(expected, came)`` for lists of documents.
    as_runnable: whether ``check_runnable`` is run first, with its hundreds of calls; its laws are told then.
    skip: laws of either kind that are known not to hold, each with the reason.

    It starts event loops: where one is running, use ``acheck_retriever``.
    """
    asked, skipped = list(queries), dict(skip or {})
    if not asked:
        raise ValueError("a check needs at least one query that finds something")
    own = {law: why for law, why in skipped.items() if law in RETRIEVER_LAWS or law not in LAWS}
    if as_runnable:
        rest = {law: why for law, why in skipped.items() if law in LAWS}
        check_runnable(retriever, asked, errors=[(1, TypeError)], equal=equal, skip=rest)
    judged(retriever, "a retriever", RETRIEVER_LAWS, own, lambda trial: _Check(trial, retriever, asked, equal).run())


async def acheck_retriever(  # twin: it runs in a thread
    retriever: Runnable[str, list[Document]], queries: Iterable[str], **options: Any
) -> None:
    """As ``check_retriever``, with its options, from inside an event loop; it runs in a thread."""
    await in_thread(check_retriever, retriever, queries, **options)


class _Check:
    def __init__(self, trial: Trial, retriever: Any, queries: list[str], equal: Callable[[Any, Any], bool]) -> None:
        self.trial = trial
        self.retriever = retriever
        self.queries = queries
        self.equal = equal

    def run(self) -> None:
        for query in self.queries:
            self._documents(query)
        self._own_documents(self.queries[0])
        self._labels(self.queries[0])
        for given in _NO_TEXTS:
            self._refused(given)
        for what, query in _ODD.items():
            self._odd(what, query)

    def _documents(self, query: str) -> None:
        where = f"the query {shown(query)}"
        found = self.trial.call(where, self.retriever.invoke, query)
        came = self.trial.acall(f"ainvoke, {where}", self.retriever.ainvoke, query)
        if found is FAILED:
            return
        if type(found) is not list or not all(isinstance(each, Document) for each in cast("list[Any]", found)):
            self.trial.tell("documents", "a list of documents", shown(found), where)
        if came is not FAILED and not self.equal(found, came):
            self.trial.tell("twins", shown(found), shown(came), where)

    def _own_documents(self, query: str) -> None:
        found = self.trial.call("a document that is changed", self.retriever.invoke, query)
        if not isinstance(found, list) or not all(isinstance(each, Document) for each in cast("list[Any]", found)):
            return
        documents = cast("list[Document]", found)
        before = [(each.page_content, dict(each.metadata)) for each in documents]
        for each in documents:
            each.metadata["plait-changed"] = True
        later = self.trial.call("a document that is changed", self.retriever.invoke, query)
        after = [(each.page_content, dict(each.metadata)) for each in later] if later is not FAILED else before
        if after != before:
            self.trial.tell("own-documents", shown(before), shown(after), "a document that is changed")

    def _labels(self, query: str) -> None:
        heard = Recorder()
        given = self.trial.call("a run", self.retriever.invoke, query, {"callbacks": [heard], "tags": ["plait-tag"]})
        if given is FAILED or not heard.runs():
            return
        run = heard.runs()[0]
        wanted = {"plait-tag", *(getattr(self.retriever, "tags", None) or ())}
        if run.kind != "retriever" or not wanted <= set(run.tags):
            expected = f"a retriever with the tags {sorted(wanted)}"
            self.trial.tell("labels", expected, f"a {run.kind} with the tags {run.tags}", "a run")
        about: dict[str, Any] = getattr(self.retriever, "metadata", None) or {}
        if not about.items() <= run.metadata.items():
            self.trial.tell("labels", f"metadata with {shown(about)}", shown(run.metadata), "a run")

    def _refused(self, given: Any) -> None:
        try:
            came = shown(self.retriever.invoke(given))
        except TypeError:
            return
        except Exception as error:
            came = f"{type(error).__name__}: {error}"
        self.trial.tell("only-text", "TypeError", came, f"the input {shown(given)}")

    def _odd(self, what: str, query: str) -> None:
        try:
            found = self.retriever.invoke(query)
        except ValueError:
            return
        except Exception as error:
            self.trial.tell("odd-queries", "documents, or a ValueError", f"{type(error).__name__}: {error}", what)
            return
        if not isinstance(found, list):
            self.trial.tell("odd-queries", "a list of documents", shown(found), what)
