from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dms_provider.scripts.places import misplaced

REFERENCE = "${x}"


def accepted(script: str, script_type: str = "shell") -> list[bool]:
    """Whether each ``${x}`` of the script, in order, is where data may stand."""
    offsets = [index for index in range(len(script)) if script.startswith(REFERENCE, index)]
    refused = misplaced(script, offsets, script_type)
    return [offset not in refused for offset in offsets]


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ('echo "${x}"', [True]),
        ('echo "a ${x} b ${x}"', [True, True]),
        ("echo ${x}", [False]),
        ("echo '${x}'", [False]),
        ("echo $'it\\'s ${x}' \"${x}\"", [False, True]),
        ('echo "$(cat ${x})"', [False]),
        ('echo "$(cat "${x}")"', [False]),
        ('echo "a $(date) ${x}"', [True]),
        ('echo "`cat ${x}`" "${x}"', [False, True]),
        ('echo "$((${x} + 1)) ${x}"', [False, True]),
        ('echo "$(( (1+2) * 3 )) ${x}"', [True]),
        ('echo $((1<<2)) "${x}"', [True]),
        ('echo \\"${x}\\"', [False]),
        ('echo "\\"${x}"', [True]),
        ('# it\'s\necho "${x}"', [True]),
        ('echo "# ${x}"', [True]),
        ('# "${x}"\n', [False]),
        ('echo a#"${x}"', [True]),
        ('cat <<EOF\nit\'s "${x}"\nEOF\necho "${x}"', [False, True]),
        ('cat <<-\'END\'\n\t"\n\tEND\necho "${x}"', [True]),
        ('cat <<<"${x}"', [True]),
        ('echo "a <<" "${x}"', [True]),
        ('echo "${HOME:-"y"} ${x}"', [True]),
        ('echo "${HOME:-${x}}" "${a%%${x}}"', [True, True]),
        ('echo "${a[${x}]}" "${a:${x}:1}" "${x}"', [False, False, True]),
        ('echo "$[1 + ${x}] ${x}"', [False, True]),
        ('(cd "${x}"; ls) && a=("${x}" "b")', [True, True]),
        ('(( "${x}" > 1 )) && echo "${x}"', [False, True]),
        ('for ((i = 0; i < "${x}"; i++)); do echo "${x}"; done', [False, True]),
        ('echo "$( (1) "${x}" )"', [False]),
        ('[[ "${x}" == b* ]] && [[ "${x}" -eq 1 ]] && echo "${x}"', [True, False, True]),
        ('[[ -v "${x}" || $y == "${x}" ]]; [ "${x}" -eq 1 ]', [False, False, True]),
        ('[ -v "${x}" ]; if test -v "${x}"; then :; fi', [False, False]),
        ('let "n=${x}"; echo let "${x}"', [False, True]),
        ('eval "echo ${x}"; x=1 && eval "${x}"', [False, False]),
        ('trap "rm ${x}" EXIT; alias l="${x}"', [False, False]),
        ('bash -c "echo ${x}"; /bin/sh -e -c "${x}"', [False, False]),
        ('bash -c \'echo "$1"\' sh "${x}"; bash "${x}" -c', [True, True]),
        ('declare -i n="${x}"; local m="${x}"; export -n "${x}"', [False, True, False]),
        ('a["${x}"]=1; a[0]="${x}"; a[1+"${x}"]=2', [False, True, False]),
        ('printf "%s" "${x}"; printf -v "${x}" a; read -r "${x}"', [True, False, False]),
        ('eval "\necho ${x}"\neval \\\n "${x}"; eval \'a;b\' "${x}"; A=1 eval "${x}"', [False] * 4),
        ('bash -c "\necho ${x}\n"; sh -c "a \\"${x}\\""; bash -c \'a \'"${x}"', [False] * 3),
        ('bash -c "$(date\n) ${x}"; bash -euo pipefail -c "${x}"; sh -c -- "${x}"', [False] * 3),
        ('su - app -c "run ${x}"; bash run.sh -c "${x}"; sh run.sh "a\n${x}"', [False, True, True]),
        ('trap "\nrm ${x}\n" EXIT\necho "a\n${x}"', [False, True]),
        ('declare "${x}"; f() { local "${x}"; typeset -r a"${x}"=1; }', [False, False, False]),
        ('declare a=("b" "${x}") "m=${x}"; export "p=${x}"; local n="a ${x}"', [True] * 4),
        ('a=(["${x}"]=1 b ["${x}"]=2); echo "[${x}]" a "[" "${x}"', [False, False, True, True]),
        ('a[ "${x}" ]=1; a[1 + "${x}"]=1; a=( [ "${x}" ]=1 ); ( [ "${x}" ] )', [False, False, False, True]),
        ('declare -a a="${x}"; readonly -ra "a=${x}"; declare -a a=("${x}")', [False, False, True]),
        ('declare -r -i n="${x}"; "$SHELL" -c "${x}"; ${SHELL} -c "${x}"', [False, False, False]),
        ('[[ a =~ [[:alpha:]] && "${x}" -eq 1 ]]; [[ a ]] && echo "${x}"', [False, True]),
        ('declare -i n m=1\nn="${x}"; m+="${x}"; n=1+"${x}"; o="${x}"', [False, False, False, True]),
        ("it's \"${x}", [False]),
    ],
)
def test_shell(script: str, expected: list[bool]) -> None:
    assert accepted(script) == expected


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ('Write-Output "${x}"', [True]),
        ("Write-Output '${x}'", [False]),
        ("Write-Output 'it''s' \"${x}\"", [True]),
        ("Write-Output ${x}", [False]),
        ('Write-Output "$(Get-Item ${x}) ${x}"', [False, True]),
        ('Write-Output "`"${x}"', [True]),
        ('<# " #> "${x}"', [True]),
        ('# "\n"${x}"', [True]),
        ('@"\n${x}\n"@; "${x}"', [False, True]),
        ('"he said “${x}”" “${x}” "it’s ${x}" ‘"${x}"’', [False, True, True, False]),
    ],
)
def test_powershell(script: str, expected: list[bool]) -> None:
    assert accepted(script, "powershell") == expected


def test_the_place_does_not_matter_in_a_batch_file() -> None:
    assert accepted('echo ${x} "${x}"', "batch") == [True, True]


PIECES = [
    ('"a ${x} b"', [True]),
    ("'${x}'", [False]),
    ("${x}", [False]),
    ("$(echo ${x})", [False]),
    ('"$(echo "${x}")"', [False]),
    ('"`echo ${x}`${x}"', [False, True]),
    ("$(( ( 1 + 2 ) * ${x} ))", [False]),
    ("'it is \\'", []),
    ("$'\\'\"'", []),
    ('"\'"', []),
    ('"\\"${x}"', [True]),
    ('"${HOME:-"${x}"} ${x}"', [True, True]),
    ("\\'", []),
    ("# \"'`$(\n", []),
    ("<<'E O'\n\"'${x}\nE O\n", [False]),
]


@given(st.lists(st.sampled_from(PIECES), max_size=8), st.sampled_from([" ", "\n", " ; "]))
def test_pieces_do_not_change_each_other(pieces: list[tuple[str, list[bool]]], separator: str) -> None:
    script = separator.join(text for text, _ in pieces)
    assert accepted(script) == [verdict for _, verdicts in pieces for verdict in verdicts]


@given(
    st.text(alphabet="\"'\\`$(){}<#\n @x-E", max_size=40), st.sampled_from(["shell", "powershell", "batch"])
)
def test_any_text_is_read(script: str, script_type: str) -> None:
    assert set(misplaced(script, range(len(script)), script_type)) <= set(range(len(script)))


def test_a_long_script_is_read_in_linear_time() -> None:
    begin = time.process_time()
    assert all(accepted('"${x}"\n' * 20_000))
    assert time.process_time() - begin < 30
