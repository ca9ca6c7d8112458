"""A Git repository of flow specs."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path


def git_is_missing() -> bool:
    """Whether there is no git on this machine."""
    return shutil.which("git") is None


class Repository:
    """A Git repository with one branch, ``main``.

    :param folder: where it is
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.git("init", "--quiet", "--initial-branch=main")
        self.commit({"README.md": "Flows.\n"})

    def git(self, *words: str) -> str:
        """Return what a git command prints."""
        author = ("-c", "user.name=Ann", "-c", "user.email=ann@example.com", "-c", "commit.gpgsign=false")
        command = ["git", "-C", str(self.folder), *author, *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def commit(self, files: dict[str, str | None]) -> str:
        """Write or remove files.

        :return: the commit
        """
        for name, text in files.items():
            path = self.folder / name
            if text is None:
                path.unlink()
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "Change flows")
        return self.git("rev-parse", "HEAD")
