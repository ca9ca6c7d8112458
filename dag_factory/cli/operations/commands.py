"""The table of commands that need Airflow's metadata."""

from __future__ import annotations

from dag_factory.cli.commands import OUTPUT, Command, argument

_FLOW = argument("flow", metavar="FLOW", help="id of a flow")
_RUN_ID = argument("run_id", metavar="RUN_ID", help="id of one of its runs")
_RUNS = "dag_factory.cli.operations.one_run"
_FREEZING = "dag_factory.cli.operations.freezing"

OPERATIONS: tuple[Command, ...] = (
    Command(
        "run",
        "Start runs of a flow",
        "dag_factory.cli.operations.run",
        (
            _FLOW,
            argument(
                "--dry-run",
                action="store_true",
                help="execute nothing, and log what would be; what could not run fails",
            ),
            argument(
                "--business-time",
                metavar="T",
                help="what the run is about; ISO 8601, without a zone of the flow's; default: now - 1 day",
            ),
            argument("--from", metavar="A", dest="start", help="run for business times from this one on"),
            argument("--to", metavar="B", dest="end", help="until this one, inclusive"),
            argument(
                "--every", metavar="D", help="between two of them: a number and s, m, h or d, for example 1d"
            ),
            argument(
                "--keep-going",
                action="store_true",
                help="go on with the next one if one failed or was skipped",
            ),
            argument("--reverse", action="store_true", help="begin with the newest business time"),
            argument("--node", metavar="N", help="run this node only"),
            argument("--from-node", metavar="N", help="run this node and all downstream of it"),
            argument(
                "--set",
                action="append",
                default=[],
                metavar="NAME=VALUE",
                dest="outputs",
                help="value of an output that no node of the run gives; may be given many times",
            ),
            argument(
                "--wait", action="store_true", help="wait until the run has ended, and tell its progress"
            ),
            OUTPUT,
        ),
    ),
    Command("list", "List the flows", "dag_factory.cli.operations.flows", (OUTPUT,), "run_list"),
    Command(
        "show",
        "Show what is known of a flow",
        "dag_factory.cli.operations.flows",
        (_FLOW, OUTPUT),
        "run_show",
    ),
    Command("rerun", "Run all nodes of a run again", _RUNS, (_FLOW, _RUN_ID, OUTPUT), "run_rerun"),
    Command(
        "restore",
        "Run the nodes of a run again that are not success",
        _RUNS,
        (_FLOW, _RUN_ID, OUTPUT),
        "run_restore",
    ),
    Command(
        "set-success",
        "Have a failed run count as a success",
        _RUNS,
        (_FLOW, _RUN_ID, OUTPUT),
        "run_set_success",
    ),
    Command("stop", "End a run as failed, and what it does", _RUNS, (_FLOW, _RUN_ID, OUTPUT), "run_stop"),
    Command("freeze", "Make no scheduled runs of a flow", _FREEZING, (_FLOW, OUTPUT), "run_freeze"),
    Command(
        "unfreeze",
        "Make scheduled runs of a flow again, from now on",
        _FREEZING,
        (_FLOW, OUTPUT),
        "run_unfreeze",
    ),
)
