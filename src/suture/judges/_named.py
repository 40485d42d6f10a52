"""Judges by name, as the command line writes them: what each file's `@judge` says."""

from __future__ import annotations

import difflib
from typing import Any

from .. import registry
from ..errors import DataError
from ._base import Judge

WORDS = "words"  # what two files with a comma between mean


def judge_named(spec: str) -> Judge:
    """Return the judge of a name: "refusal", "hf:NAME", ..., "./mine.py", or "wanted.txt,unwanted.txt" for word lists.

    Raises:
        DataError: for another name, or files that can not be read.
        UsageError: when what a judge needs is absent.
    """
    judge: Judge | None = None
    maker: Any
    if spec.endswith(".py"):
        maker = registry.get("judge", spec)
        judge = maker.of("")
        if judge is not None and not getattr(judge, "labels", None):
            raise DataError(f"the judge of {spec} names no labels", fix='Give its class labels = ("bad", "good").')
    else:
        kind, colon, rest = spec.partition(":")
        if not colon and "," in spec:
            kind, rest = WORDS, spec
        if kind in registry.judges():
            maker = registry.get("judge", kind)
            judge = maker.of(rest)
    if judge is None:
        forms = ", ".join(sorted(registry.judges().values()))
        near = difflib.get_close_matches(spec.partition(":")[0], registry.judges(), 1)
        fix = f"Did you mean {near[0]}?" if near else "Give one of these forms, or ./mine.py"
        raise DataError(f"{spec!r} is no judge", why=f"Known: {forms}.", fix=fix)
    return judge
