"""``publish`` and ``unpublish``: which version of a flow a spec file is."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

from dag_factory.cli.commands import GOOD, PROBLEM, UsageError
from dag_factory.cli.output import note, print_json, print_lines, shown
from dag_factory.cli.specs import find_specs
from dag_factory.publishing import Moved, PublishError, WrongVersion, publish, unpublish


def run_publish(arguments: Namespace) -> int:
    """Let a draft take the place of the published spec."""
    return _run(publish, arguments)


def run_unpublish(arguments: Namespace) -> int:
    """Let a published spec become a draft."""
    return _run(unpublish, arguments)


def _run(move: Callable[..., Moved], arguments: Namespace) -> int:
    path = Path(arguments.file)
    if not path.exists() and not path.is_symlink():
        raise UsageError(f"there is no file {arguments.file!r}")
    root = path.parent if arguments.root is None else Path(arguments.root)
    if not root.is_dir():
        raise UsageError(f"--root: there is no folder {arguments.root!r}")
    try:
        moved = move(path, root=root, others=[root / spec for spec in find_specs(root)])
    except WrongVersion as error:
        raise UsageError(str(error)) from None
    except (PublishError, OSError) as error:
        note(f"{arguments.file}: {error}" if isinstance(error, OSError) else str(error))
        return PROBLEM
    for problem in moved.problems:
        note(shown(problem))
    if arguments.output == "json":
        print_json({"flow": moved.flow_id, "file": str(moved.file)})
    else:
        print_lines([f"{moved.flow_id} is {moved.file}"])
    return GOOD
