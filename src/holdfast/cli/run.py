"""Run one command: parse, call, and turn whatever happens into a message on stderr and an exit code."""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Iterator, Sequence

from cyclopts.exceptions import CycloptsError

from holdfast.cli.app import asked_help, build_app, with_default
from holdfast.cli.exits import Exit, worst
from holdfast.core.parking import LOCKOUT
from holdfast.errors import (
    CredentialParkedError,
    HoldfastError,
    InvalidNonceError,
    MaintenanceError,
    OutcomeUnknownError,
    OwnedElsewhereError,
    OwnerSilentError,
    StoreCorruptError,
    StoreError,
    VenueUnreachableError,
)
from holdfast.runtime.callers import typed

__all__ = ["run"]


def run(argv: Sequence[str]) -> int:
    """
    Run one command line and return its exit code. Never raises for anything a user can cause.

    With ``HOLDFAST_DEBUG`` set the traceback of an error is printed too.
    """
    if sys.stdout is None:
        say_error("stdout is closed: there is nowhere to put the answer", hint="redirect it to a file or a pipe")
        return Exit.USAGE
    app = build_app(described=asked_help(argv))
    try:
        words = with_default(argv)
        with typed(words):
            result = app(words, exit_on_error=False, print_error=False, result_action="return_value")
        sys.stdout.flush()
    except CycloptsError as error:
        say_error(f"{error}".strip(), hint="run `holdfast --help`, or `holdfast COMMAND --help`")
        return Exit.USAGE
    except SystemExit as request:
        return request.code if isinstance(request.code, int) else Exit.USAGE
    except KeyboardInterrupt:
        say_error("interrupted")
        return 130
    except BrokenPipeError:
        # The reader went away (`| head`): not an error. Point stdout elsewhere so that the final flush stays silent.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.OK
    except (HoldfastError, ExceptionGroup) as error:
        return report(error)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            return report(error)
        say_error("the answer could not be written: no space left where stdout goes")
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.UNEXPECTED
    except Exception as error:  # The top of the process: report and leave.
        return report(error)
    return int(result) if isinstance(result, int) else Exit.OK


def report(error: Exception) -> int:
    """Say on stderr what went wrong and return the exit code for it."""
    leaves = list(leaves_of(error))
    for leaf in leaves:
        if isinstance(leaf, HoldfastError):
            say_error(str(leaf), hint=hint_for(leaf))
        else:
            say_error(
                f"unexpected: {type(leaf).__name__}: {leaf}",
                hint="set HOLDFAST_DEBUG=1 to see where, and please report it",
            )
    if os.environ.get("HOLDFAST_DEBUG"):
        traceback.print_exception(error)
    return worst(map(_code_of, leaves))


def _code_of(error: BaseException) -> int:
    if isinstance(error, CredentialParkedError) and error.cause == LOCKOUT:
        return Exit.RATE_LIMITED  # Nothing is wrong with the credential: the venue asked for silence.
    return error.exit_code if isinstance(error, HoldfastError) else Exit.UNEXPECTED


def hint_for(error: HoldfastError) -> str | None:
    """The command that mends it, where there is one and the error, made below the commands, cannot know it."""
    if isinstance(error, StoreCorruptError):
        return "`holdfast restore BACKUP` puts a backup in place; `holdfast restore --start-new` starts without one"
    if isinstance(error, StoreError):
        return "`holdfast doctor` tells what is wrong with the store, and what to do"
    if isinstance(error, VenueUnreachableError | MaintenanceError):
        return "`holdfast doctor` looks whether the venue answers from here"
    if isinstance(error, CredentialParkedError | InvalidNonceError):
        return "`holdfast nonce doctor` tells why and what to do"
    if isinstance(error, OwnerSilentError) and error.pid is not None:
        return f"`kill -CONT {error.pid}` lets it go on; once it has ended, another process takes the account over"
    if isinstance(error, OwnedElsewhereError):
        return "bots, and commands that only ask or order, go through that process: this one needs the account alone"
    if isinstance(error, OutcomeUnknownError) and error.intent_id is not None:
        return f"it is not sent again; `holdfast orders show {error.intent_id}` tells what becomes of it"
    return None


def leaves_of(error: BaseException) -> Iterator[BaseException]:
    """The errors inside nested groups, in order; the error itself where it is no group."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from leaves_of(inner)
    else:
        yield error


def say_error(text: str, *, hint: str | None = None) -> None:
    """One error, and what to do next, on stderr; dropped where there is none."""
    if sys.stderr is None:
        return
    print(f"holdfast: {text}", file=sys.stderr)
    if hint:
        print(f"holdfast: hint: {hint}", file=sys.stderr)
