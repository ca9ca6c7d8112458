"""Work inside a transaction of Airflow's scheduler that may fail without taking the scheduler along.

``Session.begin_nested`` is refused there, as its end is a commit to those who watch commits; so the SAVEPOINT
is one of the connection.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import DBAPIError

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

_LOCK_TAKEN = frozenset({"55P03", 1205, 3572})
"""PostgreSQL's code of a lock that NOWAIT or lock_timeout did not wait for, and MySQL's two."""
_PASSING = _LOCK_TAKEN | {"40001", "40P01", "57014", 1213, 3024}
"""Also: serialization failure, deadlock, statement cancelled or over its time."""
_OF_THE_SCHEDULER = frozenset({"started", "success", "task_failure", "timed_out", "all_tasks_deadlocked"})
"""What Airflow says of a run when its scheduler starts or ends it."""


class TransactionLost(RuntimeError):
    """What failed took the whole transaction along: nothing of it can be kept."""


@contextmanager
def savepoint(session: Session) -> Iterator[None]:
    """Undo what is done inside, and nothing else, if it fails.

    Objects of the session that were changed inside have to be refreshed then.

    :raises TransactionLost: the transaction around it is over, too; the session has to be rolled back
    """
    connection = session.connection()
    nested = connection.begin_nested()
    try:
        with session.no_autoflush:
            yield
        nested.commit()
    except BaseException as error:
        try:
            if nested.is_active:
                nested.rollback()
        except Exception:
            # MySQL has undone all of it in a deadlock: nobody may go on and commit the rest of it
            connection.invalidate()
            raise TransactionLost(f"{type(error).__name__}: {error}") from error
        if not is_usable(session):
            raise TransactionLost(f"{type(error).__name__}: {error}") from error
        raise


def is_usable(session: Session) -> bool:
    """Return whether the transaction of a session can still be gone on with."""
    try:
        session.connection().exec_driver_sql("SELECT 1")
    except Exception:
        return False
    return True


def begin_again(session: Session, msg: str) -> None:
    """Have the scheduler begin a transaction that is lost again: what is undone it does again.

    Whoever else has changed a run must learn that nothing of it was kept, and does when he commits.

    :param msg: what Airflow says of the run
    """
    if msg in _OF_THE_SCHEDULER and not is_usable(session):
        session.rollback()


def is_lock_taken(error: BaseException) -> bool:
    """Return whether an error says that another transaction has what was to be locked."""
    return _code(error) in _LOCK_TAKEN


def may_pass(error: BaseException) -> bool:
    """Return whether the same work may well succeed a little later."""
    return _code(error) in _PASSING


def _code(error: BaseException) -> Any:
    """Return the database's own code of an error: SQLSTATE of PostgreSQL, a number of MySQL."""
    driver_error: Any = getattr(error, "orig", None)
    if not isinstance(error, DBAPIError) or driver_error is None:
        return None
    for name in ("pgcode", "sqlstate"):
        if code := getattr(driver_error, name, None):
            return code
    if "database is locked" in str(driver_error):
        return 1205
    return next(iter(driver_error.args), None)
