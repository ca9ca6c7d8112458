"""The node type ``dependency_check``: waits for another flow, a node of it, or the own flow's earlier cycles.

Source: flow-spec, *dependency_check*; DMS reference, section 1.9, and section 11, items 26 to 29.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, get_args

from dms_provider.dependencies.dependency import BY_HAND, Dependency, FirstRun, Need, OnFailed, window_of
from dms_provider.dependencies.windows import span_of
from dms_provider.sensors.waiting import DEFAULT_POKE_INTERVAL, WaitedInVain, WaitingOperator
from dms_provider.variables.run_times import run_times
from dms_provider.variables.scope import FlowScope

if TYPE_CHECKING:
    from airflow.sdk import Context

    from dms_provider.sensors.dependency_look import DependencyLook
    from dms_provider.triggers.dependency_check import DependencyTrigger


class DependencyCheckFailed(WaitedInVain):
    """What the node waited for did not succeed in time, or has failed. The message lists what is missing."""


class DependencyCheckSensor(WaitingOperator):
    """Succeed when runs of another flow, or earlier ones of its own, have succeeded.

    Runs are found by their business time, and how they stand is asked anew at each look, so that a run that
    is cleared, restored, marked or deleted meanwhile is seen as it is. None of the texts is a template: the
    scheduler reads them when a run starts.

    :param flow: id of the flow, or of any DAG, that is waited for
    :param node: of that flow; ``None`` for the whole flow
    :param window: which business times count: ``same_time``, ``same_day``, ``previous_cycle``,
        ``last_N_hours``, ``last_N_days``, ``this_week``, ``last_week``, ``this_month`` or ``last_month``;
        ``None`` is ``same_day``, and for the own flow ``previous_cycle``
    :param need: which of them must have succeeded: the ``latest``, ``all`` or ``any``
    :param first_run: ``pass`` where the flow never ran before, or ``wait``
    :param on_failed: ``fail`` when what is needed has failed, or ``wait``, as it may be run again
    :param poke_interval: seconds between two looks
    :param deferrable: wait in the triggerer; otherwise on the worker
    :param scope: of the flow; its zone is that of the window
    """

    failure = DependencyCheckFailed
    template_fields: Sequence[str] = ("flow", "node", "window", "need", "first_run", "on_failed", "timezone")
    # no text of it is a template
    _is_of_spec = True

    def __init__(
        self,
        *,
        flow: str,
        node: str | None = None,
        window: str | None = None,
        need: Need = "latest",
        first_run: FirstRun = "wait",
        on_failed: OnFailed = "wait",
        poke_interval: float = DEFAULT_POKE_INTERVAL,
        deferrable: bool = True,
        scope: FlowScope | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(poke_interval=poke_interval, deferrable=deferrable, scope=scope, **kwargs)
        for key, word, words in (
            ("need", need, get_args(Need)),
            ("first_run", first_run, get_args(FirstRun)),
            ("on_failed", on_failed, get_args(OnFailed)),
        ):
            if word not in words:
                raise ValueError(f"{key} is {word!r}; write {', '.join(words)}")
        self.flow = str(flow)
        self.node = node
        self.window = window
        self.need = need
        self.first_run = first_run
        self.on_failed = on_failed
        self.timezone = self.scope.timezone

    def dependency(self, context: Context) -> Dependency:
        """Return what this run waits for.

        :raises ValueError: there is no such window, or it leads out of the calendar
        """
        dag_run = context["dag_run"]
        business_time = run_times(dag_run, self.timezone).business_time.replace(tzinfo=None)
        own = self.flow == dag_run.dag_id
        window = window_of(self.window, self.flow, dag_run.dag_id)
        try:
            span_of(window, business_time, own=own)
        except OverflowError:
            raise ValueError(f"window {window} of {business_time} leads out of the calendar") from None
        return Dependency(
            flow=self.flow,
            node=self.node,
            window=window,
            need=self.need,
            first_run=self.first_run,
            on_failed=self.on_failed,
            timezone=self.timezone,
            business_time=business_time.isoformat(),
            own_run=dag_run.run_id if own else None,
            is_manual=str(getattr(dag_run.run_type, "value", dag_run.run_type)) in BY_HAND,
            asking=dag_run.dag_id,
        )

    def make_look(self, context: Context) -> DependencyLook:
        """Return what asks for the runs."""
        from dms_provider.sensors.dependency_look import DependencyLook

        dependency = self.dependency(context)
        self.log.info("Needed: %s", dependency)
        return DependencyLook(dependency, max_age=self.poke_interval / 2)

    def looked_for(self) -> str:
        """Return what is waited for."""
        what = self.flow if self.node is None else f"node {self.node} of {self.flow}"
        return f"success of {what}"

    def trigger_type(self) -> type[DependencyTrigger]:
        """Return the trigger that asks for the runs."""
        from dms_provider.triggers.dependency_check import DependencyTrigger

        return DependencyTrigger

    def describe(self, context: Context) -> None:
        """Log the business times that would be looked for, and what runs are about them now."""
        from dms_provider.sensors.dependency_look import DependencyLook
        from dms_provider.sensors.look import LookFailed

        dependency = self.dependency(context)
        span = dependency.span
        begin = "any time" if span.first is None else f"{span.first:%Y-%m-%d %H:%M:%S}"
        self.log.info(
            "Would wait for %s: business times from %s to %s (%s)",
            dependency,
            begin,
            f"{span.last:%Y-%m-%d %H:%M:%S}",
            self.timezone,
        )
        look = DependencyLook(dependency, max_age=0)
        try:
            look.is_there(None)
        except LookFailed as error:
            self.log.info("At this moment: %s", error)
        look.report(self.log)
