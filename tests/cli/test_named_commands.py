"""Every command that a message, a hint or a page names exists with exactly that spelling and takes those options."""

from __future__ import annotations

import ast
import functools
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from cyclopts.exceptions import CycloptsError

from holdfast.cli.app import COMMANDS, GROUPS, build_app, with_default

ROOT = Path(__file__).resolve().parent.parent.parent
SOURCES = ROOT / "src" / "holdfast"

_NAMED = re.compile(r"`(holdfast [^`\n]+)`")
_STANDS_FOR_ANYTHING = "{}"
_NO_COMMANDS = {"holdfast --help", "holdfast COMMAND --help"}


def texts_in(path: Path) -> Iterator[tuple[int, str]]:
    """Every text of a module with its line, what is filled in later left open; docstrings too."""
    tree = ast.parse(path.read_text("utf-8"))
    inside: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            inside.update(id(part) for part in node.values)
            yield (
                node.lineno,
                "".join(
                    str(part.value) if isinstance(part, ast.Constant) else _STANDS_FOR_ANYTHING for part in node.values
                ),
            )
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside:
            yield node.lineno, node.value


@functools.cache
def named_commands() -> tuple[tuple[str, str], ...]:
    found = []
    for path in sorted(SOURCES.rglob("*.py")):
        if "`holdfast " not in path.read_text("utf-8"):
            continue
        for line, text in texts_in(path):
            found += [(f"{path.relative_to(ROOT)}:{line}", each) for each in _NAMED.findall(text)]
    for path in sorted([*(ROOT / "docs" / "how-to").glob("*.md"), *(ROOT / "docs" / "concepts").glob("*.md")]):
        found += [(str(path.relative_to(ROOT)), each) for each in _NAMED.findall(path.read_text("utf-8"))]
    return tuple(found)


_app = functools.cache(build_app)


def problem_of(command: str) -> str | None:
    """Why *command* cannot be typed, with a value for everything that stands for one."""
    if command in _NO_COMMANDS or command.split()[1].startswith("-") or command.split()[1].endswith(":"):
        return None
    words = shlex.split(command.replace(_STANDS_FOR_ANYTHING, "x").replace("…", ""))[1:]
    words = [word.strip("[]") for word in words]
    if not words or "x" in words[0].split(","):
        return None  # Nothing but what is filled in later: its own test has it.
    words = [word.rstrip(",") for word in words if word not in ("|", "or", "and")]
    if words[0] not in {*COMMANDS, *GROUPS}:
        return f"there is no command {words[0]}"
    if words[0] in GROUPS:
        commands = GROUPS[words[0]][1]
        if len(words) > 1 and not words[1].startswith("-") and not words[1].isupper() and words[1] not in commands:
            return f"{words[0]} has no command {words[1]}"
        if len(words) == 1:
            return None
    options = [word for word in words if word.startswith("--") and word != "--help"]
    if not options:
        return None
    try:
        body, _, unused, *_ = _app().parse_known_args(with_default(words))
    except CycloptsError as error:
        return None if "requires an argument" in str(error).lower() or "missing" in str(error).lower() else str(error)
    left = [word for word in unused if word.startswith("--")]
    return f"{body.__name__} takes no {left[0]}" if left else None


def test_commands_are_found_in_texts() -> None:
    assert len(named_commands()) > 60
    assert ("x", "holdfast no-such-command") not in named_commands()
    assert problem_of("holdfast no-such-command BROKER") is not None
    assert problem_of("holdfast nonce docter") is not None
    assert problem_of("holdfast resume BROKER --accept-restorred") is not None
    assert problem_of("holdfast resume BROKER --accept-restored") is None


def test_every_command_that_is_named_can_be_typed() -> None:
    problems = [
        f"{place} names `{command}`: {problem}"
        for place, command in named_commands()
        if (problem := problem_of(command))
    ]

    assert not problems, "\n".join(problems)
