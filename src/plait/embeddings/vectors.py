"""Whether what a model gave can be the vectors of the texts that it was given."""

from __future__ import annotations

from collections.abc import Iterable
from math import isfinite
from typing import Any, cast

from plait.errors import ModelError

__all__ = ["checked", "listed"]


def checked(vectors: Any, texts: int, model: str, size: int | None = None) -> list[list[float]]:
    """The vectors as lists, if there is one of finite numbers for each text, and all have the same length.

    ``size`` is the length that they must have, if it is known; ``model`` is the name of what gave them. Raises
    ``ModelError``, which says what came instead.
    """
    rows = _rows(vectors, model)
    if len(rows) != texts:
        raise ModelError(f"{model} was given {texts} texts, but gave {len(rows)} vectors")
    size = len(rows[0]) if size is None and rows else size
    for index, row in enumerate(rows):
        if not row or len(row) != size:
            raise ModelError(f"{model} gave a vector, number {index}, of {len(row)} numbers; expected {size or 'some'}")
        _check_numbers(row, index, model)
    return rows


def listed(texts: Iterable[str]) -> list[str]:
    """The texts as a list; raises TypeError for what is no text, and for a single one, a sequence of letters."""
    if isinstance(texts, str):
        raise TypeError("embed_documents takes a list of texts; got one str: write [text], or use embed_query")
    taken = list(texts)  # once: there are generators
    for index, text in enumerate(taken):
        if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers are not all typed
            raise TypeError(f"a text to embed is a str; number {index} is of type {type(text).__name__}")
    return taken


def _rows(vectors: Any, model: str) -> list[list[float]]:
    plain = vectors.tolist() if hasattr(vectors, "tolist") else vectors  # an array of numpy
    if not isinstance(plain, Iterable) or isinstance(plain, str | bytes):
        raise ModelError(f"{model} gave an object of type {type(plain).__name__} where a list of vectors was expected")
    return [_row(row, model) for row in cast("Iterable[Any]", plain)]


def _row(row: Any, model: str) -> list[float]:
    plain = row.tolist() if hasattr(row, "tolist") else row
    if isinstance(plain, list):
        return cast("list[float]", plain)
    if isinstance(plain, tuple):
        return list(cast("tuple[float, ...]", plain))
    raise ModelError(f"{model} gave an object of type {type(plain).__name__} where a vector was expected")


def _check_numbers(row: list[float], index: int, model: str) -> None:
    """Raise for what is no finite number; the sum, which is quick, is not finite then, or cannot be made."""
    try:
        if isfinite(sum(row)):
            return
        place = next((place for place, number in enumerate(row) if not isfinite(number)), None)
    except (TypeError, OverflowError) as error:
        raise ModelError(f"{model} gave a vector, number {index}, in which something is no number: {error}") from error
    if place is not None:
        raise ModelError(f"{model} gave a vector, number {index}, with {row[place]} at place {place}: no finite number")
