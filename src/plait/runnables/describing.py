"""What a Runnable says of itself: its name, its schemas, what it is made of; nothing here runs anything."""

# Nodes are described by their protected hooks:
# pyright: reportPrivateUsage=false

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar, cast

from plait.anatomy import Anatomy
from plait.runnables.config import RunnableConfig

if TYPE_CHECKING:
    from pydantic import BaseModel

__all__ = ["Described", "parts_of", "schemas"]


class Described:
    """The describing half of every Runnable."""

    name: str | None

    def get_name(self, suffix: str | None = None) -> str:
        """The name given to this, or that of its class; ``suffix`` is added in title case or after ``_``."""
        name = getattr(self, "name", None) or type(self).__name__
        if not suffix:
            return name
        return name + "_" + suffix.lower() if name[0].islower() else name + suffix[0].upper() + suffix[1:]

    @property
    def InputType(self) -> Any:
        """The type of the input, where it is known: from the generic arguments of the class, or Any."""
        return _generic_arguments(type(self))[0]

    @property
    def OutputType(self) -> Any:
        """The type of the output, where it is known: from the generic arguments of the class, or Any."""
        return _generic_arguments(type(self))[1]

    def get_input_schema(self, config: RunnableConfig | None = None) -> type[BaseModel]:
        """A pydantic model of the input, made from the structure of this."""
        return cast("type[BaseModel]", schemas().value_model(self.get_name("Input"), self.InputType))

    def get_output_schema(self, config: RunnableConfig | None = None) -> type[BaseModel]:
        """A pydantic model of the output, made from the structure of this."""
        return cast("type[BaseModel]", schemas().value_model(self.get_name("Output"), self.OutputType))

    def get_input_jsonschema(self, config: RunnableConfig | None = None) -> dict[str, Any]:
        """The JSON Schema of the input."""
        return self.get_input_schema(config).model_json_schema()

    def get_output_jsonschema(self, config: RunnableConfig | None = None) -> dict[str, Any]:
        """The JSON Schema of the output."""
        return self.get_output_schema(config).model_json_schema()

    @property
    def input_schema(self) -> type[BaseModel]:
        """As ``get_input_schema()``."""
        return self.get_input_schema()

    @property
    def output_schema(self) -> type[BaseModel]:
        """As ``get_output_schema()``."""
        return self.get_output_schema()

    @property
    def config_specs(self) -> list[Any]:
        """The configurable fields of this and of what is in it, each a ``ConfigurableFieldSpec``.

        Raises ConfigError where two of them have one id and differ.
        """
        return []

    def config_schema(self, *, include: Sequence[str] | None = None) -> type[BaseModel]:
        """A pydantic model of the config keys in ``include``, and of ``configurable`` if there are such fields."""
        from typing import get_type_hints

        hints = get_type_hints(RunnableConfig)
        unknown = [key for key in include or () if key not in hints]
        if unknown:
            raise ValueError(f"unknown config keys {unknown}; the keys are {', '.join(hints)}")
        fields: dict[str, tuple[Any, Any]] = {key: (hints[key], None) for key in include or ()}
        specs = self.config_specs
        if specs:
            fields["configurable"] = (schemas().object_model("Configurable", _described(specs)), None)
        return cast("type[BaseModel]", schemas().object_model(self.get_name("Config"), fields))

    def get_config_jsonschema(self, *, include: Sequence[str] | None = None) -> dict[str, Any]:
        """The JSON Schema of the config."""
        return self.config_schema(include=include).model_json_schema()

    def __repr__(self) -> str:
        return f"{self.get_name()}()"

    # ----------------------------------------------------------------------------------------------------- pictures

    @property
    def _anatomy(self) -> Anatomy:
        """What this is made of."""
        return Anatomy("leaf")

    def get_graph(self, config: RunnableConfig | None = None) -> Any:
        """A picture of this as a ``plait.graphs.Graph``: from its input through its steps to its output.

        It is drawn by ``draw_ascii()``, ``draw_mermaid()``, ``draw_svg()`` and, with the extra ``draw``,
        ``draw_png()``. Nothing is run to make it.
        """
        from plait.graphs import graph_of

        return graph_of(self)

    def stream_report(self) -> Any:
        """Where a stream through this stops: each step with a verdict and the reason, before anything runs."""
        from plait.stream_plan import stream_report

        return stream_report(self)

    def get_prompts(self, config: RunnableConfig | None = None) -> list[Any]:
        """The prompts in this, in the order of its steps."""
        return [node for node in parts_of(self) if node._kind == "prompt"]


def _described(specs: list[Any]) -> dict[str, tuple[Any, Any]]:
    """Fields of a pydantic model, of the specs of configurable fields."""
    from pydantic import Field

    return {
        spec.id: (spec.annotation, Field(default=spec.default, title=spec.name, description=spec.description))
        for spec in specs
    }


def parts_of(node: Any) -> list[Any]:
    """The node and all that it is made of, each once, outer before inner, in the order of the steps."""
    found: dict[int, Any] = {}
    pending = [node]
    while pending:
        node = pending.pop()
        if id(node) not in found:
            found[id(node)] = node
            pending += [part.node for part in reversed(node._anatomy.parts)]
    return list(found.values())


def _generic_arguments(cls: type[Any]) -> tuple[Any, Any]:
    """The input and output type with which a class fills in ``Runnable[...]``, at any distance; Any where open."""
    for base in cls.__mro__:
        for alias in base.__dict__.get("__orig_bases__", ()):
            arguments = getattr(alias, "__args__", ())
            if len(arguments) == 2 and isinstance(getattr(alias, "__origin__", None), type):
                first, second = (Any if isinstance(argument, TypeVar) else argument for argument in arguments)
                return first, second
    return Any, Any


def schemas() -> ModuleType:
    from plait import schemas as module  # pydantic is loaded when somebody asks for a schema, not before

    return module
