"""What services say in English, as the entries of a catalogue: numbers stand where the facts do.

See rest/words.py, which finds a sentence's entry again.
"""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings

SPEAKING = ("library", "reservations", "circulation", "events", "integrations/notifications/reminding.py")
# These speak to programs, to the shell, or only of numbers.
SILENT = ("migrations", "management", "simulation", "exports", "admin", "pages", "invariants", "replay", "demo")
OF_THE_DESCRIPTION = {"help_text", "description", "summary", "example", "violation_error_message", "verbose_name"}


def sentences() -> list[str]:
    """Every sentence, and each part of one that is there only sometimes."""
    return sorted({entry for path in _modules() for entry in _of(ast.parse(path.read_text(encoding="utf-8")))})


def _modules() -> Iterator[Path]:
    for name in SPEAKING:
        path = settings.BASE_DIR / name
        for module in [path] if path.is_file() else sorted(path.rglob("*.py")):
            if not any(part in str(module.relative_to(settings.BASE_DIR)) for part in SILENT):
                yield module


def _of(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Expr(value=ast.Constant()):  # a docstring
            return
        case ast.keyword(arg=name) if name in OF_THE_DESCRIPTION:
            return
        case ast.Call(func=ast.Attribute(value=ast.Name(id="logger")) | ast.Name(id="_" | "gettext")):
            return  # the log stays English; and these are collected anyway
        case ast.JoinedStr() if _is_sentence(entry := _entry(node)):
            yield entry
            for value in node.values:
                if isinstance(value, ast.FormattedValue):
                    yield from _parts(value)
            return
        case ast.Constant(value=str(text)) if _is_sentence(text) and "%(" not in text:
            yield _numbered(text)
    for child in ast.iter_child_nodes(node):
        yield from _of(child)


def _entry(node: ast.JoinedStr) -> str:
    """With {0}, {1}, ... where the facts stand."""
    text, count = "", 0
    for value in node.values:
        if isinstance(value, ast.Constant):
            text += str(value.value)
        else:
            text, count = f"{text}{{{count}}}", count + 1
    return text


def _numbered(text: str) -> str:
    """Of a sentence that is filled by `format`."""
    count = itertools.count()
    return re.sub(r"\{\w+\}", lambda _: f"{{{next(count)}}}", text)


def _parts(node: ast.AST) -> Iterator[str]:
    """Of a fact that is put together itself: `f" at {branch}" if branch else ""`."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.JoinedStr):
            if re.search("[A-Za-z]", re.sub(r"\{\d+\}", "", entry := _entry(inner))):
                yield entry
        elif isinstance(inner, ast.Constant) and isinstance(inner.value, str) and " " in inner.value.strip():
            yield inner.value


def _is_sentence(text: str) -> bool:
    begins = text[:1].isupper() or text[:1] in "“{"
    return begins and " " in text and re.search(r"[.!?]\s*(\{\d+\})?$", text) is not None
