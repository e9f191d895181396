"""Where the parts of programs and of marked up texts begin."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from plait.errors import ConfigError

__all__ = ["Language", "separators_of"]


class Language(StrEnum):
    """A language whose parts are known."""

    C = "c"
    COBOL = "cobol"
    CPP = "cpp"
    CSHARP = "csharp"
    ELIXIR = "elixir"
    GO = "go"
    HASKELL = "haskell"
    HTML = "html"
    JAVA = "java"
    JS = "js"
    KOTLIN = "kotlin"
    LATEX = "latex"
    LUA = "lua"
    MARKDOWN = "markdown"
    PERL = "perl"
    PHP = "php"
    POWERSHELL = "powershell"
    PROTO = "proto"
    PYTHON = "python"
    R = "r"
    RST = "rst"
    RUBY = "ruby"
    RUST = "rust"
    SCALA = "scala"
    SOL = "sol"
    SWIFT = "swift"
    TS = "ts"
    VISUALBASIC6 = "visualbasic6"


_C: Final = "struct enum union void int float double char if for while switch"
_JS: Final = "class function const let var if for while switch default"
_WORDS: Final = {
    Language.C: _C,
    Language.CPP: f"namespace class template {_C}",
    Language.CSHARP: "namespace interface class struct enum record public private protected internal if for foreach while",
    Language.ELIXIR: "defmodule defprotocol defimpl def defp defmacro defmacrop @doc if unless case cond with for",
    Language.GO: "func type var const if for switch",
    Language.HASKELL: "module import class instance data newtype type infix where let case",
    Language.JAVA: "interface class enum record public protected private static if for while switch",
    Language.JS: f"export {_JS}",
    Language.KOTLIN: "class object interface fun val var if for while when",
    Language.LUA: "function local if for while",
    Language.PERL: "package use sub my our if unless for foreach while",
    Language.PHP: "namespace interface class trait function if foreach for while switch",
    Language.POWERSHELL: "class enum function filter param if foreach for while switch try",
    Language.PROTO: "syntax package import option service message enum",
    Language.PYTHON: "class def async @",
    Language.RUBY: "module class def if unless while for begin",
    Language.RUST: "mod impl trait struct enum fn const if while for loop match let",
    Language.SCALA: "class object trait def val var if for while match",
    Language.SOL: "pragma using contract interface library constructor function event modifier error struct enum if for",
    Language.SWIFT: "protocol extension class struct enum func if for while switch",
    Language.VISUALBASIC6: "Public Private Friend Global Static Sub Function Property Type Enum If Select For Do While With",
    Language.TS: f"namespace interface type enum export {_JS}",
}
"""What begins a part at the start of a line, the strongest first."""

_MARKS: Final = {
    Language.COBOL: [
        *(f"\n{name} DIVISION" for name in ("IDENTIFICATION", "ENVIRONMENT", "DATA", "PROCEDURE")),
        *(f"\n{name} SECTION" for name in ("FILE", "WORKING-STORAGE", "LINKAGE")),
        *(f"\n{verb} " for verb in ("PERFORM", "IF", "EVALUATE", "READ", "WRITE", "MOVE", "DISPLAY")),
    ],
    Language.HTML: [
        *(f"<{tag}" for tag in ("body", "main", "section", "article", "div")),
        *(f"<h{level}" for level in range(1, 7)),
        *(f"<{tag}" for tag in ("table", "ul", "ol", "p", "li", "tr", "br")),
    ],
    Language.LATEX: [
        *(f"\n\\{name}{{" for name in ("chapter", "section", "subsection", "subsubsection")),
        "\n\\begin{",
        "$$",
    ],
    Language.MARKDOWN: [*(f"\n{'#' * level} " for level in range(1, 7)), "\n```", "\n***\n", "\n---\n", "\n___\n"],
    Language.R: [
        *(f"\n{name}(" for name in ("setClass", "setGeneric", "setMethod", "library", "require")),
        *(f"\n{word} " for word in ("function", "if", "for", "while", "repeat")),
    ],
    Language.RST: ["\n\n.. ", *(f"\n{mark * 3}" for mark in "=-~^*")],
}
_LINES: Final = ["\n\n", "\n", " ", ""]
_WITHOUT_SPACE: Final = "@"


def separators_of(language: Language | str) -> list[str]:
    """The separators of a language, the strongest first; raises ConfigError for one that is not known."""
    try:
        known = Language(language)
    except ValueError:
        raise ConfigError(f"language must be one of {', '.join(Language)}; got {language!r:.60}") from None
    if known in _MARKS:
        return [*_MARKS[known], *_LINES]
    words = (f"\n{word}{'' if word == _WITHOUT_SPACE else ' '}" for word in _WORDS[known].split())
    nested = ["\n    def ", "\n\tdef "] if known is Language.PYTHON else []
    return [*words, *nested, *_LINES]
