"""How far two labellings of the same texts agree: raw agreement, Cohen's kappa, confusion, precision and recall.

    kappa = (observed - expected) / (1 - expected),   expected = sum over labels of share_a * share_b     (Cohen 1960)
    Wilson interval of k of n at z: (p + z^2/2n -+ z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n),   p = k/n  (Wilson 1927)

`python -m suture.judges.agreement FILE.jsonl [--judge NAME]` compares a judge with labels people gave.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ..errors import DataError, SutureError
from ..io.files import read_text
from ..renamed import GOES, label_now
from ..renamed.settings import LABELS
from ._base import Judge, label_all

log = logging.getLogger(__name__)

OPTIONAL = ("id", "split", "half", "edit", "kind", "form", "source", "lang")  # what else is known of a labelled answer
Z = 1.959964  # 97.5 % quantile of the normal distribution


@dataclass(frozen=True)
class Share:
    """A share of a count with its 95 % Wilson interval; None and [0, 1] when there is nothing to count."""

    value: float | None
    low: float
    high: float
    of: int


@dataclass(frozen=True)
class Agreement:
    """How a labelling agrees with a reference.

    Attributes:
        count: texts.
        raw: share of equal labels.
        kappa: agreement beyond chance, 1 at most; None when both use one and the same label only.
        confusion: reference label -> given label -> count.
        precision: label -> share of the texts given it that have it in the reference.
        recall: label -> share of the texts that have it in the reference that are given it.
    """

    count: int
    raw: Share
    kappa: float | None
    confusion: dict[str, dict[str, int]]
    precision: dict[str, Share]
    recall: dict[str, Share]


def wilson(hits: int, of: int) -> Share:
    """Return a share with its 95 % Wilson interval."""
    if not of:
        return Share(None, 0.0, 1.0, 0)
    share, scale = hits / of, 1 + Z * Z / of
    middle = (share + Z * Z / (2 * of)) / scale
    half = Z * math.sqrt(share * (1 - share) / of + Z * Z / (4 * of * of)) / scale
    return Share(share, max(0.0, middle - half), min(1.0, middle + half), of)


def agreement(reference: Sequence[str], given: Sequence[str]) -> Agreement:
    """Compare two labellings of the same texts, in the same order.

    Raises:
        ValueError: when they differ in length or are empty.
    """
    if len(reference) != len(given) or not reference:
        raise ValueError("labellings of different texts, or of none")
    count = len(reference)
    pairs, theirs, ours = Counter(zip(reference, given, strict=True)), Counter(reference), Counter(given)
    labels = sorted({*theirs, *ours})
    hits = sum(pairs[label, label] for label in labels)
    chance = sum(theirs[label] * ours[label] for label in labels) / count**2
    return Agreement(
        count,
        wilson(hits, count),
        (hits / count - chance) / (1 - chance) if chance < 1 else None,
        {a: {b: pairs[a, b] for b in labels} for a in labels},
        {label: wilson(pairs[label, label], ours[label]) for label in labels},
        {label: wilson(pairs[label, label], theirs[label]) for label in labels},
    )


def read(path: str | Path, split: str | None = None) -> list[dict[str, str]]:
    """Read labelled answers: one JSON object a line with prompt, text, label and, if any, split.

    Raises:
        DataError: naming file and line.
    """
    rows = []
    for number, line in enumerate(read_text(Path(path)).splitlines(), 1):
        try:
            row = json.loads(line)
            rows.append(
                {key: str(row[key]) for key in ("prompt", "text", "label")}
                | {key: str(row.get(key)) for key in OPTIONAL}
            )
        except (ValueError, KeyError, TypeError) as problem:
            raise DataError(
                f"{path}, line {number}: no labelled answer",
                why=str(problem),
                fix='Write {"prompt": ..., "text": ..., "label": ...}.',
            ) from problem
    chosen = [row for row in rows if split in (None, row["split"])]
    if not chosen:
        raise DataError(f"{path} has no answers" + (f" of the split {split!r}" if split else ""), fix="Check the file.")
    return chosen


def measure(judge: Judge, rows: Sequence[dict[str, str]]) -> Agreement:
    """Compare a judge with the labels people gave; those called by an old name count by the new one."""
    reference = [label_now(row["label"], judge.labels) for row in rows]
    if old := sum(a != row["label"] for a, row in zip(reference, rows, strict=True)):
        log.info("%d answers labelled by an old name: %s; %s", old, ", ".join(LABELS), GOES)
    return agreement(reference, label_all(judge, [(row["prompt"], row["text"]) for row in rows]))


def main() -> None:
    """Print the agreement for each split as a table, then one line of JSON."""
    from ._named import judge_named

    parser = argparse.ArgumentParser(prog="python -m suture.judges.agreement", description="A judge against people.")
    parser.add_argument("file", type=Path, help="labelled answers, .jsonl")
    parser.add_argument("--judge", help="as in suture eval; the file's name by default")
    args = parser.parse_args()
    try:
        judge, rows = judge_named(args.judge or args.file.stem), read(args.file)
    except SutureError as problem:
        parser.exit(problem.exit_code, f"error: {problem}\n")
    splits = {split: [row for row in rows if row["split"] == split] for split in sorted({row["split"] for row in rows})}
    by_split = {split: measure(judge, part) for split, part in {**splits, "all": rows}.items()}
    for split, scores in by_split.items():
        print(f"{split}: n {scores.count}, agreement {_text(scores.raw)}, kappa {figure(scores.kappa)}")
        for label in scores.confusion:
            print(f"  {label:10} precision {_text(scores.precision[label])}  recall {_text(scores.recall[label])}")
    sys.stdout.write(json.dumps({split: asdict(scores) for split, scores in by_split.items()}, sort_keys=True) + "\n")


def figure(value: float | None) -> str:
    """Return a figure with three digits, or a dash when there is none."""
    return "-" if value is None else f"{value:.3f}"


def _text(share: Share) -> str:
    return f"{figure(share.value)} [{share.low:.3f}, {share.high:.3f}]"


if __name__ == "__main__":
    main()
