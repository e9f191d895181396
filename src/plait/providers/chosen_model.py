"""A chat model that each call chooses: its provider, its name and its settings stand in the config."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, NoReturn, cast

from plait.errors import ConfigError
from plait.language_models import BaseChatModel, LanguageModelInput
from plait.language_models.chat_models import StructureMethod
from plait.messages import AIMessage, BaseMessage
from plait.outputs import ChatResult
from plait.redaction import is_secret_name
from plait.runnables import ConfigurableField, Runnable, RunnableConfigurableFields
from plait.runnables.configuring import ConfigurableFieldSpec, Kept, unique_specs
from plait.runs import Scope

__all__ = ["ConfigurableChatModel", "NoChatModel", "settings_for"]

_CHOICE: Final = ("model", "model_provider")
_GUARDED: Final = frozenset(
    {"base_url", "cache", "default_headers", "default_query", "extra_body", "extra_headers", "extra_query"}
    | {"model_kwargs", "name", "organization", "rate_limiter"}
)
_OPEN: Final = ("max_completion_tokens", "reasoning_effort", "thinking", "verbosity")
"""Parameters that are no fields, and say how a model is to answer and nothing else."""
_OF_A_PLACE: Final = frozenset({"api_key", "base_url", "default_headers", "default_query", "organization"})
"""Settings that are meant for one vendor, and must not reach another one."""


def is_guarded(name: str) -> bool:
    """Whether callers may set a field only if it was named for them: a secret, where requests go, what is in them."""
    return name in _GUARDED or is_secret_name(name)


class NoChatModel(BaseChatModel):
    """Stands for the model until a call chooses one."""

    key: str = "model"

    def _generate(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        raise ConfigError(
            f"no chat model was chosen: give config['configurable'][{self.key!r}], such as 'openai:gpt-4o-mini', or "
            "give init_chat_model a model, which is then the default"
        )

    _methods: ClassVar[tuple[StructureMethod, ...]] = ("function_calling", "json_schema", "json_mode")

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Runnable[LanguageModelInput, AIMessage]:
        """This, bound to nothing; what a call chooses is bound."""
        return self.bind()

    def _asked_for(
        self, structure: Any, method: Any, strict: Any, tools: Any, kwargs: Any
    ) -> Runnable[LanguageModelInput, AIMessage]:
        return self.bind()


class ConfigurableChatModel(RunnableConfigurableFields[LanguageModelInput, AIMessage]):
    """A chat model of which callers choose provider, name and settings in ``config["configurable"]``.

    ``init_chat_model`` makes it. What is called on it (``bind_tools``, ``with_structured_output``, ``bind``) is done
    with the model that a call chooses. Models are kept for the next call with the same values.
    """

    config_prefix: str
    settings: Mapping[str, Any]

    def __init__(
        self,
        *,
        make: Callable[[Mapping[str, Any], str | None], BaseChatModel],
        home: str | None,
        settings: Mapping[str, Any],
        fields: Literal["any"] | Sequence[str],
        config_prefix: str = "",
    ) -> None:
        prefix = f"{config_prefix}_" if config_prefix and not config_prefix.endswith("_") else config_prefix
        default = NoChatModel(key=f"{prefix}model") if home is None else make(settings, home)
        state = {"fields": _fields(fields, prefix, default), "config_prefix": prefix, "settings": dict(settings)}
        own = {"_make": make, "_home": home, "_any": fields == "any"}
        self._hold(default, default=default, _then=(), _kept=Kept(), **state, **own)

    _make: Callable[[Mapping[str, Any], str | None], BaseChatModel]
    _home: str | None  # the provider that keys and addresses among the settings are meant for
    _any: bool

    def _chosen(self, scope: Scope) -> tuple[Runnable[Any, Any], Scope]:
        given = self._given(scope["configurable"])
        return (self._kept.get(given, self._made) if given else self.bound), scope

    def _given(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """What a config says of this model, under the names of the fields."""
        prefix, given = self.config_prefix, dict[str, Any]()
        for key, value in values.items():
            name = key.removeprefix(prefix) if key.startswith(prefix) else ""
            if name in self.fields:
                given[name] = value
            elif name and (prefix or is_guarded(name)):
                self._refuse(key, name)
        return given

    def _refuse(self, key: str, name: str) -> NoReturn:
        if name not in _known_names(cast("BaseChatModel", self.default)) and not is_guarded(name):
            near = get_close_matches(name, self.fields, n=1)
            hint = f"; did you mean {self.config_prefix + near[0]!r}?" if near else ""
            raise ConfigError(f"config['configurable'] has {key!r}, and no chat model has a field {name!r}{hint}")
        raise ConfigError(
            f"config['configurable'][{key!r}] cannot be set: callers may set what was named for them, and of what nobody "
            f"named neither secrets nor where requests go; init_chat_model(..., configurable_fields=[{name!r}, ...]) "
            "opens it"
        )

    def _made(self, given: dict[str, Any]) -> Runnable[Any, Any]:
        try:
            made = self._make({**self.settings, **given}, self._home)
        except (ConfigError, TypeError, ValueError) as error:
            if isinstance(error, ConfigError):
                raise
            raise ConfigError(f"the model cannot be made as config['configurable'] says: {_told(error)}") from None
        return cast("Runnable[Any, Any]", self._finished(made))

    if TYPE_CHECKING:  # they are forwarded to the model that is chosen

        def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Runnable[LanguageModelInput, AIMessage]: ...

        def with_structured_output(self, schema: Any, **kwargs: Any) -> Runnable[LanguageModelInput, Any]: ...

    def configurable_fields(self, **fields: Any) -> Runnable[LanguageModelInput, AIMessage]:
        """Refused: say in ``init_chat_model`` what may be set."""
        raise ConfigError(
            f"name the fields in init_chat_model(..., configurable_fields=[{', '.join(map(repr, fields))}])"
        )

    @property
    def config_specs(self) -> list[Any]:
        own = [
            _spec(field, name, cast("BaseChatModel", self.default), self.settings)
            for name, field in self.fields.items()
        ]
        return unique_specs(("chat model", spec) for spec in [*own, *self.bound.config_specs])

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self.settings.items() if not is_guarded(name))
        fields = "'any'" if self._any else repr([*self.fields])
        return f"init_chat_model({shown}{', ' if shown else ''}configurable_fields={fields})"


def _fields(fields: Literal["any"] | Sequence[str], prefix: str, default: BaseChatModel) -> dict[str, Any]:
    if fields != "any" and isinstance(fields, str):
        raise ConfigError(f"configurable_fields must be 'any' or a list of names, got {fields!r}")
    names = _open_names(default) if fields == "any" else fields
    return {name: ConfigurableField(f"{prefix}{name}") for name in dict.fromkeys(names)}


def _open_names(default: BaseChatModel) -> Iterable[str]:
    """Every field that callers may set without its having been named."""
    return [*_CHOICE, *(name for name in _known_names(default) if not is_guarded(name)), *_OPEN]


def _known_names(default: BaseChatModel) -> list[str]:
    from plait.providers.anthropic import ChatAnthropic
    from plait.providers.openai import ChatOpenAI

    kinds: list[type[BaseChatModel]] = [
        ChatOpenAI,
        ChatAnthropic,
        *([] if isinstance(default, NoChatModel) else [type(default)]),
    ]
    return [name for kind in kinds for name in kind.model_fields]


def _spec(field: Any, name: str, default: BaseChatModel, settings: Mapping[str, Any]) -> Any:
    info: Any = type(default).model_fields.get(name)
    value = None if is_secret_name(name) else settings.get(name)
    return ConfigurableFieldSpec(
        field.id, str | None if name in _CHOICE or info is None else info.annotation, default=value
    )


def settings_for(provider: str, home: str | None, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that go to a provider: keys and addresses that were given for another one do not."""
    if home is None or provider == home:
        return dict(settings)
    return {name: value for name, value in settings.items() if name not in _OF_A_PLACE}


def _told(error: Exception) -> str:
    problems = getattr(error, "errors", None)
    if problems is None:
        return str(error)
    return "; ".join(
        f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}"
        for problem in problems(include_input=False, include_url=False)
    )
