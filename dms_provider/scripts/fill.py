"""A script with its data in: each value is a variable, set before the script's first line.

Source: flow-spec, *Variables* ("In a script, data may stand only inside double quotes").
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from itertools import accumulate
from typing import Literal

from dms_provider.messages import shortened
from dms_provider.scripts.places import misplaced
from dms_provider.variables.output_types import is_identifier, is_number
from dms_provider.variables.references import DataReference, Text
from dms_provider.variables.values import Data

ScriptType = Literal["shell", "powershell", "batch"]

_OWN_NAME = "dms_data"
_ANYWHERE: Mapping[str, Callable[[str], bool]] = {"number": is_number, "identifier": is_identifier}
"""Type of an output that may stand anywhere -> what its values are, whatever stored them."""
_BATCH_TEXT = re.compile(r"[A-Za-z0-9_.:/-]+")
_SHEBANG = re.compile(r"#![^\n]*(?:\n|\Z)")
_KNOWN_SHELL = re.compile(r"#![ \t]*\S*?/(?:env[ \t]+(?:-S[ \t]+)?)?(?:ba|da|a)?sh(?:[ \t\r\n]|\Z)")
"""Not ksh and zsh: they calculate in places where these compare texts, and so would run what a value says."""
_MUST_BE_FIRST = re.compile(
    r"(?:\s|#[^\n]*(?:\n|\Z)|<\#.*?\#>)*(?:param[\s(]|using[ \t]|\[CmdletBinding)", re.DOTALL | re.IGNORECASE
)


class RefusedScript(ValueError):
    """A script that cannot be sent. The message says what, where in the script, and what to do."""


def fill_script(text: Text, script_type: ScriptType) -> str:
    """Return the script as it is sent.

    :param text: with the author's text in
    :raises RefusedScript: data cannot stand where its reference stands, or cannot be given to this script
    """
    if script_type == "batch":
        return "".join(
            part if isinstance(part, str) else _plain(part, "".join(_before(text, index)))
            for index, part in enumerate(text)
        )
    return _WithVariables(text, script_type).script()


def no_variables(script: str, script_type: str) -> str | None:
    """Return why variables cannot be set before the first line of a script; ``None`` if they can."""
    if script_type == "powershell" and _MUST_BE_FIRST.match(script):
        return (
            "must be set before the first line of the script, but PowerShell wants param, using and"
            " [CmdletBinding()] there; move what needs the data to another script"
        )
    shebang = _SHEBANG.match(script) if script_type == "shell" else None
    if shebang is None or _KNOWN_SHELL.match(script):
        return None
    return (
        "can be given to a script of sh, bash, dash or ash only, and line 1 says"
        f" {shortened(shebang.group().strip())}; let a shell script call that program with the"
        " data, or give the output the type number or identifier"
    )


class _WithVariables:
    """A script whose language has double quotes in which a variable is read.

    :param text: with the author's text in
    """

    def __init__(self, text: Text, script_type: ScriptType) -> None:
        self._text = text
        self._script_type = script_type
        written = "".join(part for part in text if isinstance(part, str))
        self._prefix = _OWN_NAME
        while self._prefix in written:
            self._prefix += "_"
        self._names: dict[str, str] = {}
        self._values: dict[str, Data] = {}

    def script(self) -> str:
        """Return the script with variables in the place of data, and what sets them before its first line."""
        reference = f"${{{self._prefix}_0}}"
        pieces = [part if isinstance(part, str) else reference for part in self._text]
        offsets = [0, *accumulate(map(len, pieces))]
        read = "".join(pieces)
        data = [
            offset for offset, part in zip(offsets, self._text, strict=False) if not isinstance(part, str)
        ]
        outside = frozenset(misplaced(read, data, self._script_type))
        takes_variables = no_variables(read, self._script_type) is None
        for index, part in enumerate(self._text):
            if isinstance(part, DataReference):
                if offsets[index] in outside if takes_variables else part.data.type in _ANYWHERE:
                    pieces[index] = _as_text(part, read.count("\n", 0, offsets[index]) + 1)
                else:
                    pieces[index] = f"${{{self._variable(part)}}}"
        script = "".join(pieces)
        return self._with_settings(script, list(self._names)) if self._names else script

    def _variable(self, reference: DataReference) -> str:
        self._values[reference.name] = reference.data
        return self._names.setdefault(reference.name, f"{self._prefix}_{len(self._names) + 1}")

    def _with_settings(self, script: str, used: list[str]) -> str:
        setting = _SETTINGS[self._script_type]
        lines = "".join(setting(self._names[name], self._value(name)) for name in used)
        reason = no_variables(script, self._script_type)
        if reason is not None:
            raise RefusedScript(f"{_list(used)} {reason}")
        shebang = _SHEBANG.match(script) if self._script_type == "shell" else None
        if shebang is None:
            return lines + script
        behind = shebang.end()
        line_end = "" if shebang.group().endswith("\n") else "\n"
        return script[:behind] + line_end + lines + script[behind:]

    def _value(self, name: str) -> str:
        text = self._values[name].text
        if "\0" in text:
            raise RefusedScript(f"${{{name}}}: its value holds a NUL character, which no script can hold")
        try:
            text.encode()
        except UnicodeEncodeError:
            raise RefusedScript(f"${{{name}}}: its value is no text that UTF-8 can hold") from None
        return text


def _as_text(reference: DataReference, line: int) -> str:
    """Return data for a place where it is not a variable: only what can be no code may stand there."""
    fits = _ANYWHERE.get(reference.data.type)
    if fits is None:
        raise RefusedScript(
            f"line {line}: ${{{reference.name}}} is data, which may stand only inside double quotes and not"
            f' in arithmetic, backticks or $( ): write "${{{reference.name}}}", or set a variable of the'
            " script to that first; an output of type number or identifier may stand anywhere"
        )
    if not reference.data.elements or None in reference.data.elements:
        raise RefusedScript(
            f"line {line}: ${{{reference.name}}} is NULL, which has no text outside of double quotes; replace"
            " it in the query"
        )
    for element in reference.data.elements:
        if not fits(element or ""):
            raise RefusedScript(
                f"line {line}: ${{{reference.name}}} is {shortened(repr(element))}, which is no"
                f" {reference.data.type}; only that may stand outside of double quotes"
            )
    return reference.data.text


def _plain(reference: DataReference, before: str) -> str:
    """Return data for a batch file, which has no quotes that hold."""
    text = reference.data.text
    if _BATCH_TEXT.fullmatch(text):
        return text
    line = before.count("\n") + 1
    raise RefusedScript(
        f"line {line}: ${{{reference.name}}} is {shortened(repr(text))}; in a batch file data is made of"
        " A-Z a-z 0-9 _ . : / - and not empty; use a PowerShell script for other values"
    )


def _before(text: Text, index: int) -> list[str]:
    return [part if isinstance(part, str) else part.data.text for part in text[:index]]


def _set_in_shell(name: str, value: str) -> str:
    quoted = value.replace("'", "'\\''")
    return f"{name}='{quoted}'\n"


def _set_in_powershell(name: str, value: str) -> str:
    # Base64: PowerShell takes several characters for quotes, and a file without a mark for its code page.
    encoded = base64.b64encode(value.encode()).decode()
    return f"${name} = [Text.Encoding]::UTF8.GetString([Convert]::FromBase64String('{encoded}'))\n"


_SETTINGS: Mapping[str, Callable[[str, str], str]] = {
    "shell": _set_in_shell,
    "powershell": _set_in_powershell,
}


def _list(names: list[str]) -> str:
    return ", ".join(f"${{{name}}}" for name in names)
