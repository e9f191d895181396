"""UTF-8 from a stranger, in lines of bounded length: an encoding, since that is what a reader of a pipe lets one choose.

The name of the encoding says how long a line may be. Of a longer one the rest is dropped, so that whoever reads it sees a
line that is broken, and the next ones whole; what is no UTF-8 becomes a replacement character.
"""

from __future__ import annotations

import codecs
from typing import Any, ClassVar, Final

__all__ = ["bounded_lines"]

_NAME: Final = "plait_bounded_lines_"


def bounded_lines(most: int) -> str:
    """The name of an encoding whose lines have at most so many characters."""
    name = f"{_NAME}{most}"
    try:
        codecs.lookup(name)
    except LookupError:
        codecs.register(_found)
    return name


def _found(name: str) -> codecs.CodecInfo | None:
    length = name.removeprefix(_NAME)
    if length == name or not length.isdecimal():
        return None
    decoder: Any = type("Decoder", (_Decoder,), {"most": int(length)})
    return codecs.CodecInfo(codecs.utf_8_encode, codecs.utf_8_decode, incrementaldecoder=decoder, name=name)


class _Decoder(codecs.IncrementalDecoder):
    most: ClassVar[int]

    def __init__(self, errors: str = "strict") -> None:
        super().__init__(errors)
        self._inner = codecs.getincrementaldecoder("utf-8")("replace")
        self._length = 0  # of the line that has begun

    def decode(self, input: Any, final: bool = False) -> str:
        lines = self._inner.decode(input, final).split("\n")
        kept = [self._kept(lines[0])]
        for line in lines[1:]:
            self._length = 0
            kept.append(self._kept(line))
        return "\n".join(kept)

    def _kept(self, part: str) -> str:
        left = max(self.most - self._length, 0)
        self._length += len(part)
        return part[:left]
