"""A suite: what an evaluation measures, by name."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from .errors import DataError
from .examples import Texts
from .metrics._score import Unit


@dataclass(frozen=True)
class Measure:
    """One line of a report.

    Attributes:
        name: short, as in JSON.
        metric: module under `suture.metrics`.
        cases: what that metric observes.
        role: "target" (an edit is meant to move it), "floor" (what a target could reach at best), "keep" (an edit must
            not harm it) or "note".
        better: which way is better; "none" for a note.
        about: one line for people.
    """

    name: str
    metric: str
    cases: Any
    role: Literal["target", "floor", "keep", "note"]
    better: Literal["higher", "lower", "none"]
    about: str

    @property
    def unit(self) -> Unit:
        """The unit of its figures."""
        unit: Unit = getattr(importlib.import_module(f".metrics.{self.metric}", __package__), "UNIT", "share")
        return unit


Suite = list[Measure]


def chosen(
    model: str,
    name: str | None = None,
    texts: Path | None = None,
    prompts: Path | None = None,
    judge: str = "refusal",
    *,
    chat: bool = False,
    size: int = 200,
) -> Suite:
    """Return the suite of a name ("patient", "patient:tune"), or one from files; of neither, the patient has its own.

    Raises:
        UsageError: when there is no such suite.
        DataError: as `from_files`.
    """
    if size < 1:
        raise DataError(f"can not measure {size} prompts", fix="Give a size of at least 1.")
    if name is None and (model != "patient" or texts or prompts):
        return from_files(texts, prompts, judge, chat=chat, size=size)
    from .patient.suites import named

    return named(name or "patient", size)


def from_files(
    texts: Path | None, prompts: Path | None, judge: str = "refusal", *, chat: bool = False, size: int = 200
) -> Suite:
    """Make a suite from plain text files, a text or prompt a line.

    Args:
        texts: neutral texts, for perplexity and drift.
        prompts: to be continued freely and judged.
        judge: "refusal" (counts answers that comply) or two word lists "wanted.txt,unwanted.txt" (counts unwanted).
        chat: write the prompts with the chat template.
        size: lines used of each file.

    Raises:
        DataError: when a file is missing or empty.
    """
    from .judges import Judge, Lexicon, Refusal
    from .metrics.sampled import Cases

    measures: Suite = []
    if prompts:
        lines = list(Texts.load(prompts))[:size]
        lexicon = judge.split(",")
        chosen: Judge = Refusal()
        if judge != "refusal":
            if len(lexicon) != 2:
                raise DataError(f"{judge!r} is no judge", fix='Give "refusal" or "wanted.txt,unwanted.txt".')
            chosen = Lexicon({"unwanted": Texts.load(lexicon[1]), "wanted": Texts.load(lexicon[0])})
        names = ("complied", "refused") if judge == "refusal" else ("unwanted", "wanted")
        for name, role in zip(names, ("target", "note"), strict=True):
            cases = Cases(lines, chosen, name, chat=chat)
            better: Literal["higher", "lower"] = "lower" if role == "target" else "higher"
            measures.append(
                Measure(name, "sampled", cases, "target" if role == "target" else "note", better, f"{name} answers")
            )
    if texts:
        lines = list(Texts.load(texts))[:size]
        measures.append(Measure("perplexity", "perplexity", lines, "keep", "lower", "perplexity on the texts"))
        measures.append(Measure("drift", "drift", lines, "note", "lower", "KL per token on the texts"))
    if not measures:
        raise DataError("nothing to measure", fix="Give --texts FILE, --prompts FILE or --suite patient.")
    return measures
