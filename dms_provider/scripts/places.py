"""Where data may stand in a script: inside plain double quotes, and nowhere that the shell reads as code.

Source: flow-spec, *Variables* ("In a script, data may stand only inside double quotes").
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator

_SHELL_TOKEN = re.compile(
    r"""\\. | \$' | \$\(\( | \$\( | \$\[ | \$\{ | \(\( | ['"`()}\]\#\n]
    | (?<![^\s;|&(!])\[\[(?=\s) | (?<!<)<<(?!<)-?[ \t]*(?P<here>'[^'\n]*'|"[^"\n]*"|\\?[\w.-]+)""",
    re.VERBOSE | re.DOTALL,
)
_PLAIN_EXPANSION = re.compile(r"\$\{[!#]?\w+(?:\}|:?[-=+?]|[\#%/^,@])")
"""A ``${ }`` of the shell in which nothing is calculated; an index or an offset would be."""
_NUMERIC_TEST = re.compile(r"(?<!\S)-(?:eq|ne|lt|le|gt|ge|v|R)(?!\S)")
_COMMAND_LOOKED_AT = 1000
_READS_CODE = re.compile(
    r"""(?:^|[;|&(!{`]|\b(?:then|do|else|elif|if|while|until|command|builtin)\b)[ \t]*
    (?:let|eval|trap|alias|unset|read|mapfile|readarray|getopts|printf[ \t]+-v
    |(?:test|\[)[ \t](?:.*[ \t])?-[vR]
    |(?:declare|typeset|local|export|readonly)[ \t]+-\w*[inA]\w*)(?!\S)[^;|&]*\Z
    | (?<![^\s/;|&(])(?:ba|da|a|k|z)?sh[ \t]+(?:-\S+[ \t]+)*-\w*c[ \t]+\Z
    | \w\[[^\]\s]*\Z""",
    re.VERBOSE,
)
"""The beginning of a command that takes what follows for a name, an index, a number or code."""
_POWERSHELL_TOKEN = re.compile(r"""`. | @" | @' | \$\( | <\# | ['"()\#\n]""", re.VERBOSE | re.DOTALL)

_CALCULATION = frozenset({"$((", "(("})
_HOLDS_CODE = frozenset({"$((", "((", "$(", "$[", "`", "${["})


def misplaced(text: str, offsets: Iterable[int], script_type: str) -> list[int]:
    """Return those of ``offsets`` where data may not stand.

    :param text: the script
    :param offsets: where references to data begin
    :param script_type: ``shell``, ``powershell`` or ``batch``; in a batch file the place does not matter
    """
    wanted = frozenset(offsets)
    accept = _LEXERS.get(script_type)
    return [] if accept is None else sorted(wanted - accept(text, wanted))


def _of_shell(text: str, wanted: Collection[int]) -> frozenset[int]:
    """Return the offsets that are inside double quotes of a shell script, where nothing is code."""
    accepted: set[int] = set()
    tests: list[int] = []
    stack: list[str] = []
    heredocs: list[tuple[str, bool]] = []
    position = 0
    while found := _SHELL_TOKEN.search(text, position):
        token, start, position = found.group(), found.start(), found.end()
        inside = stack[-1] if stack else ""
        if token == "${":
            if start in wanted and '"' in stack and _HOLDS_CODE.isdisjoint(stack):
                accepted.add(start)
            stack.append(token if _PLAIN_EXPANSION.match(text, start) or start in wanted else "${[")
        elif token == "}":
            if inside in ("${", "${["):
                stack.pop()
        elif token in ("$((", "$(", "$["):
            stack.append(token)
        elif token == "`":
            if "`" in stack:
                del stack[len(stack) - 1 - stack[::-1].index("`") :]
            else:
                stack.append(token)
        elif token == "]":
            if inside == "$[":
                stack.pop()
            elif inside == "[[" and text.startswith("]", position):
                stack.pop()
                accepted -= _numeric(text, tests.pop(), position, accepted)
        elif inside == '"':
            if token == '"':
                stack.pop()
            elif found.group("here"):
                position = start + 2
        elif token == '"':
            stack.append(token)
        elif token == "'":
            end = text.find("'", position)
            position = len(text) if end < 0 else end + 1
        elif token == "$'":
            end_match = re.compile(r"(?:[^'\\]|\\.)*'", re.DOTALL).match(text, position)
            position = end_match.end() if end_match else len(text)
        elif token in ("((", "("):
            stack.append(token)
        elif token == "[[":
            stack.append(token)
            tests.append(start)
        elif token == ")":
            if inside in _CALCULATION:
                # Arithmetic ends at two parentheses: the first of them turns it into a plain substitution.
                stack[-1] = "$("
            elif inside in ("$(", "("):
                stack.pop()
        elif token == "#":
            if start == 0 or text[start - 1] in " \t\n;|&(":
                end = text.find("\n", position)
                position = len(text) if end < 0 else end
        elif token == "\n":
            for delimiter, indented in heredocs:
                position = _behind_heredoc(text, position, delimiter, indented)
            heredocs.clear()
        elif found.group("here") and inside not in _CALCULATION:
            heredocs.append((found.group("here").strip("'\"\\"), token.startswith("<<-")))
    return frozenset(offset for offset in accepted if not _follows_what_reads_code(text, offset))


def _numeric(text: str, start: int, end: int, accepted: Iterable[int]) -> set[int]:
    """Return what stands in a ``[[ ]]`` that compares numbers: the shell calculates them."""
    if _NUMERIC_TEST.search(text, start, end) is None:
        return set()
    return {offset for offset in accepted if start < offset < end}


def _follows_what_reads_code(text: str, offset: int) -> bool:
    begin = max(text.rfind("\n", 0, offset) + 1, offset - _COMMAND_LOOKED_AT)
    return _READS_CODE.search(text[begin:offset].rpartition('"')[0]) is not None


def _behind_heredoc(text: str, position: int, delimiter: str, indented: bool) -> int:
    while position < len(text):
        end = text.find("\n", position)
        end = len(text) if end < 0 else end
        line = text[position:end]
        position = end + 1
        if (line.lstrip("\t") if indented else line) == delimiter:
            break
    return min(position, len(text))


def _of_powershell(text: str, wanted: Collection[int]) -> frozenset[int]:
    """Return the offsets that are text inside plain double quotes of a PowerShell script."""
    quoted = list(_quoted_in_powershell(text))
    starts = [start for start, _ in quoted]
    stretches = {offset: bisect_right(starts, offset) - 1 for offset in wanted}
    return frozenset(
        offset for offset, index in stretches.items() if index >= 0 and offset < quoted[index][1]
    )


def _quoted_in_powershell(text: str) -> Iterator[tuple[int, int]]:
    """Yield the stretches of a PowerShell script that are text inside plain double quotes."""
    stack: list[str] = []
    begin = position = 0
    while found := _POWERSHELL_TOKEN.search(text, position):
        token, start, position = found.group(), found.start(), found.end()
        inside = stack[-1] if stack else ""
        if inside == '"':
            if token in ('"', "$("):
                if len(stack) == 1 and begin < start:
                    yield begin, start
                if token == '"':
                    stack.pop()
                else:
                    stack.append(token)
        elif token == '"':
            stack.append(token)
            begin = position
        elif token == "'":
            end = text.find("'", position)
            position = len(text) if end < 0 else end + 1
        elif token in ('@"', "@'"):
            end = text.find("\n" + token[::-1], position)
            position = len(text) if end < 0 else end + 3
        elif token == "<#":
            end = text.find("#>", position)
            position = len(text) if end < 0 else end + 2
        elif token == "#":
            end = text.find("\n", position)
            position = len(text) if end < 0 else end
        elif token in ("$(", "("):
            stack.append(token)
        elif token == ")" and inside in ("$(", "("):
            stack.pop()
            begin = position


_LEXERS: dict[str, Callable[[str, Collection[int]], frozenset[int]]] = {
    "shell": _of_shell,
    "powershell": _of_powershell,
}
