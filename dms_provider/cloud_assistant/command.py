"""A script as Cloud Assistant is asked to run it, and the identity that keeps it from running twice.

Source: flow-spec, *ecs_remote_command*; DMS reference, section 1.6.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import Final

from dms_provider.scripts.fill import ScriptType

TOKEN_TAG: Final = "airflow-try"
"""Key of the tag by which an invocation is found again."""
MAX_ENCODED_BYTES: Final = 24 * 1024
"""Of a script in Base64, as Cloud Assistant takes it when the command is not kept."""
MAX_INSTANCES: Final = 100

COMMAND_TYPES: Final[Mapping[ScriptType, str]] = MappingProxyType(
    {"shell": "RunShellScript", "powershell": "RunPowerShellScript", "batch": "RunBatScript"}
)
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9_.-]+")
_MAX_NAME = 100
_MAX_DESCRIPTION = 512


class RefusedCommand(ValueError):
    """A command that Cloud Assistant would not take. The message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Try:
    """One try of one task instance.

    :param id: Airflow's own of this try, which no other try of any deployment has
    """

    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    number: int
    id: str

    @property
    def token(self) -> str:
        """64 ASCII characters that are the same whenever this try is asked, and never for another one."""
        parts = [self.dag_id, self.run_id, self.task_id, self.map_index, self.number, self.id]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    @property
    def command_name(self) -> str:
        """A name for people; the agent uses it in the name of a file."""
        return _NOT_IN_A_NAME.sub("-", f"{self.dag_id}.{self.task_id}")[:_MAX_NAME]

    @property
    def description(self) -> str:
        """What people see beside the command."""
        place = f" [{self.map_index}]" if self.map_index >= 0 else ""
        text = f"Airflow: {self.dag_id}, {self.task_id}{place}, run {self.run_id}, try {self.number}"
        return text[:_MAX_DESCRIPTION]


@dataclass(frozen=True, slots=True)
class Command:
    """A script for one or many instances.

    :param script: with its data in
    :param instances: ids
    :param working_directory: ``None`` for Cloud Assistant's own choice
    :param username: of the instance; ``None`` for root, or SYSTEM
    :param timeout: of the script; ``None`` for Cloud Assistant's own of a minute
    """

    script: str
    script_type: ScriptType
    instances: tuple[str, ...]
    working_directory: str | None = None
    username: str | None = None
    timeout: timedelta | None = None

    @property
    def content(self) -> str:
        """The script in Base64."""
        return base64.b64encode(self.script.encode()).decode()

    @property
    def timeout_seconds(self) -> int | None:
        """The limit of the script in whole seconds."""
        return None if self.timeout is None else max(1, math.ceil(self.timeout.total_seconds()))

    def check(self) -> None:
        """Check what Cloud Assistant would refuse.

        :raises RefusedCommand: it is too long, or for too many instances
        """
        size = len(self.content)
        if size > MAX_ENCODED_BYTES:
            raise RefusedCommand(
                f"the script with its data has {len(self.script.encode())} bytes, and Cloud Assistant takes"
                f" {MAX_ENCODED_BYTES // 4 * 3}; put the script on the instance and call it, or move data"
                " through object storage"
            )
        if not 0 < len(self.instances) <= MAX_INSTANCES:
            raise RefusedCommand(
                f"{len(self.instances)} instances: one command is for 1 to {MAX_INSTANCES}; use more nodes"
            )
        if len(set(self.instances)) != len(self.instances):
            raise RefusedCommand("an instance is named twice; name each once")
