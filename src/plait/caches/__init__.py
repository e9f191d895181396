"""Answers of models that are kept, so that the same request is paid for once: in memory, or in a file.

keys      what a request is, as text: everything that changes the answer
records   what is kept of an answer, as bytes that tell when they are damaged
memory    a bounded cache of this process
sqlite    a bounded cache in a file, for many processes
"""

from plait.caches.base import BaseCache, get_llm_cache, set_llm_cache
from plait.caches.memory import InMemoryCache
from plait.caches.sqlite import SQLiteCache

__all__ = ["BaseCache", "InMemoryCache", "SQLiteCache", "get_llm_cache", "set_llm_cache"]
