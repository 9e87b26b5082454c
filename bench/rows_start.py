"""What it takes until anything can be done: importing the library, and the first figure on the command line."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bench.clients import NOT_INSTALLED, interpreter
from bench.figures import Figure, Scale, cost_figure, figure, median
from holdfast.testing import local_venue
from tests.clients.environments import child_environment

__all__ = ["imports", "start"]

_FLOOR = "import asyncio, ssl, msgspec, picows"
_PEERS = {"krakenex": ("krakenex", "import krakenex"), "ccxt.pro": ("ccxt", "import ccxt.pro")}
_START_WITHIN_S = 0.6

# getrusage would tell of Linux what the process that forked this one held.
_MEMORY = """
import pathlib, resource
status = pathlib.Path("/proc/self/status")
if status.exists():
    print(1024 * int(status.read_text().partition("VmHWM:")[2].split()[0]))
else:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""

# The least that shows anything of a venue: the libraries, one request, one line.
_ONE_REQUEST = """
import asyncio, http.client, ssl, sys
import msgspec, picows
connection = http.client.HTTPConnection(sys.argv[1].removeprefix("http://"))
connection.request("GET", "/0/public/SystemStatus")
print(msgspec.json.decode(connection.getresponse().read()), flush=True)
"""


def imports(scale: Scale) -> list[Figure]:
    """``import holdfast`` in a fresh process; names load when first used, so ``holdfast.open`` is told too."""
    commands = {
        "floor": [sys.executable, "-c", _FLOOR],
        "import": [sys.executable, "-c", "import holdfast"],
        "open": [sys.executable, "-c", "import holdfast; holdfast.open"],
    }
    peers: dict[str, float | str] = {}
    for peer, (client, statement) in _PEERS.items():
        python = interpreter(client)
        if python is None:
            peers[peer] = NOT_INSTALLED
        else:
            commands[peer] = [python, "-c", statement]
    took_ms = _interleaved({name: _waiting(command) for name, command in commands.items()}, scale.of(11, 2))
    peers |= {name: took_ms[name] for name in commands if name in _PEERS}
    memory = {f"{name}_mib": _resident_mib(command) for name, command in commands.items()}
    return [
        cost_figure(
            "import",
            case,
            unit="ms",
            floor=took_ms["floor"],
            ours=took_ms[name],
            at_most=1.3,
            peers=peers,
            facts=memory,
        )
        for name, case in (("import", "import holdfast"), ("open", "… and holdfast.open"))
    ]


def start(scale: Scale) -> list[Figure]:
    """``holdfast balances --output json`` against a simulator of another process, up to its first byte."""
    with local_venue() as venue, tempfile.TemporaryDirectory(prefix="holdfast-bench-") as folder:
        config = venue.config["brokers"]["kraken-master"]
        keys = config["credentials"]
        (Path(folder) / "holdfast.toml").write_text(
            f'[brokers.kraken-master]\nvenue = "kraken"\nenvironment = "simulated"\n'
            f'rest_url = "{config["rest_url"]}"\nws_url = "{config["ws_url"]}"\n'
            f'credentials = {{ key_file = "{keys["key_file"]}", secret_file = "{keys["secret_file"]}" }}\n'
        )
        environment = {**_as_installed(), "HOLDFAST_STATE_DIR": str(Path(folder) / "state")}
        ours = [sys.executable, "-m", "holdfast.cli", "balances", "--output", "json"]
        floor = [sys.executable, "-c", _ONE_REQUEST, config["rest_url"]]
        steps = {
            "floor": lambda: _first_byte(floor, folder, environment),
            "ours": lambda: _first_byte(ours, folder, environment),
        }
        took_ms = _interleaved(steps, scale.of(9, 2))
    ours_s = took_ms["ours"] / 1000
    return [
        figure(
            "start",
            "balances --output json",
            unit="ms",
            floor=took_ms["floor"],
            ours=took_ms["ours"],
            goal=f"≤ {_START_WITHIN_S * 1000:.0f} ms",
            is_met=ours_s <= _START_WITHIN_S,
        )
    ]


def _as_installed() -> dict[str, str]:
    """Our environment variables, but for the one that would have every process compile what the one before did."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def _waiting(command: Sequence[str]) -> Callable[[], None]:
    # A peer gets nothing of our environment; the floor and we get the same.
    environment = _as_installed() if command[0] == sys.executable else child_environment()

    def run() -> None:
        subprocess.run(command, check=True, env=environment, stdin=subprocess.DEVNULL)

    return run


def _resident_mib(command: Sequence[str]) -> float:
    """The most memory that a process of *command* held, in MiB."""
    told = f"{command[-1]}\n{_MEMORY}"
    environment = _as_installed() if command[0] == sys.executable else child_environment()
    ended = subprocess.run(
        [*command[:-1], told], check=True, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    )
    return int(ended.stdout) / (1024 * 1024)


def _first_byte(command: Sequence[str], folder: str, environment: dict[str, str]) -> float:
    """Milliseconds from the start of the process to the first byte it says."""
    began_s = time.perf_counter()
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        first = process.stdout.read(1)
        took_ms = (time.perf_counter() - began_s) * 1000
        process.stdout.read()
    if not first or process.returncode:
        raise RuntimeError(f"{command[1:4]} ended with {process.returncode}; its error is on stderr")
    return took_ms


def _interleaved(steps: Mapping[str, Callable[[], float | None]], repeats: int) -> dict[str, float]:
    """Median milliseconds: what a step says it took, or else the time until it came back; the first run is not kept."""
    took_ms: dict[str, list[float]] = {name: [] for name in steps}
    for number in range(repeats + 1):
        for name, step in steps.items():
            began_s = time.perf_counter()
            said_ms = step()
            whole_ms = (time.perf_counter() - began_s) * 1000
            if number:
                took_ms[name].append(whole_ms if said_ms is None else said_ms)
    return {name: median(each) for name, each in took_ms.items()}
