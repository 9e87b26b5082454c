"""
Write the lock files under ``requirements/`` from what ``pyproject.toml`` asks for.

Every lock pins the exact version and the hashes of all published files of each package, for every platform and
every Python from the oldest we support, and names no package index: a machine uses the one its pip is configured with.

    python -m tools.lock             keep what is pinned, add or drop what pyproject.toml changed
    python -m tools.lock --upgrade   take the newest versions that fit
    python -m tools.lock --check     exit 1 when a lock is older than what pyproject.toml asks for (needs no network)

``run.txt`` holds the runtime parts, ``alerts.txt`` the same with that extra. ``test.txt`` holds the runtime parts, what
that extra adds, and the test tools; the other development locks are constrained by it, so all of them can live in one
environment. Other people's clients contradict each other's pins, and ours: they get one environment each.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / "requirements"
FINGERPRINT = "# asked-for sha256: "


@dataclass(frozen=True, kw_only=True)
class Lock:
    """One lock file and what goes into it."""

    path: str
    groups: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    with_runtime: bool = False
    constrained_by: str | None = None
    python: str = "3.11"


LOCKS = (
    Lock(path="test.txt", groups=("build", "test"), with_runtime=True),
    # After the tests' lock: what ccxt pins of the parts it shares with us has to be what runs, too.
    Lock(path="run.txt", groups=("build",), with_runtime=True, constrained_by="test.txt"),
    Lock(path="alerts.txt", extras=("alerts",), with_runtime=True, constrained_by="test.txt"),
    Lock(path="lint.txt", groups=("lint",), constrained_by="test.txt"),
    Lock(path="docs.txt", groups=("docs",), constrained_by="test.txt"),
    Lock(path="bench.txt", groups=("bench",), constrained_by="test.txt"),
    Lock(path="lock.txt", groups=("lock",)),
    Lock(path="clients/build.txt", groups=("client-build",)),
    Lock(path="clients/ccxt.txt", groups=("client-ccxt",)),
    Lock(path="clients/coinbase-advanced-py.txt", groups=("client-coinbase-advanced-py",)),
    Lock(path="clients/krakenex.txt", groups=("client-krakenex",)),
    Lock(path="clients/nautilus-trader.txt", groups=("client-nautilus-trader",), python="3.12"),
    Lock(path="clients/python-kraken-sdk.txt", groups=("client-python-kraken-sdk",)),
    Lock(path="clients/python-okx.txt", groups=("client-python-okx",)),
)


def asked_for(lock: Lock, pyproject: dict[str, object]) -> str:
    """
    The fingerprint of the requirements a lock answers.

    Sixty-four hex digits over the sorted requirement strings and the oldest Python, so that reordering
    ``pyproject.toml`` changes nothing and a changed requirement does.
    """
    project = pyproject["project"]
    groups = pyproject["dependency-groups"]
    assert isinstance(project, dict)
    assert isinstance(groups, dict)
    wanted = [requirement for group in lock.groups for requirement in groups[group]]
    wanted += [requirement for extra in lock.extras for requirement in project["optional-dependencies"][extra]]
    if lock.with_runtime:
        wanted += project["dependencies"]
    lines = [project["requires-python"], *sorted(wanted)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def stale_locks(root: Path = ROOT) -> list[str]:
    """The lock files that are missing or answer an older ``pyproject.toml``, as paths below ``requirements/``."""
    pyproject = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))
    stale = []
    for lock in LOCKS:
        path = root / "requirements" / lock.path
        line = FINGERPRINT + asked_for(lock, pyproject)
        if not path.is_file() or line not in path.read_text("utf-8").splitlines()[:5]:
            stale.append(lock.path)
    return stale


def compile_lock(lock: Lock, fingerprint: str, *, upgrade: bool) -> None:
    """Resolve one lock and write it, headed by how it was made and what it answers."""
    target = REQUIREMENTS / lock.path
    target.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--no-config", "--no-header", "--universal"]
    command += ["--python-version", lock.python, "--generate-hashes", "--no-emit-index-url", "--no-emit-find-links"]
    command += ["--output-file", str(target.relative_to(ROOT))]
    if upgrade:
        command.append("--upgrade")
    if lock.constrained_by:
        command += ["--constraint", f"requirements/{lock.constrained_by}"]
    for group in lock.groups:
        command += ["--group", group]
    for extra in lock.extras:
        command += ["--extra", extra]
    if lock.with_runtime:
        command.append("pyproject.toml")
    subprocess.run(command, cwd=ROOT, check=True)
    heading = f"# Written by `make lock`; do not edit.\n{FINGERPRINT}{fingerprint}\n"
    target.write_text(heading + target.read_text("utf-8"), "utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description="Write requirements/*.txt from pyproject.toml.")
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions that fit")
    parser.add_argument("--check", action="store_true", help="only say whether the locks answer pyproject.toml")
    arguments = parser.parse_args()
    if arguments.check:
        stale = stale_locks()
        for path in stale:
            print(f"requirements/{path} is older than pyproject.toml: run `make lock`", file=sys.stderr)
        return 1 if stale else 0
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    for lock in LOCKS:
        print(f"locking requirements/{lock.path}", file=sys.stderr)
        compile_lock(lock, asked_for(lock, pyproject), upgrade=arguments.upgrade)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
