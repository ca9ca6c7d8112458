"""What a node can name, and the value of each name in one run.

Source: flow-spec, *Variables*; DMS reference, sections 2.1, 2.2 and 2.7.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, get_args

from dms_provider.variables.pattern import Locale, TimePattern
from dms_provider.variables.run_conf import read_run_conf
from dms_provider.variables.run_times import RunTimes, run_times
from dms_provider.variables.values import AuthorText, Data, OutputType, Value

OUTPUTS_XCOM_KEY = "dms_outputs"
"""XCom key under which a node leaves all its outputs."""

_TIME_SYSTEM_VARIABLES = frozenset({"bizdate", "business_time", "run_time"})
SYSTEM_VARIABLES = _TIME_SYSTEM_VARIABLES | {"flow_id", "flow_name", "node_id", "run_id"}
"""Names that are defined in every flow."""

_DATE = "yyyy-MM-dd"
_DATE_AND_TIME = "yyyy-MM-dd HH:mm:ss"


class MissingValue(LookupError):
    """A variable has no value in this run. The message names it and what should have given it."""


@dataclass(frozen=True)
class FlowScope:
    """What every node of one flow can name.

    :param timezone: IANA name of the zone of the flow's times
    :param locale: language of the words in time variables
    :param variables: pattern of each task flow variable
    :param constants: text of each task flow constant
    :param secrets: for each secret, the key of the Airflow Variable that holds it
    :param flow_name: shown name of the flow; its id where there is none
    """

    timezone: str = "Asia/Shanghai"
    locale: Locale = "zh"
    variables: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    flow_name: str | None = None


def author_values(
    names: Iterable[str],
    *,
    scope: FlowScope,
    node_variables: Mapping[str, str],
    times: RunTimes,
    flow_id: str,
    node_id: str,
) -> dict[str, AuthorText]:
    """Return what needs nothing but the flow and the times: all but secrets, outputs and ``run_id``.

    A name that two define has the value of the first in: node variables, flow variables, constants, secrets,
    system variables.

    :param names: that a text of the node refers to
    :param node_variables: pattern of each node variable
    :param times: of the run
    :param flow_id: the DAG id
    :param node_id: the task id
    :return: the values; a name that needs more, or that nothing defines, is not in it
    :raises PatternError: a pattern cannot be read, or leads out of the calendar
    """
    values: dict[str, AuthorText] = {}
    for name in names:
        pattern = node_variables.get(name, scope.variables.get(name))
        if pattern is not None:
            text = TimePattern.parse(pattern).format(times.business_time, scope.locale)
        elif name in scope.constants:
            text = scope.constants[name]
        elif name in scope.secrets:
            continue
        elif name == "bizdate":
            text = TimePattern.parse(_DATE).format(times.business_time)
        elif name == "business_time":
            text = TimePattern.parse(_DATE_AND_TIME).format(times.business_time)
        elif name == "run_time":
            text = TimePattern.parse(_DATE_AND_TIME).format(times.run_time)
        elif name == "flow_id":
            text = flow_id
        elif name == "flow_name":
            text = scope.flow_name or flow_id
        elif name == "node_id":
            text = node_id
        else:
            continue
        values[name] = AuthorText(text)
    return values


def resolve(
    names: Iterable[str],
    *,
    scope: FlowScope,
    node_variables: Mapping[str, str],
    inputs: Mapping[str, str],
    context: Mapping[str, Any],
) -> dict[str, Value]:
    """Return the value of each name in the run that is going. Only what is named is read from Airflow.

    A name that two define has the value of the first in: node variables, inputs, flow variables, constants,
    secrets, system variables.

    :param names: that the texts of the node refer to
    :param scope: of the flow
    :param node_variables: pattern of each node variable
    :param inputs: for each output that the node can see, the id of the task that gives it
    :param context: of the task
    :return: the values; a name that nothing defines is not in it
    :raises MissingValue: an output or a secret is not there
    :raises RunConfError: the conf of the run cannot be understood
    :raises PatternError: a pattern cannot be read, or leads out of the calendar
    """
    dag_run = context["dag_run"]
    times = run_times(dag_run, scope.timezone)
    wanted = set(names)
    from_upstream = {name: inputs[name] for name in wanted if name in inputs and name not in node_variables}
    values: dict[str, Value] = {}
    values.update(
        author_values(
            wanted - from_upstream.keys(),
            scope=scope,
            node_variables=node_variables,
            times=times,
            flow_id=dag_run.dag_id,
            node_id=context["ti"].task_id,
        )
    )
    values.update(_outputs(from_upstream, context))
    for name in wanted - values.keys():
        if name in scope.secrets:
            values[name] = read_secret(name, scope.secrets[name])
        elif name == "run_id":
            values[name] = Data((dag_run.run_id,))
    return values


def _outputs(from_upstream: Mapping[str, str], context: Mapping[str, Any]) -> dict[str, Data]:
    if not from_upstream:
        return {}
    conf = read_run_conf(context["dag_run"].conf)
    given = conf.outputs
    stored = {
        task_id: _stored_outputs(task_id, conf.outputs_from.get(task_id), context)
        for task_id in sorted(set(from_upstream.values()))
    }
    values: dict[str, Data] = {}
    for name, task_id in from_upstream.items():
        outputs = stored[task_id]
        if name in given and (task_id in conf.outputs_from or name not in outputs):
            values[name] = given[name]
        elif name in outputs:
            values[name] = _stored_output(name, task_id, outputs[name])
        else:
            raise MissingValue(
                f"${{{name}}} has no value: node {task_id} should have given it, but did not in this run;"
                " run that node again, or give the value when you trigger the run"
            )
    return values


def _stored_outputs(task_id: str, run_id: str | None, context: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a node left in this run, or in another one that stands for it."""
    other_run = {} if run_id is None else {"run_id": run_id}
    stored = context["ti"].xcom_pull(task_ids=task_id, key=OUTPUTS_XCOM_KEY, **other_run)
    if isinstance(stored, Mapping):
        return stored
    if not stored:
        return {}
    raise MissingValue(
        f"the XCom {OUTPUTS_XCOM_KEY} of node {task_id} does not hold its outputs; run that node again"
    )


def _stored_output(name: str, task_id: str, stored: Any) -> Data:
    try:
        data = Data.from_xcom(stored)
    except (KeyError, TypeError, AttributeError):
        data = None
    if (
        data is None
        or not isinstance(stored["elements"], list)
        or not all(isinstance(element, (str, type(None))) for element in data.elements)
        or not isinstance(data.combiner, (str, type(None)))
        or data.type not in get_args(OutputType)
        or (data.combiner is None and len(data.elements) != 1)
    ):
        raise MissingValue(
            f"${{{name}}}: what node {task_id} left in XCom {OUTPUTS_XCOM_KEY} is no output; run it again"
        )
    return data


def read_secret(name: str, key: str) -> AuthorText:
    """Return a secret, which Airflow's masker is told.

    :param name: in texts of the flow; for the message
    :param key: of the Airflow Variable that holds it
    :raises MissingValue: there is no such Variable
    """
    from airflow.sdk import Variable
    from airflow.sdk.log import mask_secret

    text = Variable.get(key, default=None)
    if text is None:
        raise MissingValue(
            f"${{{name}}} is the secret in the Airflow Variable {key}, which does not exist; create it"
        )
    text = str(text)
    # Logs show single lines of a statement, so each line of a secret is masked also by itself.
    mask_secret([text, *(line for line in text.splitlines() if line != text)])
    return AuthorText(text, secret=True)
