"""Steps that choose from documents by what is asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import pytest

from plait.callbacks import BaseCallbackHandler
from plait.documents import BaseDocumentCompressor, Document, DocumentCompressorPipeline, LongContextReorder
from plait.runnables import RunnableLambda


class Naming(BaseDocumentCompressor):
    """The documents in which the query stands."""

    def compress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Any = None
    ) -> Sequence[Document]:
        return tuple(each for each in documents if query in each.page_content)


DOCUMENTS = [Document(text) for text in ("a bear", "an owl", "owl and bear", "bears")]


def asked(query: Any, documents: Any = DOCUMENTS) -> Any:
    return {"documents": documents, "query": query}


def test_compressor_of_a_user(run: Any) -> None:
    """One method is enough for all modes."""
    assert run(Naming(), asked("owl")) == DOCUMENTS[1:3]


def test_pipeline_goes_step_by_step(run: Any) -> None:
    """Transformers get the documents, and compressors the query, too."""
    pipeline = DocumentCompressorPipeline(transformers=[Naming(), LongContextReorder()])
    assert run(pipeline, asked("bear")) == [DOCUMENTS[0], DOCUMENTS[3], DOCUMENTS[2]]
    assert run(DocumentCompressorPipeline(transformers=[]), asked("x")) == DOCUMENTS


async def test_methods_without_a_chain() -> None:
    """As users of LangChain call them."""
    pipeline = DocumentCompressorPipeline(transformers=[Naming()])
    assert pipeline.compress_documents(DOCUMENTS, "owl") == DOCUMENTS[1:3]
    assert await pipeline.acompress_documents(DOCUMENTS, "owl") == DOCUMENTS[1:3]
    assert list(await Naming().acompress_documents(DOCUMENTS, "owl", callbacks=[])) == DOCUMENTS[1:3]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("owl", r'takes \{"documents": .*but got str'),
        ({"query": "owl"}, "but 'documents' is missing"),
        (asked(1), "the query is of type int"),
        (asked("owl", ["owl"]), "takes a list of documents, but got a list with str"),
        (asked("owl", "owl"), "takes a list of documents, but got str"),
    ],
)
def test_what_is_no_question_about_documents(run: Any, given: Any, says: str) -> None:
    """The error says what was expected and what came."""
    with pytest.raises(TypeError, match=says):
        run(Naming(), given)


def test_each_step_of_a_pipeline_is_a_run(run: Any) -> None:
    """Inside that of the pipeline, and what a step calls is inside the step."""
    inner = RunnableLambda(len).with_config(run_name="inner")

    class Counting(Naming):
        def compress_documents(
            self, documents: Sequence[Document], query: str, callbacks: Any = None
        ) -> Sequence[Document]:
            return documents[: inner.invoke(query)]

    class Seen(BaseCallbackHandler):
        names: ClassVar[dict[Any, str]] = {}
        found: ClassVar[list[tuple[str, str]]] = []

        def on_chain_start(self, serialized: Any, inputs: Any, *, run_id: Any, **kwargs: Any) -> None:
            self.names[run_id] = kwargs["name"]
            self.found.append((self.names.get(kwargs["parent_run_id"], ""), kwargs["name"]))

    run(DocumentCompressorPipeline(transformers=[Counting()]), asked("owl"), {"callbacks": [Seen()]})
    assert Seen.found == [
        ("", "DocumentCompressorPipeline"),
        ("DocumentCompressorPipeline", "Counting"),
        ("Counting", "inner"),
    ]
