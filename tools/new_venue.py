"""
Start a venue's folder from the template: ``python -m tools.new_venue acme "Acme Spot"``.

Copies ``src/holdfast/venues/_template`` to ``src/holdfast/venues/acme``, and ``tests/venues/_template`` to
``tests/venues/acme``, under the new names. What is left to do is what the folder asks: see
``src/holdfast/venues/README.md``.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import Final

__all__ = ["main", "start_folder", "start_tests"]

_VENUES: Final = Path(__file__).parent.parent / "src" / "holdfast" / "venues"
_TESTS: Final = Path(__file__).parent.parent / "tests" / "venues"


def start_folder(venue: str, name: str, *, venues: Path = _VENUES, into: Path | None = None) -> Path:
    """
    Write the folder of *venue* from the template in *venues*; where.

    Raises:
        ValueError: The id is not lower-case letters and digits, or the folder is there already.
    """
    return _copied(venues / "_template", (into or venues) / venue, venue, name)


def start_tests(venue: str, name: str, *, tests: Path = _TESTS, into: Path | None = None) -> Path:
    """
    Write the folder of *venue*'s own tests, with its empty list of fixtures, from the template in *tests*; where.

    Raises:
        ValueError: As ``start_folder``.
    """
    return _copied(tests / "_template", (into or tests) / venue, venue, name)


def _copied(template: Path, folder: Path, venue: str, name: str) -> Path:
    if not re.fullmatch(r"[a-z][a-z0-9]{1,30}", venue):
        raise ValueError(f"{venue!r}: a venue's id is lower-case letters and digits, and begins with a letter")
    if folder.exists():
        raise ValueError(f"{folder} is there already")
    for path in sorted(template.rglob("*")):
        if path.suffix in (".py", ".toml", ".md"):
            place = folder / path.relative_to(template)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(_renamed(path.read_text("utf-8"), venue, name), "utf-8")
    return folder


def _renamed(text: str, venue: str, name: str) -> str:
    text = text.replace("holdfast.venues._template", f"holdfast.venues.{venue}")
    text = text.replace('name = "Template"', f'name = "{name}"')
    text = re.sub(r"\bTemplate(Client|Stream)\b", rf"{venue.capitalize()}\1", text)
    text = text.replace("_Template", f"_{venue.capitalize()}").replace("TEMPLATE", venue.upper())
    text = re.sub(r"\bTemplate\b", name, text)
    return re.sub(r"\btemplate\b", venue, text)


def main(argv: list[str] | None = None) -> int:
    """Start a folder; 2 where that cannot be."""
    parser = argparse.ArgumentParser(prog="python -m tools.new_venue", description=__doc__)
    parser.add_argument("venue", help="its id, such as acme")
    parser.add_argument("name", help='what it is called, such as "Acme Spot"')
    asked = parser.parse_args(argv)
    try:
        folder = start_folder(asked.venue, asked.name)
        start_tests(asked.venue, asked.name)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{folder}: step 1 of venues/README.md is next")
    return 0


if __name__ == "__main__":
    sys.exit(main())
