"""``schema``: the JSON Schema of a flow spec."""

from __future__ import annotations

import argparse

from dag_factory.cli.commands import GOOD
from dag_factory.cli.output import print_json


def run(arguments: argparse.Namespace) -> int:
    """Print the schema."""
    from dag_factory.spec import json_schema

    print_json(json_schema())
    return GOOD
