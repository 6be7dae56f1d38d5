"""The arguments of tools, as their type hints have them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict, create_model, field_validator
from pydantic.json_schema import GenerateJsonSchema

from ..text import encodable


class _Arguments(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    @field_validator("*")
    @classmethod
    def _check_text(cls, value: Any) -> Any:
        # JSON can say it, and neither files nor live documents can have it.
        if isinstance(value, str) and value != encodable(value):
            raise ValueError("has half of a surrogate pair, which is no text")
        return value


class _Schema(GenerateJsonSchema):
    """JSON Schema without what says nothing to models."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def generate(self, schema: Any, mode: Any = "validation") -> dict[str, Any]:
        result = super().generate(schema, mode)
        result.pop("title", None)
        result.pop("additionalProperties", None)  # They are refused all the same.
        for argument in result.get("properties", {}).values():
            if argument.get("default", ...) in (None, "") or argument.get("default") is False:
                del argument["default"]
        return result


def arguments_of(function: Callable[..., Any]) -> type[BaseModel]:
    """What a tool takes, by the type hints of its function; `context` is not of the caller."""
    hints = get_type_hints(function, include_extras=True)
    fields: dict[str, Any] = {
        name: (hints[name], ... if parameter.default is parameter.empty else parameter.default)
        for name, parameter in inspect.signature(function).parameters.items()
        if name != "context"
    }
    return create_model(function.__name__, __base__=_Arguments, **fields)


def schema_of(arguments: type[BaseModel]) -> dict[str, Any]:
    """As models read it."""
    return arguments.model_json_schema(schema_generator=_Schema)
