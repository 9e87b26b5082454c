"""
Build the dashboard, or prove that what is committed is what its source builds.

``python -m tools.page`` builds it into the package; ``--check`` builds it into a scratch folder and compares each file,
byte for byte. Node and npm do the building: where there are none, or where npm cannot fetch what the lock names, this
says *not run* and ends with 0, because users never need them; ``--strict`` makes that a failure.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "dashboard"
PAGE = ROOT / "src" / "holdfast" / "daemon" / "page"
LEAST_NODE = (20, 19)


def main() -> int:
    """Build or check; 0 when the page is as its source says, or when nothing could be built here."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare with what is committed, change nothing")
    parser.add_argument("--strict", action="store_true", help="fail where node is missing")
    options = parser.parse_args()
    if addresses := registry_addresses():
        say(f"dashboard/package-lock.json names a registry: {addresses[0]}")
        return 1
    missing = why_not()
    if missing is not None:
        say(f"page: not run: {missing}")
        return 1 if options.strict else 0
    with tempfile.TemporaryDirectory(prefix="holdfast-page-") as scratch:
        target = Path(scratch) / "page"
        try:
            is_built = build(target)
        except ConnectionError as error:
            say(f"page: not run: {error}")
            return 1 if options.strict else 0
        if not is_built:
            return 1
        if not options.check:
            shutil.rmtree(PAGE, ignore_errors=True)
            shutil.copytree(target, PAGE)
        wrong = differences(target)
    if wrong:
        say("page: the committed files are not what dashboard/ builds (make page):\n  " + "\n  ".join(wrong))
        return 1
    first, later = sizes()
    say(f"page: {first / 1000:.1f} kB gzip at first, {later / 1000:.1f} kB with the first chart")
    return 0


def why_not() -> str | None:
    """Why nothing can be built here, or None."""
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        return "node and npm are not installed"
    told = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout.strip()
    version = tuple(int(part) for part in told.lstrip("v").split(".")[:2] if part.isdigit())
    return None if version >= LEAST_NODE else f"node {told or 'of no known version'} is older than 20.19"


def registry_addresses() -> list[str]:
    """Addresses that the lock file would have npm fetch from; there is to be none, so that any mirror serves."""
    lock = json.loads((SOURCE / "package-lock.json").read_text("utf-8"))
    return [found["resolved"] for found in lock.get("packages", {}).values() if "resolved" in found]


def build(target: Path) -> bool:
    """Install what the lock names, and build into *target*; says what failed, raises where npm reached nothing."""
    commands = [["npm", "run", "--silent", "build"]]
    if not (SOURCE / "node_modules" / "vite").is_dir():
        commands.insert(0, ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"])
    environment = {**os.environ, "HOLDFAST_PAGE_OUT": str(target), "NO_UPDATE_NOTIFIER": "1"}
    for command in commands:
        done = subprocess.run(command, cwd=SOURCE, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            if command[1] == "ci":
                raise ConnectionError(f"npm could not install the build tools: {done.stderr.strip()[-300:]}")
            say(f"page: {' '.join(command)} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
            return False
    return True


def differences(built: Path) -> list[str]:
    """What the committed page and *built* do not have in common."""
    ours = {file.relative_to(PAGE): file for file in PAGE.rglob("*") if file.is_file()}
    theirs = {file.relative_to(built): file for file in built.rglob("*") if file.is_file()}
    wrong = [f"{name} is missing" for name in sorted(theirs.keys() - ours.keys())]
    wrong += [f"{name} is left over" for name in sorted(ours.keys() - theirs.keys())]
    for name in sorted(ours.keys() & theirs.keys()):
        if ours[name].read_bytes() != theirs[name].read_bytes():
            wrong.append(f"{name} differs")
    return wrong


def sizes() -> tuple[int, int]:
    """Bytes over the wire for the first page, and with what the first chart fetches beside it."""
    packed = {file.name: len(gzip.compress(file.read_bytes(), 9)) for file in PAGE.rglob("*") if file.is_file()}
    later = sum(size for name, size in packed.items() if name.startswith("chart-"))
    return sum(packed.values()) - later, sum(packed.values())


def say(text: str) -> None:
    """One line of diagnostics."""
    sys.stderr.write(text + "\n")


if __name__ == "__main__":
    sys.exit(main())
