"""A process that keeps answers as fast as it can and says which ones are kept, until it is killed."""

import sys
from itertools import count

from plait.caches import SQLiteCache
from plait.outputs import Generation

path, name = sys.argv[1:]
cache = SQLiteCache(path)
for number in count():
    cache.update(f"{name} {number}", "m", [Generation(text=f"{name} {number} " * 50)])
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()
