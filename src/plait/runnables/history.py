"""``RunnableWithMessageHistory`` under the name that users know; it lives in ``plait.chat_history``.

For users only: it stands above the package it lies in, so nothing in plait may import it (a contract in
pyproject.toml), and this import is the one that is excused from pointing down.
"""

from __future__ import annotations

from plait.chat_history import RunnableWithMessageHistory

__all__ = ["RunnableWithMessageHistory"]
