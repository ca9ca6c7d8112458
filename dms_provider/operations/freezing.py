"""Freeze and unfreeze: a frozen flow gets no scheduled runs; it can be run by hand, and going runs go on.

Source: DMS reference, section 6.2, *Freeze flow*.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from airflow.models.variable import Variable
from sqlalchemy import select

from dms_provider.operations.person import person
from dms_provider.timetables.frozen import frozen_key, unfrozen_key

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

_NOTE_FROZEN = "While this exists, the flow {flow_id} gets no scheduled runs (airflow dms unfreeze)"
_NOTE_UNFROZEN = "Slots of the flow {flow_id} before this time are not run (airflow dms unfreeze)"


def freeze(flow_id: str, session: Session) -> None:
    """Freeze a flow; one that is frozen stays as it is."""
    if flow_id in frozen_flows([flow_id], session):
        return
    value = json.dumps({"since": _now(), "by": person()})
    Variable.set(
        frozen_key(flow_id), value, description=_NOTE_FROZEN.format(flow_id=flow_id), session=session
    )


def unfreeze(flow_id: str, session: Session) -> None:
    """Let a flow's slots run again, from now on."""
    if flow_id not in frozen_flows([flow_id], session):
        return
    Variable.set(
        unfrozen_key(flow_id), _now(), description=_NOTE_UNFROZEN.format(flow_id=flow_id), session=session
    )
    Variable.delete(frozen_key(flow_id), session=session)


def frozen_flows(flow_ids: Collection[str], session: Session) -> set[str]:
    """Return which of these flows are frozen."""
    keys = {frozen_key(flow_id): flow_id for flow_id in flow_ids}
    return {keys[key] for key in session.scalars(select(Variable.key).where(Variable.key.in_(keys)))}


def _now() -> str:
    return datetime.now(timezone.utc).isoformat()
