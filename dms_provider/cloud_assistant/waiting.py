"""Waiting for the end of a script, and seeing to it that it comes."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence

from dms_provider.cloud_assistant.client import CloudAssistant, CloudAssistantError
from dms_provider.cloud_assistant.record import Sent
from dms_provider.cloud_assistant.results import all_ended

LONGEST_INTERVAL = 30.0
"""Seconds between two questions for the results."""
_STOP_INTERVALS = (0.2, 0.5, 1.0, 2.0)
_log = logging.getLogger(__name__)


def wait(assistant: CloudAssistant, sent: Sent, stop: threading.Event, interval: float) -> str | None:
    """Wait for the end of a script.

    :param sent: with the id of its invocation
    :param stop: ends the wait
    :param interval: seconds between the first two questions for the results; it grows
    :return: why nobody can tell whether it has ended; ``None`` once it has, or where the wait was ended
    """
    longest = max(LONGEST_INTERVAL, interval)
    while not stop.wait(interval):
        interval = min(interval * 1.5, longest)
        try:
            if all_ended(assistant.results(str(sent.invoke_id)), len(sent.instances)):
                return None
        except CloudAssistantError as error:
            _log.warning("Could not ask: %s", error)
            if not error.may_pass:
                return str(error)
    return None


def stop_and_wait(
    assistant: CloudAssistant, invoke_id: str, instances: Sequence[str], seconds: float
) -> str | None:
    """Stop a script, and wait until it has ended everywhere.

    :param invoke_id: of its invocation
    :param instances: ids
    :param seconds: to wait
    :return: ``None`` once it runs no more; otherwise why it may
    """
    deadline = time.monotonic() + seconds
    asked = 0
    while True:
        refusals: list[CloudAssistantError] = []
        reason = "nothing is known of it yet"
        try:
            assistant.stop(invoke_id, instances)
        except CloudAssistantError as error:
            refusals.append(error)
            reason = str(error)
        try:
            results = assistant.results(invoke_id)
            if all_ended(results, len(instances)):
                return None
            reason = ", ".join(result.summary for result in results if not result.has_ended) or reason
        except CloudAssistantError as error:
            refusals.append(error)
            reason = str(error)
        pause = _STOP_INTERVALS[min(asked, len(_STOP_INTERVALS) - 1)]
        is_hopeless = len(refusals) == 2 and not any(error.may_pass for error in refusals)
        if is_hopeless or time.monotonic() + pause > deadline:
            return reason
        time.sleep(pause)
        asked += 1
