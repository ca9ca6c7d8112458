"""References: where they stand in a text, and what takes their place."""

from __future__ import annotations

import itertools
import pickle
import re
import timeit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dms_provider.variables.references import (
    DataReference,
    Reference,
    ReferenceSyntaxError,
    UndefinedVariable,
    parse_references,
    splice,
)
from dms_provider.variables.values import AuthorText, Data

PARSED = [
    ("", ()),
    ("select 1", ("select 1",)),
    ("${a}", (Reference("a", 0, 4),)),
    ("x ${a} y", ("x ", Reference("a", 2, 6), " y")),
    ("${a}${b}", (Reference("a", 0, 4), Reference("b", 4, 8))),
    ("${6_month_ago}${loop.index}", (Reference("6_month_ago", 0, 14), Reference("loop.index", 14, 27))),
    ("$${a}", ("${a}",)),
    ("$$${a}", ("$${a}",)),
    ("$${${a}", ("${", Reference("a", 3, 7))),
    ("${a}$${b}", (Reference("a", 0, 4), "${b}")),
    ("$a $1 $$ } {x}", ("$a $1 $$ } {x}",)),
    ("$ {a}", ("$ {a}",)),
    ("$", ("$",)),
]

WRONG = [
    ("${}", 0, "names no variable"),
    ("x ${a-b}", 2, "${a-b} is no reference"),
    ("${ a}", 0, "is no reference"),
    ("${a", 0, "has no }"),
    ("${a\n}", 0, "has no }"),
    ("${ä}", 0, "is no reference"),
    ("${a} ${b:-1}", 5, "${b:-1} is no reference"),
    ("$${a} ${", 6, "has no }"),
    ("${" + "-" * 500 + "}", 0, "…"),
]


@pytest.mark.parametrize(("text", "segments"), PARSED)
def test_parse(text: str, segments: tuple[str | Reference, ...]) -> None:
    assert parse_references(text) == segments
    assert parse_references(text, foreign=True) == segments


@pytest.mark.parametrize(("text", "offset", "message"), WRONG)
def test_wrong_references(text: str, offset: int, message: str) -> None:
    with pytest.raises(ReferenceSyntaxError) as caught:
        parse_references(text)
    assert caught.value.offset == offset
    assert message in caught.value.message
    assert len(caught.value.message) < 200
    assert pickle.loads(pickle.dumps(caught.value)).offset == offset


@pytest.mark.parametrize(("text", "offset", "message"), WRONG)
def test_a_foreign_text_keeps_what_is_no_reference(text: str, offset: int, message: str) -> None:
    assert splice(parse_references(text, foreign=True), {}, keep_unknown=True) == (text.replace("$${", "${"),)


def test_shell_expansions_are_the_shells() -> None:
    script = 'for f in "${files[@]}"; do echo ${f%.csv} ${#f} ${HOME} ${day}; done'
    spliced = splice(parse_references(script, foreign=True), {"day": AuthorText("5")}, keep_unknown=True)
    assert spliced == (script.replace("${day}", "5"),)


def test_splice() -> None:
    data = Data(("1", "2"), combiner=",")
    segments = parse_references("${t} in (${ids}) ${t}${t} $${t}")
    assert splice(segments, {"t": AuthorText("x"), "ids": data}) == (
        "x in (",
        DataReference("ids", data),
        ") xx ${t}",
    )


def test_empty_text_leaves_nothing_behind() -> None:
    assert splice(parse_references("${a}${a}"), {"a": AuthorText("")}) == ()
    data = Data((None,))
    assert splice(parse_references("${a}${d}${a}"), {"a": AuthorText(""), "d": data}) == (
        DataReference("d", data),
    )


def test_an_undefined_name() -> None:
    with pytest.raises(UndefinedVariable, match=re.escape("${b} is not defined")) as caught:
        splice(parse_references("${a} ${b}"), {"a": AuthorText("1")})
    assert pickle.loads(pickle.dumps(caught.value)).name == "b"
    assert splice(parse_references("${a} ${b}"), {"a": AuthorText("1")}, keep_unknown=True) == ("1 ${b}",)


names = st.text(alphabet="ab_.9", min_size=1, max_size=3)
pieces = st.one_of(st.text(alphabet="ab${} '\n", max_size=6), names.map(lambda name: f"${{{name}}}"))
texts = st.lists(pieces, max_size=8).map("".join)
hostile = st.sampled_from(["", "$", "${a}", "{a}", "$${a}", "${", "x", "$${"])
values = st.dictionaries(names, hostile.map(AuthorText) | hostile.map(lambda text: Data((text,))))


def read_by_hand(text: str, values: dict[str, AuthorText | Data]) -> list[str]:
    """Character by character, with data as one-item markers: shares nothing with the regular expression."""
    out: list[str] = []
    at = 0
    while at < len(text):
        if text[at : at + 3] == "$${":
            out.append("${")
            at += 3
        elif text[at : at + 2] == "${":
            end = at + 2
            while end < len(text) and ((text[end].isascii() and text[end].isalnum()) or text[end] in "_."):
                end += 1
            name = text[at + 2 : end]
            if name and text[end : end + 1] == "}":
                value = values.get(name)
                out.append(
                    f"<data {value.text}>"
                    if isinstance(value, Data)
                    else value.text
                    if value
                    else text[at : end + 1]
                )
                at = end + 1
            else:
                out.append("${")
                at += 2
        else:
            out.append(text[at])
            at += 1
    return out


@given(texts, values)
def test_one_pass(text: str, values: dict[str, AuthorText | Data]) -> None:
    spliced = splice(parse_references(text, foreign=True), values, keep_unknown=True)
    shown = "".join(part if isinstance(part, str) else f"<data {part.data.text}>" for part in spliced)
    assert shown == "".join(read_by_hand(text, values))


@given(texts, values)
def test_texts_are_merged_and_not_empty(text: str, values: dict[str, AuthorText | Data]) -> None:
    for parts in (
        parse_references(text, foreign=True),
        splice(parse_references(text, foreign=True), values, keep_unknown=True),
    ):
        assert "" not in parts
        assert not any(
            isinstance(one, str) and isinstance(two, str) for one, two in itertools.pairwise(parts)
        )


@given(texts)
def test_offsets_are_places_in_the_text(text: str) -> None:
    for segment in parse_references(text, foreign=True):
        if isinstance(segment, Reference):
            assert text[segment.start : segment.end] == f"${{{segment.name}}}"


def test_a_kilobyte_takes_microseconds() -> None:
    text = "SELECT 1 FROM flights WHERE day = 'x';\n" * 26
    best = min(timeit.repeat(lambda: parse_references(text), number=100, repeat=5)) / 100
    assert best < 50e-6


def test_reading_takes_linear_time() -> None:
    text = "${" * 200_000
    assert timeit.timeit(lambda: parse_references(text, foreign=True), number=1) < 2
