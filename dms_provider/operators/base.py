"""What all operators of a flow have in common: their variables, and how their texts are shown and read."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseOperator

from dms_provider.operators.supervisor import SupervisorWatch
from dms_provider.variables.references import Reference, parse_references, splice
from dms_provider.variables.run_conf import RunConfError, read_run_conf
from dms_provider.variables.run_times import run_times
from dms_provider.variables.scope import FlowScope, author_values, resolve
from dms_provider.variables.values import AuthorText, Data, Value

if TYPE_CHECKING:
    import jinja2
    from airflow.sdk import Context

    from dms_provider.policies.guard import NodeGuard
    from dms_provider.policies.rules import FlowPolicies
    from dms_provider.variables.run_conf import RunConf

_OUTSIDE_OF_FLOWS = FlowScope()
_NOTHING: Mapping[str, str] = {}
_TIME_FORMAT = "%Y-%m-%d %H:%M:%S"


class SpecText(str):
    """Text of a flow spec: ``${name}`` is all that is replaced in it, Jinja is never applied.

    An ordinary ``str``, as a plain Python DAG passes it, goes through Jinja first. An operator keeps a plain
    ``str`` of either: Airflow cannot send a DAG with a text of another type from the DAG processor to the
    scheduler.
    """

    __slots__ = ()


class MisplacedData(ValueError):
    """Data was to stand in a text that is the author's alone. The message names both."""


class FlowOperator(BaseOperator):
    """A node of a flow.

    The node's own times and variables stand for ``${name}`` in the fields of :attr:`reference_fields`. The
    tab *Rendered Template* shows them with the author's text in; secrets and data stay ``${name}`` there.
    What is executed is built from the text as it was written, in one pass (flow-spec, *Variables*).

    :param scope: what every node of the flow can name; nodes of one flow share it
    :param variables: node variables: pattern of each name
    :param inputs: outputs of upstream nodes: the task id that gives each name
    """

    template_ext: Sequence[str] = ()
    reference_fields: ClassVar[tuple[str, ...]] = ()
    _written: Mapping[str, str] | None = None
    _is_of_spec = False
    policies: FlowPolicies | None = None
    answers_failure = False

    def __init__(
        self,
        *,
        scope: FlowScope | None = None,
        variables: Mapping[str, str] | None = None,
        inputs: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.scope = scope or _OUTSIDE_OF_FLOWS
        self.variables = variables or _NOTHING
        self.inputs = inputs or _NOTHING

    def plain(self, text: str) -> str:
        """Return a text as this operator keeps it; one of a spec keeps Jinja from all its fields."""
        if isinstance(text, SpecText):
            self._is_of_spec = True
        return str(text)

    def render_template(
        self,
        content: Any,
        context: Context,
        jinja_env: jinja2.Environment | None = None,
        seen_oids: set[int] | None = None,
    ) -> Any:
        """Apply Jinja, but never to the text of a flow spec."""
        if self._is_of_spec or isinstance(content, SpecText):
            return content
        return super().render_template(content, context, jinja_env, seen_oids)

    def render_template_fields(self, context: Context, jinja_env: jinja2.Environment | None = None) -> None:
        """Apply Jinja to what a plain Python DAG wrote, and put the author's text into what is shown."""
        if self._written is not None:
            return
        super().render_template_fields(context, jinja_env)
        self._written = {field: str(getattr(self, field)) for field in self.reference_fields}
        for field, text in self._written.items():
            setattr(self, field, self._shown(text, context))

    def execute(self, context: Context) -> Any:
        """Log the times of the run, and do the node's work if the flow's policies let it.

        :raises RunConfError: the conf of the run cannot be understood
        :raises RunNotStarted: the scheduler did not decide about the run
        """
        with SupervisorWatch(self.on_kill):
            return self.begin(context)

    def begin(self, context: Context, event: Any = None) -> Any:
        """Begin the try, or begin it once more after it waited for another run.

        :param event: of the trigger that waited
        """
        conf = read_run_conf(context["dag_run"].conf)
        times = run_times(context["dag_run"], self.scope.timezone)
        self.log.info(
            "Business time %s, run time %s (%s)%s",
            times.business_time.strftime(_TIME_FORMAT),
            times.run_time.strftime(_TIME_FORMAT),
            self.scope.timezone,
            f", {conf.kind}" if conf.kind else "",
        )
        if self.policies is None:
            if kinds := [name for name in ("node", "from_node") if getattr(conf, name)]:
                raise RunConfError(f"{', '.join(kinds)}: only for a DAG with policies; nothing was executed")
            if conf.dry_run:
                self._describe(context)
                return None
            return self.do_work(context)
        guard = self._guard(self.policies, context, conf)
        guard.check_decision()
        if conf.dry_run:
            self._describe(context)
            return self._end(conf, None)
        guard.hold_back()
        if (trigger := guard.wait()) is not None:
            self.defer(trigger=trigger, method_name="begin")
        with guard.work():
            result = self.do_work(context)
        return self._end(conf, result)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Go on after a wait, under the same policies as before it."""
        with SupervisorWatch(self.on_kill):
            if next_method == "begin" or self.policies is None:
                return super().resume_execution(next_method, next_kwargs, context)
            conf = read_run_conf(context["dag_run"].conf)
            with self._guard(self.policies, context, conf).work():
                result = super().resume_execution(next_method, next_kwargs, context)
            return self._end(conf, result)

    def describe(self, context: Context) -> None:
        """Log what the node would execute, for a dry run; nothing is executed anywhere.

        What it raises is why the node would fail, as far as that can be found without what it works on.
        """
        for field in self.reference_fields:
            self.log.info("%s: %s", field, getattr(self, field))

    def known(self, names: Iterable[str], context: Context) -> dict[str, Value]:
        """Return the values that a dry run shows: all but outputs of nodes, and stars for secrets.

        :param names: that a text of the node refers to
        :raises UndefinedVariable: nothing defines a name
        :raises MissingValue: a secret is not there
        """
        from dms_provider.variables.known import known_values
        from dms_provider.variables.references import UndefinedVariable
        from dms_provider.variables.scope import read_secret

        dag_run = context["dag_run"]
        wanted = sorted(names)
        values = known_values(
            wanted,
            scope=self.scope,
            node_variables=self.variables,
            inputs=self.inputs,
            data={} if "run_id" in self.inputs else {"run_id": Data((dag_run.run_id,))},
            times=run_times(dag_run, self.scope.timezone),
            flow_id=dag_run.dag_id,
            node_id=self.task_id,
        )
        for name in wanted:
            value = values.get(name)
            if value is None and name not in self.inputs:
                raise UndefinedVariable(name)
            if isinstance(value, AuthorText) and value.secret:
                read_secret(name, self.scope.secrets[name])
        return values

    def _describe(self, context: Context) -> None:
        from airflow.sdk.exceptions import AirflowFailException

        problem: str | None = None
        try:
            self.describe(context)
        except Exception as error:
            problem = f"dry run: this node would fail: {error or type(error).__name__}"
        if problem is not None:
            raise AirflowFailException(problem)
        self.log.info("Dry run: nothing was executed")

    def _guard(self, policies: FlowPolicies, context: Context, conf: RunConf) -> NodeGuard:
        from dms_provider.policies.guard import NodeGuard

        return NodeGuard(self, policies, context, conf)

    def _end(self, conf: RunConf, result: Any) -> Any:
        """Return the result of the node, but end a run of this single node here."""
        if conf.node != self.task_id:
            return result
        from airflow.providers.common.compat.sdk import DownstreamTasksSkipped

        from dms_provider.policies.rules import is_node

        downstream = sorted(filter(is_node, self.get_flat_relative_ids(upstream=False)))
        if not downstream:
            return result
        self.log.info("This run is of one node: %d nodes downstream are not run", len(downstream))
        raise DownstreamTasksSkipped(tasks=downstream)  # type: ignore[no-untyped-call]  # Airflow's

    @abstractmethod
    def do_work(self, context: Context) -> Any:
        """Do what the node is there for."""

    def as_written(self, field: str) -> str:
        """Return a field's text before anything was put into it, but after Jinja in a plain Python DAG."""
        if self._written is None:
            return str(getattr(self, field))
        return self._written[field]

    def author_text(self, field: str, context: Context) -> str:
        """Return a field in which no data may stand, with the author's text in.

        :raises MisplacedData: it refers to an output of a node, or to ``run_id``
        :raises UndefinedVariable: nothing defines a name
        :raises MissingValue: a secret is not there
        """
        segments = parse_references(self.as_written(field))
        names = {segment.name for segment in segments if isinstance(segment, Reference)}
        data = {name for name in names if name in self.inputs and name not in self.variables}
        text = splice(segments, self.resolve(names, context)) if not data else ()
        data.update(part.name for part in text if not isinstance(part, str))
        if data:
            raise MisplacedData(
                f"{field}: no data may stand in it, so ${{{min(data)}}} cannot; use a constant"
            )
        return "".join(part for part in text if isinstance(part, str))

    def resolve(self, names: Iterable[str], context: Context) -> dict[str, Value]:
        """Return the values, in this run, of the names that a text of the node refers to.

        :raises OutputError: an output is not what the node that gives it declares
        """
        from dms_provider.operators.outputs import as_declared

        values = resolve(
            names, scope=self.scope, node_variables=self.variables, inputs=self.inputs, context=context
        )
        for name, value in values.items():
            if isinstance(value, Data) and name in self.inputs:
                in_a_dag = self.has_dag()  # type: ignore[no-untyped-call]  # Airflow's
                giver = self.dag.task_dict.get(self.inputs[name]) if in_a_dag else None
                values[name] = as_declared(name, value, giver)
        return values

    def _shown(self, text: str, context: Context) -> str:
        try:
            segments = parse_references(text)
            values = author_values(
                {
                    segment.name
                    for segment in segments
                    if isinstance(segment, Reference)
                    and (segment.name in self.variables or segment.name not in self.inputs)
                },
                scope=self.scope,
                node_variables=self.variables,
                times=run_times(context["dag_run"], self.scope.timezone),
                flow_id=context["dag_run"].dag_id,
                node_id=self.task_id,
            )
        except ValueError:
            # The node will fail with a message of its own; the tab shows the text as it was written.
            return text
        return "".join(
            part if isinstance(part, str) else f"${{{part.name}}}"
            for part in splice(segments, values, keep_unknown=True)
        )
