"""``ecs_remote_command``: a script on ECS instances through Cloud Assistant.

Source: flow-spec, *Node types*; DMS reference 1.6.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, WithJsonSchema

from dag_factory.spec.model import Contradiction, Maybe, RelatedKeys, exactly_one, one_of
from dag_factory.spec.nodes.common import Node, Texts
from dag_factory.spec.scalars import (
    ConnectionId,
    FileOrOss,
    OneOrMany,
    PositiveDuration,
    Something,
    Text,
    VariableName,
    Word,
    check_if_empty,
)
from dms_provider.variables.values import OutputType

Instances = Annotated[
    tuple[Something, ...],
    OneOrMany,
    Field(min_length=1),
    WithJsonSchema(
        {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}
    ),
]


class ScriptOutput(RelatedKeys):
    """A key of the JSON object on the last line of output that becomes a variable."""

    type: OutputType = Field("text", description="What the value must be; checked where it enters.")
    if_empty: Maybe[Text] = Field(
        None, description="The value where there is none; without it the node fails."
    )

    @classmethod
    def contradictions(cls, given: dict[str, Any]) -> Iterator[Contradiction]:
        return check_if_empty(given)


class ECSRemoteCommand(Node, RelatedKeys):
    """Runs a script on ECS instances."""

    model_config = one_of(("script",), ("script_file",))

    TEXTS: ClassVar[Texts] = {
        ("script",): "script",
        ("script_file",): "author",
        ("instance", "*"): "author",
        ("working_directory",): "author",
        ("username",): "author",
    }

    type: Literal["ecs_remote_command"] = Field(description="Runs a script on ECS instances.")
    connection: ConnectionId = Field(
        description="Airflow connection id of type alibaba_cloud.", examples=["aliyun"]
    )
    region: Word = Field(description="Region of the instances.", examples=["cn-hangzhou"])
    instance: Instances = Field(description="Instance id, or a list of them.", examples=["i-bp1example"])
    script_type: Literal["shell", "powershell", "batch"] = Field(
        "shell", description="Language of the script."
    )
    script: Maybe[Something] = Field(None, description="The script; or give `script_file`.")
    script_file: Maybe[FileOrOss] = Field(
        None, description="File with the script, relative to the spec, or oss://CONNECTION/BUCKET/KEY."
    )
    working_directory: Maybe[Something] = Field(None, description="Folder in which the script starts.")
    username: Maybe[Something] = Field(None, description="User of the instance who runs the script.")
    outputs: dict[VariableName, ScriptOutput] = Field(
        {},
        description="NAME: a key of the JSON object on the last line of output that becomes a variable.",
        examples=[{"rows": {"type": "number"}}],
    )
    timeout: PositiveDuration = Field(timedelta(hours=1), description="Limit of one try's work.")

    @classmethod
    def contradictions(cls, given: dict[str, Any]) -> Iterator[Contradiction]:
        return exactly_one(given, "script", "script_file")
