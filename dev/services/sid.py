"""
A program of Debian sid, with the libraries that it needs, in a folder of this checkout.

The system is left as it is: apt works with lists, cache and state of its own; packages are only unpacked.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dev.services.apt_sources import AptSource, machine_source
from dev.services.server import ServerUnavailable

CACHE = Path(__file__).resolve().parents[2] / ".cache"
DOWNLOAD_TIMEOUT = 600


@dataclass(frozen=True)
class SidPackage:
    """One package of sid.

    :param name: the package
    :param program: what is run of it, relative to the root of the packages
    """

    name: str
    program: Path

    def fetch(self, cache: Path = CACHE) -> Path:
        """Download and unpack the package with all that it depends on, unless an earlier call did.

        :param cache: folder that outlives a run
        :return: root of the unpacked packages
        :raises ServerUnavailable: there is no apt here, or sid cannot be reached
        """
        prefix = cache / self.name
        cache.mkdir(parents=True, exist_ok=True)
        with locked(cache / f"{self.name}.lock"):
            if not prefix.is_dir():
                with tempfile.TemporaryDirectory(prefix=f"{self.name}-", dir=cache) as work:
                    unpacked = self._download(Path(work))
                    self._check(unpacked)
                    unpacked.rename(prefix)
        return prefix

    def command(self, prefix: Path) -> list[str | Path]:
        """Start the program with the dynamic loader and the libraries that came with it.

        :param prefix: what ``fetch`` gave
        :return: program and first arguments
        """
        loaders = sorted(prefix.glob("usr/lib/*/ld-linux*.so.*"))
        if not loaders:
            raise ServerUnavailable(f"no dynamic loader among the packages in {prefix}: remove that folder")
        libraries = loaders[0].parent
        return [loaders[0], "--library-path", libraries, prefix / self.program]

    def _download(self, work: Path) -> Path:
        if not shutil.which("apt-get") or not shutil.which("dpkg"):
            raise ServerUnavailable(f"{self.name} of Debian sid needs apt-get and dpkg, which are not here")
        source = machine_source()
        if source is None:
            raise ServerUnavailable("apt's own files name no Debian archive that could be asked for sid")
        options = private_apt(work, source)
        run_apt([*options, "update"])
        run_apt([*options, "install", "-y", "-qq", "--no-install-recommends", "--download-only", self.name])
        archives = sorted((work / "cache/archives").glob("*.deb"))
        root = work / "root"
        for archive in archives:
            subprocess.run(["dpkg", "-x", archive, root], check=True)
        return root

    def _check(self, prefix: Path) -> None:
        done = subprocess.run(
            [*self.command(prefix), "--version"], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise ServerUnavailable(
                f"{self.program.name} of Debian sid does not run here: {done.stderr.strip()}"
            )


def private_apt(work: Path, source: AptSource) -> list[str]:
    """Prepare a folder in which apt knows only sid and takes no package as installed.

    :param work: an empty folder
    :param source: the archive of this machine
    :return: options that make apt-get work there
    """
    for folder in ("lists/partial", "cache/archives/partial"):
        (work / folder).mkdir(parents=True)
    (work / "status").touch()
    (work / "sources.list").write_text(f"{source.one_line(suite='sid')}\n", encoding="utf-8")
    settings = {
        "Dir::Etc::sourcelist": work / "sources.list",
        "Dir::Etc::sourceparts": "-",
        "Dir::Etc::preferences": "-",
        "Dir::Etc::preferencesparts": "-",
        "Dir::State::lists": work / "lists",
        "Dir::State::status": work / "status",
        "Dir::Cache": work / "cache",
        "Acquire::Languages": "none",
        "APT::Default-Release": "",
        "APT::Keep-Downloaded-Packages": "true",
        "Binary::apt-get::APT::Keep-Downloaded-Packages": "true",
        "DPkg::Post-Invoke::": "true",
        "Debug::NoLocking": "1",
        "APT::Sandbox::User": "root",
    }
    return [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]


def run_apt(arguments: list[str]) -> None:
    """Run apt-get.

    :param arguments: options and command
    :raises ServerUnavailable: it failed; with its last lines
    """
    try:
        done = subprocess.run(
            ["apt-get", *arguments],
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=DOWNLOAD_TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ServerUnavailable(f"Debian sid did not answer within {DOWNLOAD_TIMEOUT} s") from None
    if done.returncode:
        tail = "\n".join(done.stdout.splitlines()[-5:])
        raise ServerUnavailable(f"Debian sid cannot be had on this machine:\n{tail}")


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Let one process at a time through; the lock goes with the process that holds it.

    :param path: the lock's file
    """
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
