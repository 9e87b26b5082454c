"""
No secret anywhere but where it belongs: every canary there is, those that a quick test run leaves out included.

    python -m tests.soak canary

Runs ``tests/cli/test_canary.py`` and its relatives whole, and records which cases there were.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tools.evidence import FOLDER, evidence

__all__ = ["SecretFoundError", "main"]

_TESTS: Final = (
    "tests/cli/test_canary.py",
    "tests/runtime/test_echoes.py",
    "tests/runtime/test_alert_addresses.py",
    "tests/runtime/test_alert_outbox.py",
    "tests/runtime/test_config_credentials.py",
)


class SecretFoundError(AssertionError):
    """A case failed: a secret was found, or what looks for it did not work."""


def main(*, quick: bool = False, folder: Path = FOLDER, told: Callable[[str], None]) -> str:
    """
    Run every case and write the evidence; one line of figures.

    Raises:
        SecretFoundError: A case failed.
    """
    root = FOLDER.parent.parent
    chosen = "not soak" if quick else "soak or not soak"
    with evidence("canary", folder=folder) as figures, tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", "-m", chosen, f"--junitxml={report}", *_TESTS]
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
        cases = ET.parse(report).getroot().findall(".//testcase")
        names = sorted(f"{case.get('classname', '').rpartition('.')[2]}: {case.get('name')}" for case in cases)
        failed = [
            case.get("name") for case in cases if case.find("failure") is not None or case.find("error") is not None
        ]
        figures["cases"] = len(cases)
        figures["failed"] = failed
        figures["names"] = names
        told(f"{len(cases)} cases, {len(failed)} failed")
        if done.returncode:
            raise SecretFoundError(f"{', '.join(map(str, failed)) or 'pytest'}: {done.stdout[-2000:]}")
    return f"{len(names)} cases of looking for secrets, none found"
