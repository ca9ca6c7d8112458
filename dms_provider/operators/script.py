"""What the nodes that run a script have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from dms_provider.operators.base import FlowOperator
from dms_provider.variables.references import Reference, Segments, parse_references, splice
from dms_provider.variables.scope import SYSTEM_VARIABLES
from dms_provider.variables.values import AuthorText, Data

if TYPE_CHECKING:
    from airflow.sdk import Context

    from dms_provider.scripts.fill import ScriptType
    from dms_provider.variables.references import Text

SCRIPT_TYPES = ("shell", "powershell", "batch")


class ScriptFlowOperator(FlowOperator):
    """A node with a text in a language that has its own use for ``${``.

    The text is ``script``, or it lies in object storage and is read once a try.
    """

    template_fields_renderers: ClassVar[dict[str, str]] = {"script": "bash"}
    script: str
    script_file: str
    script_type: ScriptType

    def take_script(self, script: str | None, script_file: str | None, script_type: ScriptType) -> None:
        """Keep the script, which is given in one of two ways.

        :raises ValueError: both are given, or none; or nobody knows the type
        """
        if (script is None) == (script_file is None):
            raise ValueError("give script, or script_file with the address of the script, and not both")
        if script_type not in SCRIPT_TYPES:
            raise ValueError(f"script_type is {script_type!r}; write one of {', '.join(SCRIPT_TYPES)}")
        self.script = "" if script is None else self.plain(script)
        self.script_file = "" if script_file is None else self.plain(script_file)
        self.script_type = script_type

    def script_text(self, context: Context) -> tuple[Text, Mapping[str, str]]:
        """Return the script of this run with the author's text in, and the secrets in it by name."""
        segments, names = self._script(context)
        values = self.resolve(names, context)
        secrets = {
            name: value.text
            for name, value in values.items()
            if isinstance(value, AuthorText) and value.secret
        }
        return splice(segments, values, keep_unknown=True), secrets

    def known_script(self, context: Context) -> tuple[Text, Text]:
        """Return the script for a dry run: as people see it, and with a value for each output.

        In the first, outputs of other nodes stay ``${name}``.
        """
        segments, names = self._script(context)
        known = self.known(names, context)
        outputs = {name: Data(("0",), type=self._declared_type(name)) for name in names - known.keys()}
        return (
            splice(segments, known, keep_unknown=True),
            splice(segments, {**known, **outputs}, keep_unknown=True),
        )

    def _script(self, context: Context) -> tuple[Segments, set[str]]:
        """Return the script as written, and the names in it that are not the shell's own."""
        text = self.as_written("script")
        if self.as_written("script_file"):
            from dms_provider.hooks.oss import read_text

            address = self.author_text("script_file", context)
            text = read_text(address, owner=self.owner)
            self.log.info("Read %s: %d characters", address, len(text))
        segments = parse_references(text, foreign=True)
        scope = self.scope
        own = SYSTEM_VARIABLES.union(
            self.variables, self.inputs, scope.variables, scope.constants, scope.secrets
        )
        return segments, {part.name for part in segments if isinstance(part, Reference) and part.name in own}

    def _declared_type(self, name: str) -> Any:
        in_a_dag = self.has_dag()  # type: ignore[no-untyped-call]  # Airflow's
        giver = self.dag.task_dict.get(self.inputs.get(name, "")) if in_a_dag else None
        return getattr(getattr(giver, "outputs", {}).get(name), "type", "text")
