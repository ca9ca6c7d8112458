"""The JSON Schema of a spec, made from the models: editors complete and explain every key with it.

An editor reads YAML 1.2, where a plain ``1`` is a number and ``false`` a boolean, so keys that ask for text
take those too.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from dag_factory.spec.flow import Flow
from dag_factory.spec.scalars import UNIT_SECONDS

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def editor_schema() -> dict[str, Any]:
    """Return the JSON Schema of a spec, draft 2020-12."""
    Flow.model_rebuild()
    schema = Flow.model_json_schema(schema_generator=_Generator)
    return {"$schema": DIALECT, **schema, "title": "Flow spec of Alibaba Cloud DMS task orchestration"}


class _Generator(GenerateJsonSchema):
    """Says defaults as an author writes them, and nothing of what an author cannot write."""

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        default = schema.get("default")
        if default is None or isinstance(default, BaseModel):
            return self.generate_inner(schema["schema"])
        return super().default_schema(schema)

    def encode_default(self, dft: Any) -> Any:
        return duration_text(dft) if isinstance(dft, timedelta) else super().encode_default(dft)

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        result = super().dict_schema(schema)
        if "patternProperties" in result:
            result["additionalProperties"] = False
        return result

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def duration_text(duration: timedelta) -> str:
    """Return a duration as a spec writes it, in the largest unit that fits."""
    seconds = int(duration.total_seconds())
    unit = next(unit for unit in reversed(UNIT_SECONDS) if seconds % UNIT_SECONDS[unit] == 0)
    return f"{seconds // UNIT_SECONDS[unit]}{unit}"
