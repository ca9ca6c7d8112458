"""The import error of one bad spec.

The layout has a stub for each spec that cannot become a DAG. Airflow's own name for the stub is the spec's
name and ``.py``, so its import error stands there under that name.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from airflow.sdk import DAG

_MARK = "# problem: "

_TEXT = """\
# The flow spec of this name cannot become an Airflow DAG; these are its problems:
{problems}
from dag_factory.discovery.stub import RefusedFlow

refused = RefusedFlow(__file__)
"""


class FlowSpecError(Exception):
    """What Airflow shows of a bad spec: one line for each problem."""


class RefusedFlow(DAG):
    """A flow that Airflow never gets to see: it is refused, with its problems, before it is bagged.

    :param stub: the file that :func:`stub_text` was written to
    """

    def __init__(self, stub: str) -> None:
        super().__init__(dag_id="refused", schedule=None, auto_register=False)
        self.problems = read_problems(Path(stub))

    def validate(self) -> None:
        """Refuse the flow.

        Airflow shows the type and the message of what is raised here; of what a file raises when it is
        imported it would show a traceback as well.

        :raises FlowSpecError: always
        """
        raise FlowSpecError("\n" + "\n".join(self.problems))


def stub_text(problems: Iterable[str]) -> bytes:
    """Return the source of a stub.

    The problems are comments, so that a byte code cache can never hold those of an earlier version.

    :param problems: one line each
    """
    lines = "\n".join(_MARK + json.dumps(problem) for problem in problems)
    return _TEXT.format(problems=lines).encode("ascii")


def read_problems(stub: Path) -> list[str]:
    """Return the problems that a stub was written for."""
    lines = stub.read_text(encoding="ascii").splitlines()
    return [json.loads(line[len(_MARK) :]) for line in lines if line.startswith(_MARK)]
