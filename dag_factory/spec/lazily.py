"""Models that are built when a flow first uses them, so that importing the language stays cheap."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema


class Lazily:
    """Annotates a key whose mapping is read by a model that is not built, or not even imported, before.

    :param module: of the model
    :param name: of the model
    """

    def __init__(self, module: str, name: str) -> None:
        self._module = module
        self._name = name
        self._model: type[BaseModel] | None = None

    @property
    def model(self) -> type[BaseModel]:
        """The model itself."""
        if self._model is None:
            self._model = getattr(import_module(self._module), self._name)
        return self._model

    def _validate(self, value: Any) -> BaseModel:
        return (self._model or self.model).model_validate(value)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self._validate)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        self.model.model_rebuild()
        return handler(self.model.__pydantic_core_schema__)
