"""The page that ships: whole, without anything inline, calling nobody else, and small."""

from __future__ import annotations

import gzip
import json
import re
from importlib import resources
from pathlib import Path

PAGE = Path(str(resources.files("holdfast.daemon") / "page"))
SOURCE = Path(__file__).resolve().parents[2] / "dashboard"


def texts() -> dict[str, str]:
    return {file.relative_to(PAGE).as_posix(): file.read_text("utf-8") for file in PAGE.rglob("*") if file.is_file()}


def test_every_file_the_page_names_is_there() -> None:
    index = (PAGE / "index.html").read_text("utf-8")

    named = re.findall(r'(?:src|href)="/([^"]+)"', index)

    assert len(named) >= 3
    assert [name for name in named if not (PAGE / name).is_file()] == []


def test_index_has_nothing_inline() -> None:
    index = (PAGE / "index.html").read_text("utf-8")

    assert re.findall(r"<script(?![^>]*\bsrc=)", index) == []
    assert "<style" not in index
    assert re.findall(r"\s(?:style|on\w+)=", index) == []


def test_no_file_has_a_style_attribute_that_the_policy_would_refuse() -> None:
    assert [name for name, text in texts().items() if re.search(r"<[a-z]+[^>`]*\sstyle=\\?[\"']", text)] == []


def test_the_page_calls_nobody_else() -> None:
    known = ("http://www.w3.org/", "https://svelte.dev/e/")  # Namespaces, and where an error's text is explained.
    found = {
        address
        for text in texts().values()
        for address in re.findall(r"https?://[^\s\"'`)<]+", text)
        if not address.startswith(known)
    }
    assert found == set()


def test_amounts_are_never_turned_into_numbers() -> None:
    """Only the chart may, for its pixels; what it reads out is the exact text."""
    number = re.compile(r"parseFloat|Number\([^)]*(?:total|held|spendable|reserved|exact|amount)")
    sources = [file for file in (SOURCE / "src").rglob("*") if file.suffix in (".js", ".svelte")]
    offenders = [file.name for file in sources if file.name != "chart.js" and number.search(file.read_text("utf-8"))]

    assert len(sources) > 20
    assert offenders == []


def test_the_lock_file_names_no_registry() -> None:
    lock = json.loads((SOURCE / "package-lock.json").read_text("utf-8"))

    assert [name for name, found in lock["packages"].items() if "resolved" in found] == []


def test_the_first_page_is_small() -> None:
    packed = {name: len(gzip.compress(text.encode(), 9)) for name, text in texts().items()}
    first = sum(size for name, size in packed.items() if "chart-" not in name)

    assert first < 70_000
