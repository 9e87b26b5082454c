"""The documentation says what the code does: nothing a user meets is undocumented, and no page is behind its source."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from cyclopts import App

from holdfast import errors
from holdfast.cli.app import build_app
from holdfast.cli.exits import Exit
from holdfast.config import SETTINGS
from holdfast.core.events import CATALOGUE
from holdfast.core.verdicts import VerdictCode
from tools import generate_docs
from tools.docstrings import markdown_of

ROOT = generate_docs.ROOT
DOCS = generate_docs.DOCS
DECISIONS = sorted(DOCS.glob("adr/0*.md"))
EVIDENCE = sorted(DOCS.glob("evidence/*.json"))


def text_of(page: str) -> str:
    return (ROOT / page).read_text("utf-8")


def undocumented(names: Iterable[str], page: str) -> list[str]:
    """The names that *page*, a text, does not mention as code."""
    shown = set(re.findall(r"`([^`\n]+)`", page))
    return sorted(set(names) - shown)


@pytest.mark.parametrize("name", generate_docs.PAGES)
def test_generated_page_equals_its_source(name: str) -> None:
    assert text_of(f"docs/{name}") == generate_docs.rendered(name), "run `make docs` and commit the page"


def test_every_setting_is_documented() -> None:
    page = text_of("docs/reference/config.md")
    sections = dict(zip(re.findall(r"^## (?:`\[(.+)\]`|Top level)$", page, re.M), page.split("\n## ")[1:], strict=True))

    for setting in SETTINGS:
        where, _, name = setting.key.rpartition(".")
        assert not undocumented([name], sections[where]), setting.key
        assert setting.meaning, setting.key


def test_every_error_is_documented() -> None:
    names = [name for name in errors.__all__ if name.endswith("Error")]

    assert undocumented(names, text_of("docs/reference/errors.md")) == []


def test_every_error_stands_in_the_tree_it_opens_with() -> None:
    tree = errors.__doc__ or ""

    assert [name for name in errors.__all__ if name.endswith("Error") and not re.search(rf"\b{name}\b", tree)] == []


def test_every_event_is_documented() -> None:
    assert undocumented(CATALOGUE, text_of("docs/reference/events.md")) == []


def test_every_verdict_code_is_documented() -> None:
    assert undocumented([code.value for code in VerdictCode], text_of("docs/reference/verdicts.md")) == []


def commands_below(app: App, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every command that can be typed, as its words; flags that are commands to the parser are left out."""
    for name in app.resolved_commands() if hasattr(app, "resolved_commands") else app:
        if not name.startswith("-"):
            yield (*words, name)
            yield from commands_below(app[name], (*words, name))


def test_every_command_is_documented() -> None:
    commands = [" ".join(("holdfast", *words)) for words in commands_below(build_app())]

    assert "holdfast balances" in commands
    assert "holdfast nonce doctor" in commands
    assert undocumented(commands, text_of("docs/reference/cli.md")) == []


def test_every_command_is_in_the_readme() -> None:
    table = text_of("README.md")

    for first in {words[0] for words in commands_below(build_app())}:
        assert re.search(rf"`(?:holdfast )?{re.escape(first)}\b", table), f"README.md does not name `{first}`"


@pytest.mark.parametrize("page", ["README.md", "docs/reference/exit-codes.md"])
def test_every_exit_code_is_documented(page: str) -> None:
    assert re.findall(r"^\| (\d) \|", text_of(page), re.M) == [str(int(code)) for code in Exit]


def test_a_name_that_is_missing_is_found() -> None:
    assert undocumented(["known", "new"], "| `known` | meaning |\nnew as a mere word") == ["new"]


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.stem)
def test_decision_says_what_else_was_possible_and_what_would_change_it(path: Path) -> None:
    text = path.read_text("utf-8")

    assert re.match(rf"# {path.stem[:4]} · \S", text)
    assert re.search(r"^Date: \d{4}-\d\d-\d\d · Status: (accepted|superseded by \[\d{4}\])", text, re.M)
    assert re.findall(r"^## (.+)$", text, re.M) == ["Context", "Decision", "Consequences", "Alternatives"]
    assert "\nThink again when: " in text
    assert f"]({path.name})" in text_of("docs/adr/index.md")


def test_decisions_are_numbered_without_gaps() -> None:
    assert [int(path.stem[:4]) for path in DECISIONS] == list(range(1, len(DECISIONS) + 1))


def test_glossary_is_in_order_and_has_each_word_once() -> None:
    words = re.findall(r"^\| \*\*(.+?)\*\* \|", text_of("docs/glossary.md"), re.M)

    assert words == sorted(words, key=str.casefold)
    assert len(words) == len(set(words)) > 30


@pytest.mark.parametrize("page", ["README.md", "CHANGELOG.md"])
def test_links_outside_the_site_lead_somewhere(page: str) -> None:
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", text_of(page)):
        assert (ROOT / target).exists(), f"{page} links to {target}"


@pytest.mark.parametrize("path", EVIDENCE, ids=lambda path: path.stem)
def test_committed_evidence_passed_and_says_where_it_comes_from(path: Path) -> None:
    result = json.loads(path.read_text("utf-8"))

    assert result["name"] == path.stem
    assert result["outcome"] == "passed"
    assert re.fullmatch(r"[0-9a-f]{40}(\+changes)?", result["commit"])
    assert result["figures"]


def test_docstring_sections_become_lists_and_code_stays_code() -> None:
    document = (
        "First.\n\n    x = 1\n\nThen.\n\nArgs:\n    one: The\n        first.\n    two: Second.\n\nReturns:\n    It."
    )

    assert markdown_of(document) == (
        "First.\n\n```python\nx = 1\n```\n\nThen.\n\n**Args**\n\n- `one`: The first.\n- `two`: Second.\n\n"
        "**Returns**\n\nIt.\n"
    )


def test_signature_is_shown_as_it_is_written() -> None:
    source = "async def f(self, one: int, /, two: str = 'x', *rest: str, three: bool = True, **more: int) -> None: ..."
    (node,) = ast.parse(source).body
    assert isinstance(node, ast.AsyncFunctionDef)

    shown = generate_docs.signature(node, shown_as="Broker.f")

    assert shown == source.replace("async def f(self, ", "await Broker.f(").removesuffix(": ...")
