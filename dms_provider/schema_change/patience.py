"""Waits for locks that are bounded: a statement that waits for a table keeps everybody behind it waiting."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import chain, repeat

from dms_provider.schema_change.base import SchemaChangeError, Workplace
from dms_provider.sessions.session import DatabaseError, SessionStopped

WAIT_SECONDS = 2
"""One try waits no longer for a lock, so no reader and no writer waits longer behind it."""
PAUSES = (1.0, 2.0, 4.0, 8.0)
"""Seconds between tries, in which those behind get through; the last one again and again."""
SECONDS_WITHOUT_LIMIT = 3600.0
_STEP_SECONDS = 0.1


def deadline(place: Workplace) -> float:
    """Return when a change has to give up, by the monotonic clock: the limit of a statement, or an hour."""
    return time.monotonic() + (place.source.limit or SECONDS_WITHOUT_LIMIT)


def keep_trying(
    place: Workplace,
    attempt: Callable[[], object],
    *,
    table: str,
    until: float,
    gave_up: Callable[[DatabaseError], bool],
    holder: Callable[[], str],
) -> None:
    """Do what needs a lock, again and again while others hold it.

    :param attempt: waits for the lock a short time
    :param table: that is to be locked, for people
    :param until: of :func:`deadline`
    :param gave_up: whether an error says that the lock was not to be had
    :param holder: says who holds it, as a sentence, or nothing
    :raises SchemaChangeError: the lock was not to be had in time
    """
    for number, seconds in enumerate(chain(PAUSES, repeat(PAUSES[-1])), 1):
        try:
            attempt()
        except DatabaseError as error:
            if not gave_up(error):
                raise
        else:
            return
        who = holder()
        if time.monotonic() + seconds >= until:
            raise SchemaChangeError(
                f"{table} was locked by others in each of {number} tries;"
                f" {who or 'who holds it is not known'}. End what holds it, or run this when nothing does"
            )
        place.log.info(
            "%s is locked by others, try %d%s; again in %g s", table, number, who and f": {who}", seconds
        )
        pause(place, seconds)


def pause(place: Workplace, seconds: float) -> None:
    """Wait, unless the session is stopped.

    :raises SessionStopped: it was
    """
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        if place.session.stopped:
            raise SessionStopped(place.source.conn_id)
        time.sleep(min(left, _STEP_SECONDS))
