"""
The rooms of ``src/holdfast`` and the arrows between them, which only go down.

Every ``import`` in a room is read from the source, at any depth and under ``TYPE_CHECKING`` too: a type that has to
be named from above belongs further down. docs/architecture.md explains the picture; this file is what keeps it true.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "src" / "holdfast"

API = "the public API"
"""``holdfast/__init__.py``: what bots import, and what the faces are faces of."""

# room: the rooms it may import from, and the sentence that a violation is answered with
ROOMS: dict[str, tuple[set[str], str]] = {
    "errors": (set(), "the error tree knows nobody"),
    "core": ({"errors"}, "the pure rules know only errors; what they need from outside is a protocol in core/seams.py"),
    "config": ({"errors", "core"}, "what a user may set is read without the machinery that it sets"),
    "venues": ({"errors", "core"}, "an adapter knows core and is handed its seams"),
    "store": ({"errors", "core"}, "a store knows core, and another store has to be able to replace it"),
    "simulators": ({"errors", "core"}, "a simulator that shared the adapter's code would agree with its mistakes"),
    "runtime": ({"errors", "core", "config", "venues", "store"}, "what moves knows everything below it and no face"),
    "wrapping": (
        {"errors", "core", "config", "runtime"},
        "another library's exchange objects are wrapped around the runtime, and know no face",
    ),
    API: (
        {"errors", "core", "config", "venues", "store", "runtime", "wrapping"},
        "the public names come from below the faces",
    ),
    "daemon": ({API, "errors", "core", "config", "runtime"}, "a face goes through the public API and the runtime"),
    "web": ({API, "errors", "core", "config", "runtime"}, "a face goes through the public API and the runtime"),
    "cli": (
        {API, "errors", "core", "config", "runtime", "daemon", "web", "simulators", "testing"},
        "a face goes through the public API and the runtime; `sim` and `demo` start local venues, `up` the daemon",
    ),
    "testing": (
        {API, "errors", "core", "config", "venues", "store", "runtime", "simulators"},
        "what is offered to tests stands beside the faces, not on them",
    ),
}

# Rooms whose folders are each other's peers: none may know the next one.
PEERS = ("kraken", "coinbase", "okx", "through_ccxt", "_template", "sqlite", "postgresql")

# The part of core that is vocabulary, not judgement. A simulator is the judge of the rest and may not share it.
VOCABULARY = {"core", "core.amounts", "core.assets", "core.instruments", "core.seams"}

# Whatever waits, reads a clock, rolls dice or touches the world has no place in a rule.
# fmt: off
IMPURE = {
    "aiohttp", "asyncio", "concurrent", "cryptography", "cyclopts", "fcntl", "http", "multiprocessing", "os", "picows",
    "platformdirs", "random", "rich", "secrets", "select", "shutil", "signal", "socket", "sqlite3", "ssl", "structlog",
    "subprocess", "tempfile", "threading", "time", "urllib",
}
# fmt: on


class Import(NamedTuple):
    """One imported name in one place; ``target`` is its dotted path."""

    path: Path
    line: int
    target: str


def imports_of(path: Path, *, package: Path) -> Iterator[Import]:
    """Every name *path* imports, absolute, as deep as the source says: ``from holdfast.core import x`` is ``….x``."""
    home = ["holdfast", *path.relative_to(package).parent.parts]
    for node in ast.walk(ast.parse(path.read_text("utf-8"), filename=str(path))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(path, node.lineno, alias.name)
        elif isinstance(node, ast.ImportFrom):
            base = home[: len(home) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                yield Import(path, node.lineno, f"{module}.{alias.name}")
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            match node.args:
                case [ast.Constant(value=str(name)), *_]:
                    yield Import(path, node.lineno, name)


def room_of(target: str) -> str:
    """The room a dotted path below ``holdfast`` belongs to; a name straight from the package is the public API."""
    parts = target.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in ROOMS else API


def violations(package: Path) -> list[str]:
    """Every arrow that points up or sideways in *package*, as ``file:line: what, and the rule it breaks``."""
    found = []
    for path in sorted(package.rglob("*.py")):
        inside = path.relative_to(package)
        room = API if inside.name == "__init__.py" and len(inside.parts) == 1 else inside.parts[0].removesuffix(".py")
        where = f"src/holdfast/{inside}"
        if room not in ROOMS:
            found.append(f"{where}: `{room}` is no room yet: give it its arrows in tests/test_layers.py")
            continue
        for imported in imports_of(path, package=package):
            problem = judge(room, inside, imported.target)
            if problem:
                found.append(f"{where}:{imported.line}: {problem}")
    return found


def judge(room: str, inside: Path, target: str) -> str | None:
    """Why *inside*, a file of *room*, may not import *target*; ``None`` when it may."""
    top = target.split(".")[0]
    if top != "holdfast":
        if room in {"core", "errors"} and top in IMPURE:
            return f"{room} may not import {top}: a rule does no I/O, reads no clock and starts nothing"
        return None
    allowed, why = ROOMS[room]
    other = room_of(target)
    below = target.split(".")[1:]
    if other == room:
        mine, theirs = inside.parts[1:2], tuple(below[1:2])
        if mine and theirs and mine != theirs and mine[0] in PEERS and theirs[0] in PEERS:
            return f"{room}/{mine[0]} may not import {target}: the folders of {room} never know each other"
        if room == "simulators" and mine == ("core",) and theirs and theirs[0] in PEERS:
            return f"simulators/core may not import {target}: the shared core knows no venue"
        return None
    if other not in allowed:
        return f"{room} may not import {target}: {why}"
    if room == "simulators" and other == "core" and ".".join(below[:2]) not in VOCABULARY:
        return (
            f"simulators may not import {target}: they share core's vocabulary ({', '.join(sorted(VOCABULARY))}) only"
        )
    return None


def test_every_arrow_goes_down() -> None:
    found = violations(PACKAGE)

    assert not found, "arrows between rooms only go down:\n" + "\n".join(found)


def test_the_rooms_that_are_read_exist() -> None:
    # An empty walk would pass everything.
    seen = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in PACKAGE.rglob("*.py")}

    assert {"errors", "core"} <= seen


def tree(folder: Path, files: dict[str, str]) -> Path:
    package = folder / "holdfast"
    for name, source in files.items():
        path = package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, "utf-8")
    return package


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("__init__.py", "from holdfast.errors import HoldfastError\nfrom holdfast.runtime.desk import open_desk\n"),
        ("core/ledger.py", "from holdfast.core.balances import Balance\nfrom ..errors import PayloadError\n"),
        ("venues/kraken/parse.py", "from holdfast.core import amounts\nfrom holdfast.venues.kraken.wire import Row\n"),
        ("venues/__init__.py", "from holdfast.venues.kraken import KRAKEN\n"),
        ("simulators/kraken/rest.py", "from holdfast.simulators.core.ledger import Ledger\n"),
        (
            "simulators/kraken/rows.py",
            "from holdfast.core import amounts\nfrom holdfast.core.assets import AssetCode\n",
        ),
        ("runtime/supervisor.py", "import asyncio\nfrom holdfast.venues.kraken import KRAKEN\n"),
        ("cli/sim.py", "import holdfast\nfrom holdfast.simulators.kraken.server import serve\n"),
        ("testing.py", "from holdfast.simulators import kraken\n"),
    ],
)
def test_arrow_that_goes_down_passes(tmp_path: Path, name: str, source: str) -> None:
    assert violations(tree(tmp_path, {name: source})) == []


@pytest.mark.parametrize(
    ("name", "source", "message"),
    [
        ("errors.py", "from holdfast.core.amounts import Amount\n", "the error tree knows nobody"),
        ("core/ledger.py", "from holdfast.config import Settings\n", "core may not import holdfast.config.Settings"),
        ("core/ledger.py", "from holdfast import Desk\n", "core may not import holdfast.Desk"),
        ("core/ledger.py", "from .. import runtime\n", "core may not import holdfast.runtime"),
        ("core/nonces.py", "import time\n", "core may not import time"),
        ("core/ledger.py", "async def f():\n    import asyncio\n", "core may not import asyncio"),
        ("config.py", "from holdfast.runtime.desk import Desk\n", "without the machinery"),
        ("venues/kraken/client.py", "from holdfast.runtime.lane import FileLane\n", "handed its seams"),
        ("venues/kraken/client.py", "from holdfast.store import seam\n", "handed its seams"),
        ("venues/okx/parse.py", "from holdfast.venues.kraken.parse import rows\n", "never know each other"),
        ("venues/okx/parse.py", "from ..kraken import parse\n", "never know each other"),
        ("store/sqlite/journal.py", "import holdfast.runtime.clock\n", "has to be able to replace it"),
        ("simulators/kraken/rest.py", "from holdfast.venues.kraken.sign import sign\n", "agree with its mistakes"),
        ("simulators/kraken/rest.py", "from holdfast.core.nonces import NonceSource\n", "vocabulary"),
        (
            "simulators/core/ledger.py",
            "from holdfast.simulators.kraken import rest\n",
            "the shared core knows no venue",
        ),
        ("simulators/okx/rest.py", "from holdfast.simulators.kraken import rest\n", "never know each other"),
        ("runtime/desk.py", "from holdfast.cli import main\n", "no face"),
        ("runtime/desk.py", "import importlib\nimportlib.import_module('holdfast.cli')\n", "no face"),
        ("runtime/desk.py", "if TYPE_CHECKING:\n    from holdfast.cli import App\n", "no face"),
        ("runtime/demo.py", "from holdfast.simulators.kraken import serve\n", "no face"),
        ("daemon/http.py", "from holdfast.cli import main\n", "a face goes through"),
        ("cli/doctor.py", "from holdfast.venues.kraken import client\n", "a face goes through"),
        ("testing.py", "from holdfast.cli import main\n", "beside the faces"),
        ("__init__.py", "from holdfast.cli import main\n", "below the faces"),
        ("gizmos.py", "x = 1\n", "`gizmos` is no room yet"),
    ],
)
def test_arrow_that_goes_up_or_sideways_is_named(tmp_path: Path, name: str, source: str, message: str) -> None:
    (found,) = violations(tree(tmp_path, {name: source}))

    assert message in found
    assert found.startswith(f"src/holdfast/{name}:")
