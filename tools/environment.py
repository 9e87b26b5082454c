"""
Make or update one environment of the Makefile from hash-locked requirements. Needs Python 3.11+ and nothing else.

    python -m tools.environment .venv-run run.txt --ourselves

The locks are complete, so nothing is resolved, and bytecode is compiled on first import, for what is imported only.
Nearly all of the time goes into pip weighing every published file of every package, on one core: the lock is dealt to
two pips, which halves a first `make run`. The packages they install are disjoint, as are the files they write.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import venv
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OLDEST = (3, 11)

# pip warns about the machine's index settings far more often than about us: only its errors are shown.
INSTALL = ("install", "-qq", "--disable-pip-version-check", "--no-input", "--no-compile", "--no-deps")

_REQUIREMENT = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*==", re.MULTILINE)


class SetupError(Exception):
    """The environment cannot be made; says what to do about it."""


def requirements_in(lock: str) -> list[str]:
    """The pinned requirements of a lock file's text, each with its hashes."""
    starts = [match.start() for match in _REQUIREMENT.finditer(lock)]
    return [lock[start:end] for start, end in zip(starts, [*starts[1:], len(lock)], strict=True)]


def dealt(requirements: Sequence[str], hands: int) -> list[list[str]]:
    """
    Deal requirements to *hands* lists of about equal work; empty lists are left out.

    The number of hashes stands for the work: so many files of that version are published, and more of older ones.
    """
    lists: list[list[str]] = [[] for _ in range(hands)]
    work = [0] * hands
    for requirement in sorted(requirements, key=lambda text: (-text.count("--hash="), text)):
        least = work.index(min(work))
        lists[least].append(requirement)
        work[least] += requirement.count("--hash=") + 10
    return [each for each in lists if each]


def pip_for(folder: Path) -> list[str]:
    """
    A pip that installs into the environment *folder*.

    This interpreter's own where it has one: copying a pip into every environment takes seconds. Else the bundled one.
    """
    python = str(folder / "bin" / "python")
    outside = [sys.executable, "-m", "pip", "--python", python]
    inside = [python, "-m", "pip"]
    for command in (outside, inside):
        if _is_pip(command):
            return command
    subprocess.run([python, "-m", "ensurepip"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    if not _is_pip(inside):
        raise SetupError(f"{sys.executable} brings no pip: on Debian and Ubuntu install python3-venv")
    return inside


def _is_pip(command: list[str]) -> bool:
    return subprocess.run([*command, "--version"], capture_output=True, check=False).returncode == 0


def install(pip: list[str], requirements: Sequence[str], options: Sequence[str]) -> None:
    """Install exactly these requirements, hashes checked, with as many pips at once as there are cores, two at most."""
    with tempfile.TemporaryDirectory(prefix="holdfast-lock-") as folder:
        running = []
        for number, hand in enumerate(dealt(requirements, min(2, os.cpu_count() or 1))):
            part = Path(folder) / f"{number}.txt"
            part.write_text("".join(hand), "utf-8")
            command = [*pip, *INSTALL, "--require-hashes", "-r", str(part), *options]
            running.append(subprocess.Popen(command, cwd=ROOT, stdout=sys.stderr))
        codes = [process.wait() for process in running]
    if any(codes):
        raise SetupError("pip could not install what the lock names; its message stands above")


def make(folder: Path, locks: Sequence[str], *, ourselves: bool, options: Sequence[str] = ()) -> None:
    """Make *folder* an environment that holds what *locks*, below ``requirements/``, name, and holdfast if asked."""
    if not (folder / "bin" / "python").exists():
        venv.EnvBuilder(symlinks=True, with_pip=False).create(folder)
    pip = pip_for(folder)
    for lock in locks:
        install(pip, requirements_in((ROOT / "requirements" / lock).read_text("utf-8")), options)
    if ourselves:
        # From this checkout, built by the locked hatchling; nothing is fetched.
        command = [*pip, *INSTALL, "--no-build-isolation", "--no-index", "-e", str(ROOT)]
        if subprocess.run(command, cwd=ROOT, stdout=sys.stderr, check=False).returncode:
            raise SetupError("holdfast itself could not be installed; pip's message stands above")


def main() -> int:
    parser = argparse.ArgumentParser(description="Make an environment from hash-locked requirements.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("locks", nargs="+", metavar="lock")
    parser.add_argument("--ourselves", action="store_true", help="install holdfast from this checkout too")
    parser.add_argument(
        "--no-build-isolation", action="store_true", help="build what is source only with what is there"
    )
    arguments = parser.parse_args()
    if sys.version_info < OLDEST:
        print("holdfast needs Python 3.11 or newer; name one with PYTHON=/path/to/python3", file=sys.stderr)
        return 1
    options = ["--no-build-isolation"] if arguments.no_build_isolation else []
    try:
        make(arguments.folder, arguments.locks, ourselves=arguments.ourselves, options=options)
    except SetupError as error:
        print(f"holdfast: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
