"""Data in scripts: what a real shell makes of it, and what is sent where there is none to try."""

from __future__ import annotations

import base64
import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dms_provider.scripts.fill import RefusedScript, ScriptType, fill_script
from dms_provider.variables.references import Text, parse_references, splice
from dms_provider.variables.values import AuthorText, Data, OutputType, Value

HOSTILE = [
    "$(touch hacked)",
    "`touch hacked`",
    "'; touch hacked; '",
    '"; touch hacked; "',
    "\\",
    "\\'",
    "'\\''",
    "a[$(touch hacked)]",
    "${IFS}$(touch${IFS}hacked)",
    "-n",
    "--help",
    "!!",
    "a\nb\n\n",
    "\n",
    "\r\n",
    "",
    " ",
    "*",
    "~",
    "\t\x01\x7f\x1b[31m",
    "北京 🚄 é",
    "${dms_data_1}",
    "${name}",
    "{{ACS::RegionId}}",
    "#",
    "EOF\ntouch hacked\n",
]
values = st.one_of(
    st.sampled_from(HOSTILE),
    st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30),
    st.lists(st.sampled_from(HOSTILE), max_size=4).map("".join),
    st.text(alphabet="'\"\\$`(){}!\n;&|<>#* a", max_size=30),
)


def text_of(script: str, **known: str | Data) -> Text:
    data: dict[str, Value] = {
        name: value if isinstance(value, Data) else Data((value,)) for name, value in known.items()
    }
    return splice(parse_references(script, foreign=True), data, keep_unknown=True)


def sent(script: str, script_type: ScriptType = "shell", **known: str | Data) -> str:
    return fill_script(text_of(script, **known), script_type)


def run(script: str, folder: Path, shell: str = "bash") -> bytes:
    """Run a script as the agent on an instance does: from a file."""
    file = folder / "script.sh"
    file.write_bytes(script.encode())
    file.chmod(0o755)
    done = subprocess.run([shell, str(file)], cwd=folder, capture_output=True, timeout=60, check=True)
    assert not (folder / "hacked").exists()
    return done.stdout


# Many values a process: starting one is what takes the time.
@pytest.mark.parametrize("shell", ["bash", "dash"])
@given(many=st.lists(values, min_size=10, max_size=30))
def test_every_value_arrives_byte_by_byte(
    many: list[str], shell: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    names = {f"v.{number}": value for number, value in enumerate(many)}
    script = "".join(f"""printf '%s|' "${{{name}}}"\n""" for name in names)
    folder = tmp_path_factory.mktemp("run")
    expected = "".join(f"{value}|" for value in many).encode()
    assert run(sent(script, **names), folder, shell) == expected


@pytest.mark.parametrize("value", HOSTILE)
def test_every_place_that_is_accepted_is_safe(value: str, tmp_path: Path) -> None:
    script = """
set -eu
f() { printf '%s|' "${x}"; }
(cd . && f)
a=("${x}" "b"); printf '%s|' "${a[0]}"
if [ "${x}" = "${x}" ] && [[ "${x}" == "${x}" ]]; then printf '%s|' "${HOME:+${x}}"; fi
cat <<<"${x}" | cat
case "${x}" in "${x}") printf '%s|' "-${x}-" ;; esac
"""
    expected = f"{value}|{value}|{value}|{value}\n-{value}-|".encode()
    assert run(sent(script, x=value), tmp_path) == expected


@pytest.mark.parametrize(
    "script",
    [
        "echo ${x}",
        "echo '${x}'",
        'echo "$(echo ${x})"',
        'echo "`echo ${x}`"',
        "echo $((${x}))",
        '(( "${x}" ))',
        '[[ "${x}" -eq 1 ]]',
        'echo "${a[${x}]}"',
        "cat <<EOF\n${x}\nEOF",
        "# ${x}",
    ],
)
def test_other_places_are_refused(script: str) -> None:
    with pytest.raises(
        RefusedScript, match=r"^line [23]: \$\{x\} is data, which may stand only inside double quotes"
    ):
        sent(f"\n{script}", x="1")


def test_the_authors_text_decides_about_the_place() -> None:
    values: dict[str, Value] = {"quote": AuthorText('"'), "x": Data(("a b",))}
    text = splice(parse_references("echo ${quote}${x}${quote}", foreign=True), values)
    assert fill_script(text, "shell") == "dms_data_1='a b'\necho \"${dms_data_1}\""
    with pytest.raises(RefusedScript):
        fill_script(splice(parse_references('echo "${quote}${x}"', foreign=True), values), "shell")


@pytest.mark.parametrize("script_type", ["shell", "powershell"])
def test_numbers_and_identifiers_may_stand_anywhere(script_type: ScriptType) -> None:
    number, name = Data(("-5",), type="number"), Data(("t_1",), type="identifier")
    script = "echo $((${n} + 1)) ${t} '${t}'"
    assert sent(script, script_type, n=number, t=name) == "echo $((-5 + 1)) t_1 't_1'"
    assert sent("echo ${n}", script_type, n=Data(("1", "2"), combiner=" ", type="number")) == "echo 1 2"
    for nothing in (Data((None,), type="number"), Data(("1", None), combiner=",", type="number")):
        with pytest.raises(RefusedScript, match="is NULL"):
            sent("rm -r /data/${n}", script_type, n=nothing)


@pytest.mark.parametrize("type_", ["number", "identifier"])
def test_a_type_is_no_promise(type_: OutputType) -> None:
    with pytest.raises(RefusedScript, match=rf"which is no {type_}; only that may stand"):
        sent("echo ${n}", n=Data(("1;touch hacked",), type=type_))


def test_nulls_and_lists_in_quotes(tmp_path: Path) -> None:
    script = 'printf "%s|" "${a}" "${b}" "${c}"'
    data = {
        "a": Data((None,)),
        "b": Data(("O'Hare", None, "x"), combiner="','"),
        "c": Data((None,), type="number"),
    }
    assert run(sent(script, **data), tmp_path) == b"|O'Hare','','x||"


def test_nothing_is_added_where_there_is_no_data() -> None:
    script = "#!/usr/bin/env python3\nprint('${HOME}', '$${x}')\n"
    assert sent(script) == script.replace("$${", "${")
    assert sent("#!/usr/bin/python3\nprint(${n})", n=Data(("5",), type="number")).endswith("print(5)")


@pytest.mark.parametrize("first", ["#!/bin/sh", "#!/bin/bash -eu", "#! /usr/bin/env bash", "#!/bin/dash"])
def test_the_first_line_stays_the_first(first: str, tmp_path: Path) -> None:
    assert sent(f'{first}\necho "${{x}}"', x="a").startswith(f"{first}\ndms_data_1='a'\n")
    assert sent(f'{first}\necho "${{x}}"', x="a").count("\n") == 2


@pytest.mark.parametrize(
    "first",
    [
        "#!/usr/bin/python3",
        "#!/usr/bin/env node",
        "#!/bin/tcsh",
        "#!/usr/bin/fish",
        "#!/bin/ksh",
        "#!/bin/zsh",
    ],
)
def test_another_program_gets_no_data(first: str) -> None:
    with pytest.raises(RefusedScript, match="sh, bash, dash or ash only, and line 1 says #!/"):
        sent(f'{first}\necho "${{x}}"', x="a")
    assert sent(f'{first}\necho "${{n}}"', n=Data(("5",), type="number")) == f'{first}\necho "5"'


def test_a_name_of_ours_is_no_name_of_the_author() -> None:
    script = sent('dms_data_1=2; echo "${x}" ${dms_data_1}', x="a")
    assert script == "dms_data___1='a'\ndms_data_1=2; echo \"${dms_data___1}\" ${dms_data_1}"


@pytest.mark.parametrize("value", ["a\0b", "\ud800"])
def test_what_no_script_can_hold_is_refused(value: str) -> None:
    for script_type in ("shell", "powershell"):
        with pytest.raises(RefusedScript, match=r"^\$\{x\}: its value "):
            fill_script(text_of('"${x}"', x=value), script_type)


@pytest.mark.parametrize("value", [*HOSTILE, "’; Remove-Item x; ‘", "$(Remove-Item x)", "`n"])
def test_powershell_gets_data_as_base64(value: str) -> None:
    script = sent('Write-Output "a ${x}" "${env:TEMP} ${x}"', "powershell", x=value)
    setting, line = script.split("\n")
    found = re.fullmatch(
        r"\$dms_data_1 = \[Text\.Encoding\]::UTF8\.GetString"
        r"\(\[Convert\]::FromBase64String\('([A-Za-z0-9+/=]*)'\)\)",
        setting,
    )
    assert found is not None
    assert base64.b64decode(found[1]).decode() == value
    assert line == 'Write-Output "a ${dms_data_1}" "${env:TEMP} ${dms_data_1}"'


@pytest.mark.parametrize(
    "first", ["param($a)", "<# b #>\n# c\nParam (\n$a)", "using namespace System", "[CmdletBinding()]"]
)
def test_powershell_that_wants_its_own_first_line(first: str) -> None:
    script = f"{first}\nWrite-Output "
    assert sent(f"{script}'a'", "powershell", x="a") == f"{script}'a'"
    with pytest.raises(RefusedScript, match="must be set before the first line"):
        sent(f'{script}"${{x}}"', "powershell", x="a")


def test_batch() -> None:
    assert sent('echo ${x} "%PATH%"', "batch", x="C:/a_b-1.2") == 'echo C:/a_b-1.2 "%PATH%"'
    for value in ("", "a b", "a&b", "a%b", "a^b", "a\nb", '"', "é", "a;b", "(", "!", "\\"):
        with pytest.raises(RefusedScript, match=r"^line 2: \$\{x\} is .*in a batch file data is made of"):
            sent('\necho "${x}"', "batch", x=value)
