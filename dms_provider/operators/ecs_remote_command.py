"""The node type ``ecs_remote_command``: a script on ECS instances, through Cloud Assistant.

Source: flow-spec, *ecs_remote_command*; DMS reference, section 1.6.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from airflow.sdk.bases.operator import TRIGGER_FAIL_REPR

from dms_provider.operators.script import ScriptFlowOperator
from dms_provider.variables.scope import OUTPUTS_XCOM_KEY, FlowScope

if TYPE_CHECKING:
    from airflow.sdk import Context

    from dms_provider.cloud_assistant.client import CloudAssistant
    from dms_provider.cloud_assistant.command import Command, Try
    from dms_provider.cloud_assistant.record import InvocationRecord, Sent
    from dms_provider.cloud_assistant.results import InstanceResult
    from dms_provider.cloud_assistant.stopping import ScriptStopper
    from dms_provider.hooks.alibaba_cloud import AlibabaCloudHook
    from dms_provider.operators.outputs import ScriptOutput
    from dms_provider.scripts.fill import ScriptType
    from dms_provider.variables.references import Text

_GRACE = timedelta(seconds=60)
"""The trigger stops the script itself when time is over; Airflow would only end the wait."""


class RemoteCommandFailed(RuntimeError):
    """The script failed, or nobody waits for it any more. The message says which, and how its output ends."""


class ECSRemoteCommandOperator(ScriptFlowOperator):
    """Run a script on ECS instances, and keep what the last line of its output says.

    Data in the script is set as variables before its first line. The script is started by the worker and
    waited for in the triggerer. Each try starts it once, also where a worker dies: the request has a token
    of the try, and what an earlier try left running is stopped before.

    :param conn_id: Airflow connection of type ``alibaba_cloud``
    :param region: of the instances
    :param instances: id of the instance, or ids
    :param script: the script; or give ``script_file``
    :param script_file: address of the script, ``oss://CONNECTION/BUCKET/KEY``; read once a try
    :param script_type: ``shell``, ``powershell`` or ``batch``
    :param working_directory: in which the script starts; default: Cloud Assistant's
    :param username: of the instance, who runs the script; default: root, or SYSTEM
    :param outputs: keys of the JSON object on the last line of output, by name
    :param poll_interval: seconds between the first two questions for the results; it grows
    :param deferrable: wait in the triggerer; otherwise on the worker
    :param scope: what every node of the flow can name
    :param variables: node variables: pattern of each name
    :param inputs: outputs of upstream nodes: the task id that gives each name
    """

    ui_color = "#f9ecd6"
    reference_fields: ClassVar[tuple[str, ...]] = (
        "instances",
        "script",
        "script_file",
        "working_directory",
        "username",
    )
    template_fields: Sequence[str] = ("conn_id", "region", *reference_fields)
    _hook: AlibabaCloudHook | None = None
    _stopper: ScriptStopper | None = None
    _killed = False

    def __init__(
        self,
        *,
        conn_id: str,
        region: str,
        instances: str | Sequence[str],
        script: str | None = None,
        script_file: str | None = None,
        script_type: ScriptType = "shell",
        working_directory: str | None = None,
        username: str | None = None,
        outputs: Mapping[str, ScriptOutput] | None = None,
        poll_interval: float = 2.0,
        deferrable: bool = True,
        scope: FlowScope | None = None,
        variables: Mapping[str, str] | None = None,
        inputs: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(scope=scope, variables=variables, inputs=inputs, **kwargs)
        self.take_script(script, script_file, script_type)
        self.conn_id = self.plain(conn_id)
        self.region = self.plain(region)
        parts = [instances] if isinstance(instances, str) else instances
        self.instances = ", ".join(self.plain(part) for part in parts)
        self.working_directory = self.plain(working_directory or "")
        self.username = self.plain(username or "")
        self.outputs = outputs or {}
        self.poll_interval = poll_interval
        self.deferrable = deferrable

    def do_work(self, context: Context) -> None:
        """Start the script, and wait for its end.

        :raises RemoteCommandFailed: it failed
        :raises RefusedScript: data cannot stand where its reference stands
        :raises RefusedCommand: Cloud Assistant would not take it
        :raises EarlierScriptRuns: that of an earlier try may still run
        :raises CloudAssistantError: the ECS API refused a request, or did not answer
        """
        from dms_provider.cloud_assistant.record import Sent
        from dms_provider.cloud_assistant.starting import TryStarter
        from dms_provider.cloud_assistant.waiting import wait

        begin = time.time()
        of = self._try(context)
        stopper = self._make_stopper()
        hook = self._connection()
        text, secrets = self.script_text(context)
        hook.redactor.add(secrets.values())
        command = self._command(text, context)
        command.check()
        record = self._record(context)
        starter = TryStarter(record, stopper.connect, self.log)
        self._check_told_to_stop()
        starter.stop_earlier(of)
        self._check_told_to_stop()
        stopper.sent = Sent(of.number, of.token, self.region, command.instances)
        try:
            sent = stopper.sent = starter.start(
                command, of, region=self.region, secrets=tuple(sorted(secrets))
            )
        except Exception as error:
            stopper.stop_if_started(error)
            raise
        self.log.info(
            "Invocation %s in %s on %s; limit %s s",
            sent.invoke_id,
            self.region,
            ", ".join(command.instances),
            command.timeout_seconds,
        )
        if self._killed:
            self._conclude(context, record, "it was told to stop")
        if self.deferrable:
            self._wait_in_triggerer(context, stopper, sent, begin)
        problem = wait(stopper.connect(self.region), sent, stopper.told, self.poll_interval)
        self._conclude(context, record, "it was told to stop" if self._killed else problem)

    def resume(self, context: Context, event: Mapping[str, Any]) -> None:
        """End the node as its script has ended.

        :param event: of :class:`~dms_provider.triggers.ecs_remote_command.ECSRemoteCommandTrigger`
        :raises RemoteCommandFailed: it failed, or was stopped because its time was over
        :raises CloudAssistantError: the results could not be had
        """
        record, _, _ = self._restore(context, event["invoke_id"])
        self._conclude(context, record, event["problem"])

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Go on after the wait; where Airflow itself ended it, stop the script first."""
        if next_method == TRIGGER_FAIL_REPR:
            record, stopper, sent = self._restore(context)
            if (problem := stopper.stop()) is not None:
                self.log.error("Invocation %s may still run: %s", sent.invoke_id, problem)
            else:
                record.note_end([sent])
        return super().resume_execution(next_method, next_kwargs, context)

    def describe(self, context: Context) -> None:
        """Log the script as it would be sent; nothing is sent.

        The connection's record is read. Outputs of other nodes stay ``${name}``. A script in object storage
        is read.

        :raises SourceError: the connection cannot be used, or is not there
        :raises RefusedScript: data may not stand where its reference stands
        :raises RefusedCommand: Cloud Assistant would not take it
        """
        from dms_provider.scripts.fill import fill_script

        self._connection()
        shown, tried = self.known_script(context)
        command = self._command(shown, context)
        self.log.info(
            "Would run on %s (%s) over %s, as %s in %s, for at most %s s:\n%s",
            ", ".join(command.instances),
            self.region,
            self.conn_id,
            command.username or "the default user",
            command.working_directory or "the default folder",
            command.timeout_seconds,
            command.script,
        )
        command.check()
        fill_script(tried, self.script_type)

    def on_kill(self) -> None:
        """Stop the script on its instances. Airflow calls this when the task is to end."""
        self._killed = True
        if self._stopper is not None:
            self._stopper.tell()

    def _wait_in_triggerer(
        self, context: Context, stopper: ScriptStopper, sent: Sent, begin: float
    ) -> NoReturn:
        from dms_provider.operators.leaving import stop_unless_deferred
        from dms_provider.triggers.ecs_remote_command import ECSRemoteCommandTrigger

        deadline: float | None = None
        timeout: timedelta | None = None
        if self.execution_timeout is not None:
            deadline = begin + self.execution_timeout.total_seconds()
            timeout = timedelta(seconds=max(deadline - time.time(), 0)) + _GRACE
        trigger = ECSRemoteCommandTrigger(
            conn_id=self.conn_id,
            owner=self.owner,
            region=self.region,
            invoke_id=str(sent.invoke_id),
            instances=sent.instances,
            poll_interval=self.poll_interval,
            deadline=deadline,
        )
        stop_unless_deferred(context, stopper.stop)
        self.defer(trigger=trigger, method_name="resume", timeout=timeout)

    def _conclude(self, context: Context, record: InvocationRecord, problem: str | None) -> None:
        """End the node as its script has ended.

        :param problem: why nobody waits for it any more; ``None`` if it has ended
        """
        from dms_provider.cloud_assistant.client import CloudAssistantError
        from dms_provider.cloud_assistant.outputs import read_outputs
        from dms_provider.cloud_assistant.results import all_ended, failure, output_lines
        from dms_provider.operators.outputs import OutputError

        stopper = self._stopper
        sent = stopper.sent if stopper is not None else None
        if stopper is None or sent is None or sent.invoke_id is None:
            raise RemoteCommandFailed("it is not known which invocation this try has started; run it again")
        still_runs = None if problem is None else stopper.stop()
        results: Sequence[InstanceResult] = ()
        unknown: str | None = None
        try:
            results = self._connect(self.region).results(sent.invoke_id)
        except CloudAssistantError as error:
            if problem is None:
                raise
            unknown = str(error)
        if still_runs is None and unknown is None and not all_ended(results, len(sent.instances)):
            still_runs = stopper.stop() or "it did not end by itself"
        if still_runs is None:
            record.note_end([sent])
        for line in output_lines(results):
            self.log.info("%s", self._redacted(line))
        reasons = [f"it may still run: {still_runs}" if still_runs else None, unknown or failure(results)]
        if found := [reason for reason in reasons if reason is not None]:
            message = "; ".join([f"invocation {sent.invoke_id}", *([problem] if problem else []), *found])
            raise RemoteCommandFailed(self._redacted(message))
        if self._killed:
            raise RemoteCommandFailed(f"told to stop; invocation {sent.invoke_id} had ended before")
        if problem is not None:
            self.log.warning("Nobody waited any more (%s), but the script has succeeded", problem)
        try:
            values = read_outputs(self.outputs, results) if self.outputs else {}
        except OutputError as error:
            error.args = tuple(map(self._redacted, error.args))
            raise
        for name, data in values.items():
            self.log.info("Output %s = %s", name, self._redacted(repr(data.text)))
        if values:
            context["ti"].xcom_push(
                key=OUTPUTS_XCOM_KEY, value={name: data.to_xcom() for name, data in values.items()}
            )

    def _redacted(self, text: str) -> str:
        return text if self._hook is None else self._hook.redactor.redact(text)

    def _make_stopper(self) -> ScriptStopper:
        from dms_provider.cloud_assistant.stopping import ScriptStopper

        self._stopper = ScriptStopper(self._connect, self.log)
        return self._stopper

    def _restore(
        self, context: Context, invoke_id: str | None = None
    ) -> tuple[InvocationRecord, ScriptStopper, Sent]:
        """Find again, in a new process, what this try has sent.

        :param invoke_id: of its invocation, where the trigger told it
        """
        from dms_provider.cloud_assistant.record import Sent
        from dms_provider.variables.scope import read_secret

        of = self._try(context)
        record = self._record(context)
        sent = record.of(of.token)
        if sent is None:
            instances = self._instances(context)
            sent = Sent(of.number, of.token, self.region, instances, tuple(self.scope.secrets), invoke_id)
        stopper = self._make_stopper()
        stopper.sent = sent
        hook = self._connection()
        for name in sent.secrets:
            if name in self.scope.secrets:
                hook.redactor.add([read_secret(name, self.scope.secrets[name]).text])
        return record, stopper, sent

    def _record(self, context: Context) -> InvocationRecord:
        from dms_provider.cloud_assistant.record import InvocationRecord

        store: Any = context.get("task_state_store")
        if store is None:
            self.log.warning("There is no task state store: a worker that dies leaves its script running")
        return InvocationRecord(store)

    def _try(self, context: Context) -> Try:
        from dms_provider.cloud_assistant.command import Try

        ti, dag_run = context["ti"], context["dag_run"]
        return Try(
            dag_id=dag_run.dag_id,
            run_id=dag_run.run_id,
            task_id=self.task_id,
            map_index=-1 if ti.map_index is None else ti.map_index,
            number=ti.try_number,
            id=str(ti.id),
        )

    def _connection(self) -> AlibabaCloudHook:
        from dms_provider.hooks.alibaba_cloud import AlibabaCloudHook

        hook = self._hook = AlibabaCloudHook(self.conn_id, region=self.region, owner=self.owner)
        hook.check()
        return hook

    def _connect(self, region: str) -> CloudAssistant:
        return (self._hook or self._connection()).cloud_assistant(region)

    def _check_told_to_stop(self) -> None:
        if self._killed:
            raise RemoteCommandFailed("stopped before the script was started")

    def _command(self, text: Text, context: Context) -> Command:
        from dms_provider.cloud_assistant.command import Command
        from dms_provider.scripts.fill import fill_script

        return Command(
            script=fill_script(text, self.script_type),
            script_type=self.script_type,
            instances=self._instances(context),
            working_directory=self.author_text("working_directory", context) or None,
            username=self.author_text("username", context) or None,
            timeout=self.execution_timeout,
        )

    def _instances(self, context: Context) -> tuple[str, ...]:
        parts = [part.strip() for part in self.author_text("instances", context).split(",")]
        return tuple(part for part in parts if part)
