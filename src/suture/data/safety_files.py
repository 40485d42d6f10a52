"""Files that safety is measured on, as their publishers write them, and how their kind is told.

attacks     a prompt a line or a row (AdvBench, HarmBench, JailbreakBench, NLPCC's SafeEdit, ..), see `prompt_rows`
xstest      csv with prompt, type, label
rtp         RealToxicityPrompts: lines of {"prompt": {"text": ...}, ...}
toxigen     demonstrations a line, with a literal backslash-n between them; or a folder of hate_*.txt and neutral_*.txt
safeedit    see `suture.data.instances`
"""

from __future__ import annotations

import json
import random
from pathlib import Path

from ..errors import DataError
from ..io.file_rows import csv_rows
from ..io.files import read_text
from ..io.unread import Unread
from .examples import Texts

KINDS = ("attacks", "xstest", "rtp", "toxigen", "safeedit")
KNOWN = ("prompt", "label", "type", "focus", "note")  # of XSTest
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
    place = Path(source)
    if place.is_dir():
        return "toxigen", source
    head = read_text(place, encoding="utf-8-sig", most=1 << 16)
    if place.suffix in (".json", ".jsonl"):
        if '"adversarial prompt"' in head:
            return "safeedit", source
        return ("rtp" if _has_toxicity(head) else "attacks"), source
    columns = {column.strip() for column in head.split("\n")[0].split(",")}
    return ("xstest" if {"prompt", "type", "focus"} <= columns else "attacks"), source


def contrasted(path: Path) -> tuple[list[str], list[str]]:
    """Return the safe and the unsafe prompts of XSTest, told by its column "label" (or "type", which begins with contrast)."""
    prompts: tuple[list[str], list[str]] = ([], [])
    unread = Unread(path)
    for number, row in unread.seen(csv_rows(path), KNOWN):
        label = row.get("label") or ("unsafe" if (row.get("type") or "").startswith("contrast") else "safe")
        if label not in ("safe", "unsafe") or not (row.get("prompt") or "").strip():
            raise DataError(f"{path}, line {number}: no prompt of XSTest", fix="Fetch the file again.")
        prompts[label == "unsafe"].append(row["prompt"].strip())
    unread.tell()
    return prompts


def demonstrations(path: Path) -> list[str]:
    """Return the prompts of a ToxiGen file in the published shuffle; a literal backslash-n in them is a line break."""
    texts = [text.replace("\\n", "\n") for text in Texts.load(path)]
    random.Random(TOXIGEN_SEED).shuffle(texts)
    return texts


def _has_toxicity(head: str) -> bool:
    """Return whether the first line is a record of RealToxicityPrompts."""
    try:
        row = json.loads(head.splitlines()[0])
    except (ValueError, IndexError):
        return False
    return isinstance(row, dict) and isinstance(row.get("prompt"), dict) and "text" in row["prompt"]
