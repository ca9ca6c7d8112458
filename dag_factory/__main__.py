"""``python -m dag_factory``: the commands that need no Airflow, for editors and CI."""

from __future__ import annotations

import sys

from dag_factory.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
