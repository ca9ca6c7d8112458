"""The condition language: truth tables, and every mistake with its place."""

from __future__ import annotations

import contextlib
import pickle
import re
import timeit

import pytest

from dms_provider.conditions import ConditionError, parse_condition
from dms_provider.variables.values import AuthorText, Data, Value

VALUES: dict[str, Value] = {
    "five": Data(("5",)),
    "ten": Data(("10",)),
    "one": Data(("1.0",)),
    "minus": Data(("-3",)),
    "tenth": Data(("0.1",)),
    "empty": Data(("",)),
    "null": Data((None,)),
    "abc": Data(("abc",)),
    "quote": Data(("it's",)),
    "padded": Data((" 5",)),
    "exponent": Data(("1e1",)),
    "wide": Data(("５",)),
    "date": Data(("2021-08-12",)),
    "ids": Data(("1", None, "3"), combiner=","),
    "none": Data((), combiner=","),
    "long": Data(("1" * 60 + ".0000000000000000000000000000000000000001",)),
    "hostile": Data(("' || 'a' == 'a",)),
    "reference": Data(("${five}",)),
    "bizdate": AuthorText("2021-08-11"),
    "loop.index": AuthorText("7"),
    "6_month_ago": AuthorText("2021-02-11"),
}

TRUTH = [
    # DMS reference, section 3; a variable's value stands for itself
    ("${ten} > 9", True),
    ("${ten} > ${five}", True),
    ("'10' > 9", True),
    ("${ten} > '9'", True),
    ("${one} == 1", True),
    ("${empty} == 0", False),
    ("${date} > '2021-08-11'", True),
    ("${date} > ${bizdate}", True),
    ("${five} >= 5 && ${minus} != -3", False),
    # numbers are exact
    ("${tenth} == 0.1", True),
    ("${tenth} == 0.10", True),
    ("${long} > 0", True),
    ("${long} == " + "1" * 60, False),
    ("0.1 < .2", True),
    ("5. == 5", True),
    ("-0 == 0", True),
    ("${minus} < 0", True),
    ("007 == 7", True),
    # each operator
    *(
        ("5 == 5", True),
        ("5 != 5", False),
        ("5 > 5", False),
        ("5 >= 5", True),
        ("5 < 5", False),
        ("5 <= 5", True),
    ),
    *(
        ("4 == 5", False),
        ("4 != 5", True),
        ("4 > 5", False),
        ("4 >= 5", False),
        ("4 < 5", True),
        ("4 <= 5", True),
    ),
    *(("'a' == 'a'", True), ("'a' != 'a'", False), ("'a' < 'b'", True), ("'b' <= 'a'", False)),
    # two quoted texts compare as text
    ("'10' > '9'", False),
    ("'1.0' == '1'", False),
    ("'5' == '05'", False),
    ("5 == '05'", True),
    # two variables with text
    ("${abc} < ${date}", False),
    ("${abc} == 'abc'", True),
    ("${abc} == 'ABC'", False),
    ("${abc} != 5", True),
    ("${abc} == 5", False),
    # only plain decimal numbers are numbers
    ("${padded} == 5", False),
    ("${exponent} == 10", False),
    ("${wide} == 5", False),
    # NULL is empty, a list is its joined text
    ("${null} == ''", True),
    ("${null} == ${empty}", True),
    ("${ids} == '1,,3'", True),
    ("${none} == ''", True),
    # references in quoted text, and what they never become
    ("'${five}' == '5'", True),
    ("'${one}' == '1'", False),
    ("'n=${five};' == 'n=5;'", True),
    ("'${five}' > 4", True),
    ("'${quote}' == 'it''s'", True),
    ("${quote} == 'it''s'", True),
    ('${quote} == "it\'s"', True),
    ('"a""b" == \'a"b\'', True),
    ("'' == \"\"", True),
    ("'$${five}' == '${reference}'", True),
    ("${hostile} == 'b'", False),
    ("'${hostile}' == 'b'", False),
    ("'\\' == '\\'", True),
    ("'a\nb' contains '\n'", True),
    # in
    ("${five} in (1, 5)", True),
    ("${five} in ('1', '5.0')", True),
    ("'5' in ('1', '5.0')", False),
    ("${abc} in (1, 'abc')", True),
    ("${abc} in (${five}, ${abc})", True),
    ("${abc} in ('ab')", False),
    ("'' in (${null})", True),
    # contains
    ("${abc} contains 'b'", True),
    ("${abc} contains ''", True),
    ("${abc} contains 'B'", False),
    ("'b' contains ${abc}", False),
    ("${ten} contains 1", True),
    ("${date} contains '${five}'", False),
    # names
    ("${loop.index} == 7 && ${6_month_ago} < ${bizdate}", True),
    # strength: comparisons, !, &&, ||
    ("!${five} == 4", True),
    ("!!${five} == 5", True),
    ("!1 == 1 || 1 == 1", True),
    ("!(1 == 1 || 1 == 1)", False),
    ("1 == 1 || 1 == 1 && 1 == 2", True),
    ("(1 == 1 || 1 == 1) && 1 == 2", False),
    ("1 == 2 && 1 == 2 || 1 == 1", True),
    ("!'a' in ('b')", True),
    ("!1 == 2 && 1 == 2", False),
    # parentheses, blanks
    ("((${five})) == (5)", True),
    ("  (\t1==1\r\n)  ", True),
    ("${five}==5&&${ten}==10", True),
    ("(${five}) in ((5))", True),
    # what cannot change the answer is not compared
    ("${empty} != '' && ${empty} > 5", False),
    ("${empty} == '' || ${empty} > 5", True),
    ("${five} in (5) || ${abc} > 5", True),
]

STATE_VALUES = {
    "all_success": True,
    "one_success": True,
    "all_failed": False,
    "one_failed": False,
    "all_done": True,
}
STATE_TRUTH = [
    ("all_success", True),
    ("one_failed", False),
    ("!one_failed", True),
    ("all_done && !all_failed", True),
    ("all_failed || one_success", True),
    ("(one_failed) || ${five} > 4", True),
    ("one_failed && ${five} > 4", False),
]

CANNOT_BE_ORDERED = [
    # condition, offset, what is named
    ("${abc} > 1", 0, "${abc} ('abc') is no decimal number, so it cannot be ordered against 1"),
    ("1 < ${abc}", 0, "${abc} ('abc')"),
    ("${five} > 4 && ${abc} > 1", 15, "${abc} ('abc')"),
    ("${empty} >= 0", 0, "${empty} ('')"),
    ("${null} < 5", 0, "${null} ('')"),
    ("${ids} < 5", 0, "${ids} ('1,,3')"),
    ("${exponent} < 5", 0, "${exponent} ('1e1')"),
    ("${five} < 'x'", 0, "'x' is no decimal number, so it cannot be ordered against ${five} ('5')"),
    ("${abc} < '5'", 0, "${abc} ('abc')"),
    ("'a' < 5", 0, "'a' is no decimal number"),
    ("${date} > ${five}", 0, "${date} ('2021-08-12')"),
]

WRONG = [
    # condition, offset, what the message says, the word meant
    ("", 0, "is empty", None),
    ("  \n", 0, "is empty", None),
    ("${a}", 0, "a value alone", None),
    ("5", 0, "a value alone", None),
    ("'a' && 'b'", 0, "a value alone", None),
    ("${a} == 1 && ${b}", 13, "a value alone", None),
    ("!${a}", 1, "a value alone", None),
    ("${a} = 1", 5, "= is no operator", "=="),
    ("${a} === 1", 5, "=== is no operator", "=="),
    ("${a} <> 1", 5, "<> is no operator", "!="),
    ("all_done & one_failed", 9, "& is no operator", "&&"),
    ("all_done | one_failed", 9, "| is no operator", "||"),
    ("all_done and one_failed", 9, "and is no word", "&&"),
    ("all_done OR one_failed", 9, "OR is no word", "||"),
    ("not all_done", 0, "not is no word", "!"),
    ("${a} not in (1)", 5, "not is no word", "!"),
    ("all_sucess", 0, "all_sucess is no word", "all_success"),
    ("ONE_FAILED", 0, "ONE_FAILED is no word", "one_failed"),
    ("${a} contain 'x'", 5, "contain is no word", "contains"),
    ("${a} IN (1)", 5, "IN is no word", "in"),
    ("late_flights > 1", 0, "a variable is written ${late_flights}", None),
    ("${a} == abc", 8, "text stands in quotes", None),
    ("x" * 300, 0, "x" * 40 + "…", None),
    ("${a} == 1 ${b} == 2", 10, "missing before ${b}", None),
    ("${a} 1", 5, "missing before 1", None),
    ("${a}-5 > 1", 4, "missing before -5", None),
    ("${a} == 'x' 'y'", 12, "missing before 'y'", None),
    ("all_done one_failed", 9, "missing before one_failed", None),
    ("all_done)", 8, "missing before )", None),
    ("${a} > 1 > 2", 9, "two sides", None),
    ("${a} in (1) == 2", 12, "two sides", None),
    ("1 == 1 in (1)", 7, "two sides", None),
    ("(${a} == 1) == 2", 1, "only a variable", None),
    ("all_done == 1", 0, "only a variable", None),
    ("1 == all_done", 5, "only a variable", None),
    ("${a} >", 6, "before the end", None),
    ("> 1", 0, "before >", None),
    ("${a} == && 1", 8, "before &&", None),
    ("all_done &&", 11, "before the end", None),
    ("(all_done", 9, "the closing ) is missing before the end", None),
    ("()", 1, "before )", None),
    ("${a} in 'x'", 8, "values in parentheses", None),
    ("${a} in (", 9, "before the end", None),
    ("${a} in ()", 9, "before )", None),
    ("${a} in (1 2)", 11, "missing before 2", None),
    ("${a} in (1", 10, "closing ) is missing before the end", None),
    ("${a} in (1,)", 11, "before )", None),
    ("${a} == 'x", 8, "this ' is not closed", None),
    ('${a} == "x', 8, 'this " is not closed', None),
    ("${a} == 'it's'", 13, "this ' is not closed", None),
    ("${a-b} == 1", 0, "begins no ${name}", None),
    ("${} == 1", 0, "begins no ${name}", None),
    ("$a == 1", 0, "$a cannot stand in a condition", None),
    ("'${a b}' == 1", 1, "${a b} is no reference", None),
    ("'it''s ${' == 1", 7, "has no }", None),
    ("1e5 == 1", 0, "1e5 is no number", None),
    ("1.2.3 == 1", 0, "1.2.3 is no number", None),
    ("+5 == 1", 0, "+5 cannot stand", None),
    ("- 5 == 1", 0, "- is no number", None),
    ("5abc == 1", 0, "5abc is no number", None),
    ("１ == 1", 0, "１ cannot stand", None),
    ("${a}\u3000== 1", 4, r"'\u3000' cannot stand", None),
    ("${a} == \x1b", 8, r"'\x1b' cannot stand", None),
    ("1" * 66 + " == 1", 0, "at most 65 digits", None),
    ("(" * 51 + "all_done" + ")" * 51, 50, "at most 50", None),
    ("!" * 5000 + "all_done", 50, "at most 50", None),
    ("all_done" + " " * 10_000, 10_000, "at most 10000 characters", None),
]


@pytest.mark.parametrize(("text", "truth"), TRUTH)
def test_truth(text: str, truth: bool) -> None:
    assert parse_condition(text).evaluate(VALUES, {}) is truth


@pytest.mark.parametrize(("text", "truth"), STATE_TRUTH)
def test_states(text: str, truth: bool) -> None:
    assert parse_condition(text).evaluate(VALUES, STATE_VALUES) is truth


@pytest.mark.parametrize(("text", "offset", "message"), CANNOT_BE_ORDERED)
def test_a_number_is_not_ordered_against_text(text: str, offset: int, message: str) -> None:
    with pytest.raises(ConditionError, match=re.escape(message)) as caught:
        parse_condition(text).evaluate(VALUES, {})
    assert caught.value.offset == offset


@pytest.mark.parametrize(("text", "offset", "message", "meant"), WRONG)
def test_mistakes(text: str, offset: int, message: str, meant: str | None) -> None:
    with pytest.raises(ConditionError) as caught:
        parse_condition(text)
    error = caught.value
    assert message in error.message
    assert (error.offset, error.suggestion) == (offset, meant)
    assert "\n" not in str(error)
    assert len(str(error)) < 250
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.offset) == (str(error), offset)


def test_names_and_states() -> None:
    condition = parse_condition("${a} > 1 && '${b}-${a}' in (${c.d}, '$${e}') || !(one_failed && all_done)")
    assert condition.names == {"a", "b", "c.d"}
    assert condition.states == {"one_failed", "all_done"}
    assert parse_condition("1 == 1").names == frozenset()
    assert parse_condition("1 == 1").states == frozenset()


@pytest.mark.parametrize(
    ("text", "offset"), [("1 == 1 || ${gone} > 1", 10), ("1 == 1 || 'it''s ${gone}' == 'a'", 17)]
)
def test_a_missing_name_fails_wherever_it_stands(text: str, offset: int) -> None:
    with pytest.raises(ConditionError, match=re.escape("${gone} is not defined")) as caught:
        parse_condition(text).evaluate({}, {})
    assert caught.value.offset == offset
    assert text[offset:].startswith("${gone}")


def test_a_missing_state() -> None:
    with pytest.raises(ConditionError, match="all_done") as caught:
        parse_condition("1 == 1 && all_done").evaluate({}, {"one_failed": True})
    assert caught.value.offset == 10


def test_a_long_value_is_shortened() -> None:
    with pytest.raises(ConditionError) as caught:
        parse_condition("${a} > 1").evaluate({"a": Data(("x" * 100_000,))}, {})
    assert "x" * 40 + "…" in caught.value.message
    assert len(caught.value.message) < 200


@pytest.mark.parametrize("text", ["${key} > 1", "'${key}' > 1", "'my ${key}' > 1", "'${key} ${open}' > 1"])
def test_a_secret_is_not_shown(text: str) -> None:
    with pytest.raises(ConditionError) as caught:
        parse_condition(text).evaluate({"key": AuthorText("hush", secret=True), "open": AuthorText("x")}, {})
    assert "hush" not in str(caught.value)
    assert "a secret" in str(caught.value)


def test_huge_values_take_linear_time() -> None:
    huge = "9" * 1_000_000
    condition = parse_condition("${a} > ${b} || ${a} == ${b}")
    values: dict[str, Value] = {"a": Data((huge,)), "b": Data((huge + ".0",))}
    assert timeit.timeit(lambda: condition.evaluate(values, {}), number=1) < 2
    assert condition.evaluate(values, {})


def test_long_conditions_take_linear_time() -> None:
    texts = [
        "all_done && " * 800 + "all_done",
        "'" * 9_999,
        "all_done" + "(" * 9_000,
        "${a} in (" + "1," * 4000 + "1)",
    ]
    for text in texts:

        def read(text: str = text) -> None:
            with contextlib.suppress(ConditionError):
                parse_condition(text)

        assert timeit.timeit(read, number=1) < 1


def test_a_chain_of_many_parts_is_not_deep() -> None:
    assert parse_condition("all_done && " * 800 + "all_done").evaluate({}, {"all_done": True})
