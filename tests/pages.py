"""
Read a Markdown page as a reader would follow it: run its commands, write its files, compare what it shows.

Blocks of ``console`` are followed in order, in one empty folder per page, with the tested environment first in PATH:

- ``$ command`` runs in ``sh``; exported variables and the folder stay for the rest of the page. A command that ends in
  a backslash goes on in the next line.
- Lines after it are its output, as far as they are shown: each has to occur, in that order; ``…`` stands for anything.
- ``$ make target`` is not run: the target has to exist.

A comment right above a block says what the text around it tells a reader: ``<!-- test: background, ready=18080 -->``.

- ``skip=reason``: not followed here; the reason is for the next editor.
- ``exit=4``: the last command ends with this code (0 otherwise; the others always end with 0).
- ``timeout=30``: seconds for each command (20 otherwise).
- ``background``: another terminal: it keeps running until the page ends; with ``ready=PORT`` the page goes on once that
  port answers.
- ``file=name``: the block's text, in any language, is what the reader saves under that name.

The port 18080 is replaced by a free one everywhere, in files that commands wrote too.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PORT = "18080"
DIRECTIVES = {"skip", "exit", "timeout", "background", "ready", "file"}

_FENCE = re.compile(r"^(?P<indent> *)(?P<marks>```+|~~~+) *(?P<language>[\w+-]*)(?P<rest>.*)$")
_COMMENT = re.compile(r"^ *<!-- test: (?P<text>.+?) -->\s*$")


class PageError(AssertionError):
    """A page does not say what is."""


@dataclass(frozen=True, kw_only=True)
class Block:
    """One fenced block; ``line`` is that of its opening fence, counted from 1."""

    path: Path
    line: int
    language: str
    text: str
    directives: dict[str, str]

    def __str__(self) -> str:
        with contextlib.suppress(ValueError):
            return f"{self.path.relative_to(ROOT)}:{self.line}"
        return f"{self.path.name}:{self.line}"


@dataclass(kw_only=True)
class Command:
    """One ``$`` line and the output shown for it."""

    text: str
    shown: list[str] = field(default_factory=list)


def blocks_of(path: Path) -> list[Block]:
    """Every fenced block of a page, in order."""
    blocks: list[Block] = []
    directives: dict[str, str] = {}
    lines = path.read_text("utf-8").splitlines()
    index = 0
    while index < len(lines):
        comment, fence = _COMMENT.match(lines[index]), _FENCE.match(lines[index])
        if comment:
            directives = directives_in(comment["text"], where=f"{path.name}:{index + 1}")
        elif fence:
            opening, indent = index, len(fence["indent"])
            index += 1
            body = []
            while index < len(lines) and lines[index].strip() != fence["marks"]:
                body.append(lines[index][indent:])
                index += 1
            blocks.append(
                Block(
                    path=path,
                    line=opening + 1,
                    language=fence["language"],
                    text="\n".join(body) + "\n",
                    directives=directives,
                )
            )
            directives = {}
        elif lines[index].strip() and directives:
            raise PageError(f"{path.name}:{index + 1}: a test comment stands right above its block")
        index += 1
    return blocks


def directives_in(text: str, *, where: str) -> dict[str, str]:
    """``background, ready=18080`` as a mapping; everything after ``skip=`` is its reason."""
    if text.startswith("skip="):
        return {"skip": text.removeprefix("skip=")}
    found = dict(part.strip().partition("=")[::2] for part in text.split(","))
    unknown = found.keys() - DIRECTIVES
    if unknown or "skip" in found:
        raise PageError(f"{where}: test comment {text!r} is not understood: {', '.join(sorted(DIRECTIVES))}")
    return found


def commands_of(block: Block) -> list[Command]:
    """The commands of a console block with the output shown for each."""
    commands: list[Command] = []
    goes_on = False
    for line in block.text.splitlines():
        if goes_on:
            commands[-1].text += "\n" + line
        elif line.startswith("$ "):
            commands.append(Command(text=line[2:]))
        elif commands:
            commands[-1].shown.append(line)
        elif line.strip():
            raise PageError(f"{block}: output before the first `$ ` line")
        goes_on = commands[-1].text.endswith("\\") and not commands[-1].shown if commands else False
    return commands


def missing_line(shown: list[str], output: str) -> str | None:
    """The first line shown that *output* lacks, in order; ``…`` matches any text within a line."""
    printed = iter(line.rstrip() for line in output.splitlines())
    for line in shown:
        if not line.strip() or line.strip() == "…":
            continue
        pattern = re.compile(".*".join(re.escape(piece) for piece in line.rstrip().split("…")))
        if not any(pattern.fullmatch(candidate) for candidate in printed):
            return line
    return None


class Reader:
    """Follows one page in *folder*. Use as a context manager: it ends what still runs."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._folder = folder
        self._where = folder
        self._environment = environment
        self._background: list[tuple[Block, subprocess.Popen[bytes]]] = []
        self._port = str(_free_port())

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *error: object) -> None:
        for _, process in self._background:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
        for _, process in self._background:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def follow(self, path: Path) -> int:
        """Follow every block of the page; returns how many commands were run or checked."""
        count = 0
        for block in blocks_of(path):
            if "skip" in block.directives:
                continue
            if "file" in block.directives:
                (self._where / block.directives["file"]).write_text(self._with_port(block.text), "utf-8")
            elif block.language == "console":
                count += self._follow_console(block)
        return count

    def _follow_console(self, block: Block) -> int:
        commands = commands_of(block)
        for position, command in enumerate(commands):
            words = shlex.split(command.text, comments=True)
            if words[0] == "make":
                self._check_make(block, words)
            elif "background" in block.directives:
                self._start(block, command)
            else:
                is_last = position == len(commands) - 1
                self._run(block, command, expected=int(block.directives.get("exit", "0")) if is_last else 0)
        return len(commands)

    def _check_make(self, block: Block, words: list[str]) -> None:
        answer = subprocess.run(["make", "-n", *words[1:]], cwd=ROOT, capture_output=True, text=True, check=False)
        if answer.returncode:
            raise PageError(f"{block}: {shlex.join(words)}: {answer.stderr.strip()}")

    def _run(self, block: Block, command: Command, *, expected: int) -> None:
        kept = self._folder / ".kept"
        keep = f'code=$?; {{ pwd; env -0; }} >"{kept}"; exit $code'
        script = f"trap {shlex.quote(keep)} EXIT\n{self._with_port(command.text)}\n"
        timeout_s = float(block.directives.get("timeout", "20"))
        try:
            answer = subprocess.run(
                ["/bin/sh", "-c", script],
                cwd=self._where,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise PageError(f"{block}: `{command.text}` was still running after {timeout_s:g} s") from error
        if answer.returncode != expected:
            raise PageError(
                f"{block}: `{command.text}` ended with {answer.returncode}, not {expected}:\n{answer.stdout}"
            )
        missing = missing_line([self._with_port(line) for line in command.shown], answer.stdout)
        if missing is not None:
            raise PageError(f"{block}: `{command.text}` does not print {missing!r}; it printed:\n{answer.stdout}")
        where, _, environment = kept.read_text("utf-8").partition("\n")
        self._where = Path(where)
        self._environment = dict(pair.split("=", 1) for pair in environment.split("\0") if "=" in pair)
        kept.unlink()
        for written in self._folder.glob("*.toml"):
            written.write_text(self._with_port(written.read_text("utf-8")), "utf-8")

    def _start(self, block: Block, command: Command) -> None:
        # Its output goes to a file: nobody reads a pipe, and the process would stop once it is full.
        log = (self._folder / f".background-{len(self._background)}").open("wb")
        process = subprocess.Popen(
            ["/bin/sh", "-c", "exec " + self._with_port(command.text)],
            cwd=self._where,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        log.close()
        self._background.append((block, process))
        port = block.directives.get("ready")
        if port is None:
            return
        until = time.monotonic() + float(block.directives.get("timeout", "20"))
        while not _answers(int(self._with_port(port))):
            if process.poll() is not None or time.monotonic() > until:
                raise PageError(f"{block}: `{command.text}` does not answer on its port:\n{Path(log.name).read_text()}")
            time.sleep(0.05)

    def _with_port(self, text: str) -> str:
        return re.sub(rf"\b{PORT}\b", self._port, text)


def reader_environment(folder: Path) -> dict[str, str]:
    """The environment of a new user: this interpreter's commands first, nothing configured, no colours."""
    home = folder / ".home"
    home.mkdir(exist_ok=True)
    return {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "HOME": str(home),
        "HOLDFAST_STATE_DIR": os.environ["HOLDFAST_STATE_DIR"],
        "COLUMNS": "120",
        "NO_COLOR": "1",
        "TERM": "dumb",
        "LC_ALL": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",  # Both outputs in the order in which a terminal shows them.
    }


def pages() -> Iterator[Path]:
    """README and every documentation page that is written by hand."""
    yield ROOT / "README.md"
    names = ("cli", "exit-codes", "config", "errors", "events", "verdicts", "library")
    generated = {ROOT / "docs/reference" / f"{name}.md" for name in names}
    yield from sorted(set((ROOT / "docs").rglob("*.md")) - generated)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
