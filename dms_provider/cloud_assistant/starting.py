"""A script starts once for each try, and not before the scripts of earlier tries have ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from dms_provider.cloud_assistant.client import CloudAssistant, CloudAssistantError
from dms_provider.cloud_assistant.command import Command, Try
from dms_provider.cloud_assistant.record import InvocationRecord, Sent
from dms_provider.cloud_assistant.results import InstanceResult, all_ended
from dms_provider.cloud_assistant.waiting import stop_and_wait

STOP_SECONDS = 60.0
"""So long does a try wait for the end of an earlier one's script that it had to stop."""
LATE_SECONDS = 24 * 3600.0
"""So long after its limit no script runs any more, and none is so new that the API may not know it yet."""
_DEFAULT_LIMIT = 60
"""Cloud Assistant's own, in seconds."""
_UNKNOWN = "InvalidInvoke"


class EarlierScriptRuns(RuntimeError):
    """The script of an earlier try may still run, so that it was not started again."""


class TryStarter:
    """Starts the scripts of one task instance.

    :param record: of what its tries have sent
    :param connect: makes requests in a region
    :param log: of the task
    """

    def __init__(self, record: InvocationRecord, connect: Callable[[str], CloudAssistant], log: Any) -> None:
        self._record = record
        self._connect = connect
        self._log = log

    def stop_earlier(self, of: Try, seconds: float = STOP_SECONDS) -> None:
        """Stop what earlier tries have left running; a worker that died could not do so.

        :param of: the try that is about to start
        :param seconds: to wait for each of them
        :raises EarlierScriptRuns: one may still run
        :raises CloudAssistantError: nobody could tell
        """
        for sent in self._record.unfinished(but=of.token):
            assistant = self._connect(sent.region)
            found = (sent.invoke_id,) if sent.invoke_id is not None else assistant.find(sent.token)
            for invoke_id in found:
                self._stop(assistant, sent, invoke_id, seconds)
            if found or _is_over(sent):
                self._record.note_end([replace(sent, invoke_id=found[0] if found else None)])

    def start(self, command: Command, of: Try, *, region: str, secrets: tuple[str, ...] = ()) -> Sent:
        """Start a script, or find that this try has started it.

        The try is noted before its request is made, and its invocation as soon as it is known. A request is
        made with a token of the try: the API takes it once.

        :param secrets: names of those that are in the script
        :raises CloudAssistantError: it was refused, or it is not known whether it runs
        """
        assistant = self._connect(region)
        sent = self._record.of(of.token)
        found: tuple[str, ...] = ()
        if sent is None:
            runs_until = time.time() + (command.timeout_seconds or _DEFAULT_LIMIT)
            sent = Sent(of.number, of.token, region, command.instances, secrets, runs_until=runs_until)
            self._record.note(sent)
        elif sent.invoke_id is not None:
            self._log.info("This try has started the script already")
            return sent
        else:
            found = assistant.find(of.token)
        sent = replace(sent, invoke_id=found[0] if found else assistant.run(command, of))
        self._record.note(sent)
        return sent

    def _stop(self, assistant: CloudAssistant, sent: Sent, invoke_id: str, seconds: float) -> None:
        results = self._results(assistant, sent, invoke_id)
        if all_ended(results, len(sent.instances)):
            return
        if _is_over(sent) and all(result.has_ended for result in results):
            self._log.warning(
                "ECS does not know invocation %s of try %d on %s any more; its limit is long over: going on",
                invoke_id,
                sent.number,
                ", ".join(sent.instances),
            )
            return
        self._log.warning("Invocation %s of try %d still runs; stopping it first", invoke_id, sent.number)
        problem = stop_and_wait(assistant, invoke_id, sent.instances, seconds)
        if problem is not None:
            raise EarlierScriptRuns(
                f"the script was not started, because that of try {sent.number} may still run"
                f" ({', '.join(sent.instances)}, invocation {invoke_id}): {problem}; see that it ends, then"
                " run this node again"
            )
        self._log.info("Invocation %s has ended", invoke_id)

    @staticmethod
    def _results(assistant: CloudAssistant, sent: Sent, invoke_id: str) -> Sequence[InstanceResult]:
        try:
            return assistant.results(invoke_id)
        except CloudAssistantError as error:
            if error.code.startswith(_UNKNOWN) and _is_over(sent):
                return ()
            raise


def _is_over(sent: Sent) -> bool:
    return sent.runs_until is not None and time.time() > sent.runs_until + LATE_SECONDS
