"""Values that are known before a run: for what shows a node without executing it.

Source: flow-spec, *Variables*; policies, *Kinds of run* (dry run).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dms_provider.variables.run_times import RunTimes
from dms_provider.variables.scope import FlowScope, author_values
from dms_provider.variables.values import AuthorText, Data, Value

SECRET = "***"
"""Shown in the place of a secret, which is not read."""


def known_values(
    names: Iterable[str],
    *,
    scope: FlowScope,
    node_variables: Mapping[str, str],
    inputs: Iterable[str],
    data: Mapping[str, Data],
    times: RunTimes,
    flow_id: str,
    node_id: str,
) -> dict[str, Value]:
    """Return what can be said of each name without Airflow.

    :param names: that a text of the node refers to
    :param scope: of the flow
    :param node_variables: pattern of each node variable
    :param inputs: outputs that the node can see
    :param data: outputs, and ``run_id``, as far as they are known
    :param times: of the run
    :param flow_id: the DAG id
    :param node_id: the task id
    :return: the values, stars for a secret; an output that is not in ``data``, and what nothing defines, has
        none
    :raises PatternError: a pattern cannot be read, or leads out of the calendar
    """
    outputs = frozenset(inputs)
    values: dict[str, Value] = {}
    others: list[str] = []
    for name in names:
        if name in node_variables:
            others.append(name)
        elif name in outputs or name == "run_id":
            if name in data:
                values[name] = data[name]
            elif name not in outputs:
                others.append(name)
        elif name in scope.secrets:
            values[name] = AuthorText(SECRET, secret=True)
        else:
            others.append(name)
    own = author_values(
        others, scope=scope, node_variables=node_variables, times=times, flow_id=flow_id, node_id=node_id
    )
    return {**own, **values}
