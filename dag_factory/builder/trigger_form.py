"""Fields of Airflow's trigger form for the kinds of run, where the deployment asks for them.

Typed fields multiply what it costs to serialize a DAG, so there are none unless ``[dms] trigger_form`` is on.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from dms_provider.variables.run_conf import FORM_PREFIX

if TYPE_CHECKING:
    from airflow.sdk import Param

    from dag_factory.spec import Flow

_SECTION = "DMS"


@cache
def is_wanted() -> bool:
    """Return whether ``[dms] trigger_form`` is on."""
    from airflow.sdk.configuration import conf

    return bool(conf.getboolean("dms", "trigger_form", fallback=False))


def trigger_form(flow: Flow) -> dict[str, Param]:
    """Return the fields of the form for one flow; each may stay empty."""
    from airflow.sdk import Param

    no_node = [None, *flow.nodes]
    fields = {
        "business_time": Param(
            None,
            type=["null", "string"],
            format="date-time",
            title="Business time",
            description="Empty: the moment of the trigger minus one day.",
            section=_SECTION,
        ),
        "dry_run": Param(
            False,
            type="boolean",
            title="Dry run",
            description="Resolve and log everything, execute nothing.",
            section=_SECTION,
        ),
        "node": Param(
            None,
            type=["null", "string"],
            enum=no_node,
            title="Only this node",
            description="The rest is not run.",
            section=_SECTION,
        ),
        "from_node": Param(
            None,
            type=["null", "string"],
            enum=no_node,
            title="From this node on",
            description="It and everything downstream of it.",
            section=_SECTION,
        ),
    }
    return {FORM_PREFIX + name: field for name, field in fields.items()}
