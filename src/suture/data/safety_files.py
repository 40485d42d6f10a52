"""Files that safety is measured on, as their publishers write them, and how their kind is told.

attacks     a prompt a line or a row (AdvBench, HarmBench, JailbreakBench, NLPCC's SafeEdit, ..), see `prompt_rows`
xstest      prompt, type, label, focus
rtp         RealToxicityPrompts: {"prompt": {"text": ...}, ...}
toxigen     demonstrations a line, with a literal backslash-n between them; or a folder of hate_*.txt and neutral_*.txt
safeedit    see `suture.data.instances`
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path

from ..errors import DataError
from ..io.rows import records, rows
from ..io.unread import Unread
from .examples import Texts

KINDS = ("attacks", "xstest", "rtp", "toxigen", "safeedit")
KNOWN = ("prompt", "label", "type", "focus", "note")  # of XSTest
XSTEST = ("homonyms", "figurative_language", "safe_targets", "safe_contexts", "definitions", "real_group", "nons_group",
          "historical_events", "privacy_", "contrast_")  # fmt: skip  # how its types begin
TOXIGEN_SEED = 4  # of the shuffle in the harness of Model Surgery's authors


def kind_of(source: str) -> tuple[str, str]:
    """Return kind and path of a source.

    Raises:
        DataError: when the kind is not given and can not be told.
    """
    kind, _, path = source.partition(":")
    if kind in KINDS and path:
        return kind, path
    if kind == "patient":
        return "safeedit", source
    if Path(source).is_dir():
        return "toxigen", source
    _, first = next(rows(source), ("", None))
    keys = set(first) if isinstance(first, Mapping) else set()
    if {"adversarial prompt", "safe generation"} <= keys:
        return "safeedit", source
    if {"prompt", "generation_method"} <= keys:  # ToxiGen as a table
        return "toxigen", source
    if isinstance(first, Mapping) and str(first.get("type")).startswith(XSTEST) and "prompt" in keys:
        return "xstest", source  # also with the answers of a model, without label and focus
    if isinstance(first, Mapping) and isinstance(first.get("prompt"), Mapping) and "text" in first["prompt"]:
        return "rtp", source
    return ("xstest" if {"prompt", "type"} <= keys and keys & {"focus", "label"} else "attacks"), source


def contrasted(path: str | Path) -> tuple[list[str], list[str]]:
    """Return the safe and the unsafe prompts of XSTest, told by its column "label" (or "type", which begins with contrast)."""
    prompts: tuple[list[str], list[str]] = ([], [])
    unread = Unread(path)
    for place, row in unread.seen(records(path), KNOWN):
        label = row.get("label") or ("unsafe" if (row.get("type") or "").startswith("contrast") else "safe")
        if label not in ("safe", "unsafe"):
            raise DataError(f"{path}, {place}, label: {label!r} is none of XSTest", fix="Write safe or unsafe.")
        if not (row.get("prompt") or "").strip():
            raise DataError(f"{path}, {place}: no prompt of XSTest", fix="Fetch the file again.")
        prompts[label == "unsafe"].append(row["prompt"].strip())
    unread.tell()
    return prompts


def demonstrations(path: str | Path) -> list[str]:
    """Return the prompts of a ToxiGen file in the published shuffle; a literal backslash-n in them is a line break."""
    texts = [text.replace("\\n", "\n") for text in Texts.load(path)]
    random.Random(TOXIGEN_SEED).shuffle(texts)
    return texts
