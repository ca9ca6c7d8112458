"""Apt's own files say where packages come from."""

from __future__ import annotations

from pathlib import Path

import pytest

from dev.services.apt_sources import AptSource, machine_source

DEB822 = """\
# Snapshot comment
Types: deb
URIs: file:/mirror/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
"""
INLINE_KEY = """\
Types: deb deb-src
URIs: file:/mirror/debian
Suites: bookworm
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 abc
"""


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("sources.list", "deb file:/mirror/debian bookworm main", "deb file:/mirror/debian sid main"),
        (
            "sources.list",
            "# deb file:/old bookworm main\n"
            "deb-src file:/src bookworm main\n"
            "deb file:/updates bookworm-updates main\n"
            "deb [arch=amd64 signed-by=/k.gpg]  file:/mirror bookworm main contrib # ours\n",
            "deb [signed-by=/k.gpg] file:/mirror sid main",
        ),
        (
            "sources.list.d/a.list",
            "deb [trusted=yes] file:/mirror stable main",
            "deb [trusted=yes] file:/mirror sid main",
        ),
        (
            "sources.list.d/debian.sources",
            DEB822,
            "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] file:/mirror/debian sid main",
        ),
        ("sources.list.d/debian.sources", INLINE_KEY, "deb file:/mirror/debian sid main"),
        (
            "sources.list.d/debian.sources",
            f"Types: deb-src\nURIs: file:/src\nSuites: bookworm\n\n{DEB822}",
            "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] file:/mirror/debian sid main",
        ),
        ("sources.list.d/debian.sources", f"Enabled: no\n{DEB822}", None),
        ("sources.list", "deb file:/security bookworm-security main", None),
    ],
)
def test_the_archive_of_this_release(tmp_path: Path, name: str, text: str, line: str | None) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / name).write_text(text, encoding="utf-8")
    os_release = tmp_path / "os-release"
    os_release.write_text('PRETTY_NAME="Debian"\nVERSION_CODENAME=bookworm\n', encoding="utf-8")

    source = machine_source(tmp_path, os_release)

    assert (source and source.one_line(suite="sid")) == line


def test_no_apt_at_all(tmp_path: Path) -> None:
    assert machine_source(tmp_path / "apt", tmp_path / "os-release") is None


def test_options_keep_their_order() -> None:
    source = AptSource("file:/m", "x", (("signed-by", "/k"), ("trusted", "yes")))
    assert source.one_line(suite="sid") == "deb [signed-by=/k trusted=yes] file:/m sid main"
