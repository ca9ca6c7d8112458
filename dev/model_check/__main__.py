"""``python -m dev.model_check``: real runs against the model of the truth table.

Prints each difference with the seed of its case, what the model says and what was seen, then what the cases
came to. With ``--faults`` it puts one fault after another into a copy of the packages, and says which are
found. Exit status 1: a difference; with ``--faults``: too few faults were found.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from dev.model_check.faults import FAULTS, NEEDED, Fault, put_into
from dev.services import PostgresServer
from tests.end_to_end.airflow_instance import AirflowInstance
from tests.end_to_end.model.cases import Case
from tests.end_to_end.model.generator import case
from tests.end_to_end.model.play import Verdict
from tests.end_to_end.model.player import model_instance, play_cases
from tests.end_to_end.model.situations import situations, tries

FAULT_PATIENCE = 90.0
"""Seconds without any change after which a case of a faulty product is given up."""


def check(cases: Sequence[Case], at_once: int) -> int:
    """Play cases on one Airflow, and print what came out.

    :return: how many differ from the model
    """
    with PostgresServer() as server, model_instance(server) as airflow:
        began = time.monotonic()
        verdicts = play_cases(airflow, cases, at_once=at_once, report=_print_verdict)
    differing = [verdict for verdict in verdicts if verdict.differences]
    print(
        f"\n{len(verdicts)} cases, {sum(map(tries, cases))} tries of nodes, {time.monotonic() - began:.0f} s"
    )
    for text, count in sorted(Counter(text for one in cases for text in situations(one)).items()):
        print(f"{count:5} {text}")
    for verdict in differing:
        print(f"\n{verdict.case.describe()}")
        for text in verdict.differences:
            print(f"  DIFFERENCE {text}")
    seeds = ", ".join(str(verdict.case.seed) for verdict in differing)
    print(f"\n{len(differing)} of {len(verdicts)} cases differ from the model{seeds and ': seeds '}{seeds}")
    return len(differing)


def _print_verdict(verdict: Verdict) -> None:
    result = "DIFFERS" if verdict.differences else "agrees"
    print(f"seed {verdict.case.seed}: {result}, {verdict.steps} steps, {verdict.seconds:.0f} s", flush=True)
    for text in verdict.differences:
        print(f"  {text}", flush=True)


def check_faults(faults: Sequence[Fault], candidates: Sequence[Case], count: int, at_once: int) -> int:
    """Play cases with each fault until one differs, and print which faults were found.

    :param candidates: of which those are taken that a fault is about
    :param count: of cases for each fault
    :return: how many were found
    """
    found: list[Fault] = []
    with PostgresServer() as server, model_instance(server) as airflow:
        for fault in faults:
            began = time.monotonic()
            cases = fault.cases(candidates, count)
            put_into(airflow, fault)
            verdict = _first_difference(airflow, fault, cases, at_once)
            seconds = time.monotonic() - began
            if verdict is None:
                print(f"NOT FOUND  {fault.name} ({fault.kind}): {len(cases)} cases agree, {seconds:.0f} s")
                continue
            found.append(fault)
            print(f"found      {fault.name} ({fault.kind}): seed {verdict.case.seed}, {seconds:.0f} s")
            print(f"           {verdict.differences[0]}", flush=True)
    print(f"\n{len(found)} of {len(faults)} faults found")
    return len(found)


def _first_difference(
    airflow: AirflowInstance, fault: Fault, cases: Sequence[Case], at_once: int
) -> Verdict | None:
    for spec in airflow.dags.iterdir():
        spec.unlink()
    flows = [replace(one, name=f"{fault.name}_{one.seed}") for one in cases]
    verdicts = play_cases(
        airflow, flows, at_once=at_once, patience=FAULT_PATIENCE, stop_at_first_difference=True
    )
    return next((verdict for verdict in verdicts if verdict.differences), None)


def main() -> int:
    """Run as the arguments say.

    :return: exit status
    """
    parser = argparse.ArgumentParser(prog="python -m dev.model_check", description=__doc__)
    parser.add_argument("--cases", type=int, default=200, help="number of cases")
    parser.add_argument("--seed", type=int, default=0, help="of the first case; the others follow")
    parser.add_argument(
        "--cases-a-fault", type=int, default=8, help="so many of the cases are played with each fault"
    )
    parser.add_argument("--at-once", type=int, default=8, help="how many go on at the same time")
    parser.add_argument("--faults", action="store_true", help="put faults into the product")
    parser.add_argument("--fault", choices=[fault.name for fault in FAULTS], help="only this fault")
    options = parser.parse_args()
    cases = [case(seed) for seed in range(options.seed, options.seed + options.cases)]
    if not options.faults and options.fault is None:
        return 1 if check(cases, options.at_once) else 0
    faults = [fault for fault in FAULTS if options.fault in (None, fault.name)]
    found = check_faults(faults, cases, options.cases_a_fault, options.at_once)
    return 0 if found >= (NEEDED if options.fault is None else 1) else 1


if __name__ == "__main__":
    sys.exit(main())
