"""A worker's process for a try of an ``ecs_remote_command``; it stands still where it is to be killed."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from dms_provider.operators.outputs import ScriptOutput
from tests.dms_provider.operators.remote_commands import FileStore, Flow, node


@dataclass(frozen=True)
class Moment:
    """Where a worker stands still.

    :param what: ``get`` or ``set`` of the store, ``push`` of an XCom, or nothing: it goes on
    :param number: which of those it is
    :param when: ``before``, ``half`` of it or ``after`` it
    """

    what: str = ""
    number: int = 0
    when: str = "before"


class StandingStore(FileStore):
    """A store that stands still at a moment."""

    def __init__(self, file: Path, moment: Moment) -> None:
        super().__init__(file)
        self._moment = moment
        self._counts = {"get": 0, "set": 0}

    def get(self, key: str, default: Any = None) -> Any:
        self._pass("get", "before", counts=True)
        return super().get(key, default)

    def set(self, key: str, value: Any) -> None:
        self._pass("set", "before", counts=True)
        if self._moment == Moment("set", self._counts["set"], "half"):
            self._file.with_suffix(".new").write_text("{")
            stand_still(self._file)
        super().set(key, value)
        self._pass("set", "after")

    def _pass(self, what: str, when: str, *, counts: bool = False) -> None:
        self._counts[what] += counts
        if self._moment == Moment(what, self._counts[what], when):
            stand_still(self._file)


def stand_still(file: Path) -> NoReturn:
    """Tell that the moment has come, and wait for the end."""
    file.with_suffix(".here").touch()
    while True:
        signal.pause()


def execute(file: Path, connection: str, number: int, script: str, moment: Moment, event: Any) -> None:
    """Execute a try in this process.

    :param file: of the store
    :param connection: to the double, in JSON
    :param number: of the try
    :param event: of the trigger, for a worker that resumes the try; ``None`` for one that begins it
    """
    os.environ["AIRFLOW_CONN_ALI"] = connection
    outputs = {"n": ScriptOutput()} if moment.what == "push" else {}
    operator = node(script=script, outputs=outputs, deferrable=moment.what != "here")
    flow = Flow(StandingStore(file, moment))
    if moment.what == "push":

        class Pushed(dict[str, Any]):
            def __setitem__(self, key: str, value: Any) -> None:
                stand_still(file)

        flow.pushed = Pushed()
    if event is None:
        flow.start(operator, number)
    else:
        operator.resume(flow.context(operator, number), event)  # type: ignore[arg-type]  # enough of one
