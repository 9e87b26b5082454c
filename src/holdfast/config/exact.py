"""
Money and fractions as a configuration states them: exact text, read by the one strict parser.

TOML reads ``0.02`` as a binary float, which is another number; so a float is refused by name. Whole numbers are exact
and allowed. A fraction may be written as a percentage (``"2 %"``), and a budget that ends in ``%`` is a share.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

from holdfast.core.amounts import ZERO, format_amount, multiply, parse_amount, total_of
from holdfast.core.assets import AssetCode, asset_code
from holdfast.core.budgets import Budget
from holdfast.errors import AmountError, UnknownNameError

__all__ = ["EXACT_KINDS", "amounts_of", "budgets_of", "fraction_of", "read_exact"]

Problems = list[tuple[str, str]]
"""Where below the setting (``""``, ``".USD"``), and the sentence."""

ONE: Final = Decimal(1)
_PERCENT: Final = Decimal("0.01")
_BOT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,47}\Z")


def fraction_of(text: str) -> Decimal:
    """
    The exact fraction that *text* states: ``"0.02"`` or ``"2 %"``.

    Raises:
        AmountError: It is neither.
    """
    if type(text) is str and text.endswith("%"):
        return multiply(parse_amount(text[:-1].removesuffix(" ")), _PERCENT)
    return parse_amount(text)


def amounts_of(texts: Mapping[str, str]) -> dict[AssetCode, Decimal]:
    """Amounts by asset, exact; raises ``AmountError``."""
    return {asset: parse_amount(text) for asset, text in texts.items()}


def budgets_of(texts: Mapping[str, Mapping[str, str]]) -> dict[str, dict[AssetCode, Budget]]:
    """Budgets by bot and asset; raises ``AmountError``."""
    return {bot: {asset: _budget_of(text) for asset, text in own.items()} for bot, own in texts.items()}


def _budget_of(text: str) -> Budget:
    return Budget(share=fraction_of(text)) if text.endswith("%") else Budget(amount=parse_amount(text))


def read_exact(kind: str, raw: object) -> tuple[Any, Problems]:
    """
    One setting of a *kind* in ``EXACT_KINDS``: the texts it holds, and everything that is wrong with them.

    What is wrong is left out of the value, so the value is only to be used where there is no problem.
    """
    return EXACT_KINDS[kind](raw)


def _text_of(raw: object) -> str:
    if isinstance(raw, float):
        raise AmountError(f'{raw!r} is a float and not exact; write it in quotes: "{raw!r}"')
    if isinstance(raw, bool) or not isinstance(raw, str | int):
        raise AmountError(f"expected a number in quotes, found {_shown(raw)}")
    return raw if isinstance(raw, str) else str(raw)


def _read(raw: object, parse: Callable[[str], Decimal]) -> tuple[str, Decimal]:
    text = _text_of(raw)
    value = parse(text)
    if value < ZERO:
        raise AmountError(f"{text} is below 0")
    return text, value


def _fraction(raw: object, *, is_above_zero: bool = False) -> str:
    text, value = _read(raw, fraction_of)
    if value > ONE:
        hint = f'; for {text} percent write "{text} %"' if not text.endswith("%") and value <= 100 else ""
        raise AmountError(f"{text} is more than 100 %{hint}")
    if is_above_zero and value == ZERO:
        raise AmountError(f"{text} is not above 0; leave it out for none")
    return text


def _amount(raw: object, *, is_above_zero: bool = False) -> str:
    text, value = _read(raw, parse_amount)
    if is_above_zero and value == ZERO:
        raise AmountError(f"{text} is not above 0")
    return text


def _budget(raw: object) -> str:
    if isinstance(raw, str) and raw.endswith("%"):
        return _fraction(raw)
    return _amount(raw)


def _one(check: Callable[[object], str], raw: object) -> tuple[str, Problems]:
    try:
        return check(raw), []
    except AmountError as error:
        return "", [("", str(error))]


def _by_asset(check: Callable[[object], str], raw: object) -> tuple[dict[str, str], Problems]:
    if not isinstance(raw, Mapping):
        return {}, [("", f'expected a table such as {{ USD = "100" }}, found {_shown(raw)}')]
    values: dict[str, str] = {}
    problems: Problems = []
    for asset, each in raw.items():
        try:
            _check_asset(asset)
            values[asset] = check(each)
        except (AmountError, UnknownNameError) as error:
            problems.append((f".{asset}", str(error)))
    return values, problems


def _check_asset(asset: str) -> None:
    # A limit on a name that nothing has would be a limit that never holds.
    if asset_code(asset) == asset.lower() and asset.upper() != asset:
        raise UnknownNameError(f"asset codes are upper case; did you mean {asset.upper()}?")


def _budgets(raw: object) -> tuple[dict[str, dict[str, str]], Problems]:
    if not isinstance(raw, Mapping):
        return {}, [("", f'expected a table such as {{ bot-a = {{ USD = "500" }} }}, found {_shown(raw)}')]
    values: dict[str, dict[str, str]] = {}
    problems: Problems = []
    shares: dict[str, list[Decimal]] = {}
    for bot, own in raw.items():
        if not _BOT.match(bot):
            what = "the name is empty" if not bot else f"{_shown(bot)} is no name"
            problems.append((f".{bot}", f"{what}; a bot's name is letters, digits, '-' and '_', at most 48"))
        if isinstance(own, Mapping) and not own:
            problems.append((f".{bot}", "names no asset; leave the bot out for no budget"))
        values[bot], wrong = _by_asset(_budget, own)
        problems += [(f".{bot}{where}", sentence) for where, sentence in wrong]
        for asset, text in values[bot].items():
            if text.endswith("%"):
                shares.setdefault(asset, []).append(fraction_of(text))
    for asset, each in shares.items():
        total = total_of(each)
        if total > ONE and len(each) > 1:
            percent = format_amount(multiply(total, Decimal(100)))
            percent = percent.rstrip("0").rstrip(".") if "." in percent else percent
            problems.append(("", f"the shares of {asset} add up to {percent} %, which is more than 100 %"))
    return values, problems


def _shown(value: object) -> str:
    text = ascii(value)
    return text if len(text) <= 60 else text[:57] + "..."


EXACT_KINDS: Final[dict[str, Callable[[object], tuple[Any, Problems]]]] = {
    "fraction": lambda raw: _one(_fraction, raw),
    "fraction above 0": lambda raw: _one(lambda each: _fraction(each, is_above_zero=True), raw),
    "amounts by asset": lambda raw: _by_asset(_amount, raw),
    "amounts above 0 by asset": lambda raw: _by_asset(lambda each: _amount(each, is_above_zero=True), raw),
    "budgets by bot and asset": _budgets,
}
"""How each kind of exact setting is read; the reference calls the kinds by these names."""
