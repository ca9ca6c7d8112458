"""Why an operation was not done. Imports no Airflow."""

from __future__ import annotations

from collections.abc import Iterable


class OperationError(Exception):
    """Nothing was done. The message says why, and what to do."""


class NotKnown(OperationError):
    """There is no flow, run or node of the name that was given."""

    def __init__(self, what: str, name: str, known: Iterable[str], *, of: str = "", hint: str = "") -> None:
        """Make the message, with the names that were probably meant.

        :param what: what was looked for, for example ``flow``
        :param name: as it was given
        :param known: all names that there are
        :param of: the flow in which it was looked for
        :param hint: what to say if none of them is close
        """
        import difflib

        meant = difflib.get_close_matches(name, list(known), n=3, cutoff=0.6)
        suggestion = f"; did you mean {', '.join(meant)}?" if meant else hint
        super().__init__(f"{of or 'Airflow'} has no {what} {name!r}{suggestion}")


class Refused(OperationError):
    """The flow or the run is in a state in which this cannot be done."""
