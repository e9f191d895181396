"""Every exception of plait, as one tree.

    PlaitError
    ├── ConfigError              ValueError         a config dict, a limit, an option that cannot be right
    ├── ChainError               TypeError          steps that cannot fit together, found when the chain is built
    ├── EmptyStreamError         ValueError         a stream that ended without a chunk where a value is needed
    ├── DeadlineError            TimeoutError       a call that took longer than its ``timeout``
    ├── StandstillError      RuntimeError       a test waits by a virtual clock that cannot move
    ├── RecursionLimitError      RecursionError     functions that went on returning runnables
    ├── PromptError              ValueError         a template that is refused, or cannot be filled
    │   └── MissingVariableError KeyError           a variable of the template was not given
    ├── MessageError             ValueError         what should be a message, or a chunk of one, cannot be one
    ├── OutputParserException    ValueError         model output that a parser cannot read
    ├── ToolException            RuntimeError       a tool failed, or was called with what it cannot take
    │   └── ToolInputError       ValueError         a tool was called with arguments that it does not take
    ├── StoreError               ValueError         a store cannot take, find or read what it is asked for
    ├── LoadError                ValueError         saved data that cannot be loaded, or an object that cannot be saved
    ├── HistoryError             RuntimeError       a stored conversation cannot be read, written or waited for
    ├── ModelError               RuntimeError       a model, its provider or its server failed
    │   ├── ModelConnectionError ConnectionError    the model's server cannot be reached
    │   ├── MissingKeyError                         no API key was given
    │   └── LocalModelError                         the embedded engine or its weights are missing or damaged
    └── MissingExtraError        ImportError        an optional dependency is not installed

Each is also the builtin that a caller would expect, so ``except ValueError`` and the like go on working.
"""

from __future__ import annotations

__all__ = [
    "ChainError",
    "ConfigError",
    "DeadlineError",
    "EmptyStreamError",
    "HistoryError",
    "LoadError",
    "LocalModelError",
    "MessageError",
    "MissingExtraError",
    "MissingKeyError",
    "MissingVariableError",
    "ModelConnectionError",
    "ModelError",
    "OutputParserException",
    "PlaitError",
    "PromptError",
    "RecursionLimitError",
    "StandstillError",
    "StoreError",
    "ToolException",
    "ToolInputError",
]


class PlaitError(Exception):
    """The root of everything that plait raises on its own account."""


class ConfigError(PlaitError, ValueError):
    """A config dict, a limit or an option holds something that cannot be right; names the key."""


class ChainError(PlaitError, TypeError):
    """Two steps can never fit together; raised when the chain is built and names both."""


class EmptyStreamError(PlaitError, ValueError):
    """A stream ended without a single chunk where a value was needed."""


class DeadlineError(PlaitError, TimeoutError):
    """A call took longer than its ``timeout``, or a stream was silent for longer than its ``idle_timeout``.

    Says which call that was and where it was at that moment. What it had started has ended.
    """


class StandstillError(PlaitError, RuntimeError):
    """A test waits by a virtual clock that cannot move; says who is in the way."""


class RecursionLimitError(PlaitError, RecursionError):
    """Functions went on returning runnables for longer than ``recursion_limit`` allows."""


class PromptError(PlaitError, ValueError):
    """A template is refused, or cannot be filled with what it was given."""


class MissingVariableError(PromptError, KeyError):
    """A variable of a template was not given; lists what is missing and what was given."""

    __str__ = Exception.__str__  # KeyError would show the repr of the message


class OutputParserException(PlaitError, ValueError):
    """A parser cannot read the output of a model.

    ``llm_output`` is that output, and ``observation`` what a model may be told of it, if it is to be (``send_to_llm``).
    """

    def __init__(
        self,
        error: object = "",
        observation: str | None = None,
        llm_output: str | None = None,
        send_to_llm: bool = False,
    ) -> None:
        if send_to_llm and (observation is None or llm_output is None):
            raise ValueError("send_to_llm needs an observation and the llm_output that it is about")
        super().__init__(error)
        self.observation = observation
        self.llm_output = llm_output
        self.send_to_llm = send_to_llm


class ToolException(PlaitError, RuntimeError):
    """A tool failed in a way that the model may be told of, or was called with what it cannot take."""


class ToolInputError(ToolException, ValueError):
    """A tool was called with arguments that it does not take; says which they are, and what was expected."""


class StoreError(PlaitError, ValueError):
    """A store cannot take, find or read what it is asked for: a vector of another length, a damaged file, a filter."""


class LoadError(PlaitError, ValueError):
    """Saved data cannot be loaded, or an object cannot be saved; says where in it, and why."""


class HistoryError(PlaitError, RuntimeError):
    """A stored conversation cannot be read, written or waited for; says where it lies and what to do."""


class ModelError(PlaitError, RuntimeError):
    """A model, its provider or its server failed."""


class ModelConnectionError(ModelError, ConnectionError):
    """The server of a model cannot be reached."""


class MissingKeyError(ModelError):
    """A provider needs an API key and none was given."""


class LocalModelError(ModelError):
    """The embedded engine or its weights are missing, damaged or of the wrong kind."""


class MissingExtraError(PlaitError, ImportError):
    """An optional dependency is not installed; says which extra brings it."""


class MessageError(PlaitError, ValueError):
    """Something that should be a message cannot be one, or chunks cannot belong to one message."""
