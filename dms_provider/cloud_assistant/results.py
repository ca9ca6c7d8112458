"""What an invocation has come to on its instances, and what people are told of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

ENDED: Final = frozenset(
    {"Success", "Failed", "Error", "Timeout", "Cancelled", "Terminated", "Invalid", "Aborted"}
)
"""A state that is not here, also an unknown one, is taken for one in which the script may still run."""
_SUCCESS: Final = "Success"
_TAIL_LINES = 20
_TAIL_CHARACTERS = 2000
_MAX_INSTANCES_TOLD = 3


@dataclass(frozen=True, slots=True)
class InstanceResult:
    """What one instance tells.

    :param instance: id
    :param status: ``InvocationStatus`` of the API
    :param exit_code: of the script; ``None`` where it did not end by itself
    :param error: why the command could not be sent or ended early; empty otherwise
    :param output: what the script printed; Cloud Assistant keeps the first and the last of it
    :param dropped: bytes of output that Cloud Assistant did not keep
    """

    instance: str
    status: str
    exit_code: int | None = None
    error: str = ""
    output: str = ""
    dropped: int = 0

    @property
    def has_ended(self) -> bool:
        """Whether the script does not run there any more."""
        return self.status in ENDED

    @property
    def is_success(self) -> bool:
        """Whether the script ended there with exit code 0."""
        return self.status == _SUCCESS and not self.exit_code

    @property
    def summary(self) -> str:
        """The result in a line."""
        code = f", exit code {self.exit_code}" if self.exit_code is not None else ""
        reason = f" ({self.error})" if self.error else ""
        return f"{self.instance}: {self.status}{code}{reason}"

    @property
    def tail(self) -> str:
        """The last lines of the output."""
        text = self.output.rstrip()
        lines = text[-_TAIL_CHARACTERS:].split("\n")[-_TAIL_LINES:]
        shown = "\n".join(lines)
        return shown if len(shown) == len(text) else f"…{shown}"


def all_ended(results: Sequence[InstanceResult], instances: int) -> bool:
    """Return whether the script runs nowhere any more.

    :param instances: how many it was sent to; an instance that tells nothing yet has not ended
    """
    return len(results) >= instances and all(result.has_ended for result in results)


def output_lines(results: Sequence[InstanceResult]) -> Iterator[str]:
    """Yield what the instances tell, line by line, for a log."""
    for result in results:
        yield result.summary
        for line in result.output.rstrip().splitlines():
            yield f"{result.instance} | {line}"
        if result.dropped:
            yield f"{result.instance}: {result.dropped} bytes of output were not kept"


def failure(results: Sequence[InstanceResult]) -> str | None:
    """Return why the invocation is no success, with the tails of output; ``None`` if it is one."""
    failed = [result for result in results if not result.is_success]
    if not failed and results:
        return None
    told = failed[:_MAX_INSTANCES_TOLD]
    parts = [f"the script failed on {len(failed)} of {len(results)} instances"]
    for result in told:
        tail = result.tail
        parts.append(f"{result.summary}; {'output ends with:' if tail else 'no output'}")
        if tail:
            parts.append(tail)
    if len(failed) > len(told):
        parts.append(f"and {len(failed) - len(told)} more; the log has them all")
    return "\n".join(parts)
