"""
Write the reference pages of the documentation from the code they describe.

    python -m tools.generate_docs           write docs/reference/*.md
    python -m tools.generate_docs --check   exit 1 and name the pages that differ from their source

The pages are committed, so that they can be read on any forge; ``tests/test_docs.py`` fails when one is behind.
"""

from __future__ import annotations

import argparse
import ast
import enum
import inspect
import io
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import msgspec
from rich.console import Console

import holdfast
from holdfast import errors
from holdfast.cli import app as commands
from holdfast.cli.exits import MEANINGS, PRECEDENCE, Exit
from holdfast.config import SETTINGS
from holdfast.core import parking, verdicts
from holdfast.core.alerts import MEANINGS as ALERT_MEANINGS
from holdfast.core.alerts import AlertKind
from holdfast.core.denials import error_of
from holdfast.core.events import CATALOGUE
from holdfast.errors import FaultClass, Outcome
from holdfast.venues.kraken import errors as kraken_errors
from tools.daemon_pages import api_page, metrics_page
from tools.docstrings import markdown_of
from tools.fault_rows import fault_rows_page
from tools.faults_coinbase import faults_coinbase_page
from tools.faults_okx import faults_okx_page
from tools.readiness_page import readiness_page
from tools.venues_page import venues_page

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
NOTICE = "<!-- Generated from {source} by `make docs`. Edit the source, not this page. -->\n"


CLI_INTRODUCTION = """\
Data goes to standard output and diagnostics to standard error, so that `--output json` can be piped. A command that
cannot answer prints nothing on standard output, in either form: standard error says why, and so does the exit code.
What it says stands in [Exit codes](exit-codes.md).
"""

CONFIG_INTRODUCTION = """\
One TOML file, found in this order: `--config`, the variable `HOLDFAST_CONFIG`, `./holdfast.toml`, then the
user's own configuration folder. It is read whole and checked whole: an unknown key, a value out of bounds or
two settings that contradict each other are all reported at once, and nothing starts. Durations are seconds.
`holdfast config init` writes a file to start from, `holdfast config check` says what is wrong with one, and
`holdfast config show` prints what is in force. A `[brokers.NAME.reading]` table takes the settings of
`[reading]` for one broker alone, `[brokers.NAME.orders]` those of `[orders]`, and `[brokers.NAME.health]`
those of `[health]`. Money and fractions are written in quotes, so that they stay exact: `"0.02"`, or `"2 %"`.
"""

ERRORS_INTRODUCTION = """\
The class says what happened. On a `VenueError`, `outcome` says what may follow and `fault` whose fault it is;
the table gives the defaults, and an instance may say otherwise. Every message names what was compared with
what, and what to do next; none holds a secret.
"""

EVENTS_INTRODUCTION = """\
holdfast speaks when state changes: once when something is lost, once when it returns. An event is a name and
fields, never prose and never a secret. Listen with `desk.on_event(callback)`; the log writes the same events
to standard error, as [Logs](logging.md) tells. A test holds this table against the code, both ways: what is emitted is
here, with these fields, and what is here is emitted.
"""

ALERTS_INTRODUCTION = """\
What people are told by way of [`[alerts]`](config.md), and when: a trouble is *raised* once it has lasted for its time,
told again while it lasts every `remind_every_s`, and told as *recovered* once it has stayed away for
`recovered_after_s`. What comes back sooner is the same episode. [How to be told](../how-to/alerts.md) sets it up.
"""

VERDICTS_INTRODUCTION = """\
A verdict is the answer to one check of one order, or of one amount: approved or denied, with one of these codes and the
figures behind it. Asking returns it; placing an order raises the error named beside it, with the verdict in
`error.verdict`. Denied means that *we* refused and nothing was sent; what a *venue* refuses is rejected, and an error
of its own. [How funds are checked](../concepts/p4-funds.md) tells what goes into the figures.
"""

FAULTS_INTRODUCTION = """\
Every failed call is two things at once. Its *fault class* says whose fault it is, and so what it counts toward:
`network`, `venue` and `payload` count toward a [breaker](../concepts/p6-breakers.md), as does an answer that is too
slow; `rate_limit` has a cool-down of its own; `credential` and `clock` leave the key alone; `funds` and `request` are
ours and count for nothing. Its *outcome* says what may have happened, which matters for an order: only `rejected` and
`never_sent` release its money.
"""

FAULTS_STRINGS = """\
Kraken answers with strings; a row fits every string that begins so, the longest first. Of several at once the most
restrictive decides, and an order was rejected only where every one of them says so. A string that is not here is a
`venue` fault, `unknown` for an order, and is not asked again. The date of every source is 2026-11-20.
"""

FAULTS_WITHOUT = """\
What comes without a string of Kraken's own, or does not come at all.
"""

PARKING_INTRODUCTION = """\
A credential that is refused is *parked*: nothing is signed with it, by any process of the machine, until what is named
is over. `holdfast status` shows the cause; the events are `credential.parked` and `credential.unparked`. What can be
seen before anything is sent is refused when the credential is loaded, and parks nothing: a key of a simulator in
another environment or the other way round, a secret that is no base64, a blank or a newline around either (a file may
end in one newline), a file that others may read. Kraken does not say that an address is not on a key's list: such a
key looks revoked.
"""

LIBRARY_INTRODUCTION = """\
Everything below is imported from `holdfast` itself, and loaded when it is first used. Other modules may
change between releases. A function that may suspend is a coroutine; the others never do.
"""


def table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A Markdown table; cells may hold inline Markdown, and no line breaks."""
    lines = ["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def code(text: str) -> str:
    """Inline code; empty text stays empty."""
    return f"`{text}`" if text else ""


# Command line


def command_paths() -> list[tuple[str, ...]]:
    """Every command as its words, groups before their commands, in the order of ``--help``."""
    paths: list[tuple[str, ...]] = [(name,) for name in commands.COMMANDS]
    for group, (_, members) in commands.GROUPS.items():
        paths += [(group,), *((group, name) for name in members)]
    return paths


def help_of(*words: str) -> str:
    """What ``holdfast WORDS --help`` prints on a terminal of a hundred columns."""
    out = io.StringIO()
    console = Console(file=out, width=100, force_terminal=False, color_system=None, legacy_windows=False)
    commands.build_app(described=words).help_print([*words], console=console)
    return "\n".join(line.rstrip() for line in out.getvalue().strip("\n").splitlines())


def cli_page() -> str:
    parts = [
        "# Command line\n",
        CLI_INTRODUCTION,
        f"```text\n{help_of()}\n```\n",
    ]
    for words in command_paths():
        level = "#" * (1 + len(words))
        parts.append(f"{level} `holdfast {' '.join(words)}`\n\n```text\n{help_of(*words)}\n```\n")
    return "\n".join(parts)


def exit_codes_page() -> str:
    order = " · ".join(str(int(code)) for code in PRECEDENCE)
    return "\n".join(
        [
            "# Exit codes\n",
            "Scripts may rely on these; they do not change between releases without a deprecation.\n",
            table(("code", "name", "says"), ((str(int(item)), code(item.name), MEANINGS[item]) for item in Exit)),
            f"Where several apply, the one that comes first here wins: {order}.\n",
        ]
    )


# Settings


def config_page() -> str:
    tables: dict[str, list[tuple[str, ...]]] = {}
    for setting in SETTINGS:
        where, _, name = setting.key.rpartition(".")
        default = "required" if setting.default is None else code(setting.default)
        tables.setdefault(where, []).append((code(name), setting.type, default, setting.meaning))
    parts = [
        "# Configuration\n",
        CONFIG_INTRODUCTION,
        "No secret stands in this file: see [Connect to the real Kraken](../how-to/real-kraken.md).\n",
    ]
    for where, rows in tables.items():
        parts.append(f"## {f'`[{where}]`' if where else 'Top level'}\n")
        parts.append(table(("setting", "type", "default", "meaning"), iter(rows)))
    return "\n".join(parts)


# Errors and events


def error_classes() -> list[type[errors.HoldfastError]]:
    """The error classes in the order of the source, which is the order of the tree."""
    found = [value for value in vars(errors).values() if isinstance(value, type)]
    return [value for value in found if issubclass(value, errors.HoldfastError)]


def errors_page() -> str:
    document = inspect.getdoc(errors) or ""
    tree = textwrap.dedent("\n".join(line for line in document.splitlines() if line.startswith("    ")))

    def rows() -> Iterator[tuple[str, ...]]:
        for kind in error_classes():
            parent = kind.__mro__[1].__name__ if kind is not errors.HoldfastError else ""
            outcome = fault = ""
            if issubclass(kind, errors.VenueError):
                outcome, fault = kind.default_outcome.value, kind.default_fault.value
            yield code(kind.__name__), code(parent), str(kind.exit_code), code(outcome), code(fault)

    parts = [
        "# Errors\n",
        ERRORS_INTRODUCTION,
        f"```text\n{tree}\n```\n",
        table(("error", "is a", "exit code", "outcome", "fault"), rows()),
        "## What each one says\n",
    ]
    for kind in error_classes():
        parts.append(f"### `{kind.__name__}`\n\n{markdown_of(own_doc(kind))}")
    for values in (errors.Outcome, errors.FaultClass):
        members = " · ".join(code(member.value) for member in values)
        parts.append(f"## `{values.__name__}`\n\n{markdown_of(own_doc(values))}\n{members}\n")
    return "\n".join(parts)


def events_page() -> str:
    def rows() -> Iterator[tuple[str, ...]]:
        for name, kind in sorted(CATALOGUE.items()):
            yield code(name), kind.level, kind.meaning, ", ".join(map(code, kind.fields))

    return "\n".join(
        [
            "# Events\n",
            EVENTS_INTRODUCTION,
            table(("event", "level", "meaning", "fields"), rows()),
        ]
    )


def alerts_page() -> str:
    settings = {setting.key.removeprefix("alerts.") for setting in SETTINGS}

    def rows() -> Iterator[tuple[str, ...]]:
        for kind, meaning in ALERT_MEANINGS.items():
            if kind is AlertKind.TEST:
                continue
            setting = {
                AlertKind.BREAKER_STUCK: "health.stuck_after_s",
                AlertKind.ORDER_IN_DOUBT: "orders.in_doubt_alert_s",
            }.get(kind, f"{kind.value}_after_s")
            after = code(setting) if setting in settings or "." in setting else "at once"
            yield code(kind.value), meaning.level, after, meaning.raised, meaning.recovered, meaning.advice

    heads = ("alert", "level", "raised after", "says", "recovered", "next")
    return "\n".join(["# Alerts\n", ALERTS_INTRODUCTION, table(heads, rows())])


# Verdicts


def denial_of(item: verdicts.VerdictCode) -> type[errors.DeniedError]:
    """The class of error that placing an order raises on a verdict of this code."""
    if item is verdicts.VerdictCode.INTENT_REPEATED:
        return errors.IntentRepeatedError
    return type(error_of(verdicts.Verdict(code=item, asset="USD")))


def verdicts_page() -> str:
    approved = ((code(item.value), verdicts.MEANINGS[item]) for item in verdicts.VerdictCode if item.is_approval)
    denied = (
        (
            code(item.value),
            verdicts.MEANINGS[item],
            code(denial_of(item).__name__),
            str(denial_of(item).exit_code),
        )
        for item in verdicts.VerdictCode
        if not item.is_approval
    )
    return "\n".join(
        [
            "# Verdict codes\n",
            VERDICTS_INTRODUCTION,
            "## Approved\n",
            table(("code", "says"), approved),
            "## Denied\n",
            table(("code", "says", "raised as", "exit code"), denied),
        ]
    )


# Library


def faults_kraken_page() -> str:
    after = {
        kraken_errors.After.LOCKOUT: "silence on the key",
        kraken_errors.After.BAD_KEY: "the key is parked",
        kraken_errors.After.NEW_NONCE: "a read: once more with a new nonce; then the key is parked",
        kraken_errors.After.MISSING_RIGHT: "this call is left out for 5 minutes",
        kraken_errors.After.WAIT: "a pause",
        kraken_errors.After.NEW_TOKEN: "a fresh token, once",
        kraken_errors.After.NOT_AGAIN: "not again",
        kraken_errors.After.AGAIN: "a read: again after a pause",
    }

    def strings() -> Iterator[tuple[str, ...]]:
        for row in sorted(kraken_errors.TABLE, key=lambda row: (list(FaultClass).index(row.fault), row.prefix)):
            shown = code(row.fault.value), code(row.outcome.value), code(row.error.__name__)
            yield code(row.prefix), *shown, after[row.after], f"<{row.source}>"

    def others() -> Iterator[tuple[str, ...]]:
        for said, status in (("HTTP 429", 429), ("HTTP 5xx, Cloudflare's 52x", 503), ("any other status", 404)):
            error, then = kraken_errors.error_of_status(status, request="BalanceEx", account=None, asked_to_wait_s=None)
            shown = code(error.fault.value), code(error.outcome.value), code(type(error).__name__)
            yield f"{said}, a body that is none of Kraken's", *shown, after[then]
        network, unknown, payload = code(FaultClass.NETWORK.value), code(Outcome.UNKNOWN.value), code("payload")
        unsent = code(Outcome.NEVER_SENT.value)
        yield "no connection: refused, no name, no TLS", network, unsent, code("VenueUnreachableError"), "a read: again"
        yield "sent, and no whole answer in time", network, unknown, code("OutcomeUnknownError"), "a read: again"
        what = "200 and no answer of Kraken's, too large, a wrong amount, a cached one"
        yield what, payload, unknown, code("PayloadError"), "not again"
        yield "an answer that came, after `slow_call_s`", "counts like `venue`", "as it says", "none", "it is believed"

    def causes() -> Iterator[tuple[str, ...]]:
        for name, cause in parking.CAUSES.items():
            yield code(name), cause.meaning, cause.ends

    heads = ("class", "an order is", "error", "and then")
    return "\n".join(
        [
            "# Faults of Kraken\n",
            FAULTS_INTRODUCTION,
            "## What Kraken says\n",
            FAULTS_STRINGS,
            table(("string", *heads, "source"), strings()),
            "## What says nothing\n",
            FAULTS_WITHOUT,
            table(("what comes", *heads), others()),
            "## Why a credential is parked\n",
            PARKING_INTRODUCTION,
            table(("cause", "what is wrong", "what ends it"), causes()),
        ]
    )


def library_page() -> str:
    parts = [
        "# Library\n",
        LIBRARY_INTRODUCTION,
    ]
    names = [name for name in holdfast.__all__ if name != "__version__"]
    functions = [name for name in names if inspect.isfunction(getattr(holdfast, name))]
    classes = [name for name in names if isinstance(getattr(holdfast, name), type)]
    raised = [name for name in classes if issubclass(getattr(holdfast, name), BaseException)]
    parts.append("## Functions\n")
    parts += [function_section(getattr(holdfast, name), "###", shown_as=f"holdfast.{name}") for name in functions]
    parts.append("## Classes and values\n")
    parts += [class_section(getattr(holdfast, name)) for name in classes if name not in raised]
    parts.append("## Errors\n")
    parts.append("Described in [Errors](errors.md): " + ", ".join(map(code, raised)) + ".\n")
    return "\n".join(parts)


def own_doc(value: object) -> str:
    """The docstring written for *value* itself, not one it inherits."""
    document = vars(value).get("__doc__") if isinstance(value, type) else getattr(value, "__doc__", None)
    return inspect.cleandoc(document) if document else ""


def definition_of(value: type | Callable[..., object]) -> tuple[ast.AST, list[str]]:
    """The syntax tree of a class or function and the source lines its positions refer to."""
    source = textwrap.dedent(inspect.getsource(value))
    return ast.parse(source).body[0], source.splitlines()


def parameters(arguments: ast.arguments) -> list[str]:
    """Each parameter as it is written, with blanks around the default of an annotated one; without ``self``."""
    positional = [*arguments.posonlyargs, *arguments.args]
    defaults = [None] * (len(positional) - len(arguments.defaults)) + list(arguments.defaults)
    shown = [_parameter(argument, default) for argument, default in zip(positional, defaults, strict=True)]
    if arguments.posonlyargs:
        shown.insert(len(arguments.posonlyargs), "/")
    if positional and positional[0].arg in {"self", "cls"}:
        shown = shown[1:]
    if arguments.vararg:
        shown.append("*" + _parameter(arguments.vararg, None))
    elif arguments.kwonlyargs:
        shown.append("*")
    shown += [_parameter(*pair) for pair in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)]
    if arguments.kwarg:
        shown.append("**" + _parameter(arguments.kwarg, None))
    return shown


def _parameter(argument: ast.arg, default: ast.expr | None) -> str:
    text = f"{argument.arg}: {ast.unparse(argument.annotation)}" if argument.annotation else argument.arg
    if default is None:
        return text
    return f"{text}{' = ' if argument.annotation else '='}{ast.unparse(default)}"


def signature(node: ast.FunctionDef | ast.AsyncFunctionDef, *, shown_as: str) -> str:
    """A function's head as Python, broken one parameter to a line where it is long."""
    start = "await " if isinstance(node, ast.AsyncFunctionDef) else ""
    result = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    shown = parameters(node.args)
    line = f"{start}{shown_as}({', '.join(shown)}){result}"
    if len(line) <= 100:
        return line
    return f"{start}{shown_as}(\n" + "".join(f"    {each},\n" for each in shown) + f"){result}"


def function_section(value: Callable[..., object], level: str, *, shown_as: str) -> str:
    node, _ = definition_of(inspect.unwrap(value))
    assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    name = shown_as.rpartition(".")[2]
    return f"{level} `{name}`\n\n```python\n{signature(node, shown_as=shown_as)}\n```\n\n{markdown_of(own_doc(value))}"


def class_section(kind: type) -> str:
    node, lines = definition_of(kind)
    assert isinstance(node, ast.ClassDef)
    parts = [f"### `{kind.__name__}`\n", markdown_of(own_doc(kind))]
    if kind is holdfast.Config:
        parts.append("Its fields are the settings of [Configuration](config.md).\n")
    elif issubclass(kind, msgspec.Struct | enum.Enum):
        # The fields as they stand in the source: their comments carry the units.
        fields = [part for part in node.body if isinstance(part, ast.AnnAssign | ast.Assign)]
        if fields:
            body = lines[fields[0].lineno - 1 : fields[-1].end_lineno]
            parts.append("```python\n" + textwrap.dedent("\n".join(body)) + "\n```\n")
    for name, member in vars(kind).items():
        if name.startswith("_") and name not in {"__getitem__", "__iter__", "__len__", "__contains__"}:
            continue
        plain = member.fget if isinstance(member, property) else member
        if not inspect.isfunction(plain) or not own_doc(plain):
            continue
        if isinstance(member, property):
            parts.append(f"#### `{kind.__name__}.{name}`\n\n{markdown_of(own_doc(plain))}")
        elif name == "__getitem__":
            parts.append(f"#### `{kind.__name__}[...]`\n\n{markdown_of(own_doc(plain))}")
        else:
            shown_as = f"{kind.__name__}.{name}"
            section = function_section(plain, "####", shown_as=shown_as)
            parts.append(section.replace(f"#### `{name}`", f"#### `{shown_as}`", 1))
    return "\n".join(parts)


# The pages

PAGES: dict[str, tuple[str, Callable[[], str]]] = {
    "reference/cli.md": ("src/holdfast/cli", cli_page),
    "reference/exit-codes.md": ("src/holdfast/cli/exits.py", exit_codes_page),
    "reference/config.md": ("src/holdfast/config/settings.py", config_page),
    "reference/errors.md": ("src/holdfast/errors.py", errors_page),
    "reference/alerts.md": ("src/holdfast/core/alerts.py", alerts_page),
    "reference/events.md": ("src/holdfast/core/events.py", events_page),
    "reference/verdicts.md": ("src/holdfast/core/verdicts.py", verdicts_page),
    "reference/fault-rows.md": ("tests/scenarios/rows and docs/evidence/rows.json", fault_rows_page),
    "reference/faults-kraken.md": ("src/holdfast/venues/kraken/errors.py", faults_kraken_page),
    "reference/faults-coinbase.md": (
        "src/holdfast/venues/coinbase/errors.py",
        lambda: faults_coinbase_page(introduction=FAULTS_INTRODUCTION, table=table, code=code),
    ),
    "reference/faults-okx.md": (
        "src/holdfast/venues/okx/errors.py",
        lambda: faults_okx_page(introduction=FAULTS_INTRODUCTION, table=table, code=code),
    ),
    "reference/venues.md": ("src/holdfast/venues", venues_page),
    "reference/api.md": ("src/holdfast/daemon/routes.py", lambda: api_page(table=table, code=code)),
    "reference/metrics.md": ("src/holdfast/daemon/metrics.py", lambda: metrics_page(table=table, code=code)),
    "reference/readiness.md": (
        "src/holdfast/core/readiness/table.py",
        lambda: readiness_page(table=table, code=code),
    ),
    "reference/library.md": ("src/holdfast/__init__.py", library_page),
}


def rendered(name: str) -> str:
    """What the generated page *name* has to say, headed by where it comes from."""
    source, page = PAGES[name]
    return NOTICE.format(source=source) + "\n" + page()


def main() -> int:
    parser = argparse.ArgumentParser(description="Write docs/reference from the code.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a page is behind its source")
    arguments = parser.parse_args()
    behind = 0
    for name in PAGES:
        path, text = DOCS / name, rendered(name)
        if path.is_file() and path.read_text("utf-8") == text:
            continue
        behind += 1
        if arguments.check:
            print(f"{path.relative_to(ROOT)} is behind its source: run `make docs`", file=sys.stderr)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
    return 1 if arguments.check and behind else 0


if __name__ == "__main__":
    raise SystemExit(main())
