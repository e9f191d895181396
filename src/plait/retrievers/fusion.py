"""Several rankings as one; pure."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any

from plait.documents import Document

__all__ = ["fused", "key_by", "unique"]

Key = Callable[[Document], Hashable]


def key_by(id_key: str | None) -> Key:
    """What tells documents apart: what is under a key of their metadata; else their ids, and texts where there is none."""

    def key(document: Document) -> Hashable:
        if id_key is not None and id_key in document.metadata:
            return ("key", str(document.metadata[id_key]))
        return ("text", document.page_content)

    return key


def unique(documents: Iterable[Document], key: Key) -> list[Document]:
    """The documents, of those that are the same the first."""
    found: dict[Any, Document] = {}
    for document in documents:
        found.setdefault(key(document), document)
    return list(found.values())


def fused(rankings: Sequence[Sequence[Document]], weights: Sequence[float], c: int, key: Key) -> list[Document]:
    """One ranking of several, by reciprocal rank fusion: each counts ``weight / (rank + c)``, ranks from 1.

    Cormack, Clarke and Büttcher, SIGIR 2009. Of equals that comes first which is met first.
    """
    scores: dict[Any, float] = {}
    found: dict[Any, Document] = {}
    for ranking, weight in zip(rankings, weights, strict=True):
        for rank, document in enumerate(unique(ranking, key), 1):
            name = key(document)
            scores[name] = scores.get(name, 0.0) + weight / (rank + c)
            found.setdefault(name, document)
    return [found[name] for name in sorted(scores, key=lambda name: -scores[name])]
