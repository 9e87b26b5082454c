"""
What a new folder has not answered yet: each question says in which file, and at which step of the recipe.

Delete this file once nothing asks any more. See https://docs.template.example/api for the answers.
"""

from __future__ import annotations

from typing import NoReturn

__all__ = ["UnansweredError", "ask"]


class UnansweredError(NotImplementedError):
    """The folder does not say yet how this venue does it."""


def ask(step: int, file: str, question: str) -> NoReturn:
    """
    Raise the question that has to be answered first.

    Raises:
        UnansweredError: Always.
    """
    raise UnansweredError(f"step {step}, {file}: {question}")
