"""The model itself, against the truth table written out by hand."""

from __future__ import annotations

import pytest

from tests.end_to_end.model.cases import Case, End, Event, Node, Retry, Start, Term
from tests.end_to_end.model.rules import Impossible, Model, State, Undecided

COMPLETE = "complete_running_tasks"
STOP = "immediately_stop_all_tasks"
UNRELATED = "complete_unrelated_tasks"

LETTERS = {
    ".": State.NOT_BEGUN,
    "w": State.WAITING,
    "W": State.WORKING,
    "R": State.BETWEEN_TRIES,
    "S": State.SUCCESS,
    "F": State.FAILED,
    "-": State.NOT_RUN,
    "x": State.GIVEN_UP,
}


def flow(text: str) -> dict[str, Node]:
    """Return nodes, as in ``a  b<a  c<a,b?one_failed  d*2``: parents, condition, retries."""
    nodes = {}
    for word in text.split():
        word, _, condition = word.partition("?")
        word, _, retries = word.partition("*")
        node, _, after = word.partition("<")
        terms = tuple(Term(term.lstrip("!"), term.startswith("!")) for term in condition.split("&") if term)
        nodes[node] = Node(tuple(filter(None, after.split(","))), int(retries or 0), terms)
    return nodes


def event(text: str) -> Event:
    """Return an event, as in ``start 0``, ``fail a 0``, ``retry a 0``."""
    what, *node, run = text.split()
    if what == "start":
        return Start(int(run))
    if what == "retry":
        return Retry(int(run), node[0])
    assert what in ("ok", "fail", "kill", "mark")
    return End(int(run), node[0], what)  # type: ignore[arg-type]  # just checked


def play(case: Case, script: str) -> Model:
    model = Model(case)
    for text in script.split(";"):
        model.apply(event(text.strip()))
    return model


def seen(model: Model) -> list[str]:
    letters = {state: letter for letter, state in LETTERS.items()}
    return ["".join(letters[state] for state in run.states.values()) for run in model.runs]


TABLE = "a b<a r s<r t<s"
ERROR_HANDLING = [
    # the graph of the truth table, when a has failed, and when r has ended
    (COMPLETE, TABLE, "start 0; fail a 0", ["F-W--"], "running"),
    (COMPLETE, TABLE, "start 0; fail a 0; ok r 0", ["F-S--"], "failed"),
    (STOP, TABLE, "start 0; fail a 0", ["F-F--"], "failed"),
    (UNRELATED, TABLE, "start 0; fail a 0", ["F-W.."], "running"),
    (UNRELATED, TABLE, "start 0; fail a 0; ok r 0; ok s 0; ok t 0", ["F-SSS"], "failed"),
    (COMPLETE, TABLE, "start 0; ok a 0; ok b 0; ok r 0; ok s 0; ok t 0", ["SSSSS"], "success"),
    # how it fails makes no difference
    (COMPLETE, TABLE, "start 0; kill a 0; ok r 0", ["F-S--"], "failed"),
    (STOP, TABLE, "start 0; mark a 0", ["F-F--"], "failed"),
    # until the retries are used up nothing is stopped or held back
    (COMPLETE, "a*1 b<a r s<r", "start 0; fail a 0; ok r 0", ["R.SW"], "running"),
    (STOP, "a*1 b<a r s<r", "start 0; kill a 0; ok r 0", ["R.SW"], "running"),
    (STOP, "a*1 b<a r s<r", "start 0; kill a 0; ok r 0; retry a 0; fail a 0", ["F-SF"], "failed"),
    (COMPLETE, "a*1 b<a", "start 0; fail a 0; retry a 0; ok a 0; ok b 0", ["SS"], "success"),
    (COMPLETE, "a*1 r", "start 0; mark a 0", ["FW"], "running"),
    # after the first failure nothing is tried again
    (COMPLETE, "a r*1", "start 0; fail a 0; fail r 0", ["FF"], "failed"),
    (COMPLETE, "a r*1", "start 0; fail a 0; kill r 0", ["Fx"], "failed"),
    (COMPLETE, "a r*1", "start 0; fail r 0; fail a 0", ["Fx"], "failed"),
    (STOP, "a r*1", "start 0; fail r 0; fail a 0", ["Fx"], "failed"),
    (UNRELATED, "a r*1", "start 0; fail a 0; fail r 0; retry r 0; ok r 0", ["FS"], "failed"),
    # false conditions
    (COMPLETE, "a c<a?false n<c", "start 0; ok a 0", ["SS-"], "success"),
    (COMPLETE, "a c<a?false n<c m l<n,m", "start 0; ok a 0; ok m 0", ["SS-S-"], "success"),
    (COMPLETE, "a c<a?false m l<c,m", "start 0; ok a 0; fail m 0", ["SSF-"], "failed"),
    (UNRELATED, "a c<a?false m l<c,m k", "start 0; ok a 0; fail m 0; ok k 0", ["SSF-S"], "failed"),
    (COMPLETE, "a c<a?true&false n<c", "start 0; ok a 0", ["SS-"], "success"),
    # the answer to a failure
    (COMPLETE, "a b<a c<a?one_failed n<c", "start 0; fail a 0", ["F-SW"], "running"),
    (COMPLETE, "a b<a c<a?one_failed n<c", "start 0; fail a 0; ok n 0", ["F-SS"], "failed"),
    (UNRELATED, "a c<a?all_failed n<c", "start 0; fail a 0; ok n 0", ["FSS"], "failed"),
    (STOP, "a c<a?one_failed n<c", "start 0; fail a 0", ["F--"], "failed"),
    (COMPLETE, "a c<a?one_failed n<c", "start 0; ok a 0", ["SS-"], "success"),
    (COMPLETE, "a c<a?!one_failed n<c", "start 0; ok a 0", ["SSW"], "running"),
    (COMPLETE, "a b c<a,b?all_done n<c", "start 0; fail a 0", ["FW.."], "running"),
    (COMPLETE, "a b c<a,b?all_done n<c", "start 0; fail a 0; ok b 0", ["FSSW"], "running"),
    (COMPLETE, "a b c<a,b?one_success n<c", "start 0; fail a 0; fail b 0", ["FFS-"], "failed"),
    (COMPLETE, "a c<a?all_success n<c", "start 0; fail a 0", ["F--"], "failed"),
    # a condition that names a state runs below what was not run, too
    (UNRELATED, "a b<a c<b?all_done n<c", "start 0; fail a 0", ["F-SW"], "running"),
    # the answer is also not held back by the failure of another node
    (COMPLETE, "a c<a?all_done n<c m", "start 0; fail m 0; ok a 0", ["SSWF"], "running"),
]

MODE_1, MODE_2 = "parallel_mode_1", "parallel_mode_2"
CONCURRENCY = [
    ("skip", "all", "a b<a", "start 0; start 1", ["W.", "--"]),
    ("skip", "all", "a b<a", "start 0; ok a 0; start 1; ok b 0; start 2", ["SS", "--", "W."]),
    ("ignore", "all", "a b<a", "start 0; start 1; ok a 1", ["W.", "SW"]),
    (MODE_1, "all", "a b<a", "start 0; start 1", ["W.", "w."]),
    (MODE_1, "all", "a b<a", "start 0; start 1; ok a 0", ["SW", "W."]),
    (MODE_1, "all", "a b<a", "start 0; start 1; ok a 0; ok a 1", ["SW", "Sw"]),
    (MODE_1, "all", "a b<a", "start 0; start 1; ok a 0; ok a 1; fail b 0", ["SF", "SW"]),
    (MODE_1, "all", "a*1 b<a", "start 0; start 1; fail a 0", ["R.", "w."]),
    (MODE_1, "all", "a b<a", "start 0; start 1; start 2; ok a 0", ["SW", "W.", "w."]),
    (MODE_1, "all", "a", "start 0; ok a 0; start 1", ["S", "W"]),
    (MODE_1, "all", "a c<a?true", "start 0; start 1; ok a 0", ["SS", "W."]),
    (MODE_2, "all", "a b<a c<b", "start 0; start 1; ok a 0; ok b 0", ["SSW", "w.."]),
    (MODE_2, "all", "a b<a c<b", "start 0; start 1; ok a 0; ok b 0; ok c 0", ["SSS", "W.."]),
    (MODE_2, "direct", "a b<a c<b", "start 0; start 1; ok a 0", ["SW.", "w.."]),
    (MODE_2, "direct", "a b<a c<b", "start 0; start 1; ok a 0; ok b 0", ["SSW", "W.."]),
    (MODE_2, "all", "a b<a c<b", "start 0; start 1; fail a 0", ["F--", "W.."]),
]


@pytest.mark.parametrize(("policy", "nodes", "script", "states", "run_state"), ERROR_HANDLING)
def test_error_handling(policy: str, nodes: str, script: str, states: list[str], run_state: str) -> None:
    model = play(Case("flow", policy, nodes=flow(nodes)), script)
    assert seen(model) == states
    assert model.runs[0].state.value == run_state


@pytest.mark.parametrize(("policy", "scope", "nodes", "script", "states"), CONCURRENCY)
def test_concurrency(policy: str, scope: str, nodes: str, script: str, states: list[str]) -> None:
    model = play(Case("flow", COMPLETE, policy, scope, flow(nodes)), script)
    assert seen(model) == states


def test_a_run_is_coupled_to_the_newest_that_is_going() -> None:
    model = play(Case("flow", concurrency=MODE_1, nodes=flow("a b")), "start 0; start 1; ok a 0; ok b 0")
    assert [run.earlier for run in model.runs] == [None, 0]
    model.apply(Start(2))
    assert model.runs[2].earlier == 1
    skip = play(Case("flow", concurrency="skip", nodes=flow("a")), "start 0; start 1; start 2")
    assert [run.skipped_for for run in skip.runs] == [None, 0, 0]


def test_a_node_that_waits_is_held_back() -> None:
    script = "start 0; start 1; ok b 0; fail b 1"
    held = play(Case("flow", COMPLETE, MODE_1, nodes=flow("a b")), script)
    assert seen(held) == ["WS", "-F"]
    goes_on = play(Case("flow", UNRELATED, MODE_1, nodes=flow("a b")), script)
    assert seen(goes_on) == ["WS", "wF"]
    # an answer to the failure goes on waiting
    answer = "a b c<b?all_done d<c"
    answers = play(Case("flow", COMPLETE, MODE_1, nodes=flow(answer)), "start 0; start 1; ok b 0; fail b 1")
    assert seen(answers) == ["WSSW", "-FSw"]


@pytest.mark.parametrize(
    ("nodes", "script"),
    [
        # does a node that was not run count as failed?
        ("a b<a m c<b,m?one_failed", "start 0; fail a 0; ok m 0"),
        # an answer whose other parent is lost
        ("a c<a?one_failed b n<c,b", "start 0; fail b 0; fail a 0"),
    ],
)
def test_what_the_table_leaves_open_is_no_case(nodes: str, script: str) -> None:
    with pytest.raises(Undecided):
        play(Case("flow", UNRELATED, nodes=flow(nodes)), script)


def test_events_that_cannot_happen() -> None:
    case = Case("flow", nodes=flow("a b<a"))
    for script in ("start 1", "start 0; ok b 0", "start 0; retry a 0"):
        with pytest.raises(Impossible):
            play(case, script)
