"""README and documentation, followed word by word; how a page is followed stands in ``tests/pages.py``."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest

import holdfast
from holdfast.config import load_config
from tests.pages import PageError, Reader, blocks_of, missing_line, pages, reader_environment

PAGES = list(pages())
README = PAGES[0]
BROKER = {"kraken-master": {"venue": "kraken", "environment": "production"}}


def name_of(path: Path) -> str:
    return "/".join(path.parts[-2:])


@pytest.mark.processes
@pytest.mark.parametrize(
    "path",
    [path for path in PAGES if any(b.language == "console" and "skip" not in b.directives for b in blocks_of(path))],
    ids=name_of,
)
def test_page_can_be_followed(path: Path, tmp_path: Path) -> None:
    with Reader(tmp_path, reader_environment(tmp_path)) as reader:
        assert reader.follow(path) > 0


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_python_on_a_page_compiles_and_uses_names_that_exist(path: Path) -> None:
    for block in blocks_of(path):
        if block.language == "python":
            tree = compile(block.text, str(block), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT | ast.PyCF_ONLY_AST)
            unknown = sorted(holdfast_names_in(tree) - set(holdfast.__all__))
            assert not unknown, f"{block}: holdfast has no {unknown}"


def holdfast_names_in(tree: ast.AST) -> set[str]:
    """Every name taken straight from the package: ``holdfast.open`` and ``from holdfast import open``."""
    names = set()
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id="holdfast"), attr=name):
                names.add(name)
            case ast.ImportFrom(module="holdfast", names=aliases):
                names |= {alias.name for alias in aliases}
    return names


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_configuration_on_a_page_is_accepted(path: Path) -> None:
    for block in blocks_of(path):
        if block.language == "toml":
            load_config({"brokers": BROKER, **tomllib.loads(block.text)})


def test_readme_shows_the_two_commands_a_new_user_needs() -> None:
    text = README.read_text("utf-8")

    assert "$ make run" in text
    assert "$ make test" in text


# The reader itself


def page(folder: Path, text: str) -> Path:
    path = folder / "page.md"
    path.write_text(text, "utf-8")
    return path


def follow(folder: Path, text: str) -> int:
    with Reader(folder, reader_environment(folder)) as reader:
        return reader.follow(page(folder, text))


def test_reader_keeps_folder_variables_and_files_between_blocks(tmp_path: Path) -> None:
    text = (
        "```console\n$ mkdir inner && cd inner\n$ export WORD=hold\n```\n\n"
        "<!-- test: file=said.txt -->\n```text\nfast\n```\n\n"
        "```console\n$ echo $WORD; \\\n  cat said.txt\nhold\nfast\n```\n"
    )

    assert follow(tmp_path, text) == 3
    assert (tmp_path / "inner" / "said.txt").read_text() == "fast\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("```console\n$ false\n```\n", "ended with 1, not 0"),
        ("<!-- test: exit=3 -->\n```console\n$ true\n```\n", "ended with 0, not 3"),
        ("```console\n$ echo one\ntwo\n```\n", "does not print 'two'"),
        ("```console\n$ make no-such-target\n```\n", "no-such-target"),
        ("<!-- test: timeout=0.2 -->\n```console\n$ sleep 5\n```\n", "still running after 0.2 s"),
        ("<!-- test: background, ready=18080 -->\n```console\n$ false\n```\n", "does not answer"),
        ("<!-- test: exti=3 -->\n```console\n$ true\n```\n", "not understood"),
        ("<!-- test: exit=3 -->\nText between.\n```console\n$ true\n```\n", "right above its block"),
        ("```console\nout\n$ true\n```\n", "output before"),
    ],
)
def test_reader_stumbles_where_a_page_is_wrong(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(PageError, match=re.escape(message)):
        follow(tmp_path, text)


def test_reader_accepts_the_exit_code_that_the_page_names_and_skips_what_it_cannot_follow(tmp_path: Path) -> None:
    text = (
        "<!-- test: exit=3 -->\n```console\n$ exit 3\n```\n"
        "<!-- test: skip=asks the real Kraken, for money -->\n```console\n$ false\n```\n"
    )

    assert follow(tmp_path, text) == 1


def test_reader_leaves_nothing_running(tmp_path: Path) -> None:
    text = (
        "<!-- test: background, ready=18080 -->\n"
        "```console\n$ python -c \"import os, socket; open('pid', 'w').write(str(os.getpid())); "
        "s = socket.create_server(('127.0.0.1', 18080)); [s.accept() for _ in range(9)]\"\n```\n"
    )

    assert follow(tmp_path, text) == 1
    pid = int((tmp_path / "pid").read_text())
    assert not Path(f"/proc/{pid}/cmdline").exists() or Path(f"/proc/{pid}/cmdline").read_bytes() == b""


def test_shown_lines_match_in_order_with_gaps() -> None:
    output = "a 1\nb 22 c\nd\n"

    assert missing_line(["a …", "…", "b … c", ""], output) is None
    assert missing_line(["d", "a 1"], output) == "a 1"
