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
_BEGINS = r"""(?:^|[;|&(!{`]|\b(?:then|do|else|elif|if|while|until|time|command|builtin)\b)[ \t]*
    (?:\w+=\S*[ \t]+)*"""
_QUOTED = r"""\\.|'[^']*'|"(?:[^"\\]|\\.)*\""""
_DECLARES = r"(?:declare|typeset|local|export|readonly)[ \t]+(?:[-+]\w+[ \t]+)*"
_READS_CODE = re.compile(
    rf"""{_BEGINS}(?:let|eval|trap|alias|unset|read|mapfile|readarray|getopts|printf[ \t]+-v
    |(?:test|\[)[ \t](?:.*[ \t])?-[vR]
    |{_DECLARES}-\w*[inA]\w*)(?!\S)(?:[^;|&'"\\]|{_QUOTED})*\Z
    | {_BEGINS}{_DECLARES}-\w*a\w*(?!\S)(?:[^;|&'"\\()]|{_QUOTED})*\Z
    | (?<![^\s/;|&(])(?:(?:(?:ba|da|a|k|z)?sh|"?\$\{{?SHELL\}}?"?)
    [ \t]+(?:[-+]\S+[ \t]+(?:(?<=[oO][ \t])\w+[ \t]+)?)*
    |(?:su|runuser)[ \t]+(?:[^\s;|&]+[ \t]+)*)-\w*c[ \t]+(?:--[ \t]+)?(?:[^\s'"\\]|{_QUOTED})*\Z
    | \w\[[^\]]*\Z | [(\s]\[[^\]\s]*\Z | =\((?:[^()]*\s)?\[[^\]]*\Z""",
    re.VERBOSE | re.DOTALL,
)
"""The beginning of a command that takes what follows for a name, an index, a number, a list or code."""
_TAKES_A_NAME = re.compile(
    rf"""{_BEGINS}(?:declare|typeset|local)(?!\S)(?:[^;|&'"\\()]|{_QUOTED})*\s[^\s=]*\Z""",
    re.VERBOSE | re.DOTALL,
)
"""The beginning of a declaration up to a word in which no ``=`` is yet: an index in a name is code."""
_NUMBERS_OR_NAMES = re.compile(rf"{_DECLARES}-\w*[in]\w*[ \t]([^;|&\n]*)")
"""A declaration of variables whose values are calculated, or are names."""
_ASSIGNMENT = re.compile(r"(?:^|[\s;|&(!{])(\w+)(?:\[[^\]]*\])?\+?=\S*\Z")
_POWERSHELL_TOKEN = re.compile(r"""`. | @" | @' | \$\( | <\# | ['"()\#\n]""", re.VERBOSE | re.DOTALL)
_QUOTES_OF_POWERSHELL = {
    **dict.fromkeys(range(0x201C, 0x201F), '"'),
    **dict.fromkeys(range(0x2018, 0x201C), "'"),
}
"""PowerShell takes typographic quotes for plain ones."""

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
    accepted: dict[int, tuple[int, int]] = {}
    opened = (0, 0)
    command = 0
    tests: list[int] = []
    stack: list[str] = []
    heredocs: list[tuple[str, bool]] = []
    position = 0
    while found := _SHELL_TOKEN.search(text, position):
        token, start, position = found.group(), found.start(), found.end()
        inside = stack[-1] if stack else ""
        if token == "${":
            if start in wanted and '"' in stack and _HOLDS_CODE.isdisjoint(stack):
                accepted[start] = opened
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
            elif inside == "[[" and text.startswith("]", position) and text[start - 1] in " \t\n)":
                stack.pop()
                for offset in _numeric(text, tests.pop(), position, accepted):
                    del accepted[offset]
        elif inside == '"':
            if token == '"':
                stack.pop()
            elif found.group("here"):
                position = start + 2
        elif token == '"':
            if '"' not in stack:
                opened = command, start
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
            command = position
        elif found.group("here") and inside not in _CALCULATION:
            heredocs.append((found.group("here").strip("'\"\\"), token.startswith("<<-")))
    calculated = {name for found in _NUMBERS_OR_NAMES.findall(text) for name in re.findall(r"\w+", found)}
    return frozenset(
        offset
        for offset, (command, quote) in accepted.items()
        if not _follows_what_reads_code(text, command, quote, offset)
        and not _assigns_to(calculated, text[max(command, quote - _COMMAND_LOOKED_AT) : quote])
    )


def _numeric(text: str, start: int, end: int, accepted: Iterable[int]) -> set[int]:
    """Return what stands in a ``[[ ]]`` that compares numbers: the shell calculates them."""
    if _NUMERIC_TEST.search(text, start, end) is None:
        return set()
    return {offset for offset in accepted if start < offset < end}


def _follows_what_reads_code(text: str, command: int, quote: int, offset: int) -> bool:
    """Return whether a command would read data as code.

    :param command: where its line begins, outside of quotes
    :param quote: where the double quotes open that the data is in
    """
    begin = max(command, quote - _COMMAND_LOOKED_AT)
    before = text[begin:quote].replace("\\\n", " ")
    word = text[quote : min(offset, quote + _COMMAND_LOOKED_AT)]
    return (_READS_CODE.search(before) or _TAKES_A_NAME.search(before + word)) is not None


def _assigns_to(names: Collection[str], before: str) -> bool:
    """Return whether a command gives one of these variables the value that follows."""
    found = _ASSIGNMENT.search(before) if names else None
    return found is not None and found[1] in names


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
    text = text.translate(_QUOTES_OF_POWERSHELL)
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
