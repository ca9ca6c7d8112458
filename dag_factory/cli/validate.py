"""``validate``: every problem of every spec, one line each."""

from __future__ import annotations

import argparse

from dag_factory.cli.commands import GOOD, PROBLEM
from dag_factory.cli.output import note, print_json, print_lines, shown
from dag_factory.cli.specs import hold_all, named_specs
from dag_factory.validation import validate_specs


def run(arguments: argparse.Namespace) -> int:
    """Check the specs and print what is wrong."""
    specs = named_specs(arguments.paths, arguments.root)
    problems = validate_specs(specs, whole=hold_all(arguments.paths, arguments.root))
    if arguments.output == "json":
        print_json([problem.to_json() for problem in problems])
    else:
        print_lines(shown(problem) for problem in problems)
    errors = sum(problem.severity == "error" for problem in problems)
    warnings = len(problems) - errors
    note(f"{_count(len(specs), 'spec')}: {_count(errors, 'error')}, {_count(warnings, 'warning')}")
    return PROBLEM if errors else GOOD


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
