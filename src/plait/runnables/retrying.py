"""When a failure is worth another attempt, how long to wait for it, and what the provider has to say about that.

Nothing here waits, calls anything or throws dice: the moment, the time left and the jitter are passed in. The growth of
the wait is the usual exponential one; ``retry-after`` is that of RFC 9110, section 10.2.3.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from math import inf, isfinite
from typing import Any, Final, Literal, NamedTuple, cast

from plait.errors import ChainError, ConfigError, MissingExtraError, MissingKeyError, PromptError

__all__ = [
    "MidStream",
    "Policy",
    "Schedule",
    "Verdict",
    "exceptions_of",
    "is_transient",
    "mid_stream_of",
    "policy_of",
    "wish_of",
]

MidStream = Literal["raise", "restart"]
"""What becomes of a failure after the first chunk: it is raised, or the consumer is told to begin anew."""

Kinds = tuple[type[Exception], ...]

_MISTAKES: Final[Kinds] = (
    AssertionError,
    AttributeError,
    ImportError,
    IndexError,
    KeyError,
    NameError,
    NotImplementedError,
    RecursionError,
    SyntaxError,
    TypeError,
    ChainError,
    ConfigError,
    MissingExtraError,
    MissingKeyError,
    PromptError,
)
"""Of the program or its configuration: another attempt would make them again."""

_WORTH_ANOTHER: Final = frozenset({408, 409, 425, 429})
"""Of the answers that blame the request (4xx) those that another attempt may get past: too slow, too early, too much."""

_LONGEST: Final = 64
"""Characters of a header that can be a number or a date."""


class Schedule(NamedTuple):
    """Seconds to wait: ``initial * exp_base ** n`` after n failures more than one, and up to ``jitter``; at most ``max``."""

    initial: float = 1.0
    max: float = 60.0
    exp_base: float = 2.0
    jitter: float = 1.0

    def wait(self, attempt: int, chance: float) -> float:
        """Seconds after the failure of that attempt (the first is 1); ``chance`` is from 0 to 1."""
        try:
            grown = self.initial * self.exp_base ** (attempt - 1)
        except OverflowError:
            grown = self.max
        return min(grown + chance * self.jitter, self.max)


class Verdict(NamedTuple):
    """The seconds to wait before the next attempt, or None and why there is none."""

    wait: float | None
    why: str = ""


class Policy(NamedTuple):
    """What is tried again, how often, and after what wait."""

    kinds: Kinds | Callable[[Exception], bool] | None = None
    """None is the default set, see ``is_transient``."""
    schedule: Schedule = Schedule()
    backs_off: bool = True
    attempts: int = 3

    def covers(self, error: Exception) -> bool:
        """Whether such an error is tried again at all."""
        if self.kinds is None:
            return is_transient(error)
        if callable(self.kinds):
            return bool(self.kinds(error))
        return isinstance(error, self.kinds)

    def judge(self, error: Exception, attempt: int, *, chance: float, now: float, left: float | None) -> Verdict:
        """What becomes of the failure of that attempt, the first being 1.

        ``now`` is in seconds since the epoch, for a provider that names a date; ``left`` are the seconds until the
        deadline of the call, None without one.
        """
        if attempt >= self.attempts:
            return Verdict(None)
        if not self.covers(error):
            return Verdict(None, f"{type(error).__name__} is not retried")
        wish = wish_of(error, now) or 0.0
        if wish > self.schedule.max:
            return Verdict(None, f"the provider wants a wait of {wish:.6g} s, more than max={self.schedule.max:g}")
        wait = max(wish, self.schedule.wait(attempt, chance) if self.backs_off else 0.0)
        if left is not None and wait >= left:
            return Verdict(None, f"the next would wait {wait:.3g} s, and {max(left, 0.0):.3g} s are left")
        return Verdict(wait)


# ------------------------------------------------------------------------------------------------- which, and how long


def is_transient(error: Exception) -> bool:
    """Whether another attempt may succeed: not after a mistake of the program, nor when a provider refuses the request.

    A refusal is an exception with a ``status_code`` (its own, or that of its ``response``) of 4xx, except 408, 409, 425
    and 429.
    """
    if isinstance(error, _MISTAKES):
        return False
    status = _status_of(error)
    return status is None or not 400 <= status < 500 or status in _WORTH_ANOTHER


def _status_of(error: Exception) -> int | None:
    for holder in (error, _part(error, "response")):
        status = _part(holder, "status_code")
        if isinstance(status, int):
            return status
    return None


def _part(thing: object, name: str) -> Any:
    try:
        return getattr(thing, name, None)
    except Exception:  # of a property of somebody else's exception
        return None


def wish_of(error: Exception, now: float) -> float | None:
    """The seconds that the provider asks to be left alone, by its headers; None if it says nothing that makes sense.

    Read are ``retry-after-ms`` and ``retry-after`` (seconds, or an HTTP date) of ``error.response.headers``.
    """
    headers = _part(_part(error, "response"), "headers")
    for name, read in (("Retry-After-Ms", _milliseconds), ("Retry-After", _seconds_or_date)):
        text = _header(headers, name)
        seconds = None if text is None else read(text, now)
        if seconds is not None and isfinite(seconds) and seconds >= 0:
            return seconds
    return None


def _header(headers: object, name: str) -> str | None:
    get = _part(headers, "get")
    for spelled in (name.lower(), name):  # a plain dict knows only one of them
        with suppress(Exception):  # it is somebody else's mapping
            found = get(spelled)
            if isinstance(found, str | int | float) and not isinstance(found, bool):
                return str(found)[: _LONGEST + 1]
    return None


def _milliseconds(text: str, now: float) -> float | None:
    seconds = _number(text)
    return None if seconds is None else seconds / 1000


def _seconds_or_date(text: str, now: float) -> float | None:
    seconds = _number(text)
    return seconds if seconds is not None or len(text) > _LONGEST else _until(text, now)


def _number(text: str) -> float | None:
    try:
        return float(text) if len(text) <= _LONGEST else None
    except ValueError:
        return None


def _until(text: str, now: float) -> float | None:
    from email.utils import parsedate_to_datetime  # few providers name a date

    try:
        return max(parsedate_to_datetime(text).timestamp() - now, 0.0)
    except Exception:  # whatever the parser says to what is no date
        return None


# -------------------------------------------------------------------------------------------------- what a user may say


def policy_of(kinds: Any, backs_off: Any, schedule: Any, attempts: Any) -> Policy:
    """The policy of the arguments of ``with_retry``; raises ConfigError, which names the one that cannot be right."""
    if not isinstance(attempts, int) or isinstance(attempts, bool) or attempts < 1:
        raise ConfigError(f"stop_after_attempt must be a whole number of at least 1, got {attempts!r}")
    if not isinstance(backs_off, bool):
        raise ConfigError(f"wait_exponential_jitter must be True or False, got {backs_off!r}")
    return Policy(_kinds_of(kinds), _schedule_of(schedule), backs_off, attempts)


def _kinds_of(given: Any) -> Kinds | Callable[[Exception], bool] | None:
    if given is None or (callable(given) and not isinstance(given, type)):
        return cast("Callable[[Exception], bool] | None", given)
    return exceptions_of(given, "retry_if_exception_type")


def exceptions_of(given: Any, argument: str) -> Kinds:
    """One or several exception types as a tuple; raises ConfigError for anything else.

    What is no ``Exception`` (KeyboardInterrupt, a cancellation) is somebody's wish to end, and is never handled.
    """
    kinds: tuple[Any, ...] = tuple(cast("Any", given)) if isinstance(given, tuple | list) else (given,)
    wrong: list[object] = [kind for kind in kinds if not _is_exception(kind)]
    if wrong or not kinds:
        came = _shown(wrong[0]) if wrong else "none"
        raise ConfigError(f"{argument} must be exception types, all of them subclasses of Exception; got {came}")
    return kinds


def _is_exception(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, Exception)


def _shown(thing: object) -> str:
    return thing.__name__ if isinstance(thing, type) else f"an object of type {type(thing).__name__}"


def _schedule_of(given: Any) -> Schedule:
    if given is None:
        return Schedule()
    if not isinstance(given, Mapping):
        raise ConfigError(f"exponential_jitter_params must be a dict, got {_shown(cast(object, given))}")
    said = cast("Mapping[Any, Any]", given)
    unknown = [key for key in said if key not in Schedule._fields]
    if unknown:
        known = ", ".join(Schedule._fields)
        raise ConfigError(f"exponential_jitter_params has an unknown key {unknown[0]!r}; the keys are {known}")
    return Schedule(**{key: _amount(value, f"exponential_jitter_params[{key!r}]") for key, value in said.items()})


def _amount(value: Any, argument: str) -> float:
    fits = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < inf
    if not fits:
        raise ConfigError(f"{argument} must be a finite number of at least 0, got {value!r}")
    try:
        return float(value)
    except OverflowError:
        raise ConfigError(f"{argument} must be a finite number of at least 0, got one that is too large") from None


def mid_stream_of(given: Any) -> MidStream:
    """The ``mid_stream`` argument; raises ConfigError if it is neither."""
    if given == "raise":
        return "raise"
    if given == "restart":
        return "restart"
    raise ConfigError(f"mid_stream must be 'raise' or 'restart', got {given!r}")
