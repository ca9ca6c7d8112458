"""Where data may stand in a script: inside plain double quotes, and nowhere that the shell reads as code.

Source: flow-spec, *Variables* ("In a script, data may stand only inside double quotes").
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable

_SHELL_TOKEN = re.compile(
    r"""\\. | \$' | \$\(\( | \$\( | \$\{ | ['"`()}\#\n]
    | (?<!<)<<(?!<)-?[ \t]*(?P<here>'[^'\n]*'|"[^"\n]*"|\\?[\w.-]+)""",
    re.VERBOSE | re.DOTALL,
)
_POWERSHELL_TOKEN = re.compile(r"""`. | @" | @' | \$\( | <\# | ['"()\#\n]""", re.VERBOSE | re.DOTALL)


def unquoted(text: str, offsets: Iterable[int], script_type: str) -> list[int]:
    """Return those of ``offsets`` where data would not be inside plain double quotes.

    :param text: the script
    :param offsets: where references to data begin
    :param script_type: ``shell``, ``powershell`` or ``batch``; in a batch file the place does not matter
    """
    measure = _LEXERS.get(script_type)
    if measure is None:
        return []
    quoted = sorted(measure(text))
    starts = [start for start, _ in quoted]

    def is_quoted(offset: int) -> bool:
        index = bisect_right(starts, offset) - 1
        return index >= 0 and offset < quoted[index][1]

    return [offset for offset in sorted(set(offsets)) if not is_quoted(offset)]


def _shell_quoted(text: str) -> list[tuple[int, int]]:
    """Return the stretches of a POSIX shell script that are text inside double quotes, outside all else."""
    stretches: list[tuple[int, int]] = []
    stack: list[str] = []
    heredocs: list[tuple[str, bool]] = []
    begin = position = 0

    def close_stretch(end: int) -> None:
        if stack == ['"'] and begin < end:
            stretches.append((begin, end))

    while found := _SHELL_TOKEN.search(text, position):
        token, start, position = found.group(), found.start(), found.end()
        inside = stack[-1] if stack else ""
        if token == "${":
            stack.append(token)
        elif token == "}":
            if inside == "${":
                stack.pop()
        elif inside == '"':
            if token == '"':
                close_stretch(start)
                stack.pop()
            elif token in ("$((", "$(", "`"):
                close_stretch(start)
                stack.append(token)
            elif found.group("here"):
                position = start + 2
        elif token == '"':
            stack.append(token)
            begin = position
        elif token == "'":
            end = text.find("'", position)
            position = len(text) if end < 0 else end + 1
        elif token == "$'":
            end_match = re.compile(r"(?:[^'\\]|\\.)*'", re.DOTALL).match(text, position)
            position = end_match.end() if end_match else len(text)
        elif token == "`":
            if inside == "`":
                stack.pop()
                begin = position
            else:
                stack.append(token)
        elif token in ("$((", "$(", "("):
            stack.append(token)
        elif token == ")":
            if inside == "$((":
                # Arithmetic ends at two parentheses: the first of them turns it into a plain one.
                stack[-1] = "("
            elif inside in ("$(", "("):
                stack.pop()
            begin = position
        elif token == "#":
            if start == 0 or text[start - 1] in " \t\n;|&(":
                end = text.find("\n", position)
                position = len(text) if end < 0 else end
        elif token == "\n":
            for delimiter, indented in heredocs:
                position = _behind_heredoc(text, position, delimiter, indented)
            heredocs.clear()
        elif found.group("here") and inside != "$((":
            heredocs.append((found.group("here").strip("'\"\\"), token.startswith("<<-")))
    return stretches


def _behind_heredoc(text: str, position: int, delimiter: str, indented: bool) -> int:
    while position < len(text):
        end = text.find("\n", position)
        end = len(text) if end < 0 else end
        line = text[position:end]
        position = end + 1
        if (line.lstrip("\t") if indented else line) == delimiter:
            break
    return min(position, len(text))


def _powershell_quoted(text: str) -> list[tuple[int, int]]:
    """Return the stretches of a PowerShell script that are text inside plain double quotes."""
    stretches: list[tuple[int, int]] = []
    stack: list[str] = []
    begin = position = 0
    while found := _POWERSHELL_TOKEN.search(text, position):
        token, start, position = found.group(), found.start(), found.end()
        inside = stack[-1] if stack else ""
        if inside == '"':
            if token in ('"', "$("):
                if len(stack) == 1 and begin < start:
                    stretches.append((begin, start))
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
    return stretches


_LEXERS: dict[str, Callable[[str], list[tuple[int, int]]]] = {
    "shell": _shell_quoted,
    "powershell": _powershell_quoted,
}
