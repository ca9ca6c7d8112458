"""Where this machine gets its Debian packages from, as apt's own files say (sources.list(5))."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

APT = Path("/etc/apt")
OS_RELEASE = Path("/etc/os-release")
ONE_LINE = re.compile(r"^deb\s+(?:\[(?P<options>[^\]]*)\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)(?:\s|$)")
KEPT_OPTIONS = ("signed-by", "trusted")


@dataclass(frozen=True)
class AptSource:
    """One archive and suite.

    :param uri: the archive
    :param suite: what apt takes from it
    :param options: those of KEPT_OPTIONS that are set
    """

    uri: str
    suite: str
    options: tuple[tuple[str, str], ...] = ()

    def one_line(self, *, suite: str) -> str:
        """Return the source as a line for a ``sources.list``.

        :param suite: the suite to take instead of this machine's
        """
        options = " ".join(f"{name}={value}" for name, value in self.options)
        return " ".join(["deb", *([f"[{options}]"] if options else []), self.uri, suite, "main"])


def machine_source(apt: Path = APT, os_release: Path = OS_RELEASE) -> AptSource | None:
    """Find the archive of this machine's own release.

    :param apt: apt's folder of settings
    :param os_release: names the release
    :return: the first archive asked for this release itself (not its updates); None if there is none
    """
    names = {"stable", "testing", "unstable", "sid"}
    codename = re.search(r"^VERSION_CODENAME=\"?([\w-]+)", read(os_release), re.MULTILINE)
    if codename:
        names.add(codename[1])
    return next((source for source in machine_sources(apt) if source.suite in names), None)


def machine_sources(apt: Path = APT) -> Iterator[AptSource]:
    """Read both kinds of apt's files.

    :param apt: apt's folder of settings
    :return: every binary source that is not switched off
    """
    parts = apt / "sources.list.d"
    for path in (apt / "sources.list", *sorted(parts.glob("*.list"))):
        yield from read_one_line_format(read(path))
    for path in sorted(parts.glob("*.sources")):
        yield from read_deb822(read(path))


def read_one_line_format(text: str) -> Iterator[AptSource]:
    """Yield the binary sources of a ``.list`` file.

    :param text: a ``.list`` file
    """
    for line in text.splitlines():
        match = ONE_LINE.match(line.split("#")[0].strip())
        if match:
            options = dict(word.split("=", 1) for word in (match["options"] or "").split() if "=" in word)
            yield AptSource(match["uri"], match["suite"], kept(options))


def read_deb822(text: str) -> Iterator[AptSource]:
    """Yield the binary sources of a ``.sources`` file.

    :param text: a ``.sources`` file
    """
    without_comments = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    for stanza in re.split(r"\n\s*\n", without_comments):
        fields: dict[str, str] = {}
        name = ""
        for line in stanza.splitlines():
            if line[:1].isspace():
                fields[name] = f"{fields.get(name, '')}\n{line.strip()}"
            elif ":" in line:
                name, value = line.split(":", 1)
                name = name.strip().lower()
                fields[name] = value.strip()
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() == "no":
            continue
        # A key written into the stanza itself has no one-line form; apt's common key ring must do then.
        options = {name: value for name, value in fields.items() if "\n" not in value}
        for uri in fields.get("uris", "").split():
            for suite in fields.get("suites", "").split():
                yield AptSource(uri, suite, kept(options))


def kept(options: dict[str, str]) -> tuple[tuple[str, str], ...]:
    """Return the options that decide whose signature is trusted.

    :param options: all options of a source
    """
    return tuple((name, ",".join(options[name].split())) for name in KEPT_OPTIONS if name in options)


def read(path: Path) -> str:
    """Return the text of a file, empty where it is missing or not ours to read.

    :param path: a text file
    """
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""
