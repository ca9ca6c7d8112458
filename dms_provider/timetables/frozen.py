"""Which flows are frozen: their scheduled runs are not made. Kept in Airflow Variables, one for each flow.

Source: DMS reference, section 6.2, *Freeze flow*. In DMS a timed trigger of a frozen flow leaves a failed
record; here its slot leaves a line in the scheduler's log.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def frozen_key(flow_id: str) -> str:
    """Return the key of the Airflow Variable that freezes a flow while it exists, whatever its value."""
    return f"dms_frozen_{flow_id}"


def unfrozen_key(flow_id: str) -> str:
    """Return the key of the Airflow Variable that says when a flow was unfrozen, ISO 8601."""
    return f"dms_unfrozen_{flow_id}"


def why_frozen(flow_id: str, slot: datetime, session: Session) -> str | None:
    """Return why a slot of a flow is not run, ``None`` if it may be.

    A slot that passed while the flow was frozen stays one, also if the flow is unfrozen soon after it.

    :param slot: with a zone
    :param session: of the metadata database; one query is made
    """
    from airflow.models.variable import Variable
    from sqlalchemy import select

    frozen, unfrozen = frozen_key(flow_id), unfrozen_key(flow_id)
    with session.no_autoflush:
        found: dict[str, Any] = {
            variable.key: variable
            for variable in session.scalars(select(Variable).where(Variable.key.in_((frozen, unfrozen))))
        }
    if frozen in found:
        return f"the flow is frozen (Airflow Variable {frozen})"
    if unfrozen in found and slot < (since := _moment(found[unfrozen].get_val(), slot)):
        return f"the flow was frozen then, until {since}"
    return None


def _moment(text: str | None, otherwise: datetime) -> datetime:
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return otherwise
    return moment if moment.tzinfo is not None else otherwise
