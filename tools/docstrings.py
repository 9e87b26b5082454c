"""Google-style docstrings as Markdown: paragraphs stay, sections become lists."""

from __future__ import annotations

import re

__all__ = ["markdown_of"]

_SECTIONS = ("Args", "Attributes", "Raises", "Returns", "Yields", "Source")
_HEAD = re.compile(rf"((?:{'|'.join(_SECTIONS)})(?: \([^)]*\))?):\s*(.*)$")
_ITEM = re.compile(r"(\*{0,2}\w+)(?: \(.*?\))?: (.+)$")


def markdown_of(document: str) -> str:
    """
    A cleaned docstring as Markdown that ends with a blank line.

    Indented blocks outside sections become code. ``Args`` and its relatives become a list of names and meanings;
    a section without names (``Returns``) becomes a paragraph.
    """
    out: list[str] = []
    lines = document.splitlines()
    index = 0
    while index < len(lines):
        head = _HEAD.match(lines[index])
        if head is None:
            out.append(lines[index])
            index += 1
            continue
        body = [head[2]] if head[2] else []
        index += 1
        while index < len(lines) and (not lines[index].strip() or lines[index].startswith("    ")):
            body.append(lines[index][4:])
            index += 1
        out += [f"**{head[1]}**", "", *_section(body), ""]
    text = _with_code_blocks(out)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n" if text.strip() else ""


def _section(body: list[str]) -> list[str]:
    items: list[str] = []
    for line in body:
        item = _ITEM.match(line)
        if item is not None:
            items.append(f"- `{item[1]}`: {item[2]}")
        elif line.startswith(" ") and items:
            items[-1] += " " + line.strip()
        elif line.strip():
            items.append(line.strip())
    if any(item.startswith("- ") for item in items):
        return items
    return [" ".join(items)]


def _with_code_blocks(lines: list[str]) -> str:
    out: list[str] = []
    is_code = False
    for position, line in enumerate(lines):
        indented = line.startswith("    ")
        if indented and not is_code:
            out.append("```python")
            is_code = True
        elif is_code and line.strip() and not indented:
            while out[-1] == "":
                out.pop()
            out += ["```", ""]
            is_code = False
        out.append(line[4:] if is_code else line)
        if is_code and position == len(lines) - 1:
            out.append("```")
    return "\n".join(out)
