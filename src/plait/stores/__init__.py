"""Stores: values under keys, many at a time, sync and async; what caches and parent documents are kept in."""

from plait.stores.base import BaseStore, ByteStore
from plait.stores.encoded import EncoderBackedStore, create_kv_docstore
from plait.stores.files import LocalFileStore
from plait.stores.memory import InMemoryBaseStore, InMemoryByteStore, InMemoryStore

__all__ = [
    "BaseStore",
    "ByteStore",
    "EncoderBackedStore",
    "InMemoryBaseStore",
    "InMemoryByteStore",
    "InMemoryStore",
    "LocalFileStore",
    "create_kv_docstore",
]
